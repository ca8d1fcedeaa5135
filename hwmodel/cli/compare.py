"""`hwmodel compare`: the same run in several formats, or with several values of one option."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from hwmodel.answers import json_text
from hwmodel.catalog.writing import is_special
from hwmodel.cli.models import with_model_file
from hwmodel.cli.options import QUESTION, REPORT, stated, with_options
from hwmodel.cli.output import emit, note, terminal_columns
from hwmodel.cli.process import start_no_algebra
from hwmodel.cli.sections import Sectioned

if TYPE_CHECKING:
    from hwmodel.solve.plan.answer import FormatPlan
    from hwmodel.solve.plan.compare_values import Comparison
    from hwmodel.solve.question.options import PlanOptions


@click.command("compare", cls=Sectioned)
@with_options([*QUESTION, *REPORT])
@click.option("--precision", help="Recipes to compare, separated by commas (default bf16,fp8).")
def command(fmt: str, out: Path | None, quiet: bool, lang: str | None, **options: Unpack[PlanOptions]) -> None:
    """One run in several formats, and which wins; or several values of one option, or of several, side by side.

    \b
    hwmodel compare --gpus 512xH100 --tokens 2T --precision bf16,fp8
    hwmodel compare --params 10B,100B --gpus 1024xH100
    hwmodel compare --gpus 512xH100,256xB200 --precision bf16,fp8 --params 70B --tokens 2T
    """
    start_no_algebra()
    from hwmodel.report.phrases import language_of
    from hwmodel.solve.plan.compare_values import compare_values, separated

    language = language_of(lang, fmt)
    given = with_model_file(stated(options), quiet=quiet)
    lists, rest = separated(given)
    if lists and set(lists) != {"precision"}:
        table = compare_values(lists, **rest)
        emit(_values_written(table, fmt, language), out)
        return
    from hwmodel.solve.plan.compare import compare

    found = compare(**given)
    if fmt in ("json", "csv") or out is not None:
        # The report says these itself; here they are for whoever does not see it.
        for line in found.warnings:
            note(f"note: {line}", quiet=quiet)
    text, beside = _written(found, fmt, out, language)
    emit(text, out, beside)


def _written(found: FormatPlan, fmt: str, out: Path | None, language: str) -> tuple[str, dict[Path, bytes]]:
    """The comparison of formats in its format, and the figure beside its file."""
    from hwmodel import report

    if fmt == "json":
        return json_text(found.to_dict()), {}
    if fmt == "csv":
        return report.compare_csv(found), {}
    if fmt == "text":
        return report.compare_card(found, terminal_columns(), language), {}
    with_figure = fmt == "html" or (out is not None and not is_special(out))
    drawn = report.compare_figures(found, out or Path("report"), language=language) if with_figure else {}
    if fmt == "html":
        return report.compare_html(found, report.pictures(drawn), language), {}
    name = next((file.name for file, _ in drawn.values()), "")
    return report.compare_markdown(found, name, language), report.figure_files(drawn)


def _values_written(table: Comparison, fmt: str, language: str) -> str:
    """The comparison of values in its format."""
    from hwmodel import report

    if fmt == "json":
        return json_text(table.to_dict())
    if fmt == "csv":
        return report.values_csv(table)
    if fmt == "text":
        return report.values_card(table, terminal_columns(), language)
    return report.values_html(table, language) if fmt == "html" else report.values_markdown(table, language)
