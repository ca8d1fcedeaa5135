"""Arithmetic that reads the same for a float, an array of floats and a SymPy symbol.

The physics is written once over these few functions and Python's operators. Floats take the plain `math` path (one
readable evaluation costs microseconds); arrays take NumPy; values of a type that brings its own `operations` (see
`hwmodel.trace`) take those; anything else is tried as a SymPy expression.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Num = float | NDArray[np.float64]
else:
    # Records are decoded from catalogs as plain floats; arrays enter only by construction, which does not validate.
    Num = float

_PLAIN = (float, int, bool)


@cache
def _numpy() -> Any:
    import numpy

    return numpy


def _is_array(a: Any, b: Any = None) -> bool:
    # Of the type: asking an array itself builds its description anew each time.
    return hasattr(type(a), "__array_interface__") or hasattr(type(b), "__array_interface__")


class _SymPy:
    """These functions on SymPy's expressions."""

    @staticmethod
    def where(condition: Any, if_true: Any, if_false: Any) -> Any:
        return _sympy().Piecewise((if_true, condition), (if_false, True))

    @staticmethod
    def hypot(a: Any, b: Any) -> Any:
        return _sympy().sqrt(a * a + b * b)

    def __getattr__(self, name: str) -> Any:
        return getattr(_sympy(), {"maximum": "Max", "minimum": "Min", "ceil": "ceiling"}.get(name, name))


def _sympy() -> Any:
    import sympy

    return sympy


_SYMPY = _SymPy()


def _operations(a: Any, b: Any = None) -> Any:
    """The functions of what is neither a number nor an array."""
    return getattr(type(a), "operations", None) or getattr(type(b), "operations", None) or _SYMPY


def where(condition: Any, if_true: Any, if_false: Any) -> Any:
    """Elementwise choice. Both branches are evaluated for arrays: keep denominators safe."""
    if isinstance(condition, _PLAIN):
        return if_true if condition else if_false
    if _is_array(condition):
        return _numpy().where(condition, if_true, if_false)
    return _operations(condition).where(condition, if_true, if_false)


def maximum(a: Any, b: Any) -> Any:
    """Elementwise larger of two."""
    if isinstance(a, _PLAIN) and isinstance(b, _PLAIN):
        return a if a >= b else b
    if _is_array(a, b):
        return _numpy().maximum(a, b)
    return _operations(a, b).maximum(a, b)


def minimum(a: Any, b: Any) -> Any:
    """Elementwise smaller of two."""
    if isinstance(a, _PLAIN) and isinstance(b, _PLAIN):
        return a if a <= b else b
    if _is_array(a, b):
        return _numpy().minimum(a, b)
    return _operations(a, b).minimum(a, b)


def ceil(x: Any) -> Any:
    """Smallest whole number not below x."""
    if isinstance(x, _PLAIN):
        return float(math.ceil(x))
    return _numpy().ceil(x) if _is_array(x) else _operations(x).ceil(x)


def floor(x: Any) -> Any:
    """Largest whole number not above x."""
    if isinstance(x, _PLAIN):
        return float(math.floor(x))
    return _numpy().floor(x) if _is_array(x) else _operations(x).floor(x)


def exp(x: Any) -> Any:
    """e to the power x."""
    if isinstance(x, _PLAIN):
        return math.exp(x)
    return _numpy().exp(x) if _is_array(x) else _operations(x).exp(x)


def log(x: Any) -> Any:
    """Natural logarithm; x > 0."""
    if isinstance(x, _PLAIN):
        return math.log(x)
    return _numpy().log(x) if _is_array(x) else _operations(x).log(x)


def log2(x: Any) -> Any:
    """Logarithm to base 2, exact at powers of 2; x > 0."""
    if isinstance(x, _PLAIN):
        return math.log2(x)
    return _numpy().log2(x) if _is_array(x) else _operations(x).log(x, 2)


def sqrt(x: Any) -> Any:
    """Square root; x >= 0."""
    if isinstance(x, _PLAIN):
        return math.sqrt(x)
    return _numpy().sqrt(x) if _is_array(x) else _operations(x).sqrt(x)


def hypot(a: Any, b: Any) -> Any:
    """Square root of a squared plus b squared."""
    if isinstance(a, _PLAIN) and isinstance(b, _PLAIN):
        return math.hypot(a, b)
    return _numpy().hypot(a, b) if _is_array(a, b) else _operations(a, b).hypot(a, b)
