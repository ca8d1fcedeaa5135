"""Bars and counted lines: what a person sees of long work, and how long is left."""

from __future__ import annotations

import time

import pytest

from hwmodel.cli import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_counted_line_says_how_long_the_rest_takes(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    tell = progress.lines(quiet=False)
    tell("fit on 80 rows")
    tell("fold 1 of 5: a, b")
    clock[0] += 60.0
    tell("fold 2 of 5: c")
    clock[0] += 120.0
    tell("fold 4 of 5: d")  # three done in three minutes, two are left
    said = capsys.readouterr().err.splitlines()
    assert "left" not in said[0] + said[1]
    assert said[2].endswith("fold 2 of 5: c (0:04:00 left)")
    assert said[3].endswith("fold 4 of 5: d (0:02:00 left)")
    progress.lines(quiet=True)("fold 1 of 5")
    assert capsys.readouterr().err == ""


def test_a_bar_ends_its_line_and_is_drawn_on_terminals_alone(
    clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert progress.stages(quiet=False) is None  # stderr is no terminal here
    monkeypatch.setattr(progress, "bars_are_drawn", lambda quiet: not quiet)
    assert progress.stages(quiet=True) is None
    tell = progress.stages(quiet=False)
    assert tell is not None
    tell("starts", 0, 4)
    clock[0] += 10.0
    tell("starts", 1, 4)
    tell("starts", 2, 4)  # too soon to be drawn again
    clock[0] += 1.0
    tell("starts", 4, 4)
    said = capsys.readouterr().err
    assert said.count("\r") == 3
    assert " 25 %" in said
    assert "0:00:30 left" in said
    assert said.endswith("\n")
    assert "100 %" in said
    assert all(len(line) <= 80 for line in said.split("\r"))


def test_what_stood_before_does_not_hasten_the_end(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """90 of 100 stand, one more takes a minute: of this call's ten nine are left, nine minutes."""
    bar = progress.Bar()
    clock[0] += 60.0
    bar.draw("", 0.91, here=0.1)
    assert "0:09:00 left" in capsys.readouterr().err


def test_a_log_has_a_line_a_minute(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    log = progress.Log()
    for share in (0.05, 0.1, 0.15, 0.2, 1.0):
        clock[0] += 40.0
        log.tell(f"{share:.0%}", share)
    # at 80 s a tenth is done: nine times as long; at 160 s a fifth: four times; the end says nothing
    assert capsys.readouterr().err.splitlines() == ["10%, 0:12:00 left", "20%, 0:10:40 left"]
