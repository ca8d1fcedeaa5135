"""The board: pinned accuracy, and what may not change a prediction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hwmodel.validation.board.board import Board, runs_file, training_board, training_side
from hwmodel.validation.board.files import validate_file
from hwmodel.validation.board.folds import folds_of
from hwmodel.validation.board.show import as_csv, as_json, as_markdown
from hwmodel.validation.predicted.ranking import failed_layouts, layout_choice
from hwmodel.validation.predicted.score import interval_score, is_time
from hwmodel.validation.rows.tables import Row, read_table


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return read_table(runs_file())[1]


@pytest.fixture(scope="module")
def board(rows: list[Row]) -> Board:
    return training_board(rows)


# In-sample median APE by source with the shipped constants, and what a change may cost (percent points).
PINNED = {
    "Korthikanti 2022": 2.5, "Narayanan 2021 Table 1": 5.0, "vTrain single-node": 6.2, "vTrain multi-node": 8.3,
    "llm-foundry benchmarks": 5.5, "Megatron-Bridge perf summary": 8.6, "HF ultrascale nanotron (full)": 14.0,
    "SimuMax B200 measured": 4.3, "MLPerf Training v3.1": 5.5, "MLPerf Training v5.0": 2.5,
}  # fmt: skip


def test_accuracy_does_not_get_worse_unseen(board: Board) -> None:
    assert board.overall.mean_of_source_medians < 0.061
    for source, limit in PINNED.items():
        assert board.by_source[source]["tokens_per_s_per_accel"].median_ape < limit / 100.0, source


def test_memory_stays_near_the_measured_peaks(board: Board) -> None:
    assert board.by_source["SimuMax B200 measured"]["peak_mem_gb"].median_ape < 0.03
    assert board.by_source["HF ultrascale nanotron (full)"]["peak_mem_gb"].median_ape < 0.09


def test_the_model_beats_one_constant_utilisation(board: Board) -> None:
    assert board.overall.mean_of_source_medians < 0.3 * board.overall.baseline_mean_of_source_medians


def test_no_scored_row_is_refused(board: Board) -> None:
    assert board.overall.refused_rows == 0


def test_layouts_are_chosen_well(board: Board, rows: list[Row]) -> None:
    fleets = {row["id"]: float(row["n_accel"]) for row in rows}
    grid = [row for row in board.rows if row.source == "HF ultrascale nanotron (full)"]
    found = layout_choice(grid, fleets)
    assert found.median_speed_of_pick >= 0.94
    assert found.median_rank_correlation >= 0.77
    assert found.median_rank_correlation_clean >= 0.95


def test_failed_layouts_are_told_by_memory(rows: list[Row]) -> None:
    assert failed_layouts(rows).auc >= 0.9


def some(rows: list[Row]) -> list[Row]:
    return rows[:: len(rows) // 60]


def test_names_choose_nothing(rows: list[Row]) -> None:
    mine = some(rows)
    names = {row["source"]: f"source {i}" for i, row in enumerate(rows)}
    renamed = [row | {"model": f"model {len(row['model'])}", "source": names[row["source"]]} for row in mine]
    renamed = [row | {"id": f"row {place}", "notes": "", "source_locator": ""} for place, row in enumerate(renamed)]
    one, other = training_board(mine).rows, training_board(renamed).rows
    assert [(r.predicted, r.low, r.high) for r in one] == [(r.predicted, r.low, r.high) for r in other]
    part = training_board(list(reversed(mine[: len(mine) // 2]))).rows
    whole = {(r.id, r.metric): (r.predicted, r.low, r.high) for r in one}
    for r in part:
        assert (r.predicted, r.low, r.high) == pytest.approx(whole[r.id, r.metric], rel=1e-12)


def test_what_is_held_out_is_held_out_whole(rows: list[Row]) -> None:
    mine = [row for row in rows if row["source"].startswith("Narayanan")]
    copies = [row | {"id": f"copy-{place}", "source": "another name", "model": "m"} for place, row in enumerate(mine)]
    side = training_side(copies)
    assert len(side) == len(rows)
    assert not {row["id"] for row in mine} & {row["id"] for row in side}
    # A row of the file stands for the shipped one of its id, with what the file says of it.
    deeper = [row | {"n_layers": str(float(row["n_layers"]) + 8)} for row in mine]
    side = {row["id"]: row for row in training_side(deeper)}
    assert len(side) == len(rows)
    assert side[mine[0]["id"]]["n_layers"] == deeper[0]["n_layers"]


def test_measured_columns_are_never_read(rows: list[Row]) -> None:
    mine = some(rows)
    columns = ("tokens_per_s_per_accel", "step_time_s", "time_to_train_min", "peak_mem_gb")
    spoiled = [row | {c: str(7.0 * float(row[c])) for c in columns if row.get(c)} for row in mine]
    one = {(r.id, r.metric): r.predicted for r in training_board(mine).rows}
    other = {(r.id, r.metric): r.predicted for r in training_board(spoiled).rows}
    assert one == other


def test_a_measured_row_moves_level_and_width(rows: list[Row]) -> None:
    elsewhere = {"source": "elsewhere", "interconnect": "of another cluster"}
    grid = [row | {"id": f"new-{row['id']}"} | elsewhere for row in rows if "llm-foundry" in row["source"]]
    slow = [row | {"tokens_per_s_per_accel": str(float(row["tokens_per_s_per_accel"]) * 0.7)} for row in grid[::10]]
    before, after = training_board(slow), training_board(slow, measured=slow[:1])
    a = before.by_source["elsewhere"]["tokens_per_s_per_accel"]
    b = after.by_source["elsewhere"]["tokens_per_s_per_accel"]
    assert b.median_ape < 0.4 * a.median_ape
    assert b.median_log_half_width < a.median_log_half_width


def test_memory_is_answered_in_the_unit_of_its_row(rows: list[Row]) -> None:
    one = next(row for row in rows if row["peak_mem_gb"] and row["score"] != "no")
    peaks = [
        next(r.predicted for r in training_board([one | {"peak_mem_unit": unit}]).rows if r.metric == "peak_mem_gb")
        for unit in ("GiB", "GB")
    ]
    assert peaks[1] == pytest.approx(peaks[0] * 2.0**30 / 1e9)


def test_folds_hold_every_value_once() -> None:
    lots = folds_of([f"v{i}" for i in range(17)], 5, 0)
    assert len(lots) == 5
    assert sorted(v for lot in lots for v in lot) == sorted(f"v{i}" for i in range(17))
    assert lots == folds_of([f"v{i}" for i in reversed(range(17))], 5, 0)


def test_left_out_predictions_cover_every_row(rows: list[Row]) -> None:
    mine = [row for row in rows if row["source"].startswith(("Korthikanti", "Narayanan"))]
    board = training_board(mine, "source")
    assert {row.id for row in board.rows} == {row["id"] for row in mine}
    assert board.by_source["Korthikanti 2022"]["tokens_per_s_per_accel"].median_ape < 0.1


def test_board_as_json_csv_and_markdown(board: Board) -> None:
    content = json.loads(as_json(board))
    assert set(content) >= {"by_source", "overall", "rows"}
    figures = content["by_source"]["Korthikanti 2022"]["tokens_per_s_per_accel"]
    assert set(figures) >= {
        "n", "predicted", "refused", "median_ape", "mape", "p90_ape", "median_signed", "coverage_80", "interval_score",
        "baseline_median_ape",
    }  # fmt: skip
    row = content["rows"][0]
    assert set(row) >= {"id", "source", "metric", "measured", "predicted", "low", "high", "status", "reason"}
    assert as_csv(board).count("\n") == len(board.rows) + 1
    assert "Mean of source medians" in as_markdown(board)


def test_whole_runs_are_predicted(tmp_path: Path) -> None:
    path = tmp_path / "whole.csv"
    path.write_text(
        "id,source,model,year,params_total,params_active,tokens,n_gpus,gpu,gpu_hours,days,kind\n"
        "w1,card,m,2023,6.9e10,6.9e10,2e12,2048,A100-80GB,1720320,,pretrain\n"
        "w2,card,m,2023,,,2e12,2048,A100-80GB,1720320,,pretrain\n"
    )
    board = validate_file(path)
    one, two = board.rows
    assert one.predicted == pytest.approx(1720320, rel=0.35)
    assert two.status == "refused"


def test_command_line(tmp_path: Path) -> None:
    from hwmodel.cli.validate import command

    rows = runs_file().read_text().splitlines()
    small = tmp_path / "small.csv"
    chosen = [line for line in rows if "Korthikanti" in line][:5]
    small.write_text("\n".join([rows[0], *chosen]) + "\n")
    result = CliRunner().invoke(command, [str(small), "--format", "json", "--quiet"])
    assert result.exit_code == 0
    assert json.loads(result.output)["overall"]["n_rows"] == 5


def test_times_and_rates_are_told_apart() -> None:
    assert is_time("step_time_s")
    assert is_time("ttft_ms")
    assert not is_time("tokens_per_s_per_accel")


def test_interval_score_is_least_at_the_true_width() -> None:
    errors = [0.01 * k for k in range(-50, 51)]
    scores = {h: sum(interval_score(e, h) for e in errors) for h in (0.2, 0.3, 0.4, 0.45)}
    assert min(scores, key=scores.__getitem__) == 0.4


def test_whole_runs_left_out_beat_the_constant() -> None:
    """By plan's own path with the source left out: nearer than one constant, and a better interval score."""
    from hwmodel.validation.board.files import validate_file
    from hwmodel.validation.board.whole_runs import runs_file as whole_runs_file

    found = validate_file(whole_runs_file(), "source").overall
    assert found.mean_of_source_medians < 0.30
    assert found.mean_of_source_medians < found.baseline_mean_of_source_medians
    assert found.interval_score < found.baseline_interval_score
    assert 0.7 < found.coverage_80 < 0.95
