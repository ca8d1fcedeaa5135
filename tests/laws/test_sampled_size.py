"""What several answers are worth in size: the fits of the published tables, again."""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from hwmodel import laws
from hwmodel.catalog import load_catalog

TABLE = Path(__file__).resolve().parents[1] / "data" / "coverage_by_size.csv"
T_10_PERCENT = {2: 1.885618, 3: 1.637744, 6: 1.439756}  # of Student's t by degrees of freedom, 10 % beyond
TASKS = ("code", "maths", "proofs")


def slopes(rows: list[dict[str, str]]) -> tuple[float, float, float]:
    """(size, its standard error, samples): log odds linear in the logarithms of size and samples."""
    x = np.array([[1.0, math.log(float(r["params"])), math.log(float(r["samples"]))] for r in rows])
    share = np.array([float(r["solved"]) for r in rows])
    y = np.log(share / (1.0 - share))
    found = np.linalg.lstsq(x, y, rcond=None)[0]
    variance = float(((x @ found - y) ** 2).sum()) / (len(rows) - 3)
    return float(found[1]), math.sqrt(variance * np.linalg.inv(x.T @ x)[1, 1]), float(found[2])


def votes(task: str) -> dict[str, float]:
    """ln(t/s) of each family: the mean of its benchmarks whose size slope is resolved."""
    rows = [row for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()) if row["task"] == task]
    found = defaultdict(list)
    for family, benchmark in dict.fromkeys((row["family"], row["benchmark"]) for row in rows):
        size, error, samples = slopes([r for r in rows if (r["family"], r["benchmark"]) == (family, benchmark)])
        if size > 2.0 * error:
            found[family].append(math.log(samples / size))
    return {family: statistics.mean(logs) for family, logs in found.items()}


@pytest.mark.parametrize("task", TASKS)
def test_the_constants_are_those_of_the_table(task: str) -> None:
    law = load_catalog().law(f"sampled_{task}")
    logs = list(votes(task).values())
    half = T_10_PERCENT[len(logs) - 1] * statistics.stdev(logs) * math.sqrt(1.0 + 1.0 / len(logs))
    middle = statistics.mean(logs)
    assert law.constants["exponent"] == pytest.approx(math.exp(middle), rel=1e-3)
    assert law.constants["exponent_low"] == pytest.approx(math.exp(middle - half), rel=1e-3)
    assert law.constants["exponent_high"] == pytest.approx(math.exp(middle + half), rel=1e-3)


@pytest.mark.parametrize("task", TASKS)
def test_most_families_lie_within_the_interval(task: str) -> None:
    c = load_catalog().law(f"sampled_{task}").constants
    inside = [c["exponent_low"] < math.exp(value) < c["exponent_high"] for value in votes(task).values()]
    assert sum(inside) >= 0.8 * len(inside)


def test_a_family_left_out_lies_within_the_interval_of_the_others() -> None:
    """80 % of the families of all tasks, each against an interval made without it."""
    held = []
    for task in ("code", "maths"):
        own = votes(task)
        for family, value in own.items():
            rest = [other for name, other in own.items() if name != family]
            t = {5: 1.475884, 2: 1.885618}[len(rest) - 1]
            half = t * statistics.stdev(rest) * math.sqrt(1.0 + 1.0 / len(rest))
            held.append(abs(value - statistics.mean(rest)) < half)
    assert 0.7 <= sum(held) / len(held) <= 1.0


def test_one_answer_is_worth_its_own_size_in_every_task() -> None:
    for task in TASKS:
        found = laws.evaluate(load_catalog().law(f"sampled_{task}"), params=8e9, samples=1.0)
        assert {float(value) for value in found.values()} == {8e9}
