"""What only training's page holds: runs in and out of the fit, layout choice, failed layouts, searches, ablation.

`python -m hwmodel.validation.board.training_numbers` writes docs/figures/accuracy.json and renders
docs/accuracy-training.md from it; with `--refit` it also takes what needs dozens of fits (half an hour), which
otherwise stays as it was, with the constants it was taken beside.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from statistics import median

from hwmodel.answers import finite
from hwmodel.catalog.accuracy import board_cells
from hwmodel.catalog.stacks import memory_calibration, search_optimism, training_calibration
from hwmodel.specs.accuracy import BoardCell
from hwmodel.validation.board.board import Board, Trainer, runs_file, training_board
from hwmodel.validation.board.one_run import given_one
from hwmodel.validation.board.searched import searched_layouts
from hwmodel.validation.board.training_figures import Hidden, PeakErrors, Refits, SourceErrors, TrainingFigures, Value
from hwmodel.validation.board.training_page import NUMBERS, SLOW_GRID, numbers, write_page
from hwmodel.validation.fit.document import plain
from hwmodel.validation.fit.memory_fit import outcomes, reliability
from hwmodel.validation.fit.run_parameters import PARAMETERS
from hwmodel.validation.predicted.ranking import failed_layouts, layout_choice
from hwmodel.validation.predicted.records import RowPrediction
from hwmodel.validation.predicted.score import ErrorSummary
from hwmodel.validation.rows.tables import Row, number, read_table, text

RATE = "tokens_per_s_per_accel"
# Kinds of rows that the median of their source hides.
COARSE = 16.0  # experts up to which a mixture counts as one of few, large experts
HIDDEN = (("Megatron-Bridge", "dense"), ("Megatron-Bridge", "experts"), ("vTrain multi", ""), ("vTrain single", ""))


def measure(rows: list[Row], slow: Refits) -> TrainingFigures:
    """The numbers that need no fit, beside those that do; sources left out are those of the committed board."""
    board = training_board(rows)
    return TrainingFigures(
        in_sample=board.overall,
        by_source=_by_source(board),
        hidden=[*_hidden(board, rows), *_grained(board, rows)],
        choice=layout_choice(_grid(board), {row["id"]: float(row["n_accel"]) for row in rows}),
        failed=failed_layouts(rows),
        memory=_memory(board),
        reliability=reliability(*outcomes(rows), memory_calibration()),
        most_full=memory_calibration().most_full,
        least=memory_calibration().least,
        searched=searched_layouts(rows),
        optimism=search_optimism(),
        values=_fitted_values(),
        constants=constants_digest(),
        refits=slow,
    )


def refits(rows: list[Row], progress: Callable[[str], None] = print) -> Refits:
    """The numbers that dozens of fits give, beside the constants of this version."""
    from hwmodel.validation.board.ablation import ablate

    trainer = Trainer(rows, fitting=True)
    return Refits(
        constants=constants_digest(),
        group=training_board(rows, "group", 5, 0, progress=progress, trainer=trainer).overall,
        given_one_row=given_one(trainer),
        ablation=ablate(rows, progress),
    )


def constants_digest() -> str:
    """Of the fitted constants of training: tells whether numbers were taken beside the same values, whatever the file
    says of them."""
    c = training_calibration()
    values = json.dumps([c.generic, c.families, c.fitted], sort_keys=True)
    return hashlib.blake2b(values.encode(), digest_size=4).hexdigest()


def _head(metrics: dict[str, ErrorSummary]) -> ErrorSummary:
    return metrics[RATE] if RATE in metrics else next(iter(metrics.values()))


def _cells(source: str, mixture: bool | None = None) -> list[BoardCell]:
    """Training's cells of sources whose name holds `source`, of one kind of model or of both."""
    return [
        cell
        for cell in board_cells()
        if cell.kind == "training" and source in cell.source and mixture in (None, cell.mixture)
    ]


