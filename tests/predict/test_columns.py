"""Columns gathered, joined and searched, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.stacks import training_stack
from hwmodel.physics.columns import distinct
from hwmodel.physics.machine import machine
from hwmodel.physics.training import step
from hwmodel.predict.columns import grouped_best, joined
from hwmodel.specs import Layout, Workload

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0.5, 1.0, 1.0, 2.0, math.inf, math.nan])), min_size=0, max_size=40
)


@settings(max_examples=200, deadline=None)
@given(ROWS, st.booleans())
def test_the_best_of_each_group(rows: list[tuple[int, float]], in_order: bool) -> None:
    rows = sorted(rows, key=lambda row: row[0]) if in_order else rows
    group = np.array([g for g, _ in rows], dtype=np.int64)
    value = np.array([v for _, v in rows])
    expected = []
    for one in range(7):
        mine = [(v, place) for place, (g, v) in enumerate(rows) if g == one and math.isfinite(v)]
        expected.append(min(mine)[1] if mine else -1)
    assert grouped_best(group, value, 7).tolist() == expected


def test_columns_that_broadcast_share_no_rows() -> None:
    tall, wide = np.arange(300.0)[:, None], np.ones((1, 4))
    assert distinct([tall, wide]) is None
    assert distinct([np.ones(300), np.ones(299)]) is None
    assert distinct([np.repeat([1.0, 2.0], 200)]) is not None


def test_a_step_of_options_times_fleets_is_that_of_each_row() -> None:
    """Columns of shape (n, 1) against (1, m), as the docstring of `step` allows."""
    catalog = load_catalog()
    part, recipe = catalog.part("H100"), catalog.precision("bf16")
    where = machine(part, catalog.default_system(part), recipe, kernel_calibration())
    stack, shape = training_stack("generic", part.family), catalog.model("llama-3.1-8b")
    tp, dp = np.tile([1.0, 2.0, 4.0, 8.0], 75)[:, None], np.array([[4.0, 16.0, 64.0]])
    load = Workload(seq_len=4096.0, global_batch_seqs=1024.0)
    grid = step(shape, where, recipe, Layout(tp=tp, dp=dp), load, stack).total_s
    assert np.shape(grid) == (300, 3)
    for row, column in ((0, 0), (3, 2), (299, 1)):
        one = step(shape, where, recipe, Layout(tp=float(tp[row, 0]), dp=float(dp[0, column])), load, stack)
        assert grid[row, column] == pytest.approx(float(one.total_s), rel=1e-12)


def test_numbers_in_which_records_agree_stay_numbers() -> None:
    both = joined((Layout(tp=np.array([1.0, 2.0]), pp=4.0, zero=1.0), Layout(tp=8.0, pp=4.0, zero=3.0)), (2, 1))
    assert both.pp == 4.0
    assert both.tp.tolist() == [1.0, 2.0, 8.0]
    assert both.zero.tolist() == [1.0, 1.0, 3.0]
