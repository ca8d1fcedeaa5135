"""A space tried before it is swept: what cannot be read and names that nothing has are refused at once, with the place,
not as a million rows."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hwmodel.errors import HwModelError, InputError, UnknownNameError
from hwmodel.solve.question.contradictions import check_contradictions
from hwmodel.solve.question.parse import read_request
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.sweep.points import Plans
from hwmodel.solve.sweep.ranges import Value
from hwmodel.solve.sweep.services import check_names, read_alone
from hwmodel.solve.sweep.space import Axis, Space, number_axes

MOST_TRIED = 2000  # values of an axis that are tried


def check_values(space: Space) -> None:
    """Raises InputError for values that cannot be read, for unknown names, and where no point can be asked at all."""
    _check_start(space)
    first = {axis.name: 0 for axis in space.axes}
    plans, tried, refusals = Plans(space), 0, []
    twins: dict[str, dict[str, Value]] = {}
    for places, axis in [(first, None), *_variations(space, first)]:
        tried += 1
        try:
            _read(space, places)
            setting = _resolve(space, plans, places)
            _check_twins(twins, space, setting, axis, places)
        except (UnknownNameError, _UnreadableError) as error:
            kind = UnknownNameError if isinstance(error, UnknownNameError) else InputError
            raise kind(_placed(error, axis or _blamed(space, plans, places, error), places)) from error
        except TwinError:
            raise
        except InputError as error:
            refusals.append(error)
        except HwModelError:
            continue  # a point without an answer, not one that cannot be asked
    if len(refusals) == tried and not _any_asked(space, plans):
        said = _placed(refusals[0], _blamed(space, plans, first, refusals[0]), first)
        raise InputError(f"no point of the space can be asked: {said}")


def _blamed(space: Space, plans: Plans, first: dict[str, int], error: InputError) -> Axis | None:
    """The axis whose first value is refused so: with another of its values nothing is, or something else; of one value
    alone, the one that the refusal names. None where no axis is to blame."""
    for axis in space.axes:
        for place in {1, len(axis.values) - 1} - {0, len(axis.values)}:
            if _refusal(space, plans, {**first, axis.name: place}) != str(error):
                return axis
    named = [axis for axis in space.axes if len(axis.values) == 1 and str(axis.values[0]) in str(error)]
    return max(named, key=lambda axis: len(str(axis.values[0])), default=None)


def _refusal(space: Space, plans: Plans, places: dict[str, int]) -> str | None:
    """What is said of a point that cannot be asked; None of one that can."""
    try:
        _read(space, places)
        _resolve(space, plans, places)
    except InputError as error:
        return str(error)
    except HwModelError:
        return None
    return None


def _any_asked(space: Space, plans: Plans) -> bool:
    """Whether a point can be asked: of a large space so many from end to end are tried."""
    for point in range(0, space.points, -(-space.points // MOST_TRIED)):
        places = space.places_of(point)
        try:
            _resolve(space, plans, places)
        except InputError:
            continue
        except HwModelError:
            return True
        return True
    return False


def _check_start(space: Space) -> None:
    named = {*space.base, *(axis.name for axis in space.axes)}
    if "deadline" in named and "start" not in named:
        raise InputError(
            "a deadline counts from today where no start is given: add start, so that every day sweeps alike"
        )


class _UnreadableError(InputError):
    """A value that no option reads."""


def _read(space: Space, places: dict[str, int]) -> None:
    """Raises _UnreadableError for a value that no option reads, UnknownNameError for a name that none has."""
    try:
        if space.ask == "plan":
            read_request(**space.plan_at(places))
        else:
            for axis in space.axes:
                read_alone(axis.name, axis.values[places[axis.name]])
    except UnknownNameError:
        raise
    except InputError as error:
        raise _UnreadableError(str(error)) from error


def _resolve(space: Space, plans: Plans, places: dict[str, int]) -> Setting | None:
    """What a point of `plan` is answered with. Raises InputError for what cannot be asked."""
    if space.ask == "serve":
        check_names(space.service_at(places))
        return None
    check_contradictions(read_request(**space.plan_at(places)))
    return plans.setting(places)


def _check_twins(
    twins: dict[str, dict[str, Value]], space: Space, setting: Setting | None, axis: Axis | None, places: dict[str, int]
) -> None:
    """Raises InputError for values of an axis that ask the same: an alias of a part, 40% and 0.4, 8k and 8000."""
    if setting is None:
        return
    alike = _meaning(setting)
    for one in space.axes if axis is None else (axis,):
        value = one.values[places[one.name]]
        twin = twins.setdefault(one.name, {}).setdefault(alike, value)
        if twin != value:
            raise TwinError(f"axes.{one.name} holds {twin} and {value}, which ask the same: each value once")


class TwinError(InputError):
    """Two values of an axis ask the same."""


def _meaning(setting: Setting) -> str:
    """A question by what its names stand for."""
    request, part = setting.request, setting.part
    named = {"precision": setting.precision.id, "law": setting.law.id, "accelerator": None if part is None else part.id}
    return repr(msgspec.structs.replace(request, asked=(), **named))


def _variations(space: Space, first: dict[str, int]) -> Iterator[tuple[dict[str, int], Axis | None]]:
    """Each axis through its values, the others at their first; of quantities, which are read already, the last."""
    for axis in space.axes:
        count = len(axis.values)
        step = count - 1 if axis in number_axes(space) else count // MOST_TRIED
        for place in range(max(1, step), count, max(1, step)):
            yield {**first, axis.name: place}, axis


def _placed(error: InputError, axis: Axis | None, places: dict[str, int]) -> str:
    """The refusal with the place of the value."""
    return str(error) if axis is None else f"axes.{axis.name}[{places[axis.name]}]: {error}"
