"""`hwmodel diff`: what changed between two saved answers."""

from __future__ import annotations

from pathlib import Path

import click

from hwmodel.answers import json_text
from hwmodel.cli.options import LANGUAGE
from hwmodel.cli.output import FORMATS, check_writable, emit, form_of, table_columns


@click.command("diff")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--format", "fmt", type=click.Choice(FORMATS), help="Default: text on a terminal, md elsewhere.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write here instead of to stdout.")
@LANGUAGE
def command(first: Path, second: Path, fmt: str | None, out: Path | None, lang: str | None) -> None:
    """What two answers of `plan` differ in, by how much, and whether within their intervals.

    \b
    hwmodel plan --gpus 512xH100 --tokens 2T --out a.json
    hwmodel plan --gpus 512xH200 --tokens 2T --out b.json
    hwmodel diff a.json b.json
    """
    from msgspec import to_builtins

    from hwmodel.report.diff import diff_csv, diff_html, diff_markdown, diff_text, differences, plan_of
    from hwmodel.report.phrases import language_of
    from hwmodel.solve.saved import read_saved

    check_writable(out)
    form, names = form_of(fmt, out), (first.name, second.name)
    language = language_of(lang, form)
    answers = read_saved(first), read_saved(second)
    found = differences(*map(plan_of, answers))
    if form == "json":
        text = json_text(to_builtins(found))
    elif form == "csv":
        text = diff_csv(found)
    elif form == "text":
        text = diff_text(found, names, table_columns(), language)
    else:
        text = (diff_html if form == "html" else diff_markdown)(found, names, language)
    emit(text, out)
