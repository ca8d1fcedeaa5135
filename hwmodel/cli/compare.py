"""`hwmodel compare`: the same run in several formats, or with several values of one option."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hwmodel.answers import json_text
from hwmodel.catalog.writing import is_special
from hwmodel.cli.models import with_model_file
from hwmodel.cli.options import QUESTION, RESULT, with_options
from hwmodel.cli.output import emit, note, terminal_columns
from hwmodel.cli.sections import Sectioned


@click.command("compare", cls=Sectioned)
@with_options([*QUESTION, *RESULT])
@click.option("--precision", help="Recipes to compare, separated by commas (default bf16,fp8).")
def command(fmt: str, out: Path | None, quiet: bool, precision: str | None, **given: Any) -> None:
    """One run in several formats, and which wins; or several values of one option, or of several, side by side.

    \b
    hwmodel compare --gpus 512xH100 --tokens 2T --precision bf16,fp8
    hwmodel compare --params 10B,100B --gpus 1024xH100
    hwmodel compare --gpus 512xH100,256xB200 --precision bf16,fp8 --params 70B --tokens 2T
    """
    from hwmodel import report
    from hwmodel.solve.plan.compare_values import compare_values, listed_options

    given = with_model_file(given, quiet=quiet)
    if precision:
        given["precision"] = precision
    lists = listed_options(given)
    if lists and set(lists) != {"precision"}:
        kept = {name: value for name, value in given.items() if name not in lists}
        table = compare_values(lists, **kept)
        writers = {"csv": report.values_csv, "text": _at_width(report.values_card), "md": report.values_markdown}
        emit(json_text(table.to_dict()) if fmt == "json" else writers[fmt](table), out)
        return
    from hwmodel.solve.plan.compare import compare

    found = compare(**{**given, "precision": precision or "bf16,fp8"})
    if fmt in ("json", "csv") or out is not None:
        # The report says these itself; here they are for whoever does not see it.
        for line in found.warnings:
            note(f"note: {line}", quiet=quiet)
    if fmt == "md" and out is not None:
        drawn = {} if is_special(out) else report.compare_figures(found, out)
        text = report.compare_markdown(found, next((file.name for file, _ in drawn.values()), ""))
        emit(text, out, report.figure_files(drawn))
        return
    tables = {"csv": report.compare_csv, "text": _at_width(report.compare_card), "md": report.compare_markdown}
    emit(json_text(found.to_dict()) if fmt == "json" else tables[fmt](found), out)


def _at_width(card: Callable[[Any, int], str]) -> Callable[[Any], str]:
    """A card as wide as the terminal."""
    return lambda found: card(found, terminal_columns())
