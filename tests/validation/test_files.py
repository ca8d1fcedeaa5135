"""Files of rows that nobody has seen: what counts, what is asked, what a name may change."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.validation.board.files import validate_file
from hwmodel.validation.board.serving import predict_rows, shipped_rows
from hwmodel.validation.rows.tables import CellError, Row, positive


@pytest.fixture(scope="module")
def serving_rows() -> list[Row]:
    return [row for kind, row in shipped_rows() if kind == "serving"]


def write(path: Path, rows: list[Row]) -> Path:
    import csv

    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_rows_that_do_not_count_do_not_count_refused(serving_rows: list[Row], tmp_path: Path) -> None:
    flags = {"layout_known": "True", "precision_known": "True"}
    pools = [row | flags for row in serving_rows if row["mode"] == "disagg"][:5]
    unknown = [row | {"mtp_known": "False", "decode_num_workers": ""} for row in pools]
    known = [row | flags | {"mtp_known": "True"} for row in serving_rows if row["mode"] == "agg"][:5]
    board = validate_file(write(tmp_path / "serving.csv", unknown + known))
    counted = {row.id: row.scored for row in board.rows}
    assert [counted[row["id"]] for row in unknown] == [False] * 5
    assert board.overall.refused_rows == 0


def test_serving_predictions_depend_on_no_other_row_and_no_measurement(serving_rows: list[Row]) -> None:
    mine = serving_rows[::40]
    whole = {(p.id, p.metric): (p.predicted, p.low, p.high) for p in predict_rows("serving", mine)}
    odd = [row | {"ttft_ms": "1", "tpot_ms": "9e9", "source": "elsewhere"} for row in reversed(mine[::3])]
    for p in predict_rows("serving", odd):
        assert (p.predicted, p.low, p.high) == pytest.approx(whole[p.id, p.metric], rel=1e-9)


def test_overlays_reach_the_predictions(serving_rows: list[Row], tmp_path: Path) -> None:
    (tmp_path / "accelerators").mkdir()
    (tmp_path / "accelerators" / "slow.yaml").write_text(
        "- {id: h100-slow, name: H100 of half the bandwidth, extends: h100-sxm5-80gb, aliases: [], "
        "memory: {bandwidth: {value: 1675, unit: GB/s, source: derived, status: derived}}}\n"
    )
    mine = [row for row in serving_rows if row["accelerator"] == "h100-sxm-80gb" and row["mode"] == "agg"][:4]
    slow = [row | {"accelerator": "h100-slow"} for row in mine]
    before = validate_file(write(tmp_path / "a.csv", mine)).rows
    after = validate_file(write(tmp_path / "b.csv", slow), catalogs=[tmp_path]).rows
    ratios = [b.predicted / a.predicted for a, b in zip(before, after) if b.metric == "tpot_ms"]
    assert ratios
    assert all(1.1 < ratio < 2.05 for ratio in ratios)


def test_given_rows_move_their_group_and_are_not_scored(serving_rows: list[Row], tmp_path: Path) -> None:
    groups: dict[str, list[Row]] = {}
    for row in serving_rows:
        groups.setdefault(row["group"], []).append(row)
    one, other = [rows[:3] for rows in groups.values() if len(rows) > 5][:2]
    slow = one[0] | {"tpot_ms": str(2.0 * float(one[0]["tpot_ms"]))}
    file = write(tmp_path / "rows.csv", [slow, *one[1:], *other])
    given = write(tmp_path / "given.csv", [slow])
    before, after = validate_file(file).rows, validate_file(file, measured=given).rows
    moved = {b.group for a, b in zip(before, after) if a.predicted != b.predicted}
    assert moved == {one[0]["group"]}
    assert [r.id for r in after if not r.scored] == [one[0]["id"]] * 2


def test_a_file_without_optional_columns_is_answered_or_refused_by_row(tmp_path: Path) -> None:
    row = {"id": "a", "accelerator": "NVIDIA H100 80GB HBM3", "input_len": "1,024", "output_len": "128"}
    least = row | {"concurrency": "4", "tpot_ms": "9"}
    (nameless,) = validate_file(write(tmp_path / "least.csv", [least])).rows
    assert nameless.status == "refused"
    assert "model" in nameless.reason
    (known,) = validate_file(
        write(tmp_path / "more.csv", [least | {"model": "Llama-3.1-8B", "precision": "FP8 (E4M3)"}])
    ).rows
    assert known.part == "h100-sxm5-80gb"
    assert known.predicted


def test_parts_of_families_that_nobody_measured_have_wide_intervals(serving_rows: list[Row]) -> None:
    mine = [r for r in serving_rows if r["accelerator"] == "h100-sxm-80gb" and r["mode"] == "agg"][::20]
    near = predict_rows("serving", mine)
    far = predict_rows("serving", [row | {"accelerator": "trainium2"} for row in mine])
    widths = [(a.high / a.low, b.high / b.low) for a, b in zip(near, far) if a.predicted and b.predicted]
    assert widths
    assert all(b > max(a, 1.8) for a, b in widths)


def test_a_blank_serving_layout_is_searched(tmp_path: Path) -> None:
    row = {"id": "a", "accelerator": "h200", "input_len": "1024", "output_len": "128", "concurrency": "4"}
    row |= {"model": "deepseek-ai/DeepSeek-V3", "precision": "fp8", "backend": "sglang", "tpot_ms": "9"}
    (large,) = validate_file(write(tmp_path / "large.csv", [row])).rows
    assert large.predicted
    (one,) = validate_file(write(tmp_path / "one.csv", [row | {"n_accel": "1"}])).rows
    assert one.status == "refused"
    assert "hold the weights" in one.reason


@pytest.mark.parametrize("value", ["1e308", "1e61"])
def test_a_cell_beyond_any_run_is_no_number(value: str) -> None:
    with pytest.raises(CellError, match="beyond any run"):
        positive({"seq_len": value}, "seq_len")
