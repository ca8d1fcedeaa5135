"""One entry for every kind of file of measured runs: read it, predict it, score it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwmodel.errors import InputError
from hwmodel.validation.board.board import HOLDS, Board, Progress, Trainer, runs_file, summaries_of, training_board
from hwmodel.validation.predicted.records import RowPrediction, without_given
from hwmodel.validation.predicted.score import fit_constants
from hwmodel.validation.rows.tables import Row, content, read_table, text


def _checked(rows: list[Row], path: Path) -> list[Row]:
    """Rows with unique ids; a blank id becomes its place in the file."""
    out, seen = [], set()
    for number, row in enumerate(rows, start=1):
        name = text(row, "id") or f"row-{number}"
        if name in seen:
            name = f"{name}#{number}"
        seen.add(name)
        out.append(row | {"id": name})
    if not out:
        raise InputError(f"{path} holds no rows")
    return out


def own_rows(path: Path) -> tuple[str, list[Row]]:
    """Kind and rows of a file, with unique ids. Raises InputError for what cannot be read."""
    kind, rows = read_table(path)
    rows = [row if "source" in row else row | {"source": ""} for row in rows]
    return kind, _checked(rows, path)


def shipped_runs(path: Path) -> Path:
    """The file itself, else the shipped one that the name is of (one of SHIPPED)."""
    shipped = {name: runs_file().with_name(f"{name}.csv") for name in SHIPPED}
    if path.exists() or str(path) not in shipped:
        return path
    return shipped[str(path)]


SHIPPED = ("training", "serving", "throughput", "rl_steps", "whole")


def validate_file(
    path: Path,
    hold: str = "",
    folds: int = 0,
    seed: int = 0,
    measured: Path | None = None,
    progress: Progress | None = None,
    catalogs: Sequence[Path] = (),
) -> Board:
    """Predictions and figures of a file of measured runs, or of shipped ones by name; the header tells their kind.

    `hold` (source | model | part | engine | group) leaves values out of the fit that predicts them; `measured` names
    a file of the same kind whose results may set levels; `catalogs` are overlays of parts, systems and models. Raises
    InputError for what cannot be read.
    """
    kind, rows = own_rows(shipped_runs(path))
    if hold and hold not in HOLDS:
        raise InputError(f"--leave-out {hold} is none of {', '.join(HOLDS)}")
    levels: list[Row] | None = None
    if measured is not None:
        other, levels = own_rows(shipped_runs(measured))
        if other != kind:
            raise InputError(f"--measured {measured} holds {other} rows, {path} holds {kind} rows; give the same kind")
    if kind == "training":
        trainer = Trainer(rows, levels, fitting=bool(hold), catalogs=catalogs)
        return training_board(rows, hold, folds, seed, levels, progress, trainer, given=_given(rows, levels))
    if kind == "whole":
        return _whole(rows, hold, catalogs)
    if kind == "rl":
        return _rl(rows, hold, catalogs)
    return _serving(kind, rows, hold, folds, seed, levels, progress, catalogs)


def _given(rows: list[Row], measured: list[Row] | None) -> frozenset[str]:
    """Ids of rows that are among the measured ones: they say the same in every column but the id."""
    if not measured:
        return frozenset()
    names = sorted((set(rows[0]) & set(measured[0])) - {"id"})
    known = {content(row, names) for row in measured}
    return frozenset(row["id"] for row in rows if content(row, names) in known)


def _whole(rows: list[Row], hold: str, catalogs: Sequence[Path]) -> Board:
    from hwmodel.catalog import load_catalog
    from hwmodel.catalog.calibrations import kernel_calibration
    from hwmodel.validation.board import whole_runs
    from hwmodel.validation.rows.machines import Resolver

    resolver = Resolver(load_catalog(catalogs), kernel_calibration())
    found = whole_runs.predict_rows(rows, resolver, catalogs, leave_out_source=bool(hold))
    return _board("whole", found, hold)


def _rl(rows: list[Row], hold: str, catalogs: Sequence[Path]) -> Board:
    from hwmodel.catalog import load_catalog
    from hwmodel.catalog.calibrations import kernel_calibration
    from hwmodel.validation.board import rl_steps
    from hwmodel.validation.rows.machines import Resolver

    found = rl_steps.predict_rows(rows, Resolver(load_catalog(catalogs), kernel_calibration()), hold)
    return _board("rl", found, hold)


def _serving(
    kind: str,
    rows: list[Row],
    hold: str,
    folds: int,
    seed: int,
    measured: list[Row] | None,
    progress: Progress | None,
    catalogs: Sequence[Path],
) -> Board:
    from hwmodel.validation.board import serving

    found = serving.predict_rows(kind, rows, hold, folds, seed, measured, progress, catalogs)
    found = without_given(found, _given(rows, measured))
    return _board(kind, found, hold)


def _board(kind: str, found: list[RowPrediction], hold: str) -> Board:
    if not hold:
        constants = fit_constants([row for row in found if row.scored])
        by_source, every = summaries_of(found, lambda _: constants)
        return Board(kind=kind, rows=found, by_source=by_source, overall=every)
    names = {"engine": "engine", "part": "part", "model": "model", "source": "source", "group": "group"}[hold]
    left = {
        value: fit_constants([row for row in found if row.scored and getattr(row, names) != value])
        for value in {getattr(row, names) for row in found}
    }
    by_source, every = summaries_of(found, lambda row: left[getattr(row, names)])
    return Board(kind=kind, rows=found, by_source=by_source, overall=every, held_out=hold)


__all__ = ["own_rows", "runs_file", "validate_file"]
