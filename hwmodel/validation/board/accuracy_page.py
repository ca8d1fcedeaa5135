"""The page docs/accuracy.md and its figure: every kind of prediction beside what was measured, with both weightings.

It is a function of what `hwmodel calibrate` committed, so that a test can hold the page to it: `python -m
hwmodel.validation.board.accuracy_page`. What training alone has to say stands in docs/accuracy-training.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hwmodel.catalog.accuracy import board_cells
from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.report.boxes import Row, boxes_svg
from hwmodel.report.likeness import QUANTITIES
from hwmodel.report.tables import table
from hwmodel.solve.accuracy import KINDS, Measured, accuracy
from hwmodel.specs.accuracy import BoardCell
from hwmodel.units import format_percent
from hwmodel.validation.fit.cast_fit import CastDocument
from hwmodel.validation.fit.interval_document import Scores, read_intervals
from hwmodel.validation.fit.quantised_fit import QuantisedDocument

ROOT = Path(__file__).resolve().parents[3]  # of the checkout, whose docs the page stands in
PAGE, FIGURES = ROOT / "docs" / "accuracy.md", ROOT / "docs" / "figures"
# Figures by file: the kinds they hold, and what they are called. README shows the first.
DRAWN = {
    "accuracy-by-source.svg": (("training",), "Training speed, predicted over measured, each run without its source"),
    "accuracy-boxes.svg": (KINDS, "Predicted over measured, each run predicted without its source"),
}

HEAD = """\
# How right it is

Written by `python -m hwmodel.validation.board.accuracy_page` from what `hwmodel calibrate` committed
(`catalogs/calibrations`); a test holds the page to it, and another each single run to its committed error
(`tests/golden/single_runs.csv`). `hwmodel accuracy --part b200 --model moe` cuts the same board as you ask.
"""

ERRORS = """\
## Errors

Every run is predicted by constants fitted, from their priors, without its source; a latency without its model on its
engine. Sizes of predicted over measured less one, in percent: the median of each source, then the mean over sources,
each weighing alike whether it holds one run or eight hundred; beside it the median over all runs. *Shipped*: the
constants as shipped, which were fitted on these runs too. *Constant*: one utilisation for each part and format, fitted
without the same source: a spreadsheet's way. *Refused*: runs that state too little, or whose layout does not fit as
they state it; they count as 100 % off, but in the column of the *answered* and for the constant.
"""

INTERVALS = """\
## 80 % intervals

