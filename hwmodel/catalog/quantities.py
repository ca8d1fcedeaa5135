"""The units that catalog values may be written in, as factors to SI."""

from __future__ import annotations

_K, _M, _G, _T, _P, _E = 1e3, 1e6, 1e9, 1e12, 1e15, 1e18

UNITS: dict[str, dict[str, float]] = {
    "flop_per_s": {
        "FLOP/s": 1.0, "GFLOP/s": _G, "TFLOP/s": _T, "PFLOP/s": _P, "EFLOP/s": _E,
        "OP/s": 1.0, "GOP/s": _G, "TOP/s": _T, "POP/s": _P,
    },
    "bytes": {
        "B": 1.0, "kB": _K, "MB": _M, "GB": _G, "TB": _T,
        "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3, "TiB": 1024.0**4,
    },
    "bytes_per_s": {
        "B/s": 1.0, "MB/s": _M, "GB/s": _G, "TB/s": _T, "PB/s": _P, "GiB/s": 1024.0**3,
        "Mbit/s": _M / 8, "Gbit/s": _G / 8, "Tbit/s": _T / 8,
    },
    "w": {"W": 1.0, "kW": _K, "MW": _M},
    "hz": {"Hz": 1.0, "MHz": _M, "GHz": _G},
    "s": {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "usd": {"USD": 1.0},
    "mm2": {"mm2": 1.0},
    "bit_per_s": {"bit/s": 1.0, "Mbit/s": _M, "Gbit/s": _G},
    "kg_co2e": {"gCO2e": 1e-3, "kgCO2e": 1.0, "tCO2e": 1e3},
    "kg_co2e_per_kwh": {"gCO2e/kWh": 1e-3, "kgCO2e/kWh": 1.0},
    "usd_per_kwh": {"USD/kWh": 1.0, "USD/MWh": 1e-3},
    "l_per_kwh": {"L/kWh": 1.0},
    "per_h": {"1/h": 1.0, "1/d": 1.0 / 24.0},
    "count": {"": 1.0},
}  # fmt: skip


def known_units(dimension: str) -> str:
    """The units of a dimension, for an error message."""
    return ", ".join(u for u in UNITS[dimension] if u) or "none"


def si_factor(unit: str, dimension: str) -> float | None:
    """What one `unit` is in SI, or None when it is not a unit of that dimension."""
    return UNITS[dimension].get(unit)
