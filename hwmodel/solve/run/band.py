"""An uncertain value with its 80 % interval."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel import ops
from hwmodel.economics import Z80
from hwmodel.physics.intervals import around
from hwmodel.specs.intervals import Ends


class Band(msgspec.Struct, frozen=True):
    """An uncertain value and its 80 % interval; in columns of runs, arrays."""

    value: float
    low: float
    high: float

    @classmethod
    def around(cls, value: Any, doubt: Any) -> Band:
        """The band with the `Ends` of an interval, or with one half-width on both sides."""
        return cls(value, *around(value, doubt if isinstance(doubt, Ends) else Ends(doubt, doubt)))

    def scaled(self, factor: Any) -> Band:
        """The band times a positive number that is certain."""
        return Band(self.value * factor, self.low * factor, self.high * factor)

    def plus(self, offset: Any) -> Band:
        """The band with a number that is certain added."""
        return Band(self.value + offset, self.low + offset, self.high + offset)

    def at(self, z: float) -> Band:
        """The band with its value at the normal quantile `z`: each side is a half of a log-normal."""
        side = ops.log(self.high / self.value) if z >= 0 else ops.log(self.value / self.low)
        value = self.value * ops.exp(z * side / Z80)
        return Band(value, ops.minimum(self.low, value), ops.maximum(self.high, value))

    def inverse(self, numerator: float = 1.0) -> Band:
        """numerator / band; the ends change places."""
        return Band(numerator / self.value, numerator / self.high, numerator / self.low)

    def times(self, other: Band) -> Band:
        """Product of two independent positive bands: half-widths add in quadrature on the log scale."""
        value = self.value * other.value
        down = ops.hypot(ops.log(self.value / self.low), ops.log(other.value / other.low))
        up = ops.hypot(ops.log(self.high / self.value), ops.log(other.high / other.value))
        return Band(value, value * ops.exp(-down), value * ops.exp(up))


Value = float | Band | None


def certain(value: float | Band) -> Band:
    """A value that was given or entered: its interval is itself. A band stays as it is."""
    return value if isinstance(value, Band) else Band(float(value), float(value), float(value))


def value_of(value: Value) -> float:
    """The number of a certain or uncertain value."""
    if value is None:
        raise ValueError("no value")
    return value.value if isinstance(value, Band) else float(value)
