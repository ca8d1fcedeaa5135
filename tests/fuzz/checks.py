"""What must hold of any document: finite figures, non-negative but for those that have a sign, bands around values."""

from __future__ import annotations

import json
import math
from typing import Any

Asked = dict[str, Any]
GIVEN = 1e-6  # by which what is given may be overrun
DAY = 86400.0
# Figures that have a sign: differences, gains and what a format may cost or save.
SIGNED = {
    "elasticity", "loss_gap_nats", "loss_gap_share", "pays_up_to_share", "pays_up_to_share_free", "loss_gain_nats",
    "saving_share", "accuracy_drop", "lines", "net_present_value_usd", "cash_flow", "saving", "change", "z",
    "median_signed", "gain", "headroom", "slower_fraction",
}  # fmt: skip


def near(one: float, other: float, what: str, rel: float = 1e-6) -> None:
    """Two ways to one figure agree."""
    assert math.isclose(one, other, rel_tol=rel, abs_tol=1e-12), f"{what}: {one} against {other}"


def number(value: Any) -> float:
    """The value of a band or of a plain number."""
    return float(value["value"] if isinstance(value, dict) else value)


def _band(data: dict[str, Any], where: str) -> None:
    """Ends are null where too few draws of the law reach the question."""
    value = data["value"]
    low, high = (value if data[end] is None else data[end] for end in ("low", "high"))
    assert low * (1 - 1e-9 * math.copysign(1, low)) <= value + 1e-12, f"{where}: low {low} above {value}"
    assert value <= high * (1 + 1e-9 * math.copysign(1, high)) + 1e-12, f"{where}: {value} above high {high}"


def finite(data: Any, where: str = "", *, signed: bool = False) -> None:
    """Every figure is a finite number, not below zero where it has no sign, and every band holds its value."""
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        assert math.isfinite(data), f"{where} is {data}"
        assert signed or data >= -1e-12, f"{where} is {data}"
    elif isinstance(data, dict):
        if data.keys() >= {"value", "low", "high"} and isinstance(data["value"], (int, float)):
            _band(data, where)
        for key, item in data.items():
            finite(item, f"{where}.{key}", signed=signed or key in SIGNED)
    elif isinstance(data, list):
        for item in data:
            finite(item, where, signed=signed)


def readable(found: Any) -> dict[str, Any]:
    """The JSON document of an answer, which reads back as it stands."""
    data: dict[str, Any] = json.loads(found.to_json())
    finite(data)
    return data
