"""What a number follows from: code that runs on the numbers and on symbols, and where each input stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, overload

import msgspec

from hwmodel.ops import Num


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """An input that does not stand in the answer: a fact of the catalog, a fitted constant, or a part of a sum, which
    has a rule of its own."""

    value: float
    source: str
    rule: Rule | None = None
    name: str = ""  # of its term, where several formulas share it; else it is named after the one that it enters


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """`run` gives the number from its inputs, floats or symbols; an input is a name of the answer or a fact."""

    run: Callable[..., Num]
    inputs: Mapping[str, str | Fact]
    code: Callable[..., object]  # the function of the product that `run` calls


@overload
def by(code: Callable[..., Num], /, **inputs: str | Fact) -> Rule: ...
@overload
def by(code: Callable[..., object], run: Callable[..., Num], /, **inputs: str | Fact) -> Rule: ...
def by(code: Callable[..., Any], run: Callable[..., Num] | None = None, /, **inputs: str | Fact) -> Rule:
    """The rule of a function of the product, called as it is or by `run`."""
    return Rule(run=run or code, inputs=inputs, code=code)
