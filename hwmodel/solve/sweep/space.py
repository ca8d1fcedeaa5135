"""A space of questions: its base, its axes, its constraints and what is kept, read and checked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.reading import text_of
from hwmodel.catalog.yamlfile import parse_yaml
from hwmodel.errors import InputError, unknown
from hwmodel.plain import Options, listed
from hwmodel.solve.question.options import PlanOptions, ServeAsked, own_name
from hwmodel.solve.question.parse import OPTIONS
from hwmodel.solve.sweep.answers import ALWAYS, ASKED, TABLES, TIES, known_columns
from hwmodel.solve.sweep.expression import Expression, read_expression
from hwmodel.solve.sweep.names import KnownName, names_of
from hwmodel.solve.sweep.ranges import Value, axis_values, is_number, numbers_of, unit_of

MOST_POINTS = 10**12
MOST_BYTES = 4_000_000
# Shards: so many at least, for workers to share and for an interruption to lose little, and none beyond so many points.
SHARDS, MOST_SHARD_POINTS, SEARCHED_SHARD_POINTS, SHARD_LAYOUT_POINTS = 64, 1 << 16, 1 << 12, 64
MOST_PARETO, MOST_TOP, MOST_DRAWS, MOST_FASTEST = 4, 10_000, 100_000, 1000
# Options that change what a run costs and hardly which layout is best.
CHEAP = ("region", "reliability", "confidence", "price_kind", "prices", "usd_per_hour", "time", "budget")
SERVE_OPTIONS = (
    "model", "demand", "concurrency", "input", "output", "histogram", "ttft", "tpot", "p", "parts", "precision",
    "engine", "engine_date", "tp", "pp", "dp", "ep", "disaggregated", "gpus", "pools", "prefill_tp", "prefill",
    "decode", "prefix_hit", "draft_tokens", "acceptance", "peak_to_mean", "max_loss", "min_quality", "spares",
    "usd_per_hour", "price_kind", "prices", "region", "rounds", "max_running", "step_tokens", "api_price", "catalogs",
)  # fmt: skip
OTHER_MODELS = ("moe", "distill", "sparsity")  # options of `plan` that rows have no column for
LAYOUTS = ("best", "front", "all")  # of a point that are rows, or how many of the fastest
ASKS = {"plan": tuple(name for name in OPTIONS if name not in OTHER_MODELS), "serve": SERVE_OPTIONS}
# Names under which the quantities of axes stand in rows, where they are not the option's own.
OF_AN_ACCELERATOR = ("usd_per_hour",)  # where the answer of the name is that of the fleet
COLUMN_OF = {
    "flops": "flop", "time": "time_s", "budget": "budget_usd", "lifetime_budget": "lifetime_budget_usd",
    "power": "power_w",
}  # fmt: skip
DEFAULT_TOP = {"plan": ("cost_usd", "elapsed_days", "loss_nats"), "serve": ("usd_per_million_tokens",)}
DEFAULT_PARETO = {"plan": ("cost_usd", "loss_nats"), "serve": ("usd_per_million_tokens", "tpot_s")}
DEFAULT_HISTOGRAMS = {"plan": ("cost_usd", "elapsed_days"), "serve": ("usd_per_million_tokens",)}
TOP_ROWS = 20


class Axis(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One option and the values it takes; quantities in SI numbers."""

    name: str
    column: str  # of the rows
    values: tuple[Value, ...]

    @property
    def names(self) -> frozenset[str]:
        """What constraints call it; an answer of its name is another thing."""
        return frozenset((self.column,) if self.column.startswith(ASKED) else (self.name, self.column))

    @cached_property
    def numbers(self) -> tuple[float, ...] | None:
        """The values as numbers in base units, where all of them are."""
        return numbers_of(self.name, self.values)

    @property
    def unit(self) -> str:
        """The unit of the numbers; empty for words."""
        return "" if self.numbers is None else unit_of(self.name)

    @property
    def named(self) -> KnownName:
        """What constraints may hold it against."""
        words = () if self.numbers is not None else tuple(map(str, self.values))
        return KnownName(text=self.numbers is None, unit=self.unit, values=words)

    @cached_property
    def array(self) -> NDArray[Any]:
        """The values as an array, of numbers where all of them are."""
        return np.array(self.values, dtype=object) if self.numbers is None else np.array(self.numbers)


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """What stays of the points. `rows`: all of them, or the winners alone (top, Pareto front)."""

    rows: str
    columns: tuple[str, ...]
    top: dict[str, int]  # answer -> how many of the best
    pareto: tuple[str, ...]
    histograms: tuple[str, ...]


