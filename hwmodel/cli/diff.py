"""`hwmodel diff`: what changed between two saved answers."""

from __future__ import annotations

from pathlib import Path

import click

from hwmodel.answers import json_text
from hwmodel.cli.output import check_writable, emit


@click.command("diff")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--format", "fmt", type=click.Choice(["md", "json", "html"]), default="md", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write here instead of to stdout.")
def command(first: Path, second: Path, fmt: str, out: Path | None) -> None:
    """What two answers of `plan` differ in, by how much, and whether within their intervals.

    \b
    hwmodel plan --gpus 512xH100 --tokens 2T --out a.json
    hwmodel plan --gpus 512xH200 --tokens 2T --out b.json
    hwmodel diff a.json b.json
    """
    from hwmodel.interop.export import read_answer
    from hwmodel.report.diff import diff_markdown, differences

    check_writable(out)
    found = differences(read_answer(first), read_answer(second))
    text = json_text(found) if fmt == "json" else diff_markdown(found, (first.name, second.name))
    if fmt == "html":
        from hwmodel.report.html import page_of_markdown

        text = page_of_markdown(text)
    emit(text, out)
