"""`hwmodel compare`: the same run in several formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hwmodel.cli.options import QUESTION, RESULT, with_options
from hwmodel.cli.output import check_writable, emit, json_text, note


@click.command("compare")
@with_options([*QUESTION, *RESULT])
@click.option("--precision", default="bf16,fp8", show_default=True, help="Recipes to compare, separated by commas.")
def command(form: str, out: str | None, quiet: bool, precision: str, **given: Any) -> None:
    """Time, MFU, memory, layout, money and loss of one run in several formats, and which wins.

    \b
    hwmodel compare --gpus 512xH100 --tokens 2T --precision bf16,fp8
    """
    path = Path(out) if out else None
    check_writable(path)
    from hwmodel import report
    from hwmodel.solve.compare import compare

    found = compare(precision=precision, **given)
    if form in ("json", "csv") or path is not None:
        # The report says these itself; here they are for whoever does not see it.
        for line in found.warnings:
            note(f"note: {line}", quiet=quiet)
    if form == "json":
        text = json_text(found.to_dict())
    elif form == "csv":
        text = report.compare_csv(found)
    elif form == "text":
        text = report.compare_text(found)
    else:
        text = report.compare_markdown(found)
    emit(text, path)