# Options that all points share: as typed, numbers, several of them, or a group such as prices by part.
Base: TypeAlias = Mapping[str, str | float | int | bool | list[str | float | int] | dict[str, str | float | int] | None]


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """Questions as the product of axes over a base; a point is a number, the last axis varying fastest."""

    ask: str
    base: Base
    axes: tuple[Axis, ...]
    where: tuple[str, ...]
    keep: Keep
    layouts: str  # of each point: best, front, all, or how many of the fastest
    draws: int
    shard_points: int

    @property
    def dimensions(self) -> tuple[int, ...]:
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def points(self) -> int:
        return math.prod(self.dimensions)

    @property
    def shards(self) -> int:
        return -(-self.points // self.shard_points)

    def points_of(self, shard: int) -> range:
        """The points of a shard: a pure function of the space and the shard's number."""
        start = shard * self.shard_points
        return range(start, min(start + self.shard_points, self.points))

    def places_of(self, point: int) -> dict[str, int]:
        """The place of a point on each axis."""
        return {axis.name: int(at) for axis, at in zip(self.axes, np.unravel_index(point, self.dimensions))}

    def plan_at(self, places: Mapping[str, int]) -> PlanOptions:
        """The question of a point of `ask: plan`, by its places."""
        return cast("PlanOptions", self._options_at(places))  # `_options` has checked the names

    def service_at(self, places: Mapping[str, int]) -> ServeAsked:
        """The question of a point of `ask: serve`, by its places."""
        return cast("ServeAsked", self._options_at(places))

    def _options_at(self, places: Mapping[str, int]) -> Base:
        return {**self.base, **{axis.name: axis.values[places[axis.name]] for axis in self.axes}}

    def column_names(self) -> tuple[str, ...]:
        """Columns of the rows: the axes, what is kept, and what winners are found by, each once."""
        axes = (axis.column for axis in self.axes)
        return tuple(dict.fromkeys([*axes, *self.keep.columns, *self.keep.top, *self.keep.pareto]))

    def units(self) -> dict[str, str]:
        """The units of the columns of the rows, and of all that they might be."""
        known = {name: column.unit for name, column in known_columns(self.ask).items()}
        return {**{axis.column: axis.unit for axis in self.axes}, **known}

    def told_by(self, name: str) -> tuple[str, ...]:
        """The columns by which the best by an answer is told: it, then what tells rows apart that are equal in it."""
        return (name, *(one for one in TIES[self.ask] if one != name and one in self.column_names()))

    def largest_first(self, name: str) -> bool:
        """Whether more of an answer is better."""
        column = known_columns(self.ask).get(name)
        return column is not None and column.largest

    def known_names(self) -> dict[str, KnownName]:
        """Every name that rows may have, with what it stands for."""
        axes = {name: axis.named for axis in self.axes for name in axis.names}
        folders = tuple(Path(str(one)) for one in listed(self.base.get("catalogs") or None))
        return names_of(self.ask, axes, None if "catalogs" in axes else folders)

    def constraints(self) -> tuple[list[Expression], list[Expression]]:
        """The constraints on axes alone, met before anything is computed, and those on answers."""
        names = {name for axis in self.axes for name in axis.names}
        known = {name: one for name, one in self.known_names().items() if name not in ALWAYS}
        found = [read_expression(text, known) for text in self.where]
        early = [one for one in found if one.names <= names]
        return early, [one for one in found if one not in early]


def read_space(given: Path | Options) -> Space:
    """A space from its YAML file or from the same keys. Raises InputError with the place of what is wrong."""
    if isinstance(given, Mapping):
        return _space(dict(given), Path())
    path = Path(given)
    text = text_of(path, most=MOST_BYTES)
    try:
        data = parse_yaml(text, path)
    except Exception as error:  # a space is the user's input, no record of a catalog
        raise InputError(str(error)) from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: a space has keys such as base and axes; see `hwmodel sweep --help`")
    _check_times(data)
    return _space(data, path.parent)


def _check_times(data: Options) -> None:
    """Raises InputError for a time without a unit: SI seconds from Python, in a file anything."""
    for place in ("base", "axes"):
        given = data.get(place)
        times = listed(given.get("time")) if isinstance(given, dict) and given.get("time") is not None else ()
        bare = next((one for one in times if isinstance(one, (int, float)) and not isinstance(one, bool)), None)
        if bare is not None:
            raise InputError(f"{place}.time {bare:g} has no unit; write it like {bare:g}d or {bare:g}h")


KEYS = ("ask", "base", "axes", "where", "keep", "layouts", "draws", "shard_points")


def _space(data: Options, folder: Path) -> Space:
    for key in data:
        if key not in KEYS:
            raise unknown("key", str(key), KEYS, "a sweep's space")
    ask = _one_of(data.get("ask", "plan"), ASKS, "ask")
    base = _options(data.get("base") or {}, ask, "base")
    axes = _axes(_options(data.get("axes") or {}, ask, "axes"), base, ask, folder)
    layouts = _layouts(data.get("layouts", "best"))
    if layouts != "best" and ask != "plan":
        raise InputError(f"layouts: {layouts} belongs to ask: plan")
    space = Space(
        ask=ask, base=base, axes=axes, layouts=layouts, keep=_keep(data.get("keep") or {}, ask, axes),
        where=tuple(str(one) for one in listed(data.get("where") or None)),
        draws=_whole(data.get("draws", 0), "draws", 0, MOST_DRAWS), shard_points=1,
    )  # fmt: skip
    if space.points > MOST_POINTS:
        sizes = " x ".join(f"{len(axis.values):,} {axis.name}" for axis in axes)
        raise InputError(
            f"the space has {space.points:.3g} points ({sizes}), at most {MOST_POINTS:.0e} are swept; coarsen an axis"
        )
    space.constraints()
    size = _whole(data["shard_points"], "shard_points", 1, 1 << 20) if "shard_points" in data else _shard_points(space)
    return msgspec.structs.replace(space, shard_points=size)


def _shard_points(space: Space) -> int:
    """Points a shard: enough shards to share, few searches of layouts each."""
    if space.layouts == "all":
        most = SHARD_LAYOUT_POINTS
    else:
        cheap = math.prod(len(axis.values) for axis in space.axes if axis.name in CHEAP)
        most = min(MOST_SHARD_POINTS, SEARCHED_SHARD_POINTS * cheap)
    return max(1, min(most, -(-space.points // SHARDS)))


def _layouts(given: Any) -> str:
    """Which layouts of a point are rows: one of LAYOUTS, or how many of the fastest."""
    if isinstance(given, int) and not isinstance(given, bool):
        return str(_whole(given, "layouts", 1, MOST_FASTEST))
    return _one_of(given, LAYOUTS, "layouts")


def _one_of(value: Any, known: Any, where: str) -> str:
    if str(value) not in known:
        raise unknown(f"value of {where}", str(value), known)
    return str(value)


def _whole(value: Any, where: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{where} must be a whole number from {least} to {most:,}, got {value!r}")
    return value


def _options(given: Any, ask: str, where: str) -> Base:
    """Options under the names of the command line, `-` or `_` alike."""
    if not isinstance(given, Mapping):
        raise InputError(f"{where} must be options with their values, like {{tokens: 1T}}, got {given!r:.60}")
    found = {}
    for key, value in given.items():
        name = str(key).replace("-", "_")
        name = own_name(name, ASKS[ask])
        if name in OTHER_MODELS:
            raise InputError(f"{where} holds {key}, for another model beside the plan's: rows hold one, ask `plan`")
        if name not in ASKS[ask]:
            raise unknown("option", str(key), ASKS[ask], where)
        if name in found:
            raise InputError(f"{where} holds {name} twice (as {key})")
        found[name] = value
    return found


def _axes(given: Base, base: Base, ask: str, folder: Path) -> tuple[Axis, ...]:
    both = next((name for name in given if name in base), None)
    if both is not None:
        raise InputError(f"{both} stands in base and in axes: leave it in one of them")
    if not given:
        raise InputError("axes is empty: a sweep needs at least one axis, like axes: {params: [7B, 70B]}")
    axes = [_axis(name, axis_values(name, value, folder), ask) for name, value in given.items()]
    return tuple(sorted(axes, key=_speed))


def _axis(name: str, values: tuple[Value, ...], ask: str) -> Axis:
    """An axis with the name of its column."""
    axis = Axis(name=name, column=COLUMN_OF.get(name, name), values=values)
    asked = axis.column in TABLES[ask] and (any(map(_is_word, values)) or name in OF_AN_ACCELERATOR)
    return msgspec.structs.replace(axis, column=ASKED + axis.column) if asked else axis


def _is_word(value: Value) -> bool:
    """Whether a value is no plain number: `any`, `40%`."""
    return numbers_of("", (value,)) is None


def _speed(axis: Axis) -> int:
    """How fast an axis varies: sizes slowest, so that the fleets of one shape are searched together; what changes no
    layout fastest, so that a shard searches once."""
    if axis.name in CHEAP:
        return 2
    return 0 if is_number(axis.name) else 1


def kept_columns(ask: str, axes: tuple[Axis, ...]) -> tuple[str, ...]:
    """The columns kept where a space names none: every answer, and the ends of days and dollars."""
    ends = tuple(
        name for name in ("elapsed_days_low", "elapsed_days_high", "cost_usd_low", "cost_usd_high") if ask == "plan"
    )
    return tuple(n for n in (*TABLES[ask], *ends) if n not in {axis.column for axis in axes})


def _keep(given: Any, ask: str, axes: tuple[Axis, ...]) -> Keep:
    if not isinstance(given, Mapping):
        raise InputError(f"keep must say rows, columns, top, pareto, histograms, got {given!r:.60}")
    for key in given:
        if key not in Keep.__struct_fields__:
            raise unknown("key", str(key), Keep.__struct_fields__, "keep")
    numbers = {axis.column for axis in axes if axis.numbers is not None}
    known = {**known_columns(ask), **dict.fromkeys(axis.column for axis in axes)}
    measures = {name: one for name, one in known.items() if name in numbers or (one is not None and one.kind != "text")}
    columns = _names(given.get("columns"), known, "keep.columns") or kept_columns(ask, axes)
    pareto = _names(given.get("pareto"), measures, "keep.pareto") if "pareto" in given else DEFAULT_PARETO[ask]
    if len(pareto) > MOST_PARETO or len(pareto) == 1:
        raise InputError(f"keep.pareto names {len(pareto)} answers; a front has 2 to {MOST_PARETO}")
    histograms = (
        _names(given.get("histograms"), measures, "keep.histograms")
        if "histograms" in given
        else DEFAULT_HISTOGRAMS[ask]
    )
    return Keep(
        rows=_one_of(given.get("rows", "all"), ("all", "winners"), "keep.rows"), columns=columns,
        top=_top(given.get("top", dict.fromkeys(DEFAULT_TOP[ask], TOP_ROWS)), measures), pareto=pareto,
        histograms=histograms,
    )  # fmt: skip


def _names(given: Any, known: Collection[str], where: str) -> tuple[str, ...]:
    named = _listed(given, where)
    for name in named:
        if name not in known:
            raise unknown("answer", name, known, where)
    return tuple(dict.fromkeys(named))


def _listed(given: Any, where: str) -> list[str]:
    """Names of answers: a list of them, or one."""
    if given is not None and not isinstance(given, (str, list, tuple)):
        raise InputError(f"{where} must be names of answers, like [cost_usd, loss_nats], got {given!r:.60}")
    return [str(name) for name in listed(given or None)]


def _top(given: Any, known: Collection[str]) -> dict[str, int]:
    """How many of the best by which answers, from `{cost_usd: 20}`, a list of answers, or one."""
    if not isinstance(given, Mapping):
        given = dict.fromkeys(_listed(given, "keep.top"), TOP_ROWS)
    _names(list(given), known, "keep.top")
    return {name: _whole(count, f"keep.top.{name}", 1, MOST_TOP) for name, count in given.items()}


def number_axes(space: Space) -> tuple[Axis, ...]:
    """The axes that vary as columns."""
    return tuple(axis for axis in space.axes if space.ask == "plan" and is_number(axis.name))
