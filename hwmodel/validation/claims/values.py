"""Values of claims: what a claim is computed from, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from hwmodel import laws
from hwmodel.specs.law import LawSpec, Optimum

Value: TypeAlias = bool | int | float | str | list[int | float] | None
Values: TypeAlias = dict[str, Value]
Lookup: TypeAlias = Callable[[str], LawSpec]


class Given:
    """The inputs and facts of a claim by name. KeyError for one that it lacks, TypeError for one of another kind."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> float:
        """A number."""
        return as_number(self._values[name])

    def text(self, name: str) -> str:
        """A word: the id of a law, a choice."""
        value = self._values[name]
        if not isinstance(value, str):
            raise TypeError(f"{name} is {value!r}, not a word")
        return value

    def counts(self, name: str) -> list[int | float]:
        """A list of numbers."""
        value = self._values[name]
        if not isinstance(value, list):
            raise TypeError(f"{name} is {value!r}, not a list of numbers")
        return value


def as_number(value: Value) -> float:
    """The value where it is a number. Raises TypeError for any other."""
    if isinstance(value, (int, float)):
        return value
    raise TypeError(f"{value!r} is not a number")


def output(spec: LawSpec, name: str, **inputs: float) -> float:
    """One of the numbers that a law gives."""
    return float(laws.evaluate(spec, **inputs)[name])


def loss(spec: LawSpec, params: float, tokens: float) -> float:
    """The loss that a law gives, in its unit."""
    return float(laws.loss(spec, params, tokens))


class Best(NamedTuple):
    """What a law calls best, of one budget or one loss."""

    params: float
    tokens: float
    flop: float


def _best(found: Optimum) -> Best:
    return Best(float(found.params), float(found.tokens), float(found.flop))


def best_for_flop(spec: LawSpec, flop: float) -> Best:
    """The optimum of a budget [FLOP]."""
    return _best(laws.optimum_for_flop(spec, flop))


def best_for_loss(spec: LawSpec, loss_value: float) -> Best:
    """The optimum of a loss, in the law's unit."""
    return _best(laws.optimum_for_loss(spec, loss_value))


def tokens_for(spec: LawSpec, params: float) -> float:
    """The best number of tokens of a size."""
    return float(laws.tokens_for_params(spec, params))
