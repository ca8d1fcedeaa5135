"""`hwmodel accuracy`: how right predictions were on measured runs like yours."""

from __future__ import annotations

from pathlib import Path

import click

from hwmodel.cli.options import CATALOG, LANGUAGE, RESULT, with_options
from hwmodel.cli.output import emit, table_columns


@click.command("accuracy")
@click.option("--part", metavar="PART", help="Accelerator, like b200.")
@click.option("--model", metavar="KIND", help="moe, dense, or a model whose kind is meant.")
@click.option(
    "--kind",
    metavar="KIND",
    help="training, searched, memory, serving, tpot, ttft, throughput or whole (all).",
)
@click.option("--software", metavar="NAME", help="Trainer or engine, like megatron-core or vllm.")
@click.option("--precision", metavar="FORMAT", help="Number format of the products, like fp8.")
@with_options([CATALOG, *RESULT, LANGUAGE])
def command(
    part: str | None,
    model: str | None,
    kind: str | None,
    software: str | None,
    precision: str | None,
    catalogs: tuple[Path, ...],
    fmt: str,
    out: Path | None,
    quiet: bool,
    lang: str | None,
) -> None:
    """Runs like yours: how many were measured, of how many sources, how far off predictions were, and whether their
    80 % intervals held; each predicted without its source. `docs/accuracy.md` shows the whole board.
    """
    from hwmodel.catalog import load_catalog
    from hwmodel.report.accuracy import accuracy_text
    from hwmodel.report.phrases import language_of
    from hwmodel.solve.accuracy import accuracy

    language = language_of(lang, fmt)
    found = accuracy(
        part=part, model=model, kind=kind, software=software, precision=precision, catalog=load_catalog(catalogs)
    )
    emit(accuracy_text(found, fmt, table_columns(), language), out)
