"""`hwmodel fit RUNS.csv`: fit a scaling law to your own runs, save it, predict with it, watch a run against it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwmodel.cli.options import QUIET, TABLE, pairs, with_options
from hwmodel.cli.output import check_writable, emit, note, write_text

if TYPE_CHECKING:
    from hwmodel.interop.loss_runs import LossRuns
    from hwmodel.laws.fit_loss import LossFit
    from hwmodel.laws.fit_slices import AllocationFit

FORMS = ("additive", "tied", "power-floor", "isoflop", "envelope")


@click.command()
@click.argument("runs", type=click.Path(path_type=Path))
@click.option(
    "--form",
    type=click.Choice(["auto", *FORMS]),
    default="auto",
    show_default=True,
    help="auto: additive for N, D and loss; power-floor for C and loss alone.",
)
@click.option("--column", "columns", multiple=True, metavar="NAME=HEADER", help="params, tokens, flop, loss.")
@click.option("--where", multiple=True, metavar="HEADER=VALUE", help="Keep only such rows; repeatable.")
@click.option("--all-rows", is_flag=True, help="Keep rows that a column `use` or `used_...` switches off.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows with empty, text or non-positive cells.")
@click.option("--at", "targets", multiple=True, metavar="70B@1.4T", help="Predict here: N@D, or C for power-floor.")
@click.option("--level", default=0.8, show_default=True, help="Of the prediction intervals.")
@click.option("--watch", type=click.Path(path_type=Path), help="A running loss (params, tokens, loss) to hold against.")
@click.option("--watch-level", default=0.95, show_default=True, help="Of the band that a running loss is held against.")
@click.option("--bootstraps", default=4000, show_default=True, help="Fits to resampled runs, for the intervals.")
@click.option("--seed", default=42, show_default=True, help="Seed of the starts and of the resampling.")
@click.option("--convention", default="total", show_default=True, help="How the runs count parameters.")
@click.option("--save", metavar="ID", help="Save as a law of your own: `--law ID` then plans with it.")
@click.option("--force", is_flag=True, help="Save over a law of that id.")
@click.option("--save-in", type=click.Path(path_type=Path), help="Catalog folder to save in (default: the user's).")
@click.option("--plot", type=click.Path(path_type=Path), help="Write a figure (SVG).")
@with_options([*TABLE, QUIET])
def command(runs: Path, form: str, fmt: str, out: Path | None, quiet: bool, **options: Any) -> None:
    """Fit a law to RUNS.csv (columns N, D, loss; or C, loss) with joint uncertainty.

    Sum of Huber losses on log loss, 4,500 starts, bootstrap, profile likelihood of the floor. Refuses runs that do
    not identify the law.
    """
    from hwmodel.cli.tables import render
    from hwmodel.interop.loss_runs import read_runs
    from hwmodel.specs.law import CONVENTIONS

    if options["convention"] not in CONVENTIONS:
        from hwmodel.errors import unknown

        raise unknown("parameter convention", options["convention"], CONVENTIONS)
    _check(options)
    table = read_runs(runs, _columns(options), pairs(options["where"], "--where", "status=done"),
                      skip_bad=options["skip_bad"], all_rows=options["all_rows"])  # fmt: skip
    for line in table.notes:
        note(line, quiet=quiet)
    fit = _fit(table, form, options, quiet)
    document, rows = _describe(fit)
    document["notes"] = list(table.notes)
    _predict(fit, options, document, rows)
    _watched(fit, options, document, rows)
    if options["plot"]:
        _plot(fit, table, options["plot"])
    if options["save"]:
        document["saved"] = _save(fit, options)
        note(f"saved: use it with --law {options['save']} ({document['saved']})", quiet=quiet)
    emit(render(rows, document, fmt), out)


def _columns(options: dict[str, Any]) -> dict[str, str]:
    """Quantities and the headers that --column gives them."""
    return pairs(options["columns"], "--column", "loss=eval_loss")


def _check(options: dict[str, Any]) -> None:
    """Refuse settings that cannot be met before the fit is made."""
    from hwmodel.errors import InputError

    for name in ("level", "watch_level"):
        if not 0.0 < options[name] < 1.0:
            raise InputError(f"--{name.replace('_', '-')} is a share between 0 and 1, such as 0.8")
    check_writable(options["plot"], "--plot")
    if options["plot"] is not None and options["plot"].suffix != ".svg":
        raise InputError(f"--plot {options['plot']}: figures are SVG; name a file that ends in .svg")
    if options["save"] is not None:
        from hwmodel.catalog import load_catalog
        from hwmodel.catalog.laws import check_free, check_id
        from hwmodel.catalog.places import own_root

        check_id(options["save"])
        if not options["force"]:
            check_free(options["save_in"] or own_root(), options["save"])
            if any(spec.id == options["save"] for spec in load_catalog().laws()):
                raise InputError(f"--save {options['save']}: the catalog has a law of this id, which yours would hide; "
                                 "choose another id, or --force")  # fmt: skip
    if not 20 <= options["bootstraps"] <= 100_000:
        raise InputError("--bootstraps: 20 to 100,000 (fewer give no intervals)")
    if not 0 <= options["seed"] < 2**32:
        raise InputError("--seed: a whole number from 0 to 4294967295")


def _fit(table: LossRuns, form: str, options: dict[str, Any], quiet: bool) -> LossFit | AllocationFit:
    """The fit of the form asked; `auto` goes by the columns."""
    from hwmodel.laws.fit_loss import fit_additive, fit_power
    from hwmodel.laws.fit_slices import fit_envelope, fit_isoflop

    if form == "auto":
        form = "power-floor" if table.params is None else "additive"
    counts = {"bootstraps": options["bootstraps"], "seed": options["seed"]}
    if form in ("isoflop", "envelope"):
        counts["bootstraps"] = min(counts["bootstraps"], 1000)
        slices: Callable[..., AllocationFit] = fit_isoflop if form == "isoflop" else fit_envelope
        return slices(table.need("params"), table.need("flop"), table.loss, **counts)
    progress = _progress(quiet)
    if form == "power-floor":
        given = [n for n in ("flop", "params", "tokens") if getattr(table, n) is not None]
        variable = given[0] if len(given) == 1 else "flop"
        return fit_power(table.need(variable), table.loss, variable, **counts, progress=progress)
    params, tokens = table.need("params"), table.need("tokens")
    return fit_additive(params, tokens, table.loss, tied=form == "tied", **counts, progress=progress)


def _progress(quiet: bool) -> Callable[[str, int, int], None] | None:
    """What draws a bar on stderr, where that is a terminal."""
    import sys

    if quiet or not sys.stderr.isatty():
        return None

    def tell(stage: str, done: int, of: int) -> None:
        """Draw the bar of a stage anew; a full one ends its line."""
        filled = 30 * done // of
        click.echo(f"\r{stage:10s} [{'#' * filled}{' ' * (30 - filled)}] {done}/{of}", nl=done == of, err=True)

    return tell


def _describe(fit: LossFit | AllocationFit) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A fit as a document and as rows."""
    from hwmodel.laws.fit_slices import AllocationFit

    if isinstance(fit, AllocationFit):
        document: dict[str, Any] = {
            "approach": fit.approach,
            "constants": {"k_params": fit.k_params, "a_params": fit.a_params},
            "a_params": {"value": fit.a_params, "low": fit.a_params_low, "high": fit.a_params_high},
            "optima": [{"flop": c, "params": n, "loss_nats": v} for c, n, v in fit.optima],
            "slices_dropped": fit.slices_dropped,
        }
        rows = [
            {"quantity": "N* = k C^a: a", "value": f"{fit.a_params:.4f}",
             "spread": f"{fit.a_params_low:.4f} to {fit.a_params_high:.4f} (80 %)"},
            {"quantity": "N* = k C^a: k", "value": f"{fit.k_params:.5g}", "spread": ""},
            {"quantity": "optima found", "value": str(len(fit.optima)), "spread": f"{fit.slices_dropped} dropped"},
        ]  # fmt: skip
        return document, rows
    return _describe_loss(fit)


