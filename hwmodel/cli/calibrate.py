"""`hwmodel calibrate`: fit the physics' constants to kernel tables and measured runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from hwmodel.answers import json_text
from hwmodel.cli.output import emit, write_texts
from hwmodel.cli.progress import lines, steps
from hwmodel.errors import InputError

Say = Callable[[str], None]

_CORPUS = 4  # a file of at least so many sources is a corpus to fit on; fewer are runs of one cluster


@click.command("calibrate")
@click.option("--kernels", type=click.Path(path_type=Path), metavar="DIR", help="Kernel tables (parquet) to fit first.")
@click.option(
    "--runs", type=click.Path(path_type=Path), metavar="CSV", help="Measured runs (default: the published ones)."
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for the files (default: the catalog's)."
)
@click.option("--serving", is_flag=True, help="Fit the constants of serving engines, on the published runs.")
@click.option("--quantised", is_flag=True, help="Fit what quantising costs, on the published rows.")
@click.option("--casts", is_flag=True, help="Fit what casts cost in training, on published pairs of speed.")
@click.option("--intervals", is_flag=True, help="Fit the 80 % intervals of every kind, sources left out.")
@click.option(
    "--residuals",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder in which --intervals keeps the errors of left-out sources from one run to the next.",
)
@click.option("--no-intervals", is_flag=True, help="Leave the intervals as they are.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(
    kernels: Path | None,
    runs: Path | None,
    out: Path | None,
    serving: bool,
    quantised: bool,
    casts: bool,
    intervals: bool,
    residuals: Path | None,
    no_intervals: bool,
    quiet: bool,
) -> None:
    """Fit constants and write them to catalogs/calibrations, with residuals and row ids; deterministic.

    A file of your own runs (one cluster) writes nothing unless --out is given: it prints the level of your cluster and
    the error before and after.
    """
    asked = {"--quantised": quantised, "--casts": casts, "--serving": serving, "--intervals": intervals}
    _check_alone(asked, runs)
    _check_folders(kernels, out, residuals, intervals)
    kind, rows = _rows(runs)
    cluster = kernels is None and not any(asked.values()) and kind == "training" and _is_cluster(rows)
    place, say = _place(out, cluster), lines(quiet)
    if kernels is not None:
        _kernels(kernels, place, say, quiet)
    if quantised:
        _quantised(place)
    elif casts:
        _casts(place, say)
    elif intervals:
        _intervals(place, say, residuals)
    elif kind == "whole":
        _whole(rows, place)
    elif kind == "rl":
        _rl(rows, place)
    elif serving:
        _serving(place, say, intervals=not no_intervals)
    elif _is_cluster(rows):
        _cluster(rows, say, runs, out)
    else:
        _training(rows, place, say, intervals=not no_intervals)


def _rows(runs: Path | None) -> tuple[str, list[dict[str, str]]]:
    """The kind of the rows to fit on, and the rows. Raises InputError for a kind that nothing here is fitted on."""
    from hwmodel.validation.board.files import own_rows, runs_file

    kind, rows = own_rows(runs or runs_file())
    if kind not in ("training", "whole", "rl"):
        raise InputError(
            f"--runs {runs} holds {kind} rows; calibrate takes training, whole and rl rows (serving engines are "
            "fitted on the published runs: --serving; your own runs move a group's level: validate --measured)"
        )
    return kind, rows


def _json(found: object) -> str:
    """A record, or a mapping of records, as JSON."""
    import msgspec

    return json_text(msgspec.to_builtins(found))


def _check_folders(kernels: Path | None, out: Path | None, residuals: Path | None, intervals: bool) -> None:
    """Raises InputError for tables that are not there, and for files where folders are written."""
    if kernels is not None and not kernels.is_dir():
        raise InputError(f"--kernels {kernels}: no such folder; name one with tables such as gemm.parquet")
    if residuals is not None and not intervals:
        raise InputError("--residuals keeps what --intervals is fitted on: add --intervals")
    for name, folder in (("--out", out), ("--residuals", residuals)):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise InputError(f"{name} {folder} is a file; name a folder")


def _place(out: Path | None, cluster: bool) -> Path:
    """Where constants are written; those of one's own `cluster` go to stdout unless a folder is named."""
    from hwmodel.catalog.calibrations import writable_dir

    place = out or writable_dir()
    if place is not None:
        return place
    if cluster:
        return Path()
    raise InputError("calibrate writes constants: outside a checkout of hwmodel name a folder with --out DIR")


def _kernels(tables: Path, place: Path, say: Say, quiet: bool) -> None:
    """Fit and write the constants of kernels."""
    from hwmodel.validation.kernels.fit import STEPS, calibrate_kernels

    calibrate_kernels(tables, place, steps(STEPS, quiet))
    say(f"kernel constants written to {place}")


