"""`hwmodel explain`: where a number of a saved answer comes from."""

from __future__ import annotations

from pathlib import Path

import click

from hwmodel.answers import json_text
from hwmodel.cli.options import LANGUAGE
from hwmodel.cli.output import FORMATS, check_writable, emit, form_of, table_columns


@click.command("explain")
@click.argument("answer", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--format", "fmt", type=click.Choice(FORMATS), help="Default: text on a terminal, md elsewhere.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write here instead of to stdout.")
@LANGUAGE
def command(answer: Path, name: str, fmt: str | None, out: Path | None, lang: str | None) -> None:
    """The terms of a number of a saved answer: formula, values, units, sources, down to facts and fitted constants.

    NAME is a key of the answer's JSON, like cost_usd, step.tp_s, quantiles.p90.cost_usd or precisions.fp8.speedup.

    \b
    hwmodel plan --gpus 512xH100 --tokens 2T --out a.json
    hwmodel explain a.json cost_usd
    hwmodel explain a.json step.gemm_s
    """
    from hwmodel.report import explain as pages
    from hwmodel.report.phrases import language_of
    from hwmodel.solve.saved import read_document

    check_writable(out)
    form = form_of(fmt, out)
    language = language_of(lang, form)
    found = pages.explain(read_document(answer), name, str(answer))
    if form == "json":
        text = json_text(found.to_dict())
    elif form == "csv":
        text = pages.explained_csv(found)
    elif form == "text":
        text = pages.explained_text(found, table_columns(), language)
    else:
        text = (pages.explained_html if form == "html" else pages.explained_markdown)(found, language)
    emit(text, out)
