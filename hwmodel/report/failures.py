"""Failures of a plan in one line: how often, with the interval of the rate, what a checkpoint holds and costs."""

from __future__ import annotations

from typing import Any

from hwmodel.units import format_bytes, format_count, format_duration


def failures_line(lost: dict[str, Any]) -> str:
    """The line of the report."""
    share = lost["goodput"]
    seen = lost["interruptions_expected"]
    times = format_count(seen) if seen >= 1000 else f"{seen:.3g}"
    span = (
        ""
        if share["low"] == share["high"]
        else (
            f" ({format_duration(lost['mtbf_low_s'])} to {format_duration(lost['mtbf_high_s'])}; goodput "
            f"{100 * share['low']:.1f} to {100 * share['high']:.1f} %)"
        )
    )
    return (
        f"Failures, as on {lost['fleet']}: one every {format_duration(lost['mtbf_s'])}{span}, about {times} in the "
        f"run; a restart takes {format_duration(lost['restart_s'])}, a checkpoint of "
        f"{format_bytes(lost['checkpoint_bytes'])} every {format_duration(lost['checkpoint_interval_s'])}."
    )
