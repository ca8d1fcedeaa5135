"""Distillation against training outright: the tokens of a student, what they replace, and the teacher worth training.

All of it in the counts and losses of one law of distillation (Busbridge et al. 2025, arXiv 2502.08606); elementwise on
arrays of sizes. FLOPs: 6 N D to train a model, 2 N a token for the teacher's logits.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel.laws import additive
from hwmodel.laws.forms import Constants
from hwmodel.laws.open_forms import student_loss
from hwmodel.numerics import falls_at

TOKENS_SPAN = (1e6, 1e18)  # a student's tokens are sought between
# Teachers tried: size over the student's, tokens over its size.
TEACHER_SIZES = (0.03, 30.0)
TEACHER_RATIOS = (1.0, 3000.0)
GRID = 25
ZOOMS = 3
# Fewer tokens than these were not distilled on, and the law's own term in tokens is small: it is not read there.
LEAST_RATIO, LEAST_FLOP = 1.0, 3e19
USUAL_RATIO = 20.0  # tokens a parameter of a teacher that is simply there


class Student(msgspec.Struct, frozen=True, kw_only=True):
    """A student of N parameters: its tokens, its teacher and the FLOPs of each part; arrays where sizes are."""

    params: Any
    tokens: Any
    teacher_params: Any
    teacher_tokens: Any
    teacher_flop: Any  # to train the teacher; 0 where it is there
    loss: Any

    @property
    def student_flop(self) -> Any:
        return 6.0 * self.params * self.tokens

    @property
    def logits_flop(self) -> Any:
        """The teacher's forward pass over every token of the student."""
        return 2.0 * self.teacher_params * self.tokens

    @property
    def flop(self) -> Any:
        return self.student_flop + self.logits_flop + self.teacher_flop


def supervised_tokens(c: Constants, params: Any, loss: Any) -> Any:
    """Tokens that bring the same size to this loss without a teacher; infinite below what any amount of data gives."""
    reached = loss > additive.floor_at_params(c, params) * (1.0 + 1e-12)
    safe = np.where(reached, loss, 2.0 * additive.floor_at_params(c, params))
    return np.where(reached, additive.tokens_for_loss(c, params, safe), np.inf)


def least_tokens(params: Any) -> Any:
    """Fewest tokens of a student that are offered: its own training of 3e19 FLOPs or twenty tokens a parameter, as in
    the runs, and never below one token a parameter."""
    return np.maximum(LEAST_RATIO * params, np.minimum(USUAL_RATIO * params, LEAST_FLOP / (6.0 * params)))


def student_tokens(c: Constants, params: Any, teacher_loss: Any, loss: Any) -> Any:
    """Tokens that bring a student to this loss, or the fewest; infinite where its teacher never brings it there."""
    low, high = (np.log(end) + 0.0 * (params + teacher_loss) for end in TOKENS_SPAN)
    logs = falls_at(lambda x: student_loss(c, params, np.exp(x), teacher_loss) > loss, low, high, 60)
    found = np.exp(logs)
    reached = student_loss(c, params, found, teacher_loss) <= loss * (1.0 + 1e-6)
    return np.where(reached, np.maximum(found, least_tokens(params)), np.inf)


def given_teacher(c: Constants, params: Any, teacher_params: Any, teacher_tokens: Any, *, flop: Any = None,
                  loss: Any = None) -> Student:  # fmt: skip
    """A student of a teacher that is there: of a budget of FLOPs (its own training and the logits), or of a loss."""
    taught = additive.loss(c, teacher_params, teacher_tokens)
    if loss is None:
        tokens = flop / (6.0 * params + 2.0 * teacher_params)
        tokens = np.where(tokens < least_tokens(params), np.inf, tokens)
    else:
        tokens = student_tokens(c, params, taught, loss)
    reached = np.where(np.isfinite(tokens), student_loss(c, params, tokens, taught), np.inf)
    return Student(params=params, tokens=tokens, teacher_params=teacher_params, teacher_tokens=teacher_tokens,
                   teacher_flop=0.0 * (params + teacher_params), loss=reached)  # fmt: skip


def trained_teacher(c: Constants, params: float, *, flop: float | None = None, loss: float | None = None) -> Student:
    """The student whose teacher is trained for it alone: the best teacher for a budget, or the cheapest for a loss."""

    def student(size: Any, ratio: Any) -> Student:
        """The student of teachers of these sizes over its own, and tokens a parameter."""
        teacher, trained_on = params * size, params * size * ratio
        cost = 6.0 * teacher * trained_on
        rest = None if flop is None else np.maximum(flop - cost, 0.0)
        one = given_teacher(c, params, teacher, trained_on, flop=rest, loss=loss)
        return msgspec.structs.replace(one, teacher_flop=cost)

    return _best(student, "loss" if flop is not None else "flop", (TEACHER_SIZES, TEACHER_RATIOS))


def usual_teacher(c: Constants, params: float, *, flop: float | None = None, loss: float | None = None) -> Student:
    """The student of the best of all teachers of twenty tokens a parameter, as if that one were there."""

    def student(size: Any, ratio: Any) -> Student:
        """The student of teachers of these sizes over its own."""
        return given_teacher(c, params, params * size, params * size * ratio, flop=flop, loss=loss)

    return _best(student, "loss" if flop is not None else "flop", (TEACHER_SIZES, (USUAL_RATIO, USUAL_RATIO)))


def _best(student: Any, by: str, spans: tuple[tuple[float, float], tuple[float, float]]) -> Student:
    """The student of the best teacher on a grid of sizes and tokens, narrowed around it."""
    axes = [np.geomspace(*span, GRID if span[0] < span[1] else 1) for span in spans]
    for _ in range(ZOOMS + 1):
        size, ratio = np.meshgrid(*axes, indexing="ij")
        tried = student(size, ratio)
        at = np.unravel_index(int(np.argmin(np.asarray(getattr(tried, by)))), size.shape)
        axes = [_around(axis, int(i)) for axis, i in zip(axes, at, strict=True)]
    names = Student.__struct_fields__
    values = (np.broadcast_to(np.asarray(getattr(tried, name), dtype=float), size.shape)[at] for name in names)
    return Student(**{name: float(value) for name, value in zip(names, values, strict=True)})


def _around(axis: Any, best: int) -> Any:
    """A finer axis between the neighbours of a point."""
    if len(axis) == 1:
        return axis
    low, high = axis[max(best - 1, 0)], axis[min(best + 1, len(axis) - 1)]
    return np.geomspace(low, high, len(axis))
