"""`hwmodel validate`: predict measured runs, score the predictions."""

from __future__ import annotations

from pathlib import Path

import click

from hwmodel.cli.options import CATALOG, RESULT, with_options
from hwmodel.cli.output import emit, written
from hwmodel.cli.progress import lines


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--leave-out",
    "hold",
    default="",
    metavar="KIND",
    help="Hold out each source, model, part, engine or group from the fit that predicts it.",
)
@click.option("--folds", default=0, show_default="one value at a time", help="Hold out in so many lots.")
@click.option("--seed", default=0, show_default=True, help="Seed of the lots.")
@click.option(
    "--measured", type=click.Path(path_type=Path), help="Rows of the same columns whose results may set levels."
)
@with_options([CATALOG, *RESULT])
def command(
    file: Path,
    hold: str,
    folds: int,
    seed: int,
    measured: Path | None,
    catalogs: tuple[Path, ...],
    fmt: str,
    out: Path | None,
    quiet: bool,
) -> None:
    """Predict the rows of FILE (training, serving, throughput, rl or whole runs) and score the predictions.

    The shipped runs have names: training, serving, throughput, rl_steps, whole. --leave-out says what may be held out.
    Measured columns are compared with, never read by a prediction. Blank settings are searched or averaged over.
    """
    from hwmodel.errors import InputError
    from hwmodel.validation.board.files import validate_file
    from hwmodel.validation.board.show import as_csv, as_json, as_markdown

    if folds and not hold:
        raise InputError("--folds cuts what is held out into lots: add --leave-out, like --leave-out group")
    if folds == 1 or folds < 0 or seed < 0:
        raise InputError("--folds: 0 (one value at a time) or at least 2; --seed: not negative")
    board = validate_file(file, hold, folds, seed, measured, lines(quiet), catalogs)
    data = {"json": as_json, "csv": as_csv}.get(fmt)
    emit(written(as_markdown(board), fmt) if data is None else data(board), out)
