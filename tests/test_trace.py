"""Traced arithmetic: what is folded, shared and levelled, and that it computes what the text computes."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from hwmodel import ops
from hwmodel.trace import CONSTANT, OPTION, ROW, Graph, Program, numbers, structure, traced


class Pair(msgspec.Struct, frozen=True):
    """A record with a number that is baked, one that is free, and a word."""

    one: float
    free: float
    word: str = "as it is"


class Nest(msgspec.Struct, frozen=True):
    pair: Pair
    pairs: tuple[Pair, ...]


def test_equal_operations_are_one_node_and_known_ones_fold():
    graph = Graph()
    x, y = graph.input("x", OPTION), graph.input("y", ROW)
    assert (x + y).place == (y + x).place
    assert (x - y).place != (y - x).place
    assert 1.0 * x is x
    assert x + 0.0 is x
    assert x / 1.0 is x
    assert 0.0 * x == 0.0
    assert x / math.inf == 0.0
    assert ops.maximum(x, x) is x
    assert ops.minimum(x, math.inf) is x
    assert ops.maximum(math.inf, x) == math.inf
    assert ops.where(x > y, 3.0, 3.0) == 3.0
    assert (x > y) & True is not False
    assert ((x > y) | True) is True


def test_a_condition_has_no_truth():
    graph = Graph()
    with pytest.raises(TypeError, match=r"ops\.where"):
        bool(graph.input("x", ROW) > 1.0)


def test_levels_are_those_of_what_a_node_depends_on():
    graph = Graph()
    c, o, r = (graph.input(name, level) for name, level in (("c", CONSTANT), ("o", OPTION), ("r", ROW)))
    assert [graph.levels[one.place] for one in (c * c, c + o, ops.log(r), o * (c + r))] == [0, 1, 2, 2]
    outside = graph.needed([(o * (c + r)).place], ROW)
    assert {c.place, o.place} < set(outside)


def test_records_keep_what_decides_their_terms():
    record = Nest(Pair(1.0, 2.5), (Pair(math.inf, 0.0), Pair(0.0, -4.0)))
    graph = Graph()
    found = traced(graph, record, CONSTANT, "n.")
    assert found.pair.one == 1.0
    assert found.pair.word == "as it is"
    assert found.pairs[0] == record.pairs[0]
    assert [node.name for node in graph.nodes] == ["n.pair.free", "n.pairs.1.free"]
    given = numbers(record, "n.")
    assert given["n.pairs.1.free"] == -4.0
    assert ("n.pair.free", None) in structure(given)
    assert ("n.pair.one", 1.0) in structure(given)


def text(x, y):
    """Every function once."""
    low, high = ops.minimum(x, y), ops.maximum(x, y)
    chosen = ops.where((x > 2.0) & (y <= 3.0) | (low >= high), ops.log(high), ops.sqrt(low))
    return chosen + ops.ceil(x) / (1.0 + ops.floor(y)) - ops.exp(-x) + ops.hypot(x, y) ** 0.5 + (x < y) * 2.0


def test_a_program_is_the_text():
    graph = Graph()
    out = text(graph.input("x", OPTION), graph.input("y", ROW))
    program = Program(graph, [out.place])
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.0, 5.0, 500), rng.uniform(0.0, 5.0, 500)
    assert np.array_equal(program({"x": x, "y": y})[0], text(x, y))
    assert float(program({"x": 1.5, "y": 2.0})[0]) == pytest.approx(text(1.5, 2.0), rel=1e-15)


def test_what_nodes_depend_on_and_a_program_from_the_middle_on():
    graph = Graph()
    x, y = graph.input("x", OPTION), graph.input("y", ROW)
    half = ops.sqrt(x * 2.0)
    end = half + y * half
    depends = graph.dependencies([end.place])
    assert depends[half.place] == {"x"}
    assert depends[end.place] == {"x", "y"}
    first, then = Program(graph, [half.place]), Program(graph, [end.place], {half.place})
    assert then.taken == [half.place]
    assert [name for _, name in then.inputs] == ["y"]
    [middle] = first({"x": np.array([2.0, 8.0])})
    [found] = then({"y": np.array([3.0, 0.5])}, {half.place: middle})
    assert found.tolist() == [8.0, 6.0]
