"""Formulas as text: the code itself, run on SymPy symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hwmodel.ops import Num

if TYPE_CHECKING:
    from sympy import Expr

Record = TypeVar("Record", bound=msgspec.Struct)

LONG_NUMBER, MOST_PARTS = 12, 100_000  # digits of a float that may stand for a fraction, and its denominator
LONG = 110  # characters beyond which what a formula repeats gets names of its own


def symbol(name: str) -> Num:
    """A positive symbol, which the code computes with as with a number."""
    import sympy

    found: Num = sympy.Symbol(name, positive=True)
    return found


def held(kind: type[Record], /, **fields: Num | str | tuple[str, ...]) -> Record:
    """A record whose numbers may be symbols, of a kind that the catalog fills with plain ones."""
    return kind(**fields)


def record(kind: type[Record], /, **fixed: Num | str | tuple[str, ...]) -> Record:
    """A record of constants whose fields are symbols of their own names, but for those that are fixed."""
    return held(kind, **({name: symbol(name) for name in kind.__struct_fields__ if name not in fixed} | fixed))


def formula(found: Num, left: str = "seconds") -> str:
    """An expression as lines of code: what it repeats first, as a, b, c."""
    import sympy

    letters = (sympy.Symbol(letter) for letter in "abcdefghijkl")
    parts, (rest,) = sympy.cse(_exact(sympy.sympify(found)), symbols=letters)
    return "\n".join([*(f"{name} = {part}" for name, part in parts), f"{left} = {rest}"])


def formula_of(found: Num, left: str) -> str:
    """The same in one line where that is short."""
    import sympy

    plain = f"{left} = {_exact(sympy.sympify(found))}"
    return plain if len(plain) <= LONG else formula(found, left)


def on_symbols(run: Callable[..., Num], inputs: Iterable[str]) -> Num:
    """What `run` gives for symbols of its inputs."""
    return run(**{name: symbol(name) for name in inputs})


def names_in(found: Num) -> set[str]:
    """The symbols of an expression."""
    import sympy

    return {str(one) for one in sympy.sympify(found).free_symbols}


def _exact(expression: Expr) -> Expr:
    """Floats as the numbers that they stand for: 24.0 reads 24, what a unit divides by 1/3600, a doubling log(2)."""
    import sympy

    exact = (sympy.log(2), 1 / sympy.log(2), 1 / (3 * sympy.log(2)))
    named = {float(one): one for one in exact}
    return expression.xreplace({one: _number(float(one), one, named) for one in expression.atoms(sympy.Float)})


def _number(value: float, plain: Expr, named: dict[float, Expr]) -> Expr:
    import sympy

    if value.is_integer():
        return sympy.Integer(int(value))
    exact = next((one for near, one in named.items() if abs(value / near - 1.0) < 1e-12), None)
    if exact is not None:
        return exact
    near_by = Fraction(value).limit_denominator(MOST_PARTS)
    long = len(repr(value)) > LONG_NUMBER and near_by and abs(value / float(near_by) - 1.0) < 1e-14
    return sympy.Rational(near_by.numerator, near_by.denominator) if long else plain
