"""`catalog list`, `show`, `schema` and the generated documentation."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hwmodel.catalog import load_catalog
from hwmodel.catalog.json_schema import schema_of
from hwmodel.catalog.places import catalog_root
from hwmodel.cli.main import main
from hwmodel.report.catalog_docs import documents
from hwmodel.report.catalog_pages import KINDS

ROOT = Path(__file__).resolve().parents[2]


def output(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    main(["catalog", *argv])
    return capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fmt", ["text", "md", "csv", "json"])
def test_lists(kind: str, fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "list", kind, "--format", fmt)
    if fmt == "json":
        assert json.loads(text)["rows"]
    elif fmt == "csv":
        assert len(list(csv.DictReader(io.StringIO(text)))) >= 3
    else:
        assert text.count("\n") > 3


@pytest.mark.parametrize(
    "name",
    ["A100", "gb300", "tpu-v5p", "mi355x", "dgx-h100", "deepseek-r1", "t0-xxl", "fp8", "w4a16", "besiroglu_2024",
     "France", "l4-node"],
)  # fmt: skip
@pytest.mark.parametrize("fmt", ["md", "json", "csv"])
def test_show(name: str, fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "show", name, "--format", fmt, "--provenance")
    if fmt == "json":
        assert json.loads(text)["record"]["id"]
    else:
        assert len(text) > 60


def test_provenance_prints_both_sides_of_a_conflict(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "show", "b200", "--provenance")
    assert "7700 GB/s, not 8000 GB/s" in text
    assert "180 GiB, not 192 GB" in text
    assert "NVIDIA Blackwell datasheet" in text
    assert "8000" not in output(capsys, "show", "b200").replace("80000", "")


def test_none_and_unknown_are_different(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {r["id"]: r for r in csv.DictReader(io.StringIO(output(capsys, "list", "--format", "csv")))}
    assert rows["a100-sxm4-80gb"]["fp8_tflop_s"] == "none"
    assert rows["tpu-8t"]["fp8_tflop_s"] == "unknown"
    assert rows["h100-sxm5-80gb"]["fp8_tflop_s"] == "1978.9"


def test_show_reads_a_config_json(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "tests" / "golden" / "hf_configs" / "openai--gpt-oss-20b.json"
    assert "20,914,757,184" in output(capsys, "show", str(path))


@pytest.mark.parametrize("fmt", ["md", "csv", "json"])
def test_show_says_what_a_config_json_leaves_out(fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "tests" / "golden" / "hf_configs" / "moonshotai--Kimi-K2.5.json"
    assert "encoders of other modalities are left out" in output(capsys, "show", str(path), "--format", fmt)


def test_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["catalog", "show", "a100-sxm4-80gbb"])
    assert stopped.value.code == 2
    assert "a100-sxm4-80gb" in capsys.readouterr().err


def test_generated_documentation_is_current() -> None:
    """`hwmodel catalog docs` writes these pages; run it after a change of the catalogs or of the records."""
    for path, text in documents(load_catalog()).items():
        assert (ROOT / "docs" / path).read_text(encoding="utf-8") == text, path


def _conforms(schema: dict[str, Any], data: Any, place: str = "") -> None:
    """The part of JSON Schema that our schemas use."""
    kinds = {"object": dict, "array": list, "string": str, "number": (int, float)}
    if "type" in schema:
        assert isinstance(data, kinds[schema["type"]]), place
    if "enum" in schema:
        assert data in schema["enum"], place
    for key in schema.get("required", []):
        assert key in data, f"{place}.{key}"
    if isinstance(data, dict):
        known = schema.get("properties", {})
        for key, value in data.items():
            if key in known:
                _conforms(known[key], value, f"{place}.{key}")
            else:
                assert schema.get("additionalProperties", True) is not False, f"{place}.{key}"
    if isinstance(data, list):
        for i, item in enumerate(data):
            _conforms(schema.get("items", {}), item, f"{place}[{i}]")


@pytest.mark.parametrize("kind", ["accelerators", "systems", "models"])
def test_schema_describes_our_own_files(kind: str) -> None:
    schema = schema_of(kind)
    stored = json.loads((catalog_root() / "schema" / f"{kind}.schema.json").read_text())
    assert stored == json.loads(json.dumps(schema)), f"hwmodel catalog schema {kind} --out catalogs/schema/..."
    for path in sorted((catalog_root() / kind).glob("*.yaml")):
        _conforms(schema, yaml.safe_load(path.read_text()), path.name)
        assert path.read_text().startswith("# yaml-language-server: $schema=../schema/")


def test_model_counts_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.yaml").write_text(
        "- {id: wrong, source: recalled, params: {value: 8030261248, source: recalled, status: unconfirmed}, "
        "shape: {d_model: 4096, vocab: 128256, blocks: [{count: 31, n_heads: 32, n_kv_heads: 8, head_dim: 128, "
        "d_ff: 14336}]}}"
    )
    with pytest.raises(SystemExit) as stopped:
        main(["catalog", "check", "--catalog", str(tmp_path)])
    assert stopped.value.code == 4
    assert "wrong: the shape has" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["accelerators", "systems", "models", "prices"])
def test_json_rows_hold_numbers(kind: str) -> None:
    """Numbers are numbers in JSON, unknown is null; text says `unknown`."""
    from click.testing import CliRunner

    from hwmodel.cli.catalog import command

    out = CliRunner().invoke(command, ["list", kind, "--format", "json"], catch_exceptions=False).output
    words = {"id", "name", "family", "status", "part", "kind", "from", "to", "flag", "topology", "fabric", "source",
             "default_system", "unconfirmed", "class", "how", "one_year_how"}  # fmt: skip
    rows = json.loads(out)["rows"]
    numbers = [v for row in rows for k, v in row.items() if k not in words]
    assert numbers
    assert all(v is None or v == "none" or isinstance(v, (int, float)) for v in numbers)


@pytest.mark.parametrize("field", ["reuse: 0", "kv_compression: 0.5"])
def test_layers_and_tokens_that_share_are_at_least_one(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.yaml").write_text(
        "- {id: wrong, source: recalled, shape: {d_model: 4096, vocab: 128256, blocks: [{count: 31, n_heads: 32, "
        f"n_kv_heads: 8, head_dim: 128, d_ff: 14336, {field}}}]}}}}"
    )
    with pytest.raises(SystemExit) as stopped:
        main(["catalog", "check", "--catalog", str(tmp_path)])
    assert stopped.value.code == 4
    assert field.split(":")[0] in capsys.readouterr().out


def test_rows_and_columns_of_a_list_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "list", "--columns", "id,memory_gb", "--where", "family=HOPPER", "--format", "json")
    rows = json.loads(shown)["rows"]
    assert {row["id"] for row in rows} >= {"h100-sxm5-80gb", "h200-sxm-141gb"}
    assert all(set(row) == {"id", "memory_gb"} for row in rows)
    assert not any("a100" in row["id"] for row in rows)


@pytest.mark.parametrize("words", [("--columns", "idd"), ("--where", "famly=hopper")])
def test_a_column_that_is_not_there_is_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        output(capsys, "list", *words)
    assert stop.value.code == 2
    assert "nearest: " in capsys.readouterr().err
