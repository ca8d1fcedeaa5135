"""The one root finder, minimiser and robust fit against SciPy's, and against answers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, least_squares, minimize_scalar

from hwmodel.numerics import Problem, falls_at, falls_at_log, gauss_newton, least, quantiles


@given(st.floats(0.1, 50.0))
def test_a_root_is_scipys(target: float) -> None:
    """x^3 + x = target rises, so it lies below the target until its root."""
    mine = falls_at(lambda x: x**3 + x < target, 0.0, 10.0)
    assert mine == pytest.approx(brentq(lambda x: x**3 + x - target, 0.0, 10.0, xtol=1e-14), rel=1e-10)


def test_a_root_on_the_log_scale() -> None:
    """10^3 is where x^2 reaches 10^6."""
    assert falls_at_log(lambda x: x**2 < 1e6, 1e-3, 1e9) == pytest.approx(1e3, rel=1e-12)


def test_roots_of_a_column_are_those_of_its_rows() -> None:
    targets = np.array([0.5, 2.0, 30.0])
    together = falls_at(lambda x: x**3 < targets, np.zeros(3), np.full(3, 10.0))
    alone = [falls_at(lambda x, t=t: x**3 < t, 0.0, 10.0) for t in targets]
    assert together == pytest.approx(alone, rel=1e-12)


@given(st.floats(-4.0, 4.0), st.floats(0.1, 3.0))
def test_a_least_value_is_scipys(centre: float, width: float) -> None:
    def cost(x: Any) -> Any:
        return np.cosh((x - centre) / width)

    scipys = minimize_scalar(cost, bounds=(-5.0, 5.0), method="bounded", options={"xatol": 1e-10}).x
    assert least(cost, -5.0, 5.0, 41) == pytest.approx(scipys, abs=2e-6)


def test_the_lower_of_two_valleys_is_found() -> None:
    """(x^2 - 4)^2 + x has its least value near -2, where the slope term helps."""
    found = least(lambda x: (x**2 - 4.0) ** 2 + x, -5.0, 5.0, 41)
    assert found == pytest.approx(-2.031, abs=1e-3)


def test_a_wall_of_infinite_cost_is_not_crossed() -> None:
    found = least(lambda x: np.where(np.asarray(x) < 1.0, np.inf, np.asarray(x)), 0.0, 4.0, 41)
    assert found == pytest.approx(1.0, abs=1e-6)


def test_least_values_of_a_column() -> None:
    centres = np.array([-3.0, 0.2, 2.5])
    assert least(lambda x: (x - centres) ** 2, -5.0, 5.0, 41) == pytest.approx(centres, abs=1e-6)


def _line(pull: float) -> tuple[Problem, Any, Any]:
    """Ten points on 1 + 2 t, two of them wild."""
    t = np.linspace(0.0, 1.0, 10)
    y = 1.0 + 2.0 * t
    y[3], y[7] = 9.0, -5.0
    scale = 0.1
    jacobian = np.stack([np.ones(10), t], axis=1) / scale
    problem = Problem(
        errors=lambda x: (x[0] + x[1] * t - y) / scale, jacobian=lambda x, z: jacobian, prior=np.zeros(2), pull=pull,
        weight=np.ones(10), low=np.full(2, -10.0), high=np.full(2, 10.0), longest=1.0,
    )  # fmt: skip
    return problem, t, y


def test_a_robust_fit_is_scipys() -> None:
    problem, t, y = _line(1e-6)
    mine = gauss_newton(problem, 60, 1e-12).x
    scipys = least_squares(lambda x: x[0] + x[1] * t - y, [0.9, 1.9], loss="cauchy", f_scale=0.1, xtol=1e-14).x
    assert mine == pytest.approx(scipys, abs=1e-4)
    assert mine == pytest.approx([1.0, 2.0], abs=0.02)  # the wild points hardly count


def test_a_prior_pulls_and_bounds_hold() -> None:
    free, _, _ = _line(1e-6)
    held, _, _ = _line(30.0)
    assert abs(gauss_newton(held, 60, 1e-12).x[1]) < abs(gauss_newton(free, 60, 1e-12).x[1])
    problem, _, _ = _line(1e-6)
    narrow = Problem(**{name: getattr(problem, name) for name in Problem.__struct_fields__} | {"high": np.full(2, 1.5)})
    assert gauss_newton(narrow, 60, 1e-12).x[1] == pytest.approx(1.5)


def test_the_loss_is_the_one_that_is_stated() -> None:
    problem, t, y = _line(2.0)
    found = gauss_newton(problem, 60, 1e-12)
    z = (found.x[0] + found.x[1] * t - y) / 0.1
    by_hand = sum(math.log(1.0 + e * e) for e in z) + 4.0 * (found.x[0] ** 2 + found.x[1] ** 2)
    assert found.loss == pytest.approx(by_hand, rel=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0.0, 1.0))
def test_quantiles_are_numpys(draws: list[float], share: float) -> None:
    assert quantiles(draws, [share]) == [float(np.quantile(draws, share))]


def test_quantiles_of_columns_are_those_of_each() -> None:
    """Of 1 ... 5 and ten times as much a quarter lies below 2 and 20."""
    draws = np.arange(5.0, 0.0, -1.0)[:, None] * np.array([1.0, 10.0])
    assert quantiles(draws, [0.25])[0].tolist() == [2.0, 20.0]
