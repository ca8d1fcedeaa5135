"""Pairs of trainings: what counts, what does not and why, and how a broken row is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.evidence import REQUIRED, read_pairs
from hwmodel.errors import CatalogError
from hwmodel.solve.run.pairs import loss_gaps

ROW = {
    "source": "a report", "format": "mxfp8", "class": "fp8", "metric": "val_loss", "relative_pct": "0.2",
    "bound": "exact", "why_not_counted": "", "status": "primary", "params": "8e9", "tokens": "1e12",
}  # fmt: skip


def write(folder: Path, **changed: str) -> Path:
    row = {**ROW, **changed}
    path = folder / "evidence.csv"
    path.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    return path


def test_every_published_pair_is_there():
    pairs = load_catalog().precision_pairs()
    assert len(pairs) == 189
    assert sum(pair.metric == "speedup_end_to_end" for pair in pairs) == 47
    assert {pair.baseline for pair in pairs if pair.of_loss and pair.counted} <= {"bf16", "fp16/bf16", "fp8"}


def test_bf16_runs_that_a_paper_calls_fp8_are_no_evidence_for_fp8():
    assert not any(pair.group == "fp8" and "2505.14669" in pair.source for pair in load_catalog().precision_pairs())


def test_unclean_pairs_are_kept_and_do_not_count():
    pairs = load_catalog().precision_pairs()
    for source, gap in (("inclusionAI/Ling-V2", 0.0143), ("NVIDIA/Megatron-LM issue 1152", 0.0305), ("UE5M3", 0.0363)):
        found = [pair for pair in pairs if source in pair.source and pair.of_loss and abs(pair.change - gap) < 1e-3]
        assert len(found) == 1
        assert found[0].why_not_counted
    assert not any(pair.counted and pair.status == "unconfirmed" and pair.of_loss for pair in pairs)


def test_one_paper_is_one_source_wherever_in_it_a_figure_stands():
    gaps = loss_gaps(load_catalog().precision_pairs())
    assert {gap.source for gap in gaps["fp8"] if "2209" in gap.source} == {"arXiv 2209.05433"}
    assert len({gap.source for gap in gaps["nvfp4-part"] if "2509.25149" in gap.source}) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"class": "fp9"}, "class 'fp9' is none of"),
        ({"bound": "about"}, "bound 'about' is none of"),
        ({"metric": "speed"}, "metric 'speed' is none of"),
        ({"relative_pct": "small"}, "relative_pct 'small'"),
        ({"relative_pct": ""}, "is not a percentage"),
        ({"params": "-1"}, "params '-1'"),
        ({"source": " "}, "states no source"),
    ],
)
def test_a_broken_row_is_named_with_its_line(tmp_path, changed, said):
    with pytest.raises(CatalogError, match=r"evidence\.csv:2: ") as error:
        read_pairs(write(tmp_path, **changed))
    assert said in str(error.value)


def test_a_column_that_is_missing_is_named(tmp_path):
    path = tmp_path / "evidence.csv"
    path.write_text(",".join(name for name in REQUIRED if name != "bound") + "\n")
    with pytest.raises(CatalogError, match="lacks the column 'bound'"):
        read_pairs(path)


def test_an_overlay_adds_pairs_of_its_own(tmp_path):
    (tmp_path / "precisions").mkdir()
    write(tmp_path / "precisions", relative_pct="-0.05")
    pairs = load_catalog((tmp_path,)).precision_pairs()
    assert len(pairs) == 190
    assert any(pair.source == "a report" and pair.change == pytest.approx(-0.0005) for pair in pairs)
