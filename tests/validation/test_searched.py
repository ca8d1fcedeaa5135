"""Layouts searched instead of read: what counts as a grid, and what the search costs in accuracy."""

from __future__ import annotations

import math

import pytest

from hwmodel.catalog.stacks import search_optimism, training_stack
from hwmodel.predict.optimism import open_share, search_factor
from hwmodel.predict.policy import policy
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.train import train
from hwmodel.validation.board.board import runs_file
from hwmodel.validation.board.searched import LAYOUT, fit_optimism, searched_layouts, tuned
from hwmodel.validation.rows.tables import Row, read_table


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return read_table(runs_file())[1]


def test_grids_of_layouts_are_left_out(rows: list[Row]) -> None:
    sources = {row["source"] for row in tuned(rows)}
    assert "Megatron-Bridge perf summary" in sources
    assert not any("nanotron" in name or "vTrain" in name for name in sources)


def test_the_search_of_plan_costs_no_more_accuracy_than_it_did(rows: list[Row]) -> None:
    """The fastest layout of a search is predicted too fast more often than the printed one."""
    some = [row for row in rows if row["source"].startswith("MLPerf") or row["source"] == "Korthikanti 2022"]
    found = {row.source: row for row in searched_layouts(some)}
    assert len(found) == 5
    for row in found.values():
        assert row.searched_abs < 0.25, row.source
    assert sum(row.searched_abs for row in found.values()) / 5 < 0.12


def test_the_search_is_right_in_the_mean_over_sources(rows: list[Row]) -> None:
    found = searched_layouts(rows)
    assert sum(row.searched_abs for row in found) / len(found) < 0.145
    assert abs(sum(row.searched for row in found) / len(found)) < 0.055
    fitted = fit_optimism(found)
    assert fitted.optimism == pytest.approx(search_optimism(), abs=2e-3)
    # No one source makes it: without any of them it stays within a third.
    for one in fitted.by_source.values():
        assert one.left_out == pytest.approx(fitted.optimism, rel=0.34)


@pytest.mark.parametrize(
    ("stated", "share"), [({}, 1.0), ({"tp": 8.0}, 2 / 3), ({"tp": 1.0, "pp": 1.0, "micro_batch": 1.0}, 0.0)]
)
def test_what_is_stated_is_not_searched(stated: dict[str, float], share: float) -> None:
    asked = policy(training_stack(), stated)
    assert open_share(asked) == pytest.approx(share)
    assert math.log(search_factor(asked)) == pytest.approx(share * search_optimism())


def test_the_search_stands_as_a_term_of_the_step() -> None:
    free, told = train(model="llama-3.1-8b", gpus="64xH100", global_batch=256), None
    sizes = {name: int(getattr(free.layout, name)) for name in ("tp", "cp", "pp", "micro_batch", "zero")}
    told = train(model="llama-3.1-8b", gpus="64xH100", global_batch=256, recompute=free.prediction.recompute, **sizes)
    assert float(told.step.search_s) == 0.0
    assert told.step_s == pytest.approx(free.step_s - float(free.step.search_s), rel=1e-9)
    found = plan(model="llama-3.1-8b", gpus="64xH100", tokens="100B", global_batch=256)
    assert found.step is not None
    assert found.step["search_s"] == pytest.approx(float(free.step.search_s), rel=1e-9)


def test_blanked_columns_exist(rows: list[Row]) -> None:
    assert set(LAYOUT) - {"etp", "offload"} <= set(rows[0])  # no published run states these two
