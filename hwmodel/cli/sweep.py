"""`hwmodel sweep`: every point of a space of questions, and what its rows say."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwmodel.answers import json_text
from hwmodel.cli.group import CommandGroup
from hwmodel.cli.interrupt import stopping
from hwmodel.cli.options import FORMAT, OUT, QUIET
from hwmodel.cli.output import emit, form_of, note, table_columns
from hwmodel.cli.process import start_no_algebra
from hwmodel.cli.progress import Bar, Log, bars_are_drawn
from hwmodel.cli.sections import Sectioned
from hwmodel.errors import InputError

if TYPE_CHECKING:
    from hwmodel.solve.sweep.run import Progress
    from hwmodel.solve.sweep.show import Rows, Selected

OWN = ("run", "show")
WHOLE = ("json", "csv")  # forms that hold every row and column
BEST_SHOWN, FRONT_SHOWN = 20, 1000  # rows in the others where nobody says how many


class Swept(CommandGroup):
    """A group whose first word is a space, unless it is `show`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a command of the group the words are those of a run."""
        if args and args[0] not in (*OWN, "-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("sweep", cls=Swept)
def command() -> None:
    """Every point of a space of questions, as rows, winners and a Pareto front.

    \b
    hwmodel sweep SPACE.yaml --out DIR --workers 2
    hwmodel sweep run --help
    hwmodel sweep show DIR --top 20 --by cost_usd
    hwmodel sweep show DIR --pareto cost_usd,loss_nats --where "elapsed_days <= 60"

    \b
    # SPACE.yaml
    base: {tokens: 1T, precision: bf16}
    axes: {gpus: [256xH100, 512xH100], params: 7B..70B log 12}
    where: ["tokens / params >= 10"]
    """


@command.command("run", cls=Sectioned, short_help="Answer every point of SPACE (the word `run` may be left out).")
@click.argument("space", type=click.Path(path_type=Path))
@click.option(
    "--out", "folder", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Folder of the rows."
)
@click.option("--workers", metavar="N", type=int, help="Processes of this machine (default: this one alone).")
@click.option("--dask", metavar="ADDRESS", help="A Dask cluster that runs already, like tcp://host:8786.")
@click.option("--shard", metavar="I/N", help="The i-th of n processes that share the folder, as a batch system starts.")
@click.option("--resume", is_flag=True, help="Go on with what the folder holds of this sweep.")
@FORMAT
@QUIET
def run(
    space: Path, folder: Path, workers: int | None, dask: str | None, shard: str | None, resume: bool, fmt: str | None,
    quiet: bool,
) -> None:  # fmt: skip
    """Answer every point of the space in SPACE.yaml into the folder DIR.

    \b
    hwmodel sweep space.yaml --out fleets --workers 2
    hwmodel sweep space.yaml --out fleets --resume
    """
    start_no_algebra()
    from hwmodel.report.sweep import sweep_report
    from hwmodel.report.sweep_page import sweep_html
    from hwmodel.solve.sweep.run import standing, sweep

    logging.disable(logging.CRITICAL)  # a cluster's own words of workers that come and go
    shown = form_of(fmt, None)
    then = "start this part again" if shard else "go on with --resume"
    with stopping(lambda: standing(folder, then), at_once=workers is None and dask is None):
        found = sweep(space, folder, workers=workers, dask=dask, shard=shard, resume=resume, progress=_progress(quiet),
                      say=lambda line: note(line, quiet=quiet))  # fmt: skip
    if found.summary is None:
        note(f"this part of {folder} stands; others are still to be run", quiet=quiet)
        return
    if shown == "html":
        emit(sweep_html(found.summary, folder), None)
        return
    if shown == "json":
        emit(json_text(found.to_dict()), None)
        return
    emit(sweep_report(found.summary, folder, shown, wide=table_columns()), None)


def _progress(quiet: bool) -> Callable[[Progress], None] | None:
    """A bar of the points done, with those a second; where no terminal shows it a line a minute."""
    if quiet:
        return None
    start = time.monotonic()
    bar, log = Bar() if bars_are_drawn(quiet) else None, Log()

    def told(p: Progress) -> None:
        """Show how far a sweep is."""
        rate = f"{p.points_here / max(time.monotonic() - start, 1e-9):,.0f} points/s"
        here = p.points_here / p.of_points_here
        if bar is None:
            log.tell(f"{p.shards:,} of {p.of_shards:,} shards, {rate}", here)
        else:
            bar.draw("", p.points / p.of_points, rate, ended=p.points_here == p.of_points_here, here=here)

    return told


@command.command("show", cls=Sectioned)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--top",
    "count",
    metavar="N",
    type=int,
    help="The best N rows (default: 20), or N of a front from end to end (1,000).",
)
@click.option("--by", metavar="ANSWER", help="By which answer they are the best (default: the sweep's first).")
@click.option("--pareto", metavar="A,B", help="The front of 2 to 4 answers instead.")
@click.option("--where", metavar="EXPR", help="Only rows that meet it, like 'params >= 7B and elapsed_days < 60'.")
@click.option(
    "--columns", metavar="A,B", help="Columns to show (default: the axes and the usual answers; all as CSV or JSON)."
)
@click.option("--heat", metavar="X,Y,ANSWER", help="The best of an answer over two axes; with --out also drawn.")
@FORMAT
@OUT
@QUIET
def show(
    folder: Path, count: int | None, by: str | None, pareto: str | None, where: str | None, columns: str | None,
    heat: str | None, fmt: str | None, out: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Rows of a sweep: the best, the front, or an answer over two axes.

    With `--out report.html` or --format html, and with `--out report.md` where no rows are named, a report with
    figures: the question, what was evaluated, the rows asked for (or all that the sweep keeps), what they rest on.
    """
    start_no_algebra()
    from hwmodel.solve.sweep.show import Rows

    shown = form_of(fmt, out)
    if sum(one is not None for one in (by, pareto, heat)) > 1:
        raise InputError("--by, --pareto and --heat each ask for other rows: give one of them")
    rows = Rows(folder)
    if rows.missing:
        note(
            f"{rows.missing:,} of {rows.space.shards:,} shards are not run yet or damaged: rows are missing",
            quiet=quiet,
        )
    asked = any(one is not None for one in (by, pareto, heat, count, columns))
    if shown == "html" or (shown == "md" and out is not None and not asked):
        _emit_section(rows, count, by, pareto, where, columns, heat, shown, out)
        return
    if heat is not None:
        _show_heat(rows, _words(heat, "--heat", 3), where, shown, out)
        return
    names = _words(pareto, "--pareto") if pareto is not None else [by] if by else list(rows.space.keep.top)[:1]
    why = where is not None and pareto is None and rows.asks_why(where)
    chosen, whole = _columns(rows, columns, names, why), shown in WHOLE
    read = None if whole and columns is None else list(dict.fromkeys([*chosen, *names]))
    if pareto is not None:
        found = rows.front(names, where, read, FRONT_SHOWN if count is None and not whole else count)
    else:
        found = rows.best(BEST_SHOWN if count is None else count, by, where, read)
    drawn = _front_figure(rows, names, found, out) if pareto is not None and out is not None and shown == "md" else {}
    _emit(found, chosen, shown, out, drawn)
    note(_counted(found, [] if why else names), quiet=quiet)
    if rows.space.where and not quiet:
        note(_left_out(rows))


