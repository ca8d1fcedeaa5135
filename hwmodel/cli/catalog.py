"""`hwmodel catalog`: list, show, check, schema, docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hwmodel.cli.group import CommandGroup
from hwmodel.cli.options import CATALOG, OUT, TABLE, pairs, with_options
from hwmodel.cli.output import emit, note, written

_table = with_options([*TABLE, CATALOG])


@click.group(cls=CommandGroup)
def command() -> None:
    """List, show and check the catalogs."""


@command.command("list")
@click.argument("kind", default="accelerators")
@click.option("--columns", metavar="A,B", help="Only these columns, in this order.")
@click.option("--where", "filters", multiple=True, metavar="COLUMN=WORD", help="Only rows whose cell holds WORD.")
@_table
def list_records(
    kind: str, columns: str | None, filters: tuple[str, ...], fmt: str, out: Path | None, catalogs: tuple[Path, ...]
) -> None:
    """Records of a KIND: accelerators, systems, models, prices, precisions, serving, laws, regions, stacks, sources."""
    from hwmodel.catalog import load_catalog
    from hwmodel.cli.output import render
    from hwmodel.report.catalog_pages import chosen_rows, rows_of, shown

    catalog = load_catalog(catalogs)
    rows = chosen_rows(rows_of(catalog, kind), columns, pairs(filters, "--where", "family=hopper"))
    cells = rows if fmt == "json" else [shown(row) for row in rows]
    emit(render(cells, {"kind": kind, "catalog_version": catalog.version, "rows": rows}, fmt), out)


@command.command()
@click.argument("name")
@click.option("--provenance", is_flag=True, help="Also sources, notes, and both sides of every conflict.")
@_table
def show(name: str, provenance: bool, fmt: str, out: Path | None, catalogs: tuple[Path, ...]) -> None:
    """One record by id or alias (`A100`, `gb300`, `dgx-h100`, `llama-3.1-8b`), or a Hugging Face config.json."""
    from hwmodel.catalog import load_catalog
    from hwmodel.cli.output import render
    from hwmodel.report.catalog_pages import document, field_rows, find, page

    catalog = load_catalog(catalogs)
    if name.endswith(".json") or ("/" in name and Path(name).exists()):
        kind, record, remarks = _imported(Path(name))
        for remark in remarks:
            note(remark)
    else:
        kind, record = find(catalog, name)
        if record.id != name:
            note(f"{name} read as {kind} {record.id}")
    if fmt in ("md", "text", "html"):
        emit(written(page(catalog, kind, record, provenance=provenance), fmt), out)
    else:
        emit(render(field_rows(catalog, kind, record), document(catalog, kind, record), fmt), out)


def _imported(path: Path) -> tuple[str, Any, tuple[str, ...]]:
    """A Hugging Face configuration as a record of the catalog, with its remarks."""
    from hwmodel.catalog import ModelEntry
    from hwmodel.interop.huggingface import read_config

    found = read_config(path)
    entry = ModelEntry(id=found.shape.name, name=found.shape.name, source="config.json", shape=found.shape)
    return "model", entry, found.notes


@command.command()
@CATALOG
@click.option("--quiet", is_flag=True, help="Say nothing when all is well.")
def check(catalogs: tuple[Path, ...], quiet: bool) -> None:
    """Check every record of the catalogs and overlays; exit 4 when something is wrong."""
    from hwmodel.catalog import load_catalog
    from hwmodel.catalog.build import problems_of
    from hwmodel.catalog.places import catalog_roots
    from hwmodel.errors import CatalogError
    from hwmodel.interop.model_check import count_problems

    found = [str(error) for error in problems_of(catalog_roots(catalogs))]
    if not found:
        catalog = load_catalog(catalogs)
        found = count_problems(catalog)
    for line in found:
        click.echo(line)
    if found:
        raise CatalogError(f"{len(found)} problem{'s' if len(found) > 1 else ''} found")
    note(f"catalog {catalog.version}: {len(catalog.parts())} accelerators, {len(catalog.systems())} systems, "
         f"{len(catalog.models())} models: nothing wrong", quiet=quiet)  # fmt: skip


@command.command()
@click.argument("kind", default="accelerators")
@OUT
def schema(kind: str, out: Path | None) -> None:
    """JSON Schema of a KIND of record (accelerators, systems, models) or of a plan file (plan), for editors."""
    from hwmodel.answers import json_text
    from hwmodel.catalog.json_schema import schema_of
    from hwmodel.solve.stages.keys import schema as plan_schema

    emit(json_text(plan_schema() if kind == "plan" else schema_of(kind)), out)


@command.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("docs"), show_default=True)
def docs(out: Path) -> None:
    """Write docs/parts/<id>.md, the index of parts and docs/nomenclature.md."""
    from hwmodel.catalog import load_catalog
    from hwmodel.cli.output import write_texts
    from hwmodel.report.catalog_docs import documents

    write_texts(out, documents(load_catalog()))
