"""What each constraint of a sweep leaves out, counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hwmodel as hm
from hwmodel.report.sweep import left_out_by
from hwmodel.solve.sweep.expression import read_expression
from hwmodel.solve.sweep.met import Met
from hwmodel.solve.sweep.names import KnownName
from hwmodel.solve.sweep.summary import Constrained

NUMBERS = {name: KnownName(text=False, unit="1", values=()) for name in ("a", "b")}


def met(*texts: str, **columns: list[float]) -> Met:
    found = {name: np.array(values) for name, values in columns.items()}
    return Met([read_expression(text, NUMBERS) for text in texts], found, len(next(iter(found.values()))))


def test_rows_that_each_leaves_out_and_that_it_alone_does() -> None:
    # Of a = 1 2 3 4 the last two are no less than 3; of b = 9 1 9 1 two are above 5: the third row fails both.
    one = met("a < 3", "b < 5", a=[1.0, 2.0, 3.0, 4.0], b=[9.0, 1.0, 9.0, 1.0])
    assert one.all.tolist() == [False, True, False, False]
    assert one.failed == {"a < 3": 2, "b < 5": 2}
    assert one.failed_alone == {"a < 3": 1, "b < 5": 1}
    assert (one.rows, one.left_out) == (4, 3)


def test_what_is_unknown_is_left_out_and_without_constraints_nothing_is() -> None:
    assert met("a < 3", a=[1.0, float("nan")]).failed == {"a < 3": 1}
    none = met(a=[1.0, 2.0])
    assert (none.failed, none.left_out, none.all.tolist()) == ({}, 0, [True, True])


def test_the_summary_counts_each_constraint_over_all_shards() -> None:
    # Sizes 1B, 2B, 4B on 10B and 100B tokens: tokens / params >= 20 leaves out 1B on 10B, 2B on 10B, 4B on 10B;
    # params < 3B both rows of 4B, one of them alone.
    space: dict[str, Any] = {
        "base": {"gpus": "16xH100", "precision": "bf16"},
        "axes": {"params": ["1B", "2B", "4B"], "tokens": ["10B", "100B"]},
        "where": ["tokens / params >= 20", "params < 3B", "mfu > 2"], "shard_points": 2,
    }  # fmt: skip
    found = hm.sweep(space).to_dict()
    assert found["where"] == [
        {"constraint": "tokens / params >= 20", "on": "axes", "count": 3, "alone": 2},
        {"constraint": "params < 3B", "on": "axes", "count": 2, "alone": 1},
        {"constraint": "mfu > 2", "on": "answers", "count": 2, "alone": 2},
    ]
    assert (found["excluded_by_axes"], found["excluded_by_answers"], found["rows"]) == (4, 2, 0)


def test_the_words() -> None:
    rows = [Constrained(constraint="a < 3", on="axes", count=1200, alone=7),
            Constrained(constraint="b < 5", on="axes", count=2, alone=2)]  # fmt: skip
    assert left_out_by(rows) == ": by `a < 3` 1,200 (7 by it alone), by `b < 5` 2"
    assert left_out_by(rows[:1]) == ""


@pytest.mark.parametrize(
    ("axes", "place"),
    [
        ({"part": ["h1000", "h100"], "tp": [1, 2]}, "axes.parts[0]: unknown accelerator 'h1000'"),
        ({"tp": [1, 2], "parts": ["h1000"]}, "axes.parts[0]: unknown accelerator 'h1000'"),
        ({"parts": ["h1000", "h2000"], "precision": ["fp8"]}, "axes.parts[0]: unknown accelerator 'h1000'"),
        ({"parts": ["h100"], "precision": ["fp9", "fp8"]}, "axes.precision[0]: unknown"),
        ({"ttft": ["soon", "1s"]}, "axes.ttft[0]: "),
        ({"tp": [1, 2], "tpot": ["40ms", "fast"]}, "axes.tpot[1]: "),
        ({"demand": ["5 req/s", "5 cats"]}, "axes.demand[1]: "),
    ],
)  # fmt: skip
def test_a_first_value_is_refused_with_its_place(axes: dict[str, list[Any]], place: str) -> None:
    base = {"model": "llama-3.1-8b", **({} if "demand" in axes else {"demand": "5 req/s"})}
    with pytest.raises(hm.InputError) as refused:
        hm.sweep({"ask": "serve", "base": base, "axes": axes})
    assert str(refused.value).startswith(place)


def test_what_the_base_says_wrong_is_not_laid_to_an_axis() -> None:
    base = {"model": "llama-3.1-8b", "demand": "5 req/s", "parts": "h1000"}
    with pytest.raises(hm.InputError, match=r"^unknown accelerator 'h1000'"):
        hm.sweep({"ask": "serve", "base": base, "axes": {"tp": [1, 2]}})
