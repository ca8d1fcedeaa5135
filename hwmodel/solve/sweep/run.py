"""A whole sweep: its folder claimed, shards run by an engine, winners folded into the summary."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hwmodel.answers import Shown
from hwmodel.errors import InputError
from hwmodel.plain import Options
from hwmodel.solve.sweep import engines, tree
from hwmodel.solve.sweep.check import check_values
from hwmodel.solve.sweep.extras import extra
from hwmodel.solve.sweep.folder import SUMMARY, Folder
from hwmodel.solve.sweep.keeping import merged, unpacked
from hwmodel.solve.sweep.space import Space, read_space
from hwmodel.solve.sweep.summary import Summary, sealed, standing_summary, summary_of, summary_text

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_WORKERS = 4096
MANY_ROWS = 1 << 20  # from which on a compiler's half second is less than what fronts of them take without
_PART = re.compile(r"\d{1,18}")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a sweep is: shards and points that stand, and all; points that this call has answered, and is to."""

    shards: int
    of_shards: int
    points: int
    of_points: int
    points_here: int
    of_points_here: int


class Sweep(Shown):
    """A finished sweep (or this process's share of one): its folder and its summary."""

    def __init__(self, folder: Folder, space: Space, summary: Summary | None, *, passing: bool) -> None:
        self.folder = folder.path
        self.space = space
        self.summary = summary  # None while shards are missing
        if passing:  # the folder goes with this object
            weakref.finalize(self, shutil.rmtree, folder.path, ignore_errors=True)

    @property
    def finished(self) -> Summary:
        """The summary. Raises InputError while shards are missing."""
        if self.summary is None:
            raise InputError(f"{self.folder} is not finished: other shards are still to be run")
        return self.summary

    def contents(self) -> Summary:
        """The summary. Raises InputError while shards are missing."""
        return self.finished

    def to_table(self) -> Any:
        """All rows as an Arrow table, in the order of their points."""
        paths = [path for _, path in sorted(Folder(self.folder).whole().items())]
        arrow, parquet = extra("pyarrow", "pyarrow"), extra("pyarrow.parquet", "pyarrow")
        return arrow.concat_tables([parquet.read_table(path) for path in paths]).unify_dictionaries()

    def to_frame(self, table: str | None = None) -> DataFrame:
        """All rows (`rows`), the best by each answer (`best`) or the front (`pareto`) as a pandas DataFrame."""
        if table not in (None, "rows"):
            return super().to_frame(table)
        extra("pandas", "pandas")
        frame: DataFrame = self.to_table().replace_schema_metadata(None).to_pandas()
        return frame


