"""The tool that plants faults: what it draws is wrong text of the right length of thought, and always the same."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.mutants.drawn import drawn, places
from tests.mutants.planted import PLANTED

PACKAGE = Path(__file__).resolve().parents[2] / "hwmodel"
SOURCE = '''
def f(a, b):
    """Doc."""
    c = a + 2.0 * b
    return minimum(a, c) - b
'''


def test_the_faults_of_a_function() -> None:
    found = {SOURCE[:start] + wrong + SOURCE[end:] for start, end, wrong in places(SOURCE)}
    bodies = {text.split("\n", 3)[3] for text in found}
    assert bodies == {
        "    c = a - 2.0 * b\n    return minimum(a, c) - b\n",
        "    c = a + b\n    return minimum(a, c) - b\n",
        "    c = a + 2.0 * b\n    return maximum(a, c) - b\n",
        "    c = a + 2.0 * b\n    return minimum(a, c) + b\n",
    }


def test_draws_are_the_same_and_parse() -> None:
    one, two = drawn(PACKAGE, 1, 12), drawn(PACKAGE, 1, 12)
    assert one == two
    assert one != drawn(PACKAGE, 2, 12)
    for fault in one:
        source = (PACKAGE / fault.file).read_text(encoding="utf-8")
        assert fault.right != fault.wrong
        ast.parse(source.replace(fault.right, fault.wrong, 1))


def test_planted_faults_stand_in_today_s_sources() -> None:
    stale = [f.right for f in PLANTED if (PACKAGE / f.file).read_text(encoding="utf-8").count(f.right) != 1]
    assert stale == []
