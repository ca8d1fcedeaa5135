"""Overlays: a stranger's records, good and bad."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from hwmodel.catalog import load_catalog
from hwmodel.cli.main import main
from hwmodel.errors import CatalogError

Overlay = Callable[..., Path]

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
- id: new-x
  name: New X
  vendor: example
  family: hopper
  peak_dense:
    bf16: {value: 500, unit: TFLOP/s, source: recalled, status: unconfirmed}
  memory:
    capacity: {value: 96, unit: GB, source: recalled, status: unconfirmed}
    bandwidth: {value: 4, unit: TB/s, source: recalled, status: unconfirmed}
"""


def test_one_record_is_enough(overlay: Overlay) -> None:
    catalog = load_catalog([overlay(accelerators=GOOD)])
    part = catalog.part("New X")
    system = catalog.default_system(part)
    assert (part.hbm_bytes, part.hbm_bytes_per_s) == (96e9, 4e12)
    assert system.link_topology == "pcie"
    assert set(system.unconfirmed) == {"accelerators_per_node", "nic_uni_bytes_per_s"}
    assert "new-x" not in [p.id for p in load_catalog().parts()]


def test_the_record_of_contributing_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What CONTRIBUTING tells a stranger to write is accepted, shown and planned with, word for word."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    record, source = re.findall(r"```yaml\n(.*?)```", text, re.S)[:2]
    (tmp_path / "accelerators").mkdir()
    (tmp_path / "accelerators" / "anything.yaml").write_text(record)
    (tmp_path / "sources.yaml").write_text(source)
    catalog = load_catalog([tmp_path])
    part = catalog.part("x1")
    assert part.peak_dense_flop_per_s == {"bf16": 500e12, "fp8": 1000e12, "nvfp4": None}
    assert catalog.default_system(part).nic_uni_bytes_per_s == 50e9
    assert catalog.default_system(part).unconfirmed == ("accelerators_per_node",)
    main(["catalog", "show", "x1", "--provenance", "--catalog", str(tmp_path)])
    assert "launch slides" in capsys.readouterr().out


def test_extends_and_overriding_our_own(overlay: Overlay) -> None:
    text = """
- id: h100-hot
  name: H100 with more power
  extends: h100-sxm5-80gb
  power:
    tdp: {value: 800, unit: W, source: recalled, status: unconfirmed}
- id: a100-sxm4-80gb
  extends: a100-sxm4-80gb
  power:
    tdp: {value: 350, unit: W, source: recalled, status: unconfirmed}
"""
    catalog = load_catalog([overlay(accelerators=text)])
    hot = catalog.part("h100-hot")
    assert (hot.tdp_w, hot.tdp_term, hot.hbm_bytes) == (800, "max TDP, configurable", 80 * 1024**3)
    assert catalog.default_system(hot).id == "h100-hot-node"
    assert catalog.default_system(hot).nic_uni_bytes_per_s == 50e9
    assert catalog.part("A100").tdp_w == 350
    assert load_catalog().part("A100").tdp_w == 400


def test_later_overlays_win_and_the_user_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("own/hwmodel/catalogs", 100), ("one", 200), ("two", 300)):
        folder = tmp_path / name / "accelerators"
        folder.mkdir(parents=True)
        (folder / "x.yaml").write_text(
            f"- {{id: l4, extends: l4, power: {{tdp: {{value: {value}, unit: W, source: recalled, "
            "status: unconfirmed}}}"
        )
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    assert load_catalog().part("l4").tdp_w == 100
    assert load_catalog([tmp_path / "one"]).part("l4").tdp_w == 200
    assert load_catalog([tmp_path / "one", tmp_path / "two"]).part("l4").tdp_w == 300


