"""The board as JSON, Markdown or CSV."""

from __future__ import annotations

import math

from hwmodel.answers import finite
from hwmodel.catalog.safe_text import csv_text, markdown_safe
from hwmodel.report.tables import table
from hwmodel.validation.board.board import ROW_FIELDS, Board

# figure of a source -> its column
FIGURES = {
    "median_ape": "median",
    "mape": "mean",
    "p90_ape": "p90",
    "median_signed": "signed",
    "coverage_80": "in 80 % interval",
    "baseline_median_ape": "constant",
}


def as_json(board: Board) -> str:
    """Plain JSON: `by_source`, `overall`, `rows`, and what was held out."""
    return board.to_json()


def as_csv(board: Board) -> str:
    """One line a row and measured quantity."""
    return csv_text(ROW_FIELDS, ([finite(getattr(row, name)) for name in ROW_FIELDS] for row in board.rows))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f}"


def as_markdown(board: Board, worst: int = 10) -> str:
    """Figures by source and metric in percent, the overall line, the worst rows and the refused ones."""
    title = f"# Validation of {board.kind} rows" + (f", {board.held_out} left out" if board.held_out else "")
    lines = [title, "", "Errors in percent; signed = predicted over measured less one. The constant is one utilisation"]
    lines[-1] += " for each accelerator and format, fitted on the rows that the model was fitted on."
    rows = [
        [source, metric, str(s.n), str(s.refused), *(_percent(getattr(s, name)) for name in FIGURES)]
        for source, metrics in board.by_source.items()
        for metric, s in metrics.items()
    ]
    lines += ["", table(["source", "metric", "n", "refused", *FIGURES.values()], rows)]
    every = board.overall
    lines += ["", f"**Mean of source medians {_percent(every.mean_of_source_medians)} %** (constant "]
    lines[-1] += f"{_percent(every.baseline_mean_of_source_medians)} %), 80 % interval covers "
    lines[-1] += f"{_percent(every.coverage_80)} %, {every.refused_rows} of {every.n_rows} rows refused."
    lines += _worst(board, worst) + _refused(board)
    return markdown_safe("\n".join(lines) + "\n")


def _worst(board: Board, count: int) -> list[str]:
    rows = [row for row in board.rows if row.scored and row.headline and row.predicted is not None]
    rows.sort(key=lambda row: -abs(math.log(row.predicted / row.measured)) if row.predicted else 0.0)
    cells = []
    for row in rows[:count]:
        assert row.predicted is not None
        off = 100.0 * (row.predicted / row.measured - 1.0)
        what = [row.id, row.source, row.model, row.part, row.metric]
        cells.append([*what, f"{row.measured:.4g}", f"{row.predicted:.4g}", f"{off:+.0f} %"])
    header = ["id", "source", "model", "part", "metric", "measured", "predicted", "off"]
    return ["", "## Furthest off", "", table(header, cells)]


def _refused(board: Board) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for row in board.rows:
        if row.predicted is None:
            reasons.setdefault(row.reason, []).append(row.id)
    if not reasons:
        return []
    lines = ["", "## Refused", ""]
    for reason, ids in sorted(reasons.items(), key=lambda item: -len(item[1])):
        some = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
        lines.append(f"- {len(ids)} x {reason} ({some})")
    return lines
