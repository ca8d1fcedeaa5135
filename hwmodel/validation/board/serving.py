"""Serving and throughput rows: predicted with the shipped constants, or with values left out of the fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import calibrations_dir, kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.catalog.stacks import interval_calibration
from hwmodel.physics.intervals import around, ends
from hwmodel.predict.service import Covered
from hwmodel.predict.service.intervals import THROUGHPUT, covered_by, service_familiarity, shipped_covered
from hwmodel.specs.intervals import Familiarity
from hwmodel.specs.serving_calibration import ServingCalibration
from hwmodel.validation.board.folds import folds_left_out, folds_of
from hwmodel.validation.fit.serving_fit import calibration_of, fit
from hwmodel.validation.predicted.records import PREDICTED, REFUSED, RowPrediction
from hwmodel.validation.predicted.serving_baseline import roofline
from hwmodel.validation.predicted.serving_bench import (
    ServingCase,
    ServingResolver,
    cases_of,
    drafting_share,
    usually_drafting,
)
from hwmodel.validation.predicted.serving_predict import QUANTITIES, TIMES, CaseTable, Questions
from hwmodel.validation.rows.serving_rows import RUN, MeasuredQuantity, RowSetting, family, is_scored, serving_setting
from hwmodel.validation.rows.tables import CellError, Row, content, measured, read_table, text
from hwmodel.validation.rows.throughput_rows import throughput_setting

READERS = {"serving": serving_setting, "throughput": throughput_setting}
# One measured run of a group moves its level; how many rows of doubt its single reading carries (spread of errors
# inside groups over that between groups left out), and the natural log beyond which a reading of TTFT tells of its own
# queue rather than of its group.
READING_DOUBT = {"tpot": 1.2, "ttft": 1.0}
READING_REACH = {"ttft": 1.0}


class Book:
    """Rows of one or both kinds, read, resolved and asked together."""

    def __init__(self, rows: Sequence[tuple[str, Row]], catalogs: Sequence[Path] = ()) -> None:
        resolver = ServingResolver(load_catalog(catalogs), kernel_calibration())
        self.rows = list(rows)
        self.settings: list[RowSetting | None] = []
        self.reasons: list[str] = []
        self.cases: dict[int, ServingCase] = {}
        cases: list[ServingCase] = []
        for place, (kind, row) in enumerate(self.rows):
            try:
                setting = READERS[kind](row)
                self.settings.append(setting)
                mine = cases_of(place, setting, resolver)
            except CellError as error:
                if len(self.settings) == place:
                    self.settings.append(None)
                self.reasons.append(str(error))
                continue
            self.reasons.append("")
            self.cases[place] = mine[0]
            cases += mine
        self._open = [c for c in cases if c.setting.draft_tokens < 0]
        self.questions = Questions(CaseTable(cases))
        self.measured = np.array([self.value(place, asked) for place, asked in self.questions.keys])
        self.index = {(place, asked.metric): i for i, (place, asked) in enumerate(self.questions.keys)}

    def answers(self, c: ServingCalibration) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A value for every key; and beside it the ends that its row leaves open, as natural logs over it (below,
        above). A row that does not say whether it drafts gets the mean of the logs of both modes, each weighed by how
        likely it is, and the ends of both."""
        plain, drafted = self._modes(c)
        share = np.array([drafting_share(self.cases[int(place)].setting) for place in self.questions.rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(np.log(drafted / plain), posinf=0.0, neginf=0.0)
        middle = share * ratio
        return plain * np.exp(middle), np.stack([np.minimum(ratio, 0.0) - middle, np.maximum(ratio, 0.0) - middle])

    def _modes(self, c: ServingCalibration) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A value for every key as its row states it, and with the usual drafts where it does not say whether it
        drafts."""
        plain = self.questions.answer(c)
        drafted = plain.copy()
        if self._open:
            usual = Questions(CaseTable([usually_drafting(case) for case in self._open]))
            places = [self.index[place, asked.metric] for place, asked in usual.keys]
            drafted[places] = usual.answer(c)
        return plain, drafted

    def value(self, place: int, asked: MeasuredQuantity) -> float:
        """What the row measured."""
        kind, row = self.rows[place]
        found = measured(row, "value" if kind == "throughput" else asked.metric)
        return found if found is not None else math.nan

    def usable(self) -> NDArray[np.bool_]:
        """Answers that a fit may use."""
        scored = np.array([self.cases[place].setting.scored for place in self.questions.rows], dtype=bool)
        return np.asarray(scored & np.isfinite(self.measured))

    def calibration(self, use: NDArray[np.bool_]) -> ServingCalibration:
        """The constants that fit the answers in `use`."""
        return calibration_of(fit(self.questions, self.measured, use))

    def covered(self, use: NDArray[np.bool_]) -> Covered:
        """What the runs behind the answers in `use` cover."""
        places = sorted({int(place) for place in self.questions.rows[use]})
        return covered_by([self.cases[place].traits for place in places])

    def familiarities(self, c: ServingCalibration, covered: Covered, which: NDArray[np.intp]) -> list[Familiarity]:
        """What the errors of the answers in `which` go by."""
        chosen = self.questions.chosen(c)
        every = (chosen[int(i)] for i in which)
        return [service_familiarity(case.traits, parts, covered) for case, parts in every]

    def held(self, place: int, hold: str) -> str:
        """The value of a row that `hold` leaves out."""
        kind, row = self.rows[place]
        setting, case = self.settings[place], self.cases.get(place)
        group = setting.group if setting else text(row, "group")
        if hold == "group":
            return group
        if hold == "part":
            return case.part.id if case else text(row, "accelerator")
        if hold == "engine":
            return setting.engine if setting else text(row, "backend")
        return family(text(row, "model")) if hold == "model" else source_of(kind, row, group)


def source_of(kind: str, row: Row, group: str) -> str:
    """What a row is summarised under: its group for serving, its source for throughput."""
    return group if kind == "serving" else text(row, "source")


def shipped_rows() -> list[tuple[str, Row]]:
    """The published runs that the shipped constants are fitted on."""
    folder = calibrations_dir().parent / "runs"
    return [(kind, row) for kind in READERS for row in read_table(folder / f"{kind}.csv")[1]]


def predict_rows(
    kind: str,
    rows: list[Row],
    hold: str = "",
    folds: int = 0,
    seed: int = 0,
    own: list[Row] | None = None,
    progress: Callable[[str], None] | None = None,
    catalogs: Sequence[Path] = (),
) -> list[RowPrediction]:
    """Predictions of every measured quantity of `rows`, in their order.

    With `hold` each value (or each of `folds` lots of values) is predicted by constants fitted, from their defaults,
    on the shipped runs and the file's other rows. `own`: measured runs that set the level of their group, by the same
    constants that predict it.
    """
    asked_rows = [(kind, row) for row in rows]
    given = [(kind, row) for row in own or []]
    if not hold:
        book = Book(asked_rows + given, catalogs)
        found, apart = book.answers(serving_calibration())
        every = np.arange(len(found))
        answers = BookValues(found, apart, book.familiarities(serving_calibration(), shipped_covered(), every))
    else:
        book = Book(asked_rows + given + _others(rows + (own or [])), catalogs)
        answers = _left_out(book, len(asked_rows), len(given), hold, folds, seed, progress or (lambda _: None))
    shifts = _levels(book, range(len(asked_rows), len(asked_rows) + len(given)), answers.values)
    return [p for place in range(len(asked_rows)) for p in _row_predictions(book, place, answers, shifts)]


class BookValues(NamedTuple):
    """A value for each key of a book, the ends that its row leaves open (natural logs over it), and what its error goes
    by (None where it has no value)."""

    values: NDArray[np.float64]
    apart: NDArray[np.float64]
    familiarities: Sequence[Familiarity | None]


def _others(rows: list[Row]) -> list[tuple[str, Row]]:
    """Shipped rows that are none of `rows`, neither by id nor, under another, by what they ran and measured."""
    ids = {row["id"] for row in rows}
    same = {content(row, RUN) for row in rows}
    return [(k, row) for k, row in shipped_rows() if row["id"] not in ids and content(row, RUN) not in same]


def _left_out(
    book: Book, n_rows: int, n_given: int, hold: str, folds: int, seed: int, say: Callable[[str], None]
) -> BookValues:
    # Runs given for levels are predicted like the rows beside them and take no part in a fit.
    usable = book.usable() & ((book.questions.rows < n_rows) | (book.questions.rows >= n_rows + n_given))
    values = np.array([book.held(int(place), hold) for place in book.questions.rows])
    inside = book.questions.rows < n_rows
    answers, apart = np.full(len(values), np.nan), np.zeros((2, len(values)))
    familiar: list[Familiarity | None] = [None] * len(values)
    lots = folds_of(values[inside].tolist(), folds, seed)
    for fold in folds_left_out(values.tolist(), lots, usable, book.calibration, say):
        every, ends_of = book.answers(fold.constants)
        answers[fold.left], apart[:, fold.left] = every[fold.left], ends_of[:, fold.left]
        places = np.flatnonzero(fold.left)
        of = book.familiarities(fold.constants, book.covered(fold.use), places)
        for place, one in zip(places, of, strict=True):
            familiar[place] = one
    return BookValues(answers, apart, familiar)


def _levels(book: Book, given: range, answers: NDArray[np.float64]) -> dict[tuple[str, str], float]:
    """(group, kind of quantity) -> natural-log shift that the runs at `given` ask for, shrunk by their doubt."""
    errors: dict[tuple[str, str], list[float]] = {}
    for i, (place, asked) in enumerate(book.questions.keys):
        if place in given and np.isfinite(book.measured[i]) and np.isfinite(answers[i]) and answers[i] > 0:
            key = (book.cases[place].setting.group, asked.kind)
            errors.setdefault(key, []).append(math.log(book.measured[i] / answers[i]))
    return {key: _shift(key[1], e) for key, e in errors.items()}


def _shift(kind: str, errors: list[float]) -> float:
    """The level that readings of a group ask for, shrunk by their doubt."""
    n, middle = len(errors), float(np.median(errors))
    kept = middle * n / (n + READING_DOUBT.get(kind, 0.35))
    return kept / (1.0 + (middle / READING_REACH.get(kind, math.inf)) ** 2 / n)


def _asked_of(book: Book, place: int) -> tuple[MeasuredQuantity, ...]:
    """What a row asks, even where its other cells cannot be read."""
    setting = book.settings[place]
    if setting is not None:
        return setting.asked
    kind, row = book.rows[place]
    if kind == "serving":
        kinds = (("tpot_ms", "tpot"), ("ttft_ms", "ttft"))
        return tuple(MeasuredQuantity(metric=m, kind=k) for m, k in kinds if measured(row, m) is not None)
    return (
        (MeasuredQuantity(metric=text(row, "metric"), kind="output_rate"),)
        if measured(row, "value") is not None
        else ()
    )


def _row_predictions(
    book: Book, place: int, answers: BookValues, shifts: dict[tuple[str, str], float]
) -> list[RowPrediction]:
    kind, row = book.rows[place]
    case = book.cases.get(place)
    group = book.held(place, "group")
    out = []
    for number, asked in enumerate(_asked_of(book, place)):
        i = book.index.get((place, asked.metric))
        value = float(answers.values[i]) if i is not None else math.nan
        familiarity = answers.familiarities[i] if i is not None else None
        base = RowPrediction(
            id=row["id"], source=source_of(kind, row, group), group=group, model=family(text(row, "model")),
            part=book.held(place, "part"), engine=book.held(place, "engine"), metric=asked.metric,
            measured=book.value(place, asked), predicted=None, low=None, high=None, status=REFUSED,
            reason=book.reasons[place] or "the load cannot be carried", family=case.part.family if case else "",
            software=case.setting.engine if case else "", mixture=case is not None and case.traits.mixture,
            scored=is_scored(row), headline=number == 0,
        )  # fmt: skip
        if case is None or familiarity is None or not math.isfinite(value) or value <= 0:
            out.append(base)
            continue
        shift = shifts.get((group, asked.kind), 0.0)
        if shift != 0.0:
            familiarity = msgspec.structs.replace(familiarity, known=1.0)
        assert i is not None
        out.append(_predicted(base, case, asked, value * math.exp(shift), answers.apart[:, i], familiarity))
    return out


def _predicted(
    base: RowPrediction,
    case: ServingCase,
    asked: MeasuredQuantity,
    value: float,
    apart: NDArray[np.float64],
    of: Familiarity,
) -> RowPrediction:
    doubt = ends(of, interval_calibration()[QUANTITIES.get(asked.kind, THROUGHPUT)])
    doubt = doubt if asked.kind in TIMES else doubt.flipped
    reason = case.note
    low, high = around(value, doubt)
    if case.setting.draft_tokens < 0:
        below, above = (math.exp(end) for end in apart.tolist())
        low, high = low * below, high * above
        reason = f"speculative decoding is not stated: {value * below:.3g} to {value * above:.3g}"
    return msgspec.structs.replace(
        base, predicted=value, low=low, high=high, status=PREDICTED, reason=reason,
        baseline_key=f"{case.part.id}|{case.recipe}", baseline_unit=roofline(case, asked),
    )  # fmt: skip