def _describe_loss(fit: LossFit) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A fit of a loss as a document and as rows."""
    errors = fit.standard_errors
    low, high = fit.floor_interval
    document = {
        "form": fit.form,
        "constants": fit.constants,
        "standard_errors": errors,
        "covariance_of": list(fit.names),
        "covariance": fit.covariance.tolist(),
        "objective": fit.objective,
        "points": fit.points,
        "starts": fit.starts,
        "starts_at_the_minimum": fit.minima,
        "floor_interval": {"low": low, "high": high},
        "residual_sd": fit.residual_sd,
        "prediction_widening": fit.widening,
        "ranges": {name: list(span) for name, span in fit.ranges.items()},
        "warnings": list(fit.warnings),
    }
    rows = [{"quantity": n, "value": f"{v:.6g}", "spread": f"{errors[n]:.3g}"} for n, v in fit.constants.items()]
    rows += [
        {"quantity": "objective", "value": f"{fit.objective:.8g}", "spread": f"{fit.points} runs"},
        {"quantity": "floor, profile likelihood", "value": f"{low:.4f} to {high:.4f}", "spread": "80 %"},
        {"quantity": "scatter of log loss", "value": f"{fit.residual_sd:.3g}", "spread": "robust sd"},
    ]
    if fit.widening > 1.0:
        rows.append({"quantity": "prediction intervals widened by", "value": f"{fit.widening:.2f}",
                     "spread": "so as to hold the runs' own largest ones"})  # fmt: skip
    rows += [{"quantity": "warning", "value": w, "spread": ""} for w in fit.warnings]
    return document, rows


def _predict(fit: Any, options: dict[str, Any], document: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Add the losses predicted at the targets of --at."""
    if not options["targets"]:
        return
    import msgspec

    from hwmodel.errors import InputError
    from hwmodel.laws.fit_slices import AllocationFit
    from hwmodel.solve.law_fit import prediction
    from hwmodel.units import parse_count, parse_flop

    if isinstance(fit, AllocationFit):
        raise InputError("--at: an iso-FLOP or envelope fit has no loss; use --form additive or power-floor")
    document["predictions"] = []
    for text in options["targets"]:
        if fit.form == "additive":
            size, at, data = text.partition("@")
            if not at:
                raise InputError(f"--at {text!r}: write N@D, such as 70B@1.4T")
            target = {"params": parse_count(size, "--at"), "tokens": parse_count(data, "--at")}
        elif fit.form == "power_of_flop":
            target = {"flop": parse_flop(text, "--at")}
        else:
            target = {fit.form.removeprefix("power_of_"): parse_count(text, "--at")}
        got = prediction(fit, options["level"], **target)
        document["predictions"].append(msgspec.to_builtins(got))
        spread = (
            f"{got.low:.4f} to {got.high:.4f} ({100 * got.level:g} %), {got.decades_outside_fit:.1f} decades beyond"
        )
        rows.append({"quantity": f"loss at {text}", "value": f"{got.loss_nats:.4f}", "spread": spread})