def _left_out(cells: list[BoardCell]) -> float | None:
    errors = [abs(error) / 1e3 for cell in cells for error in cell.left_out]
    return median(errors) if errors else None


def _by_source(board: Board) -> list[SourceErrors]:
    out = []
    for name, metrics in board.by_source.items():
        own, cells = _head(metrics), [cell for cell in _cells(name) if cell.source == name]
        held = sum(len(cell.left_out) for cell in cells)
        out.append(
            SourceErrors(
                source=name, rows=own.n, median=own.median_ape, mean=own.mape, signed=own.median_signed,
                constant=own.baseline_median_ape, left_out=_left_out(cells),
                covered=sum(cell.inside for cell in cells) / held if held else None,
            )
        )  # fmt: skip
    return out


def _hidden(board: Board, rows: list[Row]) -> list[Hidden]:
    experts = frozenset(text(row, "id") for row in rows if number(row, "n_experts"))
    return [
        Hidden(
            name=f"{source}{', ' + kind if kind else ''}",
            in_sample=_median(board.rows, source, kind, experts),
            left_out=_left_out(_cells(source, kind == "experts" if kind else None)),
        )
        for source, kind in HIDDEN
    ]


def _grained(board: Board, rows: list[Row]) -> list[Hidden]:
    """Mixtures of few, large experts beside those of many small ones; the mixtures of a source are of one kind."""
    experts = {text(row, "id"): count for row in rows if (count := number(row, "n_experts"))}
    out = []
    for name, few in ((f"mixtures of up to {COARSE:g} experts", True), ("mixtures of more experts", False)):
        ids = frozenset(key for key, count in experts.items() if (count <= COARSE) == few)
        kept = [r for r in board.rows if r.id in ids and r.scored and r.headline and r.predicted]
        cells = [cell for source in sorted({r.source for r in kept}) for cell in _cells(source, mixture=True)]
        in_sample = _median(kept, "", "", ids)
        out.append(Hidden(name=f"{name} ({len(kept)})", in_sample=in_sample, left_out=_left_out(cells)))
    return out


def _median(rows: list[RowPrediction], source: str, kind: str, experts: frozenset[str]) -> float | None:
    """Median absolute relative error of the scored rows of a source and kind ("": any); None without rows."""
    apes = sorted(
        abs(r.predicted / r.measured - 1.0)
        for r in rows
        if r.scored and r.headline and r.predicted and source in r.source
        and kind in ("experts" if r.id in experts else "dense", "")
    )  # fmt: skip
    return apes[len(apes) // 2] if apes else None


def _grid(board: Board) -> list[RowPrediction]:
    return [row for row in board.rows if SLOW_GRID in row.source]


def _memory(board: Board) -> list[PeakErrors]:
    return [
        PeakErrors(source=source, rows=metrics["peak_mem_gb"].n, median=metrics["peak_mem_gb"].median_ape)
        for source, metrics in board.by_source.items()
        if "peak_mem_gb" in metrics
    ]


def _fitted_values() -> list[Value]:
    calibration = training_calibration()
    out = []
    for p in PARAMETERS:
        kind, _, key = p.place.partition(":")
        table = {"generic": {"": calibration.generic}, "family": calibration.families, "stack": calibration.fitted}
        fitted = table[kind].get(key, {}).get(p.field, p.prior)
        out.append(Value(name=p.name, prior=p.prior, fitted=fitted, low=p.low, high=p.high, meaning=p.meaning))
    return out


def as_json(found: TrainingFigures) -> str:
    """The numbers as they are committed: six digits, which the page needs, and no infinity, which JSON lacks."""
    return json.dumps(finite(plain(found, 6)), indent=1, sort_keys=True) + "\n"


def main(again: bool) -> None:
    """Measure, and write the numbers and the page into the checkout."""
    _, rows = read_table(runs_file())
    slow = refits(rows) if again else numbers().refits
    NUMBERS.write_text(as_json(measure(rows, slow)), encoding="utf-8")
    write_page()


if __name__ == "__main__":
    main("--refit" in sys.argv[1:])
