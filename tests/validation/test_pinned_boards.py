"""The disaggregated and the throughput board are pinned: any change of a prediction moves the mean of its group.

A change that is meant is written anew by `python tests/validation/test_pinned_boards.py` and shows in the diff.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from pathlib import Path

import pytest

from hwmodel.catalog.calibrations import calibrations_dir
from hwmodel.validation.board.serving import predict_rows
from hwmodel.validation.rows.tables import read_table

RUNS = calibrations_dir().parent / "runs"
PINNED = Path(__file__).parents[1] / "golden" / "pinned_boards.csv"
HEAD = ("board", "group", "metric", "rows", "refused", "mean_log")
Key = tuple[str, str, str]


def now() -> dict[Key, tuple[int, int, float]]:
    """Rows, those refused, and the mean logarithm of what is predicted, by board, group and metric."""
    disaggregated = [row for row in read_table(RUNS / "serving.csv")[1] if row["mode"] == "disagg"]
    boards = {"serving": disaggregated, "throughput": read_table(RUNS / "throughput.csv")[1]}
    found: dict[Key, list[float | None]] = defaultdict(list)
    for board, rows in boards.items():
        for one in predict_rows(board, rows):
            found[board, one.group, one.metric].append(one.predicted)
    return {key: _summary(values) for key, values in sorted(found.items())}


def _summary(values: list[float | None]) -> tuple[int, int, float]:
    told = [math.log(value) for value in values if value]
    return len(values), len(values) - len(told), math.fsum(told) / max(len(told), 1)


def pinned() -> dict[Key, tuple[int, int, float]]:
    """What stands in the file."""
    with PINNED.open(encoding="utf-8", newline="") as lines:
        return {
            (row["board"], row["group"], row["metric"]): (int(row["rows"]), int(row["refused"]), float(row["mean_log"]))
            for row in csv.DictReader(lines)
        }


def test_no_prediction_moves_unseen() -> None:
    before, after = pinned(), now()
    assert set(after) == set(before), "groups came or went: write the file anew (see above)"
    moved = [
        key for key, value in after.items() if value != (*before[key][:2], pytest.approx(before[key][2], abs=1e-7))
    ]
    assert moved == [], "write the file anew (see above) if this is meant"
    assert {key[0] for key in after} == {"serving", "throughput"}


if __name__ == "__main__":
    with PINNED.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEAD)
        writer.writerows((*key, rows, refused, f"{mean:.9f}") for key, (rows, refused, mean) in now().items())
