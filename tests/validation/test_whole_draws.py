"""What docs/model.md says of the joint draws on whole runs is what they do."""

from __future__ import annotations

import re

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.validation.board.accuracy_page import ROOT
from hwmodel.validation.board.whole_draws import held_by_draws
from hwmodel.validation.board.whole_runs import left_out_runs, measured_hours, predict_rows, runs_file
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.tables import read_table, text

ROWS = read_table(runs_file())[1]


def resolver() -> Resolver:
    return Resolver(load_catalog(), kernel_calibration())


def test_the_coverage_of_the_draws_is_that_of_the_page_and_of_the_closed_form() -> None:
    found = held_by_draws(ROWS, resolver())
    page = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    (stated,) = re.findall(
        r"of\s+(\d+) whole runs of (\d+) sources.*?hold (\d+) %.*?runs alike (\d+) %", page, re.DOTALL
    )
    runs, sources, by_source, by_run = (int(one) for one in stated)
    assert (runs, sources) == (found.runs, found.sources)
    assert 100 * found.by_source == pytest.approx(by_source, abs=1.7)  # a run of 61
    assert 100 * found.by_run == pytest.approx(by_run, abs=1.7)
    # The interval that the answer prints is the closed form of the same doubts.
    inside: dict[str, list[bool]] = {}
    for run in left_out_runs(ROWS, resolver()):
        hours = measured_hours(run.row)
        if run.solved is not None and hours is not None:
            band = run.solved.answer.gpu_hours
            inside.setdefault(text(run.row, "source"), []).append(band.low <= hours <= band.high)
    closed = sum(sum(one) / len(one) for one in inside.values()) / len(inside)
    assert found.by_source == pytest.approx(closed, abs=0.08)


@pytest.mark.parametrize("count", ["0", "1e308", "many"])
def test_a_run_on_a_fleet_that_cannot_be_read_is_a_row_with_its_reason(count: str) -> None:
    row = next(row for row in ROWS if text(row, "days") and text(row, "n_gpus"))
    found = predict_rows([row | {"n_gpus": count}], resolver())
    assert found
    assert all(one.status == "refused" and "n_gpus" in one.reason for one in found)
