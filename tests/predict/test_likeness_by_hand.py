"""Which measured runs count as like a question, and what they say, on a board of a few cells."""

from __future__ import annotations

from typing import Any

import pytest

from hwmodel.predict import likeness
from hwmodel.predict.likeness import like, summary
from hwmodel.specs.accuracy import BoardCell


def cell(source: str, *errors: int, inside: int = 0, refused: int = 0, **other: Any) -> BoardCell:
    """Runs of the H100 under one software with these errors."""
    usual = {"kind": "training", "part": "h100", "family": "hopper", "software": "a", "mixture": False}
    return BoardCell(
        **{**usual, **other}, source=source, number_format="bf16", left_out=errors, shipped=(), constant=(),
        inside=inside, refused=refused,
    )  # fmt: skip


def test_a_summary_weighs_sources_alike() -> None:
    # The first source errs by 0.1, 0.2 and 0.4 in two cells, the second by 0.3: medians 0.2 and 0.3. Two of three of
    # its runs and none of one lie inside.
    cells = [cell("one", 100, -200, inside=1), cell("one", 400, inside=1), cell("two", -300)]
    found = summary(cells, "training", "these")
    assert (found.kind, found.of, found.n, found.sources) == ("training", "these", 4, 2)
    assert found.median_error == pytest.approx(0.25)
    assert found.coverage == pytest.approx(1 / 3)


def test_what_is_refused_is_wholly_off_and_held_by_no_interval() -> None:
    # Errors 0.1, 0.2 and two of 1: a median of 0.6; of the two with an interval one lies inside. Nothing answered, 0.
    found = summary([cell("one", 100, -200, inside=1, refused=1), cell("one", refused=1, part="x")], "training", "")
    assert (found.n, found.median_error, found.coverage) == (4, pytest.approx(0.6), 0.5)
    assert summary([cell("one", refused=1)], "training", "").coverage == 0.0


FOUR = (10, 20, 30, 40)
CELLS = {
    "software": cell("one", *FOUR),
    "part": cell("two", *FOUR, software="b"),
    "family": cell("three", *FOUR, part="h200"),
    "shape": cell("four", *FOUR, part="mi300x", family="cdna"),
    "model": cell("five", *FOUR, part="mi300x", family="cdna", mixture=True),
}


@pytest.mark.parametrize(
    ("there", "of"),
    [
        (("software", "software"), "h100, dense models"),  # one source alone, whatever its runs
        (("software", "part"), "h100, dense models"),
        (("software", "family"), "hopper parts, dense models"),
        (("software", "shape"), "any part, dense models"),
        (("software", "model"), "any part and model"),
    ],
)
def test_the_circle_widens_until_two_sources_and_eight_runs_lie_in_it(
    there: tuple[str, ...], of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [CELLS[name] for name in dict.fromkeys(there)]
    cells += [cell("six", *FOUR)] if there == ("software", "software") else []
    monkeypatch.setattr(likeness, "board_cells", lambda: cells)
    found = like("training", "h100", "hopper", mixture=False, software="c")
    assert found is not None
    assert (found.of, found.n, found.sources) == (of, 8, 2)
    near = like("training", "h100", "hopper", mixture=False, software="a")
    assert near is not None
    assert near.of == ("h100, dense models, a" if there == ("software", "software") else of)


def test_few_runs_are_all_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # Seven runs of two sources never make a circle: they are told as any part and model. Other kinds do not count.
    cells = [cell("one", *FOUR), cell("two", 10, 20, 30), cell("three", *FOUR, kind="memory")]
    monkeypatch.setattr(likeness, "board_cells", lambda: cells)
    found = like("training", "h100", "hopper", mixture=False, software="a")
    assert found is not None
    assert (found.of, found.n) == ("any part and model", 7)
    assert like("tpot", "h100", "hopper", mixture=False) is None
