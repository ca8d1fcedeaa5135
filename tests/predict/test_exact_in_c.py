"""Stages of a graph by hand: what is computed where, and what is kept between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwmodel import ops
from hwmodel.predict import compiler
from hwmodel.predict.exact_in_c import Exact, Operand, Rounded, stages
from hwmodel.trace import CONSTANT, OPTION, ROW, Graph

COMPILES = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler on this machine")
TYPES = "typedef long long whole;\n"


def run(exact: Exact, folder: Path, constants: list[float], given: list[list[float]]) -> list[np.ndarray]:
    library = compiler.load(TYPES + exact.text, folder)
    assert library is not None
    return exact(library, np.array(constants), np.array(given))


@COMPILES
def test_an_exponential_between_two_stages(tmp_path: Path) -> None:
    # y = (x + c) exp(x c) + n, z = x + c: x + c and x c come before the exponential, the rest after it.
    graph = Graph()
    c, n, x = graph.input("c", CONSTANT), graph.input("n", OPTION), graph.input("x", ROW)
    shifted = x + c
    y = shifted * ops.exp(x * c) + n
    exact = stages(graph, (y.place, shifted.place), {c.place: 1})
    assert exact is not None
    assert exact.inputs == ("n", "x")
    # Kept: x + c, x c and exp(x c), which the second stage takes, and y.
    assert exact.kept == 4
    assert exact.rounded == ((Rounded(2, "exp", (Operand("kept", 1),)),), ())
    assert exact.ends == (3, 0)
    found = run(exact, tmp_path, [99.0, 2.0], [[10.0, 20.0, 0.0], [0.0, 1.0, -1.0]])
    assert np.array_equal(found[0], np.array([2.0, 3.0, 1.0]) * np.exp([0.0, 2.0, -2.0]) + [10.0, 20.0, 0.0])
    assert np.array_equal(found[1], [2.0, 3.0, 1.0])


@COMPILES
def test_conditions_are_kept_as_numbers(tmp_path: Path) -> None:
    # Where x > 1 the logarithm of 2 x, elsewhere x: the condition is of the first stage, the choice of the second.
    graph = Graph()
    x = graph.input("x", ROW)
    y = ops.where(x > 1.0, ops.log(2.0 * x), x)
    exact = stages(graph, (y.place,), {})
    assert exact is not None
    (found,) = run(exact, tmp_path, [0.0], [[0.5, 1.0, 4.0]])
    assert np.array_equal(found, [0.5, 1.0, np.log(8.0)])


@COMPILES
def test_operations_that_are_rounded_take_inputs_constants_and_numbers(tmp_path: Path) -> None:
    # Of one another too: x^c, then (x^c)^2, then the exponential of that, without a stage's work between.
    graph = Graph()
    c, x = graph.input("c", CONSTANT), graph.input("x", ROW)
    y = ops.exp((x**c) ** 2.0) + 0.5
    exact = stages(graph, (y.place,), {c.place: 0})
    assert exact is not None
    assert len(exact.rounded) == 4
    (found,) = run(exact, tmp_path, [3.0], [[0.5, 1.0, 1.25]])
    x_of = np.array([0.5, 1.0, 1.25])
    assert np.array_equal(found, np.exp((x_of**3.0) ** 2.0) + 0.5)


def test_a_constant_that_is_rounded_has_no_stages() -> None:
    graph = Graph()
    c, x = graph.input("c", CONSTANT), graph.input("x", ROW)
    assert stages(graph, ((x * ops.log(c)).place,), {c.place: 0}) is None
