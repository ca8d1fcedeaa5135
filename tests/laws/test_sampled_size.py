"""What several answers are worth in size: the fit of the published table, again."""

from __future__ import annotations

import csv
import math
import statistics
from pathlib import Path

import numpy as np
import pytest

import hwmodel as hm
from hwmodel import laws
from hwmodel.catalog import load_catalog

TABLE = Path(__file__).resolve().parents[1] / "data" / "coverage_humaneval.csv"
T_OF_THREE = 1.638  # of Student's t with three degrees of freedom, 10 % beyond


def exponents() -> dict[str, float]:
    """t/s of each family of three sizes or more: log odds linear in the logarithms of size and samples."""
    rows = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
    found = {}
    for family in {row["family"] for row in rows}:
        own = [row for row in rows if row["family"] == family]
        if len({row["params"] for row in own}) < 3:
            continue
        x = np.array([[1.0, math.log(float(r["params"])), math.log(float(r["samples"]))] for r in own])
        y = np.array([math.log(float(r["coverage"]) / (1.0 - float(r["coverage"]))) for r in own])
        _, size, samples = np.linalg.lstsq(x, y, rcond=None)[0]
        found[family] = float(samples / size)
    return found


def test_the_constants_are_those_of_the_table() -> None:
    law = load_catalog().law("sampled_code")
    logs = [math.log(value) for value in exponents().values()]
    half = T_OF_THREE * statistics.stdev(logs) * math.sqrt(1.0 + 1.0 / len(logs))
    middle = statistics.mean(logs)
    assert law.constants["exponent"] == pytest.approx(math.exp(middle), rel=1e-3)
    assert law.constants["exponent_low"] == pytest.approx(math.exp(middle - half), rel=1e-3)
    assert law.constants["exponent_high"] == pytest.approx(math.exp(middle + half), rel=1e-3)


def test_every_family_lies_within_the_interval() -> None:
    c = load_catalog().law("sampled_code").constants
    assert all(c["exponent_low"] < value < c["exponent_high"] for value in exponents().values())


def test_the_trade_in_a_plan() -> None:
    """8B with 16 answers: 8 x 16^0.685 = 53B, at sixteen times the cost of an answer."""
    found = laws.evaluate(load_catalog().law("sampled_code"), params=8e9, samples=16.0)
    assert float(found["equivalent_params"]) == pytest.approx(8e9 * 16**0.685, rel=1e-3)
    plan = hm.plan(gpus="512xH100", params="8B", tokens="1T", inference_tokens="1T", samples=16)
    said = next(line for line in plan.warnings if "answers a prompt" in line)
    assert "53.4B (20.6B to 366B" in said
    assert "16 times the cost" in said
