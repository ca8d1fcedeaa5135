"""The alarm on single runs: no run's error may grow by 2 points and a tenth against the committed board unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.validation.board.cells import shipped_predictions
from hwmodel.validation.board.single_runs import Run, board_text, committed, errors_of, grown, said
from hwmodel.validation.predicted.records import RowPrediction

RUN = Run("training", "a", "step_time_s")
MEND = (
    "If the change is meant, `python -m hwmodel.validation.board.single_runs` writes the board anew and CHANGELOG says "
    "why under *Numbers changed*."
)


@pytest.fixture(scope="module")
def now() -> dict[Run, float]:
    return errors_of(shipped_predictions(lambda _: None))


def test_no_run_got_worse_unseen(now: dict[Run, float]) -> None:
    before = committed()
    worse = grown(before, now)
    assert not worse, "\n".join([f"{len(worse)} runs got worse. {MEND}", *said(worse[:20], before, now)])


def test_the_board_holds_every_run(now: dict[Run, float]) -> None:
    assert set(committed()) == set(now), MEND


@pytest.mark.parametrize(
    ("before", "after", "grew"),
    [
        (0.10, 0.125, True), (0.10, 0.119, False), (0.40, 0.43, False), (0.40, 0.45, True), (0.0, 0.021, True),
        (0.05, 1.0, True), (0.30, 0.10, False),
    ],
)  # fmt: skip
def test_two_points_and_a_tenth(before: float, after: float, grew: bool) -> None:
    assert bool(grown({RUN: before}, {RUN: after})) is grew


def test_the_most_grown_comes_first_and_new_runs_are_no_growth() -> None:
    other, new = RUN._replace(id="b"), RUN._replace(id="c")
    before = {RUN: 0.1, other: 0.1}
    assert grown(before, {RUN: 0.2, other: 0.5, new: 3.0}) == [other, RUN]


def test_a_refused_run_counts_as_wholly_off() -> None:
    row = RowPrediction(
        id="a", source="s", group="s", model="m", part="p", engine="", metric="step_time_s", measured=2.0,
        predicted=1.5, low=None, high=None, status="predicted", headline=True,
    )  # fmt: skip
    import msgspec

    gone = msgspec.structs.replace(row, id="b", predicted=None)
    silent = msgspec.structs.replace(row, id="c", scored=False)
    assert errors_of({"training": [row, gone, silent]}) == {RUN: 0.25, RUN._replace(id="b"): 1.0}


def test_the_board_comes_back_to_a_tenth_of_a_point(tmp_path: Path) -> None:
    errors = {RUN: 0.12345, RUN._replace(id="b"): 1.0}
    (tmp_path / "board.csv").write_text(board_text(errors), encoding="utf-8")
    back = committed(tmp_path / "board.csv")
    assert back == pytest.approx(errors, abs=0.0005 + 1e-12)