BAD = {
    "sparse peak": (
        "- {id: h100-x, name: X, extends: h100-sxm5-80gb, peak_dense: {bf16: {value: 1979, unit: TFLOP/s, "
        "source: recalled, status: unconfirmed}}}",
        r"h100-x\.peak_dense\.bf16: .*sparse",
    ),
    "negative bandwidth": (GOOD.replace("value: 4,", "value: -4,"), r"memory\.bandwidth: must be greater than zero"),
    "unknown unit": (GOOD.replace("unit: TB/s", "unit: furlong/s"), r"bandwidth\.unit: unit 'furlong/s' is not known"),
    "wrong dimension": (GOOD.replace("unit: TB/s", "unit: GB"), r"unit 'GB' is not known here; one of B/s"),
    "no unit": (GOOD.replace(", unit: TB/s", ""), r"memory\.bandwidth: has no unit"),
    "no source": (GOOD.replace("source: recalled, ", "", 1), r"peak_dense\.bf16: has no source"),
    "bare number": (GOOD + "  power: {tdp: 700}\n", r"power\.tdp: has no source"),
    "unknown source": (GOOD.replace("source: recalled", "source: my-uncle", 1), r"'my-uncle' is not in sources\.yaml"),
    "status": (GOOD.replace("unconfirmed", "certain", 1), r"status 'certain' is none of"),
    "text for a number": (GOOD.replace("value: 500", "value: '5e2'"), r"expected a number.*1\.0e\+20"),
    "nan": (GOOD.replace("value: 500", "value: .nan"), r"not a finite number"),
    "boolean": (GOOD.replace("value: 500", "value: true"), r"expected a number"),
    "circle": (
        "- {id: aa, name: A, extends: bb}\n- {id: bb, name: B, extends: aa}",
        r"extends goes in a circle: aa -> bb -> aa",
    ),
    "circle of one": ("- {id: aa, name: A, extends: aa}", r"circle"),
    "extends nothing": ("- {id: aa, name: A, extends: nothing}", r"extends 'nothing', which is no id"),
    "duplicate id": (
        GOOD.replace("new-x", "gb200"),
        r"id stands already in nvidia\.yaml; to change it, write `extends",
    ),
    "duplicate alias": (GOOD + "  aliases: [A100]\n", r"accelerator name 'A100' already means a100-sxm4-80gb"),
    "duplicate key": (GOOD + "  vendor: again\n", r"key 'vendor' stands twice"),
    "unknown field": (GOOD + "  memmory: {}\n", r"unknown field 'memmory'; nearest: memory"),
    "unknown key": (GOOD.replace("status:", "standing:", 1), r"unknown key 'standing'"),
    "unknown format": (GOOD.replace("bf16", "bf61"), r"unknown field 'bf61'; nearest: bf16"),
    "no peak": (re.sub(r"  peak_dense:\n.*\n", "", GOOD), r"peak_dense: states no peak"),
    "bad id": (GOOD.replace("new-x", "New X"), r"must be lower case"),
    "not a list": ("id: x", r"expected a list of records"),
    "tag": ("- !!python/object/apply:os.system ['true']", r"YAML tag .* is not read"),
    "anchor": ("- &a [x]\n- *a", r"anchors and aliases"),
    "not yaml": ("- {id: x", r"not YAML"),
    "deep": ("- " + "[" * 60 + "]" * 60, r"nested deeper"),
    "wrong default system": (GOOD + "  default_system: dgx-h100\n", r"'dgx-h100' is a system of h100-sxm5-80gb"),
    "topology": (
        GOOD + "  link: {topology: {value: web, source: recalled, status: unconfirmed}}\n",
        r"'web' is none of switch",
    ),
    "silent conflict": (
        GOOD.replace("unit: TB/s,", "unit: TB/s, other: [{value: 5, source: recalled}],"),
        r"does not say why it lost",
    ),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_records_are_one_line_with_file_and_place(case: str, overlay: Overlay) -> None:
    text, pattern = BAD[case]
    folder = overlay(accelerators=text)
    with pytest.raises(CatalogError) as refused:
        load_catalog([folder])
    message = str(refused.value)
    assert re.search(pattern, message), message
    assert "own.yaml:" in message
    assert "\n" not in message


def test_the_line_is_right(overlay: Overlay) -> None:
    with pytest.raises(CatalogError, match=r"own\.yaml:10: new-x\.memory\.bandwidth"):
        load_catalog([overlay(accelerators=GOOD.replace("value: 4,", "value: -4,"))])


@pytest.mark.parametrize(
    ("folder", "text", "pattern"),
    [
        ("systems", "- {id: s, name: S, part: nothing}", r"'nothing' is no accelerator id"),
        ("systems", "- {id: s, name: S, part: l4, fabric: {value: wet string, source: recalled, status: unconfirmed}}",
         r"'wet string' is none of"),
        ("models", "- {id: m, source: recalled}", r"neither a `shape` nor"),
        ("models", "- {id: m, source: recalled, shape: {d_model: 1, vocab: 10}}", r"list of layer kinds"),
        ("models", "- {id: m, source: recalled, shape: {d_model: -4, vocab: 10, blocks: []}}", r"not be negative"),
        ("models", "- {id: m, shape: {d_model: 4, vocab: 10, blocks: [{count: 1}]}}", r"has no source"),
        ("precisions__training", "- {id: p, source: recalled}", r"missing required field"),
        ("reliability", "- {id: f, name: F}", r"states no `interruptions"),
        ("energy", "- {id: f, extends: gpu-cluster, pue: {value: 0.5, source: recalled, status: unconfirmed}}",
         r"must be at least 1"),
    ],
)  # fmt: skip
def test_bad_records_of_other_kinds(folder: str, text: str, pattern: str, overlay: Overlay) -> None:
    with pytest.raises(CatalogError, match=pattern):
        load_catalog([overlay(**{folder: text})])


def test_huge_and_binary_files_are_refused_at_once(overlay: Overlay) -> None:
    folder = overlay(accelerators="")
    path = folder / "accelerators" / "own.yaml"
    with path.open("wb") as handle:
        handle.truncate(50_000_000)
    begin = time.process_time()
    with pytest.raises(CatalogError, match="at most"):
        load_catalog([folder])
    assert time.process_time() - begin < 2.0
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogError, match="UTF-8"):
        load_catalog([folder])


def test_exit_codes(overlay: Overlay, capsys: pytest.CaptureFixture[str]) -> None:
    folder = overlay(accelerators=GOOD.replace("unit: TB/s", "unit: GB"))
    with pytest.raises(SystemExit) as stopped:
        main(["catalog", "list", "--catalog", str(folder)])
    assert stopped.value.code == 4
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit) as stopped:
        main(["catalog", "list", "--catalog", str(folder / "nowhere")])
    assert stopped.value.code == 2


def test_check_lists_every_problem(overlay: Overlay, capsys: pytest.CaptureFixture[str]) -> None:
    two = GOOD.replace("unit: TB/s", "unit: GB") + GOOD.replace("new-x", "new-y").replace("value: 500", "value: x")
    with pytest.raises(SystemExit) as stopped:
        main(["catalog", "check", "--catalog", str(overlay(accelerators=two))])
    assert stopped.value.code == 4
    out = capsys.readouterr().out
    assert "new-x" in out
    assert "new-y" in out


def test_shipped_catalog_is_clean() -> None:
    from hwmodel.cli.catalog import command

    result = CliRunner().invoke(command, ["check"])
    assert result.exit_code == 0, result.output