def _training(rows: list[dict[str, str]], place: Path, say: Say, intervals: bool) -> None:
    """Fit and write training.yaml."""
    from hwmodel.validation.calibrate.training import calibrate_runs

    emit(_json(calibrate_runs(rows, place, say, intervals=intervals)), None)


def _intervals(place: Path, say: Say, residuals: Path | None) -> None:
    """Fit and write the 80 % intervals of every kind of quantity."""
    from hwmodel.validation.calibrate.interval_calibrate import calibrate_intervals

    place.mkdir(parents=True, exist_ok=True)
    emit(_json(calibrate_intervals(place, say, keep=residuals)), None)


def _is_cluster(rows: list[dict[str, str]]) -> bool:
    """Whether rows are one user's own: of fewer sources than a corpus has."""
    return len({row.get("source") for row in rows}) < _CORPUS


def _check_alone(fits: dict[str, bool], runs: Path | None) -> None:
    """Raises InputError for two fits at once, or one of them with runs that it does not read."""
    alone = [name for name, asked in fits.items() if asked]
    if len(alone) > 1 or (alone and alone[0] != "--serving" and runs is not None):
        raise InputError(f"{alone[0]} fits rows of its own: drop {alone[1] if len(alone) > 1 else '--runs'}")
    if alone and runs is not None:
        raise InputError("--serving fits the published serving and throughput runs: drop --runs")


def _whole(rows: list[dict[str, str]], place: Path) -> None:
    """Fit and write whole_runs.yaml."""
    from hwmodel.catalog import load_catalog
    from hwmodel.catalog.calibrations import kernel_calibration
    from hwmodel.validation.board.whole_runs import solve_rows, steady_runs
    from hwmodel.validation.fit.whole_fit import LEAST_SOURCES, constants, write
    from hwmodel.validation.rows.machines import Resolver

    runs = steady_runs(solve_rows(rows, Resolver(load_catalog(), kernel_calibration())))
    if len({run.source for run in runs}) < LEAST_SOURCES:
        raise InputError(
            f"whole runs of {LEAST_SOURCES} sources and more tell what a run costs beyond its steady hours"
        )
    found = constants(runs)
    write(found, runs, place)
    emit(_json({"fitted_on": found.fitted_on, "log_factor": found.log_factor, "per_year": found.per_year,
                "per_doubling": found.per_doubling, "log_spread": found.log_spread}), None)  # fmt: skip


def _rl(rows: list[dict[str, str]], place: Path) -> None:
    """Fit and write rl.yaml."""
    from hwmodel.catalog import load_catalog
    from hwmodel.catalog.calibrations import kernel_calibration
    from hwmodel.validation.fit.rl_fit import LEAST_SOURCES, Corpus, constants, write
    from hwmodel.validation.rows.machines import Resolver

    corpus = Corpus(rows, Resolver(load_catalog(), kernel_calibration()))
    if corpus.sources < LEAST_SOURCES:
        raise InputError(
            f"steps of {LEAST_SOURCES} sources and more tell what a step takes beside rollouts and updates"
        )
    found, errors = constants(corpus)
    write(found, errors, place)
    file = str(place / "rl.yaml")
    emit(_json({"fitted_on": found.fitted_on, "widths": found.widths, "file": file}), None)


def _cluster(rows: list[dict[str, str]], say: Say, runs: Path | None, out: Path | None) -> None:
    """The level of one cluster, to stdout or into a folder."""
    from hwmodel.validation.calibrate.training import cluster_level

    level = cluster_level(rows, say)
    if not level.runs:
        row, reason = next(iter(level.refused.items()))
        raise InputError(f"--runs {runs}: no row can be predicted; row {row}: {reason}")
    if out is None:
        emit(_json(level), None)
    else:
        write_texts(out, {"cluster.json": _json(level) + "\n"})


def _serving(place: Path, say: Say, *, intervals: bool) -> None:
    """Fit and write serving.yaml."""
    from hwmodel.validation.calibrate.serving_calibrate import write

    place.mkdir(parents=True, exist_ok=True)
    accuracy = write(place / "serving.yaml", say, intervals=intervals)
    emit(_json({"accuracy": accuracy, "file": str(place / "serving.yaml")}), None)


def _quantised(place: Path) -> None:
    """Fit and write quantised.yaml."""
    from hwmodel.validation.fit.quantised_fit import write

    place.mkdir(parents=True, exist_ok=True)
    emit(_json({"accuracy": write(place), "file": str(place / "quantised.yaml")}), None)


def _casts(place: Path, say: Say) -> None:
    """Fit and write casts.yaml."""
    from hwmodel.validation.calibrate.pair_folds import left_out_of_all
    from hwmodel.validation.fit.cast_fit import write

    place.mkdir(parents=True, exist_ok=True)
    emit(_json({"accuracy": write(left_out_of_all(say), place), "file": str(place / "casts.yaml")}), None)
