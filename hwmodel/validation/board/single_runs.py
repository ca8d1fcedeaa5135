"""The alarm on single runs: the error of each measured run by the shipped constants, against the committed one.

A mean hides a run that got much worse. `python -m hwmodel.validation.board.single_runs` writes the errors of this
version and says which runs grew; a test holds the code to what is committed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from hwmodel.catalog.safe_text import csv_text
from hwmodel.validation.board.cells import shipped_predictions
from hwmodel.validation.predicted.records import RowPrediction
from hwmodel.validation.predicted.score import REFUSED_APE

BOARD = Path(__file__).resolve().parents[3] / "tests" / "golden" / "single_runs.csv"
POINTS, SHARE = 0.02, 0.10  # an error that grows by both is one that must be explained
BESIDE = ("ttft_ms", "TTFT", "peak_mem_gb")  # metrics beside the headline of a row
FIELDS = ("runs", "id", "metric", "error_percent")


class Run(NamedTuple):
    """One measured quantity: the file of its row, the row, the column."""

    runs: str
    id: str
    metric: str


def errors_of(predictions: Mapping[str, Iterable[RowPrediction]]) -> dict[Run, float]:
    """Size of predicted over measured less one of each scored quantity; 1 where it is refused."""
    return {
        Run(name, row.id, row.metric): REFUSED_APE if row.predicted is None else abs(row.predicted / row.measured - 1.0)
        for name, rows in predictions.items()
        for row in rows
        if row.scored and (row.headline or row.metric in BESIDE)
    }


def grown(before: Mapping[Run, float], now: Mapping[Run, float]) -> list[Run]:
    """Runs whose error grew by 2 points and by a tenth, the most grown first."""
    worse = [
        run for run, error in now.items()
        if run in before and error > before[run] + POINTS and error > before[run] * (1.0 + SHARE)
    ]  # fmt: skip
    return sorted(worse, key=lambda run: before[run] - now[run])


def committed(path: Path = BOARD) -> dict[Run, float]:
    """The board as it stands in the tree."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {
            Run(row["runs"], row["id"], row["metric"]): float(row["error_percent"]) / 100.0
            for row in csv.DictReader(stream)
        }


def board_text(errors: Mapping[Run, float]) -> str:
    """The board as CSV: percent, a tenth of a point."""
    return csv_text(FIELDS, ([*run, f"{100.0 * error:.1f}"] for run, error in sorted(errors.items())))


def said(runs: Iterable[Run], before: Mapping[Run, float], now: Mapping[Run, float]) -> list[str]:
    """A line a run: what its error was and is, in percent."""
    return [f"{' '.join(run)}: {100.0 * before[run]:.1f} % became {100.0 * now[run]:.1f} %" for run in runs]


def main() -> None:
    """Write the errors of this version into the checkout, and say which grew."""
    now = errors_of(shipped_predictions(lambda line: print(line, file=sys.stderr)))
    before = committed() if BOARD.is_file() else {}
    worse = grown(before, now)
    better = grown(now, before)
    BOARD.write_text(board_text(now), encoding="utf-8")
    print(f"{len(now)} runs, {len(before)} before; {len(worse)} grew by 2 points and a tenth, {len(better)} shrank")
    print("\n".join(said(worse, before, now)))


if __name__ == "__main__":
    main()
