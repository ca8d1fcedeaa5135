"""How deep an expression stands one part inside the other, counted by hand."""

from __future__ import annotations

import pytest

from hwmodel.errors import InputError
from hwmodel.solve.sweep.expression import read_expression
from hwmodel.solve.sweep.grammar import Node, deep
from hwmodel.solve.sweep.names import KnownName

KNOWN = {"a": KnownName()}
LEAF = Node("name", "a")


def test_nodes_one_inside_the_other() -> None:
    assert deep(LEAF) == 1
    two = Node("+", parts=(LEAF, LEAF))
    assert deep(two) == 2
    # The deepest branch counts.
    assert deep(Node("+", parts=(LEAF, two))) == deep(Node("+", parts=(two, LEAF))) == 3


def test_sums_that_are_too_long() -> None:
    # Sums stand one inside the other from the left: so many signs, the first name, and the comparison around them.
    for signs in (1, 148):
        assert deep(read_expression("a" + "+a" * signs + ">1", KNOWN).node) == signs + 2
    with pytest.raises(InputError, match="more than 150 operations one inside or after the other"):
        read_expression("a" + "+a" * 149 + ">1", KNOWN)