def _watched(fit: Any, options: dict[str, Any], document: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Add where a running loss stands against the band of the fit."""
    if options["watch"] is None:
        return
    import msgspec

    from hwmodel.interop.loss_runs import read_runs
    from hwmodel.solve.law_fit import watch

    running = read_runs(options["watch"], _columns(options))
    points = watch(fit, running.need("params"), running.need("tokens"), running.loss, options["watch_level"])
    left = next((p for p in points if not p.inside), None)
    last = points[-1]
    document["watch"] = {
        "level": options["watch_level"],
        "points": [{**msgspec.to_builtins(p), "inside": p.inside} for p in points],
        "left_band_at_tokens": left and left.tokens,
        "inside_now": last.inside,
    }
    band = f"{100 * options['watch_level']:g} % band {last.low:.4f} to {last.high:.4f}"
    state = "inside" if last.inside else ("above" if last.measured > last.high else "below")
    rows.append({"quantity": "running loss, latest", "value": f"{last.measured:.4f}", "spread": f"{state} the {band}"})
    if left is not None:
        where = f"{left.measured:.4f} against {left.low:.4f} to {left.high:.4f}"
        rows.append({"quantity": "left its band first at", "value": f"{left.tokens:.4g} tokens", "spread": where})


def _plot(fit: Any, table: LossRuns, path: Path) -> None:
    """Write the figure of a fit."""
    from hwmodel.errors import InputError
    from hwmodel.laws.fit_slices import AllocationFit
    from hwmodel.report.fit_figure import fit_svg

    if isinstance(fit, AllocationFit):
        raise InputError("--plot: only for fits of a loss (additive, tied, power-floor)")
    names = ("params", "tokens") if fit.form == "additive" else (fit.form.removeprefix("power_of_"),)
    write_text(path, fit_svg(fit, table.loss, **{name: table.need(name) for name in names}))


def _save(fit: Any, options: dict[str, Any]) -> str:
    """Save the fit as a law of one's own; the path of its file."""
    from hwmodel.catalog.laws import write_law
    from hwmodel.catalog.places import own_root
    from hwmodel.solve.law_fit import to_law

    spec = to_law(fit, options["save"], convention=options["convention"])
    return str(write_law(options["save_in"] or own_root(), spec))
