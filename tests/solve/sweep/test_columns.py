"""Rows read at their places, and fronts of folders, against the same files read by Parquet's own readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as parquet
import pytest

from hwmodel.errors import InputError
from hwmodel.solve.sweep import shard as shard_module
from hwmodel.solve.sweep.columns import ShardColumns
from hwmodel.solve.sweep.expression import read_expression
from hwmodel.solve.sweep.folder import Folder
from hwmodel.solve.sweep.fronts import rounded
from hwmodel.solve.sweep.keeping import counts_of, packed, with_winners
from hwmodel.solve.sweep.met import Met
from hwmodel.solve.sweep.shard import parquet_bytes, with_axes
from hwmodel.solve.sweep.show import Rows
from hwmodel.solve.sweep.space import Space, read_space
from hwmodel.solve.sweep.table import PointTable, blank_table

ASKED: dict[str, Any] = {
    "base": {"precision": "bf16"},
    "axes": {"gpus": ["64xH100", "128xH100"], "params": "1B..40B log 6", "time": "1d..9d linear 50"},
    "shard_points": 40,
}
ANSWERS = ("cost_usd", "elapsed_days", "loss_nats", "mfu")


def drawn(space: Space, shard: int, kind: str) -> PointTable:
    """Rows of a shard: answers as they come, few values of them, or some that lack what others have."""
    points = space.points_of(shard)
    draw = np.random.default_rng(shard)
    table = blank_table(np.arange(points.start, points.stop), None)
    for name in (*ANSWERS, "peak_memory_bytes", "tokens"):
        values = draw.uniform(1.0, 3.0, table.rows)
        table.numbers[name] = np.round(values, 1) if kind == "ties" else values
    table.numbers["accelerators"] = draw.integers(1, 4, table.rows) * 64.0
    table.texts["recompute"] = draw.choice(np.array(["none", "full", None], dtype=object), table.rows)
    if kind == "lacking":
        for name in ("cost_usd", "peak_memory_bytes", "accelerators"):
            table.numbers[name][draw.random(table.rows) < 0.3] = np.nan
    if kind != "answered":
        table.refuse(np.flatnonzero(draw.random(table.rows) < 0.2), "infeasible", "memory", "it doesn't fit")
    if shard == 3 and kind == "lacking":
        table.refuse(np.arange(table.rows), "refused", "", "none of them")
    if kind == "left out":
        table = table.take(draw.random(table.rows) < 0.7)
    with_axes(space, table)
    return table


NO_CONSTRAINTS = Met((), {}, 0)


def written(place: Path, kind: str) -> Rows:
    space, folder = read_space(ASKED), Folder(place)
    folder.claim(space, resume=False, joins=False)
    for shard in range(space.shards):
        table = drawn(space, shard, kind)
        said = packed(with_winners(space, counts_of(space, table, NO_CONSTRAINTS, NO_CONSTRAINTS), table))
        folder.write_shard(shard, parquet_bytes(space, table, {"partial": said, "shard": b"0"}))
    return Rows(place)


KINDS = ("answered", "refused", "ties", "lacking", "left out")


@pytest.mark.parametrize("rows_of_a_group", [1 << 17, 17])
@pytest.mark.parametrize("kind", KINDS)
def test_values_at_places_are_those_of_the_file(
    kind: str, rows_of_a_group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_module, "ROW_GROUP", rows_of_a_group)
    rows = written(tmp_path, kind)
    plain: set[str] = set()
    for number, path in zip(rows._numbers, map(Path, rows._files)):
        table, columns = parquet.read_table(path), ShardColumns(path, rows.space, number)
        plain |= set(columns._plain)
        some = np.random.default_rng(1).permutation(table.num_rows)[:20]
        ok = np.array(table["status"].to_pylist()) == "ok"
        for name in table.column_names:
            assert columns.at(name, some) == table[name].take(some).to_pylist(), name
        for name in (*ANSWERS, "accelerators", "peak_memory_bytes", "params"):
            expected = np.array(table[name].to_pylist(), dtype=float)[ok]
            assert np.array_equal(columns.answers(name), expected, equal_nan=True), name
        assert columns.words("recompute").tolist() == list(np.array(table["recompute"].to_pylist(), dtype=object)[ok])
    assert ("loss_nats" in plain) == (kind != "ties")


CONDITIONS = (
    None, "loss_nats > 1.5", "gpus == '64xH100' and time < 4*86400", "recompute == 'full'",
    "accelerators % 128 == 0 or recompute != 'none'", "params > 1T",
)  # fmt: skip


def front_by_pairs(rows: Rows, names: list[str], where: str | None) -> list[dict[str, Any]]:
    """The front of all rows of a folder, each against each other, asked of a database."""
    files = ", ".join(f"'{file}'" for file in rows._files)
    asked = f"SELECT * FROM read_parquet([{files}]) WHERE status = 'ok'"
    if where:
        spelled = {name: axis.column for axis in rows.space.axes for name in axis.names}
        asked += f" AND {read_expression(where, rows.space.known_names()).sql(spelled)}"
    found = duckdb.sql(f"{asked} ORDER BY point").fetchall()
    every = [dict(zip(rows.names, row)) for row in found]
    every = [row for row in every if all(row[name] is not None for name in names)]
    costs = np.array([[-row[n] if n == "mfu" else row[n] for n in names] for row in every], dtype=float)
    costs = rounded(costs.reshape(-1, len(names)))
    no_more = np.all(costs[:, None] <= costs, axis=2)  # of each row beside each
    less = np.any(costs[:, None] < costs, axis=2)
    before = np.arange(len(costs))[:, None] < np.arange(len(costs))
    beaten = np.any(no_more & (less | before), axis=0)
    kept = [row for row, out in zip(every, beaten) if not out]
    return sorted(kept, key=lambda row: (*(row[name] for name in names), row["point"]))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", CONDITIONS)
def test_fronts_of_folders_are_those_of_all_pairs(kind: str, where: str | None, tmp_path: Path) -> None:
    rows = written(tmp_path, kind)
    for names in (["cost_usd", "loss_nats"], ["mfu", "accelerators"], [*ANSWERS[:3]], [*ANSWERS]):
        expected = front_by_pairs(rows, names, where)
        assert rows.front(names, where).rows == expected, names
        assert (not expected) == (where == "params > 1T")


def test_pages_are_whole_and_files_say_what_stands_plainly(tmp_path: Path) -> None:
    """A row group's numbers are one page, also where it has more rows than pages have by themselves."""
    space = read_space({**ASKED, "axes": {"time": "1d..9d linear 30000"}, "shard_points": 30000})
    table = drawn(space, 0, "refused")
    (tmp_path / "one").write_bytes(parquet_bytes(space, table, {}))
    columns = ShardColumns(tmp_path / "one", space, 0)
    assert np.array_equal(columns.answers("loss_nats"), table.number("loss_nats")[table.ok])


def test_a_file_that_became_shorter_is_refused_in_one_line(tmp_path: Path) -> None:
    """Numbers of a file cut while it is open are not taken for fewer ones, whole numbers of them or not."""
    rows = written(tmp_path / "sweep", "refused")
    path = next((tmp_path / "sweep" / "shards").iterdir())
    for cut in (8, 3):
        shard = ShardColumns(path, rows.space, 0)
        name = [name for name in shard._plain if name in ANSWERS][-1]
        chunk = shard._facts.row_group(0).column(shard._names[name])
        before, end = path.read_bytes(), chunk.data_page_offset + chunk.total_compressed_size
        path.write_bytes(before[: end - cut])
        with pytest.raises(InputError, match="is shorter than it says"):
            shard.answers(name)
        path.write_bytes(before)
        assert len(shard.answers(name)) == len(shard.answered)
