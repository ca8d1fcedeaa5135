"""Failures of a plan in one line: how often, with the interval of the rate, what a checkpoint holds and costs."""

from __future__ import annotations

from hwmodel.report.phrases import heard, say
from hwmodel.solve.run.records import Failures
from hwmodel.units import format_bytes, format_count, format_duration


def failures_line(lost: Failures) -> str:
    """The line of the report."""
    share = lost.goodput
    seen = lost.interruptions_expected
    span = ""
    if share.low != share.high:
        span = say(
            " ({rarely} to {often}; goodput {low} to {high} %)",
            rarely=format_duration(lost.mtbf_low_s),
            often=format_duration(lost.mtbf_high_s),
            low=f"{100 * share.low:.1f}",
            high=f"{100 * share.high:.1f}",
        )
    said = say(
        "Failures, as on {fleet}: one every {mtbf}{span}, about {times} in the run; a restart takes {restart}, a "
        "checkpoint "
        "of {size} every {interval}.",
        fleet=lost.fleet,
        mtbf=format_duration(lost.mtbf_s),
        span=span,
        times=format_count(seen) if seen >= 1000 else f"{seen:.3g}",
        restart=format_duration(lost.restart_s),
        size=format_bytes(lost.checkpoint_bytes),
        interval=format_duration(lost.checkpoint_interval_s),
    )
    return f"{said} {_software(lost)}".strip()


def _software(lost: Failures) -> str:
    """How often software stops a job, whose and of which year."""
    if lost.software_mtbf_s is None:
        return say("Software and hardware are not told apart in its source.")
    return say(
        "Software alone stops any job every {mtbf} there ({team}, {year}).",
        mtbf=format_duration(lost.software_mtbf_s), team=heard(lost.software_team), year=heard(lost.software_year),
    )  # fmt: skip
