"""`hwmodel fit RUNS.csv`: fit a scaling law to your own runs, save it, predict with it, watch a run against it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from hwmodel.cli.options import QUIET, TABLE, pairs, with_options
from hwmodel.cli.output import check_writable, emit, note, write_text
from hwmodel.cli.progress import stages
from hwmodel.plain import Rows

if TYPE_CHECKING:
    from hwmodel.interop.loss_runs import LossRuns
    from hwmodel.report.fit_text import WatchFigures
    from hwmodel.solve.law.fit import Fit, Fitted, Prediction

FORMS = ("additive", "tied", "repeated", "power-floor", "isoflop", "envelope")


@click.command()
@click.argument("runs", type=click.Path(path_type=Path))
@click.option(
    "--form",
    type=click.Choice(["auto", *FORMS]),
    default="auto",
    show_default=True,
    help="auto: additive for N, D and loss; power-floor for C and loss alone.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=HEADER",
    help="params, tokens, flop, loss, unique_tokens, budget.",
)
@click.option(
    "--unit", "units", multiple=True, metavar="NAME=UNIT", help="params=M, tokens=B, flop=GFLOP, loss=bits ..."
)
@click.option("--where", multiple=True, metavar="HEADER=VALUE", help="Keep only such rows; repeatable.")
@click.option("--all-rows", is_flag=True, help="Keep rows that a column `use` or `used_...` switches off.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows with empty, text or non-positive cells.")
@click.option(
    "--at",
    "targets",
    multiple=True,
    metavar="70B@1.4T",
    help="Predict here: N@D, N@D/U for repeated, C for power-floor.",
)
@click.option("--base", metavar="LAW", help="Single-epoch law of --form repeated (default: the runs of one epoch).")
@click.option("--level", default=0.8, show_default=True, help="Of the prediction intervals.")
@click.option("--watch", type=click.Path(path_type=Path), help="A running loss (params, tokens, loss) to hold against.")
@click.option("--watch-level", default=0.95, show_default=True, help="Of the band that a running loss is held against.")
@click.option("--bootstraps", default=4000, show_default=True, help="Fits to resampled runs, for the intervals.")
@click.option("--seed", default=42, show_default=True, help="Seed of the starts and of the resampling.")
@click.option("--convention", help="How the runs count parameters (default: by the name of the column).")
@click.option("--save", metavar="ID", help="Save as a law of your own: `--law ID` then plans with it.")
@click.option("--force", is_flag=True, help="Save over a law of that id.")
@click.option("--save-in", type=click.Path(path_type=Path), help="Catalog folder to save in (default: the user's).")
@click.option("--plot", type=click.Path(path_type=Path), help="Write a figure (SVG).")
@with_options([*TABLE, QUIET])
def command(runs: Path, fmt: str, out: Path | None, quiet: bool, **asked: Unpack[FitAsked]) -> None:
    """Fit a law to RUNS.csv (columns N, D, loss; or C, loss) with joint uncertainty.

    Sum of Huber losses on log loss, 4,500 starts, bootstrap, profile likelihood of the floor. Refuses runs that do
    not identify the law.
    """
    from hwmodel.cli.output import render
    from hwmodel.interop.loss_runs import read_runs
    from hwmodel.report.fit_text import describe, fit_document
    from hwmodel.specs.law import CONVENTIONS

    if asked["convention"] is not None and asked["convention"] not in CONVENTIONS:
        from hwmodel.errors import unknown

        raise unknown("parameter convention", asked["convention"], CONVENTIONS)
    _check(asked)
    table = read_runs(
        runs, _headers(asked), pairs(asked["where"], "--where", "status=done"), units=_stated_units(asked),
        convention=asked["convention"], skip_bad=asked["skip_bad"], all_rows=asked["all_rows"],
    )  # fmt: skip
    for line in table.notes:
        note(line, quiet=quiet)
    fitted = _fit(table, asked, quiet)
    found = describe(fitted)
    predictions, losses = _predicted(fitted, asked)
    watched, stands = _watched(fitted, asked)
    if asked["plot"]:
        _plot(fitted.fit, table, asked["plot"])
    place = None
    if asked["save"]:
        place = _save(fitted.fit, table, asked["save"], _folder(asked))
        note(f"saved: use it with --law {asked['save']} ({place})", quiet=quiet)
    emit(render([*found.rows, *losses, *stands], fit_document(found, predictions, watched, place), fmt), out)


class FitAsked(TypedDict):
    """The options of the command, as typed."""

    form: str
    columns: tuple[str, ...]
    units: tuple[str, ...]
    where: tuple[str, ...]
    all_rows: bool
    skip_bad: bool
    targets: tuple[str, ...]
    base: str | None
    level: float
    watch: Path | None
    watch_level: float
    bootstraps: int
    seed: int
    convention: str | None
    save: str | None
    force: bool
    save_in: Path | None
    plot: Path | None


def _headers(asked: FitAsked) -> dict[str, str]:
    """Quantities and the headers that --column gives them."""
    return pairs(asked["columns"], "--column", "loss=eval_loss")


def _stated_units(asked: FitAsked) -> dict[str, str]:
    """Quantities and the units that --unit gives them."""
    return pairs(asked["units"], "--unit", "flop=GFLOP")


def _folder(asked: FitAsked) -> Path:
    """The catalog that a law is saved in."""
    from hwmodel.catalog.places import own_root

    return asked["save_in"] or own_root()


def _check(asked: FitAsked) -> None:
    """Refuse settings that cannot be met before the fit is made."""
    from hwmodel.errors import InputError
    from hwmodel.interop.fit_runs import check_options

    for name, level in (("--level", asked["level"]), ("--watch-level", asked["watch_level"])):
        if not 0.0 < level < 1.0:
            raise InputError(f"{name} is a share between 0 and 1, such as 0.8")
    check_writable(asked["plot"], "--plot")
    if asked["plot"] is not None and asked["plot"].suffix != ".svg":
        raise InputError(f"--plot {asked['plot']}: figures are SVG; name a file that ends in .svg")
    if asked["save"] is not None:
        _check_name(asked["save"], asked)
    check_options(asked["form"], asked["bootstraps"], asked["seed"], based=asked["base"] is not None)


def _check_name(name: str, asked: FitAsked) -> None:
    """Refuse an id that no law can have, or that another law has."""
    from hwmodel.catalog import load_catalog
    from hwmodel.catalog.laws import check_free, check_id
    from hwmodel.errors import InputError

    check_id(name)
    if asked["force"]:
        return
    check_free(_folder(asked), name)
    if any(spec.id == name for spec in load_catalog().laws()):
        raise InputError(f"--save {name}: the catalog has a law of this id, which yours would hide; "
                         "choose another id, or --force")  # fmt: skip


def _fit(table: LossRuns, asked: FitAsked, quiet: bool) -> Fitted:
    """The fit of the form asked; `auto` goes by the columns."""
    from hwmodel.interop.fit_runs import fit_runs

    base = None
    if asked["base"] is not None:
        from hwmodel import laws
        from hwmodel.catalog import load_catalog

        base = laws.additive_terms(load_catalog().law(asked["base"]))
    return fit_runs(
        table, asked["form"], base=base, bootstraps=asked["bootstraps"], seed=asked["seed"], progress=stages(quiet)
    )


def _predicted(fitted: Fitted, asked: FitAsked) -> tuple[list[Prediction], Rows]:
    """The losses predicted at the targets of --at."""
    if not asked["targets"]:
        return [], []
    from hwmodel.errors import InputError
    from hwmodel.laws.fit_slices import AllocationFit
    from hwmodel.report.fit_text import describe_prediction
    from hwmodel.solve.law.fit import prediction

    if isinstance(fitted.fit, AllocationFit):
        raise InputError("--at: an iso-FLOP or envelope fit has no loss; use --form additive or power-floor")
    found = [(text, prediction(fitted.fit, asked["level"], **_target(text, fitted))) for text in asked["targets"]]
    return [got for _, got in found], [describe_prediction(text, got) for text, got in found]


def _target(text: str, fitted: Fitted) -> dict[str, float]:
    """Where to predict, as the form of the fit needs it."""
    from hwmodel.errors import InputError
    from hwmodel.units import parse_count, parse_flop

    form = getattr(fitted.fit, "form", "repeated")
    if form.startswith("power_of_"):
        read = parse_flop if form == "power_of_flop" else parse_count
        return {form.removeprefix("power_of_"): read(text, "--at")}
    size, at, data = text.partition("@")
    data, repeated, unique = data.partition("/")
    if not at or bool(repeated) != (form == "repeated"):
        example = "N@D/U, such as 7B@1T/100B" if form == "repeated" else "N@D, such as 70B@1.4T"
        raise InputError(f"--at {text!r}: write {example}")
    target = {"params": parse_count(size, "--at"), "tokens": parse_count(data, "--at")}
    return target | ({"unique_tokens": parse_count(unique, "--at")} if repeated else {})


def _watched(fitted: Fitted, asked: FitAsked) -> tuple[WatchFigures | None, Rows]:
    """Where a running loss stands against the band of the fit, and what that means."""
    if asked["watch"] is None:
        return None, []
    from hwmodel.errors import InputError
    from hwmodel.interop.loss_runs import read_runs
    from hwmodel.laws.fit_loss import LossFit, decades_beyond_runs
    from hwmodel.report.fit_text import describe_watch
    from hwmodel.solve.law.fit import watch

    if not isinstance(fitted.fit, LossFit):
        raise InputError("--watch needs a fit in parameters and tokens (--form additive or tied)")
    running = read_runs(asked["watch"], _headers(asked), units=_stated_units(asked))
    params, tokens = running.need("params"), running.need("tokens")
    points = watch(fitted.fit, params, tokens, running.loss, asked["watch_level"])
    far = float(decades_beyond_runs(fitted.fit.ranges, params=params, tokens=tokens, flop=6.0 * params * tokens).max())
    return describe_watch(points, asked["watch_level"], far)


def _plot(fit: Fit, table: LossRuns, path: Path) -> None:
    """Write the figure of a fit."""
    from hwmodel.errors import InputError
    from hwmodel.laws.fit_loss import LossFit
    from hwmodel.report.fit_figure import fit_svg

    if not isinstance(fit, LossFit):
        raise InputError("--plot: only for fits of a loss (additive, tied, power-floor)")
    names = ("params", "tokens") if fit.form == "additive" else (fit.form.removeprefix("power_of_"),)
    write_text(path, fit_svg(fit, table.loss, **{name: table.need(name) for name in names}))


def _save(fit: Fit, table: LossRuns, name: str, folder: Path) -> str:
    """Save the fit as a law of one's own; the path of its file."""
    from hwmodel.catalog.laws import write_law
    from hwmodel.solve.law.fit import to_law

    return str(write_law(folder, to_law(fit, name, convention=table.convention)))