def _emit_section(
    rows: Rows, count: int | None, by: str | None, pareto: str | None, where: str | None, columns: str | None,
    heat: str | None, shown: str, out: Path | None,
) -> None:  # fmt: skip
    """The report of a folder: one file with its figures in it, or Markdown with them beside."""
    from hwmodel.report.sweep_page import section_html
    from hwmodel.report.sweep_section import RowsWanted, sweep_section

    wanted = RowsWanted(
        where=where, by=by, count=count,
        pareto=None if pareto is None else tuple(_words(pareto, "--pareto")),
        heat=None if heat is None else tuple(_words(heat, "--heat", 3)),
        columns=None if columns is None else tuple(_columns(rows, columns, [])),
    )  # fmt: skip
    if shown == "html":
        emit(section_html(rows, wanted), out)
        return
    assert out is not None
    text, drawn = sweep_section(rows, wanted, lambda name: f"{out.stem}-{name}.svg")
    emit(text, out, {out.with_name(name): data for name, data in drawn.items()})


def _counted(found: Selected, names: list[str]) -> str:
    """How many rows there are, and of how many only some are shown."""
    if not found.found:
        return f"0 rows: none that is asked for has {' and '.join(names) or 'such a status'}"
    if found.found == len(found.rows):
        return f"{found.found:,} rows"
    some = f"{len(found.rows):,} are shown from end to end"
    return f"{found.found:,} rows, of which {some} (all: --format csv or json without --top)"


