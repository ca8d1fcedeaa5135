"""Failures and checkpoints: how often a job stops, and how much longer it takes than its productive time."""

from __future__ import annotations

import math

import msgspec

from hwmodel.ops import Num, exp, maximum, minimum, sqrt
from hwmodel.specs import ReliabilityFacts

# Below this share of productive time the first-order formulas no longer hold; the plan flags it.
LOWEST_GOODPUT = 0.05


class GoodputTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Share of elapsed time that trains, and what it is made of [s, bytes]."""

    goodput: Num
    mtbf_s: Num
    checkpoint_interval_s: Num
    checkpoint_write_s: Num
    checkpoint_bytes: Num
    restart_s: Num  # detection to the first new step, with the checkpoint read back


def interruptions_per_hour(accelerators: Num, facts: ReliabilityFacts) -> Num:
    """How often a job stops [1/h]: parts fail with their number, software fails a job whatever its size.

    Without the second term small jobs would run for months: those of Meta's cluster on 1,024 accelerators stop every
    7.9 h where the rate of its nodes says 28.8 (arXiv 2410.21680).
    """
    return facts.interruptions_per_accelerator_hour * accelerators + facts.software_interruptions_per_hour


def goodput(accelerators: Num, params: Num, facts: ReliabilityFacts) -> GoodputTerms:
    """Expected productive share of a job that restarts from its last checkpoint after each interruption.

    interval = sqrt(2 w MTBF) [Young 1974]; goodput = (1 - (restart + interval / 2) / MTBF) / (1 + w / interval), the
    expected effective training time ratio of Kokolis et al. (arXiv 2410.21680), with w the time a checkpoint write
    stops the job [s]; a restart reads the checkpoint back at the rate of the store that writes it.
    """
    mtbf_s = 3600.0 / interruptions_per_hour(accelerators, facts)
    size_bytes = params * facts.checkpoint_bytes_per_param
    write_s = size_bytes / (facts.storage_bytes_per_s_per_accelerator * accelerators)
    restart_s = facts.restart_s + write_s
    interval_s = minimum(sqrt(2.0 * write_s * mtbf_s), mtbf_s)
    lost = (restart_s + 0.5 * interval_s) / mtbf_s
    share = maximum((1.0 - lost) / (1.0 + write_s / interval_s), LOWEST_GOODPUT)
    return GoodputTerms(
        goodput=share, mtbf_s=mtbf_s, checkpoint_interval_s=interval_s, checkpoint_write_s=write_s,
        checkpoint_bytes=size_bytes, restart_s=restart_s,
    )  # fmt: skip


def at_rate(facts: ReliabilityFacts, z: Num) -> ReliabilityFacts:
    """The facts with both rates at an end of their 80 % interval: z of -1 is the low one, 1 the high one."""
    factor = exp(z * facts.rate_log_half_width)
    return msgspec.structs.replace(
        facts,
        interruptions_per_accelerator_hour=facts.interruptions_per_accelerator_hour * factor,
        software_interruptions_per_hour=facts.software_interruptions_per_hour * factor,
    )


def spares_needed(machines: float, failures_per_machine_hour: float, repair_h: float, certainty: float = 0.99) -> int:
    """Machines to hold ready so that a fleet stays whole with that certainty while the failed ones are mended.

    Those in repair are Poisson distributed with mean machines x rate x repair time (M/G/infinity).
    """
    mean = machines * failures_per_machine_hour * repair_h
    term = total = math.exp(-mean)
    spares = 0
    while total < certainty:
        spares += 1
        term *= mean / spares
        total += term
    return spares
