"""Formulas as text: the code itself, run on SymPy symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

LONG_NUMBER, MOST_PARTS = 12, 100_000  # digits of a float that may stand for a fraction, and its denominator
LONG = 110  # characters beyond which what a formula repeats gets names of its own


def symbol(name: str) -> Any:
    """A positive symbol."""
    import sympy

    return sympy.Symbol(name, positive=True)


def record(kind: Any, **fixed: Any) -> Any:
    """A record of constants whose fields are symbols of their own names, but for those that are fixed."""
    return kind(**({name: symbol(name) for name in kind.__struct_fields__} | fixed))


def formula(found: Any, left: str = "seconds") -> str:
    """An expression as lines of code: what it repeats first, as a, b, c."""
    import sympy

    letters = (sympy.Symbol(letter) for letter in "abcdefghijkl")
    parts, (rest,) = sympy.cse(_exact(sympy.sympify(found)), symbols=letters)
    return "\n".join([*(f"{name} = {part}" for name, part in parts), f"{left} = {rest}"])


def formula_of(found: Any, left: str) -> str:
    """The same in one line where that is short."""
    import sympy

    plain = f"{left} = {_exact(sympy.sympify(found))}"
    return plain if len(plain) <= LONG else formula(found, left)


def on_symbols(run: Callable[..., Any], inputs: Iterable[str]) -> Any:
    """What `run` gives for symbols of its inputs."""
    return run(**{name: symbol(name) for name in inputs})


def names_in(found: Any) -> set[str]:
    """The symbols of an expression."""
    import sympy

    return {str(one) for one in sympy.sympify(found).free_symbols}


def _exact(expression: Any) -> Any:
    """Floats as the numbers that they stand for: 24.0 reads 24, what a unit divides by 1/3600, a doubling log(2)."""
    import sympy

    exact = (sympy.log(2), 1 / sympy.log(2), 1 / (3 * sympy.log(2)))
    named = {float(one): one for one in exact}
    return expression.xreplace({one: _number(float(one), one, named) for one in expression.atoms(sympy.Float)})


def _number(value: float, plain: Any, named: dict[float, Any]) -> Any:
    import sympy

    if value.is_integer():
        return sympy.Integer(int(value))
    exact = next((one for near, one in named.items() if abs(value / near - 1.0) < 1e-12), None)
    if exact is not None:
        return exact
    near_by = Fraction(value).limit_denominator(MOST_PARTS)
    long = len(repr(value)) > LONG_NUMBER and near_by and abs(value / float(near_by) - 1.0) < 1e-14
    return sympy.Rational(near_by.numerator, near_by.denominator) if long else plain