def sweep(
    space: str | Path | Options,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    dask: str | None = None,
    executor: Any = None,
    shard: str | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Sweep:
    """Answer every point of a space (a YAML file, or a mapping of the same keys) into the folder `out`.

    Runs here, on `workers` processes, on the cluster `dask`, or on an `executor` (one of `concurrent.futures`, or a
    client of Dask); `shard` i/n takes a part of the work,
    for as many processes as share the folder. Without `out` the folder lives as long as the result. Raises InputError
    for what cannot be read, and for a folder that holds another sweep, or this one without `resume`.
    """
    asked = read_space(space if isinstance(space, Mapping) else Path(space))
    _check_engine(workers, dask, executor, shard)
    mine = _part(shard, asked)
    extra("pyarrow", "pyarrow")
    if workers or dask:
        extra("distributed", "dask[distributed]")
    check_values(asked)
    folder = Folder(Path(tempfile.mkdtemp(prefix="hwmodel-sweep.") if out is None else out))
    folder.claim(asked, resume=resume, joins=shard is not None)
    # Of many processes each reads its own shards: all of them by each would be the square of the work.
    standing = folder.whole(mine) if resume or shard is not None else {}
    missing = [number for number in mine if number not in standing]
    told = _Told(asked, len(standing if shard is None else folder.listed()), missing, progress)
    if missing:
        _run(asked, folder, missing, told, workers, dask, executor, say)
    summary = _summarised(folder, asked, None if missing or shard is not None else standing)
    if summary is None and shard is None:
        raise InputError(f"{folder.path} lost shards while they were computed: go on with --resume")
    if summary is not None and summary.rows >= MANY_ROWS:
        tree.readied()
    return Sweep(folder, asked, summary, passing=out is None)


def standing(path: str | Path, then: str) -> str:
    """How much of a sweep stands in a folder, and what to do `then`."""
    folder = Folder(Path(path))
    try:
        return f"{len(folder.listed()):,} of {folder.space().shards:,} shards stand in {path}: {then}"
    except InputError:
        return "nothing stands yet"


def _run(
    space: Space, folder: Folder, missing: list[int], told: _Told, workers: int | None, dask: str | None,
    executor: Any, say: Callable[[str], None],
) -> None:  # fmt: skip
    if dask is not None:
        engines.on_dask(space, folder, missing, told, dask, say)
    elif executor is not None:
        engines.on_executor(executor, space, folder, missing, told, say)
    elif workers is not None:
        engines.on_workers(space, folder, missing, told, min(workers, len(missing)), say)
    else:
        engines.in_process(space, folder, missing, told)


def _check_engine(workers: int | None, dask: str | None, executor: Any, shard: str | None) -> None:
    if executor is not None and not (isinstance(executor, Executor) or engines.is_client(executor)):
        raise InputError(
            f"executor must be one of concurrent.futures or a client of Dask, got {type(executor).__name__}; "
            "workers=N starts processes here"
        )
    given = [
        name for name, one in (("--workers", workers), ("--dask", dask), ("executor", executor)) if one is not None
    ]
    if len(given) > 1:
        raise InputError(f"{given[0]} and {given[1]} both say who computes: give one of them")
    if shard is not None and given:
        raise InputError(f"--shard runs a part of the sweep in this process: drop {given[0]}")
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"--workers must be a whole number from 1 to {MOST_WORKERS}, got {workers}")


def _part(shard: str | None, space: Space) -> range:
    """The shards of this process: all, or every n-th from the i-th of `i/n`."""
    if shard is None:
        return range(space.shards)
    place, slash, count = shard.partition("/")
    decimal = slash and _PART.fullmatch(place) and _PART.fullmatch(count)
    if not (decimal and 1 <= int(place) <= int(count)):
        raise InputError(f"cannot read --shard {shard!r}; write it like 3/16 (the third of sixteen processes)")
    return range(int(place) - 1, space.shards, int(count))


class _Told:
    """Counts shards as they come to stand."""

    def __init__(
        self, space: Space, standing: int, missing: list[int], progress: Callable[[Progress], None] | None
    ) -> None:
        self.space, self.standing, self.progress = space, standing, progress
        self.here, self.of_here = 0, sum(len(space.points_of(shard)) for shard in missing)

    def __call__(self, shard: int) -> None:
        self.standing += 1
        self.here += len(self.space.points_of(shard))
        if self.progress is not None:
            points = min(self.standing * self.space.shard_points, self.space.points)
            self.progress(
                Progress(shards=self.standing, of_shards=self.space.shards, points=points,
                         of_points=self.space.points, points_here=self.here, of_points_here=self.of_here)
            )  # fmt: skip


def _summarised(folder: Folder, space: Space, standing: dict[int, Path] | None) -> Summary | None:
    """The summary of a sweep whose shards all stand, written where it does not stand already; else None.

    `standing`: the sound shards, where none was written since they were read.
    """
    if standing is None:  # before a file is taken for a damaged one
        folder.check_same(space)
    if len(folder.listed()) < space.shards:
        return None
    shards = folder.whole() if standing is None else standing
    if len(shards) < space.shards:
        return None
    folder.tidy()
    if standing is not None and (found := standing_summary(folder, shards)) is not None:
        return found
    total = merged(space, (unpacked(one) for one in folder.partials(shards)))
    made = sealed(summary_of(space, total, folder, shards))
    text = summary_text(made)
    path = folder.path / SUMMARY
    if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
        folder.write_summary(text)
        folder.tidy()
    return made
