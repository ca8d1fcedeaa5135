"""`hwmodel prices`: list, update."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from hwmodel.cli.group import CommandGroup
from hwmodel.cli.options import CATALOG, TABLE, pairs, with_options
from hwmodel.cli.output import emit, note, table_columns, write_texts
from hwmodel.errors import InputError


@click.group(cls=CommandGroup)
def command() -> None:
    """What an accelerator-hour costs: list the quotes, take in newer ones."""


@command.command("list")
@click.option("--part", metavar="PART", help="Every quote of one part, with where it was read.")
@click.option("--kind", help="Kind of quote: on_demand, spot, reserved_1y ... (default: on_demand).")
@click.option("--region", metavar="PLACE", help="Only what can be had on the continent of a country or cloud region.")
@with_options([*TABLE, CATALOG])
def list_prices(
    part: str | None, kind: str | None, region: str | None, fmt: str, out: Path | None, catalogs: tuple[Path, ...]
) -> None:
    """The price of an hour of every part that is rented; with --part each quote behind it.

    \b
    hwmodel prices list
    hwmodel prices list --part h100 --format csv
    hwmodel prices list --region France
    """
    from hwmodel.api import prices

    emit(prices.list(part, kind, region=region, catalogs=catalogs).render(fmt, table_columns()), out)


@command.command()
@click.argument("source")
@click.option("--date", "day", metavar="YYYY-MM-DD", help="Day of the prices (default: today; of a file its own).")
@click.option("--provider", "providers", multiple=True, help="Only this provider of gpuhunt (repeatable).")
@click.option(
    "--as", "named", multiple=True, metavar="NAME=PART", help="Which part a ledger's name means (repeatable)."
)
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="Overlay to write (default: your own).")
@click.option("--quiet", is_flag=True, help="No notes on stderr.")
def update(
    source: str, day: str | None, providers: tuple[str, ...], named: tuple[str, ...], into: Path | None, quiet: bool
) -> None:
    """Take newer prices in, as a dated overlay: SOURCE is gpuhunt, a SkyPilot catalog folder, or a CSV file.

    \b
    hwmodel prices update gpuhunt --provider lambdalabs
    hwmodel prices update ~/.sky/catalogs/v8 --date 2026-11-26
    hwmodel prices update mine.csv --into overlay
    """
    from hwmodel.catalog import load_catalog
    from hwmodel.catalog.places import own_root
    from hwmodel.interop.price_ledgers import chosen_parts, from_files, from_gpuhunt, quotes_csv

    catalog = load_catalog()
    chosen = chosen_parts(pairs(named, "--as", "H100=h100-sxm5-80gb"), catalog)
    when = _day(day)
    if source == "gpuhunt":
        taken, origin = from_gpuhunt(when or date.today().isoformat(), chosen, providers), source
    elif not Path(source).exists():
        raise InputError(f"no source of prices {source!r}: name gpuhunt, a SkyPilot catalog folder, or a CSV file")
    elif providers:
        raise InputError(f"--provider chooses among gpuhunt's; {source} is a file or folder of your own")
    else:
        taken, origin = from_files(Path(source), when, chosen, catalog), Path(source).stem
    if not taken.quotes:
        raise InputError(f"no usable price in {source}{_left(taken.left_out)}")
    newest = max(q.date for q in taken.quotes)
    name = f"prices/update-{newest}-{origin}.csv"
    folder = into or own_root()
    write_texts(folder, {name: quotes_csv(taken.quotes)})
    parts = {q.part for q in taken.quotes}
    note(f"{folder / name}: {len(taken.quotes)} quotes of {len(parts)} parts{_left(taken.left_out)}", quiet=quiet)
    if into is not None:
        note(f"use them with --catalog {into}", quiet=quiet)


def _day(text: str | None) -> str | None:
    """A day, written whole and not in the future. InputError for anything else."""
    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--date {text!r} is no day; write it like 2026-11-26") from None
    if found > date.today():
        raise InputError(f"--date {text} lies in the future: prices are those of a day that was")
    return found.isoformat()


def _left(left: dict[str, int]) -> str:
    """What could not be taken, and how to name it."""
    if not left:
        return ""
    shown = ", ".join(f"{name} ({n})" for name, n in sorted(left.items(), key=lambda item: -item[1])[:8])
    more = f" and {len(left) - 8} more" if len(left) > 8 else ""
    return f"; left out, for the part or the provider is not told: {shown}{more} (--as NAME=PART names a part)"
