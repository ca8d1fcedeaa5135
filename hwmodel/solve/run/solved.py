"""A sized run on a fleet: the best layout for it, before it is put into words."""

from __future__ import annotations

import msgspec

from hwmodel.errors import InfeasibleError, InputError
from hwmodel.physics import shape as shapes
from hwmodel.predict.recompute import EVERY_OFFLOAD, offload_word
from hwmodel.predict.search import Choice, Evaluation, choice, require_fit
from hwmodel.predict.uncertainty import is_mixture, step_shares
from hwmodel.solve.question.request import Request
from hwmodel.solve.question.setting import step_doubt
from hwmodel.solve.run.answers import SizedShape, answer
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import RunAnswer
from hwmodel.solve.run.sizing import Sized
from hwmodel.specs import Shape
from hwmodel.specs.intervals import Ends
from hwmodel.units import format_bytes, format_count

# A size is refused when the smallest model that can be built near it is so many times larger: as a run that a law
# alone speaks of, and as one that is timed.
TOO_SMALL = 10.0
TOO_SMALL_TIMED = 1.1


class Solved(msgspec.Struct, frozen=True, kw_only=True):
    """The best plan for a sized run on a fleet, before it is put into words."""

    sized: Sized
    at: SizedShape
    fleet: Fleet
    evaluation: Evaluation
    choice: Choice
    answer: RunAnswer
    doubt: Ends  # of the 80 % interval of a step

    @property
    def used(self) -> int:
        """Accelerators that train; the rest of the fleet is idle, and billed."""
        return self.choice.accelerators - self.choice.idle_accelerators


def sized_shape(sized: Sized, shape: Shape | None, timed: bool = False) -> SizedShape:
    """The shape that a sized run is computed with, or `timed` on a fleet.

    Raises InfeasibleError for sizes that no model has.
    """
    if shape is not None:
        active = float(shapes.parameters(shape).active)
        return SizedShape(shape=shape, params=sized.n, flop_params=active)
    found = shapes.shape_for_params(sized.n)
    least = float(shapes.parameters(found).total)
    if least > (TOO_SMALL_TIMED if timed else TOO_SMALL) * sized.n:
        raise InfeasibleError(
            f"{format_count(sized.n)} parameters are too few for a language model: the nearest that can be built has "
            f"{format_count(least)}; give a larger size, more tokens or more compute",
            binding="size",
            remedy="a larger run",
        )
    return SizedShape(shape=found, params=sized.n, flop_params=sized.n)


def _with_host(error: InfeasibleError, fleet: Fleet, at: SizedShape) -> InfeasibleError:
    """The refusal, with what would fit if states or activations waited in host memory, where nothing says they do not.

    It is not taken unasked: what memory the hosts have is not in the catalog.
    """
    if error.binding != "memory" or fleet.setting.request.offload is not None:
        return error
    found = fleet.evaluate(at.shape, at.params, offload=EVERY_OFFLOAD)
    row = int(found.best[0])
    if row < 0:
        return error
    word = offload_word(found.space.at(row))
    states = format_bytes(found.memory_bytes[row], binary=True)
    return InfeasibleError(
        f"{error}; or --offload {word}: the fastest layout that then fits fills {states} and trains on "
        f"{format_count(found.tokens_per_s(0))} tokens a second",
        binding=error.binding, remedy=f"{error.remedy}, or --offload {word}",
    )  # fmt: skip


def check_experts(request: Request, shape: Shape) -> None:
    """Raises InputError where experts are to be spread that a model has not."""
    if request.layout.get("ep", 1.0) > 1.0 and not is_mixture(shape):
        raise InputError(f"--ep spreads experts and {shape.name} has none: drop --ep or take a mixture of experts")


def on_fleet(fleet: Fleet, sized: Sized, shape: Shape | None = None) -> Solved:
    """The best layout of a sized run on a fleet. Raises InfeasibleError where nothing fits."""
    at = sized_shape(sized, shape, timed=True)
    check_experts(fleet.setting.request, at.shape)
    evaluation = fleet.evaluate(at.shape, sized.n)
    what = shape.name if shape is not None else f"a model of {format_count(sized.n)} parameters"
    try:
        row = require_fit(evaluation, 0, fleet.machine, what)
    except InfeasibleError as error:
        raise _with_host(error, fleet, at) from error
    best = choice(evaluation, row, fleet.machine, fleet.precision, fleet.setting.stack)
    doubt = step_doubt(fleet.setting, fleet.precision, is_mixture(at.shape), fleet.accelerators, step_shares(best.step))
    return Solved(
        sized=sized, at=at, fleet=fleet, evaluation=evaluation, choice=best,
        answer=answer(fleet, sized, at, best, doubt), doubt=doubt,
    )  # fmt: skip
