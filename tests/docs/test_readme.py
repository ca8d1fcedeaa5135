"""README's table of accuracy holds the figures of the board that is shipped."""

from __future__ import annotations

from pathlib import Path

import hwmodel as hm

README = Path(__file__).resolve().parents[2] / "README.md"
GRID = "HF ultrascale nanotron (full)"  # of odd runs, without which the first figures are


def percent(share: float) -> float:
    """A share in percent, to a tenth."""
    return float(f"{100.0 * share:.1f}")


def figures(row: str) -> list[list[float]]:
    """The figures of a row of the table, column by column; words in brackets say how they were found."""
    line = next(line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {row}"))
    columns = [cell.split("(")[0].strip() for cell in line.strip("|").split("|")[1:]]
    return [[float(one) for one in cell.split(";")] if cell else [] for cell in columns]


def test_the_table_of_accuracy_is_the_board() -> None:
    board = hm.accuracy().to_dict()
    kinds = {one["kind"]: one for one in board["kinds"]}
    others = [one for one in board["by_source"] if one["kind"] == "training" and one["source"] != GRID]
    training, whole = kinds["training"], kinds["whole"]
    errors, constants = ([one[name] for one in others] for name in ("median_error", "constant"))
    assert figures("training, tokens a second") == [
        [percent(sum(errors) / len(errors)), percent(training["median_error"])],
        [percent(sum(constants) / len(constants)), percent(training["constant"])],
    ]
    grid = next(one for one in board["by_source"] if one["kind"] == "memory" and one["source"] == GRID)
    assert figures("peak memory of training (nanotron")[0] == [percent(grid["median_error"])]
    assert figures("hours of whole runs") == [[percent(whole["median_error"])], [percent(whole["constant"])]]
    by_rows = [percent(kinds[kind]["median_error_by_rows"]) for kind in ("tpot", "ttft")]
    assert figures("serving, a model left out")[0] == by_rows
