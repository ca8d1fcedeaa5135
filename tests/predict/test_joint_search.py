"""The joint search of benchmarks/limit.py against the whole of a smaller space, every layout evaluated."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np

from hwmodel.predict.floor_search import Tally
from hwmodel.predict.policy import policy
from hwmodel.predict.search import evaluate

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "limit.py"


def benchmark():
    """The benchmark as a module."""
    found = importlib.util.spec_from_file_location("limit_benchmark", BENCHMARK)
    assert found is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["limit_benchmark"] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


def test_a_million_layouts_of_four_axes() -> None:
    limit = benchmark()
    every = limit.tasks(4, largest=192)
    total, count = Tally(), 0
    for task in every:
        tally, best, seconds = limit.searched(task)
        setting = limit.setting_of(task.part, task.number_format)
        cases = limit.cases_of(task.shape, task.fleets)
        whole = evaluate(cases, setting.machine, setting.precision, setting.stack, policy(setting.stack, {}))
        least = np.full(cases.count, np.inf)
        np.minimum.at(least, whole.space.case, whole.s_per_sequence)
        assert np.array_equal(seconds, least)
        assert (best is None) == (not np.isfinite(least).any())
        total, count = total.plus(tally), count + whole.space.count
    assert total.layouts == count > 1_000_000
    assert len({task.number_format for task in every}) == 4
    assert total.evaluated < 0.2 * count
    assert total.by_time > 0
    assert total.by_memory > 0
