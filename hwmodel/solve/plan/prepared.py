"""A run sized and laid out, with the life that a demand makes of it, before tables and curves are made."""

from __future__ import annotations

import msgspec

from hwmodel.solve.life.demand import Life
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.solve.run.solved import Solved
from hwmodel.specs import Shape


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A sized and laid-out run, before its tables and curves are made.

    `best`: the least loss within the limits, where a demand made the plan another.
    """

    setting: Setting
    model: LossModel
    shape: Shape | None  # a named model's
    sized: Sized
    solved: Solved | None
    lifetime: Life | None
    best: Sized | None = None