The widths of each row come of constants fitted without its source (a latency's without its model on its engine, a peak
of memory's without its model in its source). *Held*: the share of runs inside, sources weighing alike, and by rows.
*Width against error*: rank correlation of the width and the size of the error; where it is near nought, a wide interval
warns of nothing. *Score*: the interval score of Winkler, the width and ten times what lies outside, in natural logs,
mean over sources, less is better; beside it that of one width for all and that of the constant with one width, each
chosen without the source.
"""

SHORTFALLS = """\
What the widths do not tell. Searched layouts: tuned runs of much the same software, whose errors are of one size; of
all doubts the mixture of experts alone follows them. Steps of reinforcement learning: six sources, so each width rests
on five, and is wide. Stated layouts by rows: two grids of one cluster each hold three quarters of the rows, and their
slow modes (seconds a micro-batch that neighbouring layouts do not carry) lie outside; over sources the same rows, which
weigh n^0.3 in the scale of the widths, make those of all others wider than they need. Hours billed: one run took three
fifths of the hours predicted of it, and most token counts of the largest source are those of the data, not of the
training.
"""

FIGURE_WORDS = """\
![Predicted over measured by kind and source, each run predicted without its source](figures/accuracy-boxes.svg)

Boxes hold the middle half of a source's runs, whiskers the middle 80 %; above 1 more was predicted than measured, of
rates, seconds, bytes or hours as the source prints them.
"""


def page() -> str:
    """The Markdown of the page."""
    found = accuracy()
    return "\n".join((
        HEAD, FIGURE_WORDS, ERRORS, _errors(found.kinds), "", INTERVALS, _intervals(), "", SHORTFALLS,
        "## Beside the board", "", _others(), "", "## By source", "", *_sources(found.by_source),
    ))  # fmt: skip


def _errors(kinds: Sequence[Measured]) -> str:
    rows = [
        [QUANTITIES[one.kind], f"{one.n:,}", str(one.refused), str(one.sources), _p(one.median_error),
         _p(one.answered_error), _p(one.median_error_by_rows), _p(one.shipped), _p(one.constant)]
        for one in kinds
    ]  # fmt: skip
    return table(
        ["quantity", "runs", "refused", "sources", "source left out", "answered", "by rows", "shipped", "constant"],
        rows,
    )


def _p(share: float | None) -> str:
    return "-" if share is None else format_percent(share).removesuffix(" %")


def _intervals() -> str:
    held = read_intervals().left_out
    new = {kind: held[kind].new_source for kind in KINDS if kind in held}
    rows = [_interval(kind, found) for kind, found in new.items() if found is not None]
    head = ["quantity", "sources", "held", "by rows", "half-width", "width against error", "score", "one width",
            "constant"]  # fmt: skip
    return table(head, rows)


def _interval(kind: str, of: Scores) -> list[str]:
    return [
        QUANTITIES[kind], str(of.sources), _p(of.coverage), _p(of.coverage_by_rows), f"{of.median_half_width:.2f}",
        f"{of.rank_correlation:.2f}", f"{of.interval_score:.2f}", _score(of.one_width_interval_score),
        _score(of.constant_interval_score),
    ]  # fmt: skip


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _others() -> str:
    """What has no row on the board: pairs of formats, quantised models, energy."""
    casts = read_calibration(calibrations_dir() / "casts.yaml", CastDocument)
    speed = casts.accuracy["source left out of all fits"]
    quantised = read_calibration(calibrations_dir() / "quantised.yaml", QuantisedDocument)
    lost = quantised.accuracy["all constants"]
    rows = [
        ["speed-up of training by a narrower format", "source left out", casts.fitted_on,
         f"median {_p(math.expm1(speed.median_abs_log))} %, 80 % within {_p(math.expm1(speed.half_width_80))} %"],
        ["loss of a quantised model", "source left out", quantised.constants.fitted_on,
         f"median a factor of {math.exp(lost.median_abs_log):.2f}, 80 % within"
         f" {math.exp(1.2816 * lost.sd_of_80_percent):.2f}"],
        ["energy, interruptions, owned cost", "beside the published ones", "[published runs](published.md)", ""],
        ["kernels and collectives", "shapes held out", "[kernels](kernels.md)", ""],
        ["scaling laws", "runs held out", "[fitting](fitting.md)", ""],
    ]  # fmt: skip
    return table(["what", "how it was held", "measured on", "error"], rows)


def _sources(every: Sequence[Measured]) -> list[str]:
    lines: list[str] = []
    for kind in KINDS:
        rows = [
            [one.source, f"{one.n:,}", _p(one.median_error), _p(one.coverage), _p(one.shipped), _p(one.constant)]
            for one in every
            if one.kind == kind
        ]
        head = ["source", "runs", "source left out", "held", "shipped", "constant"]
        lines += [f"### {QUANTITIES[kind].capitalize()}", "", table(head, rows), ""]
    return lines


def box_rows(cells: Sequence[BoardCell], kinds: Sequence[str] = KINDS) -> list[Row]:
    """A heading a kind, then its sources with their ratios, the source with the most runs first; grids of latencies by
    model and engine."""
    rows: list[Row] = []
    for kind in kinds:
        ratios: dict[str, list[float]] = {}
        for cell in cells:
            if cell.kind == kind and cell.left_out:
                ratios.setdefault(_named(cell.source), []).extend(1.0 + off / 1e3 for off in cell.left_out)
        rows += [Row(name=QUANTITIES[kind])] if len(kinds) > 1 else []
        rows += [Row(name=name, ratios=found) for name, found in sorted(ratios.items(), key=lambda one: -len(one[1]))]
    return rows


def _named(source: str) -> str:
    """A source; of a grid (model | part | engine | mode) the model without its owner, and the engine."""
    fields = source.split(" | ")
    return source if len(fields) < 3 else f"{fields[0].rpartition('/')[2]}, {fields[2]}"


def figures() -> dict[str, str]:
    """The SVGs of the page and of README, by file."""
    cells = board_cells()
    return {
        name: boxes_svg(box_rows(cells, kinds), title, "predicted / measured") for name, (kinds, title) in DRAWN.items()
    }


def main() -> None:
    """Write the page and its figures into the checkout."""
    PAGE.write_text(page(), encoding="utf-8")
    for name, drawn in figures().items():
        (FIGURES / name).write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
