"""Ways to rent: spot with its preemptions, commitments with the hours that nobody uses."""

from __future__ import annotations

import msgspec

from hwmodel.economics.goodput import LOWEST_GOODPUT, goodput
from hwmodel.numerics import falls_at_log
from hwmodel.specs import ReliabilityFacts
from hwmodel.units import HOURS_PER_YEAR

# Between a preemption a month and one a minute.
RATE_SPAN_PER_HOUR = (1.0 / 720.0, 60.0)


class SpotTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A run on spot capacity: share of its billed time that trains, hours billed, and elapsed with the waits [h]."""

    goodput: float
    billed_hours: float
    elapsed_hours: float
    preemptions: float


def spot(
    productive_hours: float,
    accelerators: float,
    params: float,
    preemptions_per_hour: float,
    wait_h: float,
    facts: ReliabilityFacts,
) -> SpotTerms:
    """A run that is preempted as a whole `preemptions_per_hour` and waits `wait_h`, unbilled, for capacity each time.

    A preemption loses what a failure does: the work since the last checkpoint and a restart. Checkpoints are written as
    often as both together ask for.
    """
    both = msgspec.structs.replace(
        facts, software_interruptions_per_hour=facts.software_interruptions_per_hour + preemptions_per_hour
    )
    share = float(goodput(accelerators, params, both).goodput)
    billed = productive_hours / share
    count = billed * preemptions_per_hour
    return SpotTerms(goodput=share, billed_hours=billed, elapsed_hours=billed + count * wait_h, preemptions=count)


def break_even_preemptions_per_hour(
    accelerators: float, params: float, spot_share: float, facts: ReliabilityFacts
) -> float:
    """Preemptions an hour at which spot costs what on demand does, at a spot price of `spot_share` of it.

    Below it spot is cheaper for every run length; waits cost days and no dollars. The end of the searched span where it
    lies outside.
    """
    steady = float(goodput(accelerators, params, facts).goodput)

    def cheaper(rate: float) -> bool:
        """Whether spot is cheaper at a rate; no longer where the formulas of goodput end."""
        share = spot(1.0, accelerators, params, rate, 0.0, facts).goodput
        return share > LOWEST_GOODPUT and spot_share * steady < share

    low, high = RATE_SPAN_PER_HOUR
    if not cheaper(low):
        return low
    return high if cheaper(high) else falls_at_log(cheaper, low, high)


class CommitmentTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A commitment beside the hours that a run needs of it [USD]."""

    committed_usd: float
    idle_usd: float
    break_even_share: float  # of the committed hours that must be used to pay off


def commitment(
    hours: float, accelerators: float, usd_per_hour: float, on_demand_usd_per_hour: float, years: float = 1.0
) -> CommitmentTerms:
    """All hours of the term are paid, used or not; it pays off once the share used exceeds the ratio of the prices.

    A run longer than the term commits again: whole terms are counted.
    """
    term = accelerators * HOURS_PER_YEAR * years
    terms = max(-(-hours // term), 1.0)
    paid = terms * term * usd_per_hour
    return CommitmentTerms(
        committed_usd=paid,
        idle_usd=paid - hours * usd_per_hour,
        break_even_share=usd_per_hour / on_demand_usd_per_hour,
    )
