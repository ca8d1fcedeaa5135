"""The tool that plants faults: what it draws is wrong text of the right length of thought, and always the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from round_machine import MACHINE

from hwmodel.physics import formulas
from hwmodel.physics.serving_formulas import paced_s
from tests.mutants.drawn import by_hand, counted, drawn, drawn_at, folders_of, planted_at, ranked
from tests.mutants.kinds import ALIKE, places
from tests.mutants.planted import PLANTED, Fault

PACKAGE = Path(__file__).resolve().parents[2] / "hwmodel"
SOURCE = '''
def f(a, b):
    """Doc."""
    c = a + 2.0 * b
    return minimum(a, c) - b
'''


def wrongs(source: str) -> set[tuple[str, str]]:
    """Kinds of the faults of a source, and what stands after its second line with each."""
    return {
        (place.kind, drawn_at("physics/f.py", source, place).text.split("\n", 2)[2].strip()) for place in places(source)
    }


def test_the_faults_of_a_function() -> None:
    c, last = "c = a + 2.0 * b", "return minimum(a, c) - b"
    assert wrongs(SOURCE.replace('    """Doc."""\n', "")) == {
        ("sign", f"c = a - 2.0 * b\n    {last}"),
        ("factor", f"c = a + b\n    {last}"),
        ("factor", f"c = a + 2.0\n    {last}"),
        ("constant", f"c = a + 4.0 * b\n    {last}"),
        ("min/max", f"{c}\n    return maximum(a, c) - b"),
        ("sign", f"{c}\n    return minimum(a, c) + b"),
    }


def test_the_faults_of_choices() -> None:
    source = "\ndef f(a, b):\n    return where(a > 0, g(a, b), b) if a < b and b else a[1] / 3\n"
    assert {kind for kind, _ in wrongs(source)} == {
        "arms",
        "arguments",
        "comparison",
        "condition",
        "constant",
        "factor",
    }
    found = {text for _, text in wrongs(source)}
    assert "return where(a > 0, b, g(a, b)) if a < b and b else a[1] / 3" in found
    assert "return where(a > 0, g(b, a), b) if a < b and b else a[1] / 3" in found
    assert "return where(a > 0, g(a, b), b) if not (a < b and b) else a[1] / 3" in found
    assert "return where(a > 0, g(a, b), b) if a < b and b else a[2] / 3" in found
    assert "return where(a > 0, g(a, b), b) if a < b and b else a[1]" in found


def test_functions_that_take_a_sum_or_a_product_alone_have_none_to_swap() -> None:
    memory = MACHINE.memory
    for one, rest in (
        (formulas.levelled, (5.0,)), (formulas.passes_s, (5.0,)), (paced_s, (5.0,)),
        (formulas.tensor_exposed_s, (5.0, 0.25)), (formulas.accumulate_s, (5.0, memory)),
        (formulas.optimizer_s, (5.0, memory)), (formulas.activations_wait_s, (500.0, 5.0, 7.0)),
    ):  # fmt: skip
        assert one(2.0, 3.0, *rest) == pytest.approx(one(3.0, 2.0, *rest)) != 0.0
        assert one.__name__ in ALIKE


def test_texts_for_readers_are_left_alone() -> None:
    source = "\ndef f(a):\n    if a:\n        raise ValueError(1 + a)\n    return f'{a + 1}'\n"
    assert [kind for kind, _ in wrongs(source)] == ["condition"]


def test_draws_are_the_same_and_parse() -> None:
    one, two = drawn(PACKAGE, 1, 12), drawn(PACKAGE, 1, 12)
    assert one == two
    assert one != drawn(PACKAGE, 2, 12)
    for each in one:
        assert each.fault.right != each.fault.wrong
        ast.parse(each.text)


def test_every_folder_with_formulas_is_drawn_from() -> None:
    folders = {"physics", "economics", "predict", "laws", "solve", "numerics.py"}
    named = {"catalog", "specs", "validation", "report", "interop", "units.py"}
    assert set(counted(PACKAGE)) == folders | named
    assert {one.fault.file.split("/")[0] for one in drawn(PACKAGE, 1, 4, ("interop",))} == {"interop"}
    assert folders_of("solve/serve/cost.py") == ("solve", "serving")
    assert folders_of("numerics.py") == ("test_numerics.py",)
    assert folders_of("units.py") == ("units",)


def test_planted_faults_stand_in_today_s_sources() -> None:
    assert len(by_hand(PACKAGE)) == len(PLANTED)
    with pytest.raises(ValueError, match=r"f\.py: 'a' stands 2 times"):
        planted_at("a = a", Fault("f.py", "a", "b", "physics"))


def test_a_fault_is_planted_where_its_place_is() -> None:
    """Two lines alike: the fault of the second leaves the first as it is."""
    source = "def f(a):\n    a = 2.0 * a\n    a = 2.0 * a\n    return a\n"
    second = [one for one in (drawn_at("physics/f.py", source, place) for place in places(source)) if one.line == 3]
    assert "def f(a):\n    a = 2.0 * a\n    a = a\n    return a\n" in [one.text for one in second]
    assert {one.text.split("\n")[1] for one in second} == {"    a = 2.0 * a"}


def test_a_change_elsewhere_leaves_the_order_of_places() -> None:
    """A new function before, and a line more: the places of the old one keep their rank."""
    old = "def f(a):\n    return 2.0 * a + 1.0\n"
    new = "def g(b):\n    return b - 3.0\n\n\n" + old.replace("return", "c = a\n    return")
    before, after = ({(rank, place.kind) for rank, _, place in ranked(5, "physics/f.py", text)} for text in (old, new))
    assert before < after
    assert not before & {(rank, place.kind) for rank, _, place in ranked(6, "physics/f.py", old)}
    twice = [
        rank for rank, _, _ in ranked(5, "physics/f.py", "def f(a):\n    a = -a + 1\n    a = -a + 1\n    return a\n")
    ]
    assert len(set(twice)) == len(twice)
