"""A plan as a report: page one, then a section a question. Markdown, HTML and CSV from the same blocks.

What other answers share (words, tables, likeness) belongs to `report` itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report.blocks import Block, markdown
from hwmodel.report.phrases import ENGLISH, speaking
from hwmodel.report.plan.bill import bill
from hwmodel.report.plan.front import front_page
from hwmodel.report.plan.grounds import grounds
from hwmodel.report.plan.machine import machine
from hwmodel.report.plan.sizing import sizing
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.result import Band

__all__ = ["plan_blocks", "plan_csv", "plan_html", "plan_markdown"]


def plan_blocks(plan: Plan) -> list[Block]:
    """The report: what to sign first, then what it rests on."""
    return [*front_page(plan), *bill(plan), *machine(plan), *sizing(plan), *grounds(plan)]


def plan_markdown(plan: Plan, figures: Mapping[str, str] | None = None, language: str = ENGLISH) -> str:
    """The report as Markdown. `figures` maps a picture's name to the file beside the report."""
    with speaking(language):
        return markdown(plan_blocks(plan), figures or {})


def plan_html(plan: Plan, pictures: Mapping[str, bytes] | None = None, language: str = ENGLISH) -> str:
    """The report as one HTML file with its pictures inside (name -> SVG)."""
    from hwmodel.report.html import page

    with speaking(language):
        return page(plan_blocks(plan), pictures or {}, language)


def plan_csv(plan: Plan) -> str:
    """One row a quantity: name, value, low, high, in base units."""
    rows: list[list[str]] = []
    for name in plan.answer.__struct_fields__:
        value = getattr(plan.answer, name)
        if isinstance(value, Band):
            rows.append([name, repr(value.value), repr(value.low), repr(value.high)])
        else:
            rows.append([name, "" if value is None else repr(value), "", ""])
    return csv_text(["quantity", "value", "low", "high"], rows)
