"""A sweep as one page for a browser."""

from __future__ import annotations

from pathlib import Path

from hwmodel.report.html import page_of_markdown
from hwmodel.report.sweep import sweep_report
from hwmodel.report.sweep_figures import front_picture
from hwmodel.report.sweep_section import RowsWanted, sweep_section
from hwmodel.solve.sweep.show import Rows
from hwmodel.solve.sweep.summary import Summary

FRONT = "the rows and their front"


def sweep_html(summary: Summary, folder: Path) -> str:
    """The report with its front drawn in it."""
    if not summary.pareto.rows:
        return page_of_markdown(sweep_report(summary, folder))
    drawn = front_picture(Rows(folder), summary.pareto.by, summary.pareto.rows)
    return page_of_markdown(sweep_report(summary, folder, figures={FRONT: "front"}), pictures={"front": drawn})


def section_html(rows: Rows, wanted: RowsWanted) -> str:
    """What a folder says, with its figures in it."""
    text, pictures = sweep_section(rows, wanted, str)
    return page_of_markdown(text, pictures=pictures)