def _left_out(rows: Rows) -> str:
    """What the constraints of the sweep left out of its rows."""
    from hwmodel.report.sweep import left_out
    from hwmodel.solve.sweep.summary import standing_summary

    summary = standing_summary(rows.folder, rows.shards)
    if summary is None:
        return "the sweep is not finished: what its constraints leave out is not counted yet"
    said = [f"by `{one.constraint}` {left_out(one)}" for one in summary.where]
    return f"left out by the sweep's own constraints: {', '.join(said)}"


def _words(text: str, option: str, count: int | None = None) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if count is not None and len(words) != count:
        raise InputError(f"{option} takes {count} names, like gpus,params,cost_usd, got {text!r}")
    return words


def _columns(rows: Rows, given: str | None, names: list[str], why: bool = False) -> list[str]:
    from hwmodel.errors import unknown
    from hwmodel.report.sweep import WHY, shown_columns

    axes, several = [axis.column for axis in rows.space.axes], rows.space.layouts != "best"
    if given is None and why:
        return [*axes, *WHY]
    if given is None:
        return shown_columns(axes, rows.space.ask, names, rows.names, layouts=several)
    wanted = _words(given, "--columns")
    for name in wanted:
        if name not in rows.names:
            raise unknown("column", name, rows.names, "--columns")
    return wanted


def _emit(found: Selected, columns: list[str], shown: str, out: Path | None, drawn: dict[Path, bytes]) -> None:
    from hwmodel.report.sweep import shown_text

    if shown == "json":
        emit(json_text({"rows": found.rows}), out)
        return
    pictures = "".join(f"\n![front]({path.name})\n" for path in drawn)
    emit(shown_text(found, columns, shown, table_columns()) + pictures, out, drawn)


def _front_figure(rows: Rows, names: list[str], found: Selected, out: Path) -> dict[Path, bytes]:
    from hwmodel.report import figure_files
    from hwmodel.report.sweep_figures import drawn_front

    return figure_files({"front": (out.with_name(f"{out.stem}-front.svg"), drawn_front(rows, names, found.rows))})


def _show_heat(rows: Rows, names: list[str], where: str | None, shown: str, out: Path | None) -> None:
    from hwmodel.report import figure_files
    from hwmodel.report.sweep import heat_table
    from hwmodel.report.sweep_figures import heat_figure, units_of

    heat = rows.heat(names[0], names[1], names[2], where)
    across, up, answer = heat.names
    if shown == "json":
        named = {"across": across, "up": up, "answer": answer}
        emit(json_text({**named, "x": heat.across, "y": heat.up, "best": heat.best}), out)
        return
    drawn: dict[Path, Any] = {}
    if out is not None and shown == "md":
        drawn = figure_files({"heat": (out.with_name(f"{out.stem}-heat.svg"), heat_figure(heat, units_of(rows)))})
    pictures: Any = "".join(f"\n![{answer}]({path.name})\n" for path in drawn)
    emit(heat_table(heat, "md" if shown == "md" else "text", table_columns()) + "\n" + pictures, out, drawn)
