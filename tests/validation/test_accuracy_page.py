"""docs/accuracy.md and its figure are what the calibrations say; rivals and boxes against hand-worked cases."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import msgspec
import numpy as np
import pytest

from hwmodel.catalog.accuracy import board_cells
from hwmodel.report.boxes import Row, boxes_svg, quantiles
from hwmodel.report.likeness import QUANTITIES
from hwmodel.solve.accuracy import KINDS
from hwmodel.validation.board import accuracy_page, training_page
from hwmodel.validation.board.cells import Held, cells_of, constant_errors, key_of, paired, refusals
from hwmodel.validation.calibrate.interval_score import board_figures
from hwmodel.validation.predicted.records import RowPrediction

AGAIN = "python -m hwmodel.validation.board.accuracy_page"


def test_the_page_is_what_was_committed() -> None:
    assert accuracy_page.PAGE.read_text(encoding="utf-8") == accuracy_page.page(), AGAIN
    for name, drawn in accuracy_page.figures().items():
        assert (accuracy_page.FIGURES / name).read_text(encoding="utf-8") == drawn, AGAIN


def test_the_page_of_training_is_what_its_numbers_say() -> None:
    assert training_page.PAGE.read_text(encoding="utf-8") == training_page.page(training_page.numbers())


def test_every_kind_stands_on_the_page_with_both_weightings() -> None:
    text = accuracy_page.page()
    for kind in KINDS:
        assert text.count(f"| {QUANTITIES[kind]} |") == 2, kind  # errors, intervals
        assert f"### {QUANTITIES[kind].capitalize()}" in text
    assert text.count("by rows |") == 2


def test_the_figure_is_small_and_names_every_source() -> None:
    drawn, readme = accuracy_page.figures()["accuracy-boxes.svg"], accuracy_page.figures()["accuracy-by-source.svg"]
    assert len(drawn) < 80_000
    assert readme.count("<rect") == 1 + sum(
        bool(row.ratios) for row in accuracy_page.box_rows(board_cells(), ["training"])
    )
    root = ET.fromstring(drawn)
    words = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(QUANTITIES.values()) <= set(words)
    rows = accuracy_page.box_rows(board_cells())
    assert sum(len(row.ratios) for row in rows) == sum(len(cell.left_out) for cell in board_cells())


def test_boxes_by_hand() -> None:
    assert quantiles([4.0, 0.0, 1.0, 3.0, 2.0]) == pytest.approx([0.4, 1.0, 2.0, 3.0, 3.6])
    assert quantiles([1.5]) == [1.5] * 5
    drawn = boxes_svg([Row(name="a & b"), Row(name="c", ratios=[1e-9, 1.0, 1e9])], "t", "x")
    assert "a &amp; b" in drawn
    assert "inf" not in drawn
    ET.fromstring(drawn)


def row(name: str, source: str, measured: float, predicted: float = 1.0) -> RowPrediction:
    """A rate whose utilisation is what was measured."""
    return RowPrediction(
        id=name, source=source, group=source, model="m", part="p", engine="", metric="tokens/s", measured=measured,
        predicted=predicted, low=None, high=None, status="predicted", baseline_key="p|bf16", baseline_unit=1.0,
        headline=True,
    )  # fmt: skip


def held(name: str, left: str, log_seconds: float, half: float = 0.1) -> Held:
    return Held(
        kind="throughput", id=name, metric="tokens/s", left=left, log_seconds=log_seconds, down=half, up=2.0 * half
    )


ROWS = [row("a", "s", 0.5), row("b", "s", 0.5), row("c", "t", 0.25)]
HELD = [held("a", "s", 0.15), held("b", "s", -0.15), held("c", "t", 0.0)]


def test_the_constant_is_that_of_the_other_sources() -> None:
    """Utilisation 0.25 of t on s: half of what was measured, so that ln of seconds measured over said is -ln 2."""
    found = constant_errors(paired(HELD, ROWS))
    assert found[key_of(HELD[0])] == pytest.approx(-math.log(2.0))
    assert found[key_of(HELD[2])] == pytest.approx(math.log(2.0))


def test_cells_keep_signs_and_count_what_is_inside() -> None:
    """Seconds measured 15 % (log) above predicted: the rate predicted is e^0.15 of the one measured."""
    pairs = paired(HELD, ROWS)
    first, second = cells_of(pairs, constant_errors(pairs))
    assert first.left_out == (162, -139)
    assert first.shipped == (1000, 1000)
    assert first.constant == (-500, -500)
    assert first.inside == 1  # up reaches 0.2, down 0.1
    assert (second.left_out, second.constant, second.inside) == ((0,), (1000,), 1)


def test_what_is_refused_has_no_error_and_counts_in_its_cell() -> None:
    gone = [msgspec.structs.replace(ROWS[0], predicted=None), msgspec.structs.replace(ROWS[0], id="z", part="q")]
    gone[1] = msgspec.structs.replace(gone[1], predicted=None)
    pairs = paired(HELD, [gone[0], *ROWS[1:]])
    assert [one.id for one, _ in pairs] == ["b", "c"]
    first, other, last = cells_of(pairs, constant_errors(pairs), [("throughput", row) for row in gone])
    assert (first.source, len(first.left_out), first.refused) == ("s", 1, 1)
    assert (other.part, other.left_out, other.refused, other.inside) == ("q", (), 1, 0)
    assert (last.source, last.refused) == ("t", 0)
    assert (first.sizes_of("left_out"), other.sizes_of("shipped")) == ([139, 1000], [1000])
    assert other.sizes_of("constant") == []


def test_refusals_have_the_kind_of_their_file_and_metric() -> None:
    def gone(metric: str, **other: object) -> RowPrediction:
        return msgspec.structs.replace(ROWS[0], metric=metric, predicted=None, **other)

    found = refusals({
        "training": [gone("step_time_s"), gone("peak_mem_gb", headline=False), gone("mfu", headline=False)],
        "serving": [gone("tpot_ms"), gone("ttft_ms", headline=False)],
        "throughput": [gone("tokens/s"), gone("tokens/s", scored=False), ROWS[0]],
        "whole": [gone("gpu_hours"), gone("days", headline=False)],
    })  # fmt: skip
    assert [kind for kind, _ in found] == ["training", "memory", "tpot", "ttft", "throughput", "whole"]


def test_rivals_stand_beside_the_intervals() -> None:
    found = board_figures(HELD, constant_errors(paired(HELD, ROWS)))
    assert found.coverage == 0.75  # a half of s, all of t
    assert found.coverage_by_rows == pytest.approx(2.0 / 3.0, abs=5e-4)
    assert found.constant_rows == 3
    # The constant's own width holds each source by the other's error, ln 2: a score of twice that, nothing outside.
    assert found.constant_interval_score == pytest.approx(2.0 * math.log(2.0), abs=5e-4)
    assert found.interval_score == pytest.approx(np.mean([0.3 + 10.0 * 0.05 / 2.0, 0.3]), abs=5e-4)


def test_names_carry_nothing() -> None:
    """Ids and sources replaced, in another order: the same figures."""
    names = {"s": "zz", "t": "aa"}
    other = [msgspec.structs.replace(one, id=f"x{one.id}", left=names[one.left]) for one in reversed(HELD)]
    rows = [msgspec.structs.replace(one, id=f"x{one.id}", source=names[one.source]) for one in reversed(ROWS)]
    before, after = (board_figures(h, constant_errors(paired(h, r))) for h, r in ((HELD, ROWS), (other, rows)))
    assert before == after
