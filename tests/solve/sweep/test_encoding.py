"""How the numbers of a shard's file are written: by what they are, and read as they were."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as parquet

from hwmodel.solve.sweep.shard import parquet_bytes, with_axes
from hwmodel.solve.sweep.space import read_space
from hwmodel.solve.sweep.table import PointTable


def test_numbers_that_repeat_are_words_and_others_are_split() -> None:
    space = read_space({"axes": {"params": ["7B", "70B"], "time": "5d..100d linear 500"}, "base": {"gpus": "8xH100"},
                        "keep": {"columns": ["loss_nats", "cost_usd", "tp"]}})  # fmt: skip
    points = np.arange(space.points)
    draw = np.random.default_rng(1).random(len(points))
    draw[::7] = np.nan  # rows without an answer
    table = PointTable(point=points, numbers={}, texts={})
    table.text("status", "ok")
    table.numbers |= {"loss_nats": draw, "cost_usd": np.round(draw, 1), "tp": points % 8 + 1.0}
    with_axes(space, table)
    data = parquet_bytes(space, table, {"partial": b"", "shard": b"0"})
    assert data == parquet_bytes(space, table, {"partial": b"", "shard": b"0"})
    group = parquet.read_metadata(io.BytesIO(data)).row_group(0)
    ways = {(one := group.column(at)).path_in_schema: set(one.encodings) for at in range(group.num_columns)}
    assert "BYTE_STREAM_SPLIT" in ways["loss_nats"]
    assert "BYTE_STREAM_SPLIT" in ways["time_s"]  # each value twice
    for name in ("params", "cost_usd", "tp", "status"):
        assert "RLE_DICTIONARY" in ways[name]
    read = parquet.read_table(io.BytesIO(data))
    for name in ("loss_nats", "cost_usd", "time_s", "params"):
        assert np.array_equal(read[name].to_numpy(), table.number(name), equal_nan=True)
    assert read["loss_nats"].null_count == int(np.isnan(draw).sum())
