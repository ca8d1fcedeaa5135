"""Which settings of a replay are worth computing once for their combinations, on a few nodes."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from hwmodel.predict.replay import FEW_NODES, SHARED_BY, _chosen


def rows(count: int, **combinations: int) -> Any:
    """So many rows, with so many different combinations of settings (named by their initials)."""

    def distinct(on: frozenset[str]) -> Any:
        return SimpleNamespace(first=range(combinations["".join(sorted(on))]))

    return SimpleNamespace(count=count, distinct=distinct)


def test_nodes_of_fewer_settings_come_with_those_of_more() -> None:
    # What hangs on tp alone is computed beside what hangs on tp and pp: nothing is left to choose tp for.
    t, tp = frozenset("t"), frozenset("tp")
    few = rows(100, t=2, pt=4)
    assert _chosen(Counter({t: FEW_NODES, tp: FEW_NODES}), few) == [tp]
    # As many combinations as rows are not worth it; then tp alone is.
    assert _chosen(Counter({t: FEW_NODES, tp: FEW_NODES}), rows(100, t=2, pt=100)) == [t]
    # A quarter of the rows just is; a node too few is not.
    assert _chosen(Counter({t: FEW_NODES}), rows(100, t=100 // SHARED_BY)) == [t]
    assert _chosen(Counter({t: FEW_NODES}), rows(100, t=100 // SHARED_BY + 1)) == []
    assert _chosen(Counter({t: FEW_NODES - 1}), rows(100, t=2)) == []


def test_those_of_most_nodes_come_first() -> None:
    t, p = frozenset("t"), frozenset("p")
    assert _chosen(Counter({t: FEW_NODES, p: FEW_NODES + 1}), rows(100, t=2, p=2)) == [p, t]
