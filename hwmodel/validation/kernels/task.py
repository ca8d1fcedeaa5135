"""One law on one table of kernel measurements: its rows split by shape, its fits, its errors held out."""

from __future__ import annotations

import numpy as np

from hwmodel.ops import Num
from hwmodel.validation.kernels import laws, priors, tables
from hwmodel.validation.kernels.reports import Scores, TaskScores
from hwmodel.validation.kernels.solver import Bounds, FittedKernel, columns_of, fit, score
from hwmodel.validation.kernels.tables import Columns, labels, of_kind, take

FIT_ROWS, CHECK_ROWS = 4000, 8000  # per part, format and engine


class Task:
    """One law on one table: its rows split by shape, the fit by family and format, the errors held out."""

    def __init__(self, name: str, rows: Columns, law: laws.Law, bounds: Bounds, keys: tuple[str, ...]) -> None:
        self.name, self.law, self.bounds = name, law, bounds
        checked = tables.held_out(rows, keys)
        self.train, self.test = take(rows, ~checked), take(rows, checked)
        self.fits: dict[tuple[str, str], FittedKernel] = {}

    def some(self, rows: Columns, family: str, number_format: str, count: int) -> Columns:
        """At most `count` rows a part of one family and format, always the same."""
        picked = take(rows, of_kind(rows, family, number_format))
        parts = np.unique(picked.words["part"])
        return tables.concatenate(
            [tables.sample(take(picked, picked.words["part"] == p), count, 7 + i) for i, p in enumerate(parts)]
        )

    def run(self, family: str, number_format: str, given: FittedKernel | None = None) -> TaskScores:
        """Fits one family and format; returns its errors on held-out shapes and on parts left out.

        `given` constants (of another task) stay fixed; a part left out loses its own ones too.
        """
        train = self.some(self.train, family, number_format, FIT_ROWS)
        test = self.some(self.test, family, number_format, CHECK_ROWS)
        fitted = self._fit(train, given)
        self.fits[family, number_format] = fitted
        shapes = score(test, self._predict(test, fitted, given), ("part", "engine"))
        return TaskScores(shapes=shapes, parts_left_out=self._left_out(train, test, given))

    def _left_out(self, train: Columns, test: Columns, given: FittedKernel | None) -> Scores | None:
        """Errors of each part by a fit of the others; None where there is but one."""
        names = np.unique(train.words["part"])
        if len(names) < 2:
            return None
        found: Scores = {}
        for name in names:
            kin = without(given, str(name))
            others = self._fit(take(train, train.words["part"] != name), kin)
            one = take(test, test.words["part"] == name)
            found |= score(one, self._predict(one, others, kin))
        return found

    def _fit(self, rows: Columns, given: FittedKernel | None) -> FittedKernel:
        per_part = priors.PER_PART_FP4 if (rows.words["format"] == "nvfp4").all() else priors.PER_PART
        return fit(rows, self.law, self.bounds, columns_of(rows, given) if given else None, per_part)

    def _predict(self, rows: Columns, fitted: FittedKernel, given: FittedKernel | None) -> Num:
        return self.law(rows, (columns_of(rows, given) if given else {}) | columns_of(rows, fitted))


def without(fitted: FittedKernel | None, part: str) -> FittedKernel | None:
    """The constants as if `part` had not been measured."""
    if fitted is None:
        return None
    return FittedKernel(
        shared=fitted.shared, parts={k: v for k, v in fitted.parts.items() if k != part}, rows=fitted.rows
    )


def present(task: Task) -> list[tuple[str, str]]:
    """The families and formats that the rows of a task cover, in a fixed order."""
    family_format = (str(text).split("|") for text in np.unique(labels(task.train, ("family", "format"), "|")))
    return [(family, number_format) for family, number_format in family_format]
