"""Failures and checkpoints: how much longer a run takes than its productive time."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, maximum, minimum, sqrt
from hwmodel.specs import ReliabilityFacts

# Below this share of productive time the first-order formulas no longer hold; the plan flags it.
LOWEST_GOODPUT = 0.05


class GoodputTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Share of elapsed time that trains, and what it is made of [s]."""

    goodput: Num
    mtbf_s: Num
    checkpoint_interval_s: Num
    checkpoint_write_s: Num


def goodput(accelerators: Num, params: Num, facts: ReliabilityFacts) -> GoodputTerms:
    """Expected productive share of a job that restarts from its last checkpoint after each interruption.

    interval = sqrt(2 w MTBF) [Young 1974]; goodput = (1 - (restart + interval / 2) / MTBF) / (1 + w / interval), the
    expected effective training time ratio of Kokolis et al. (arXiv 2410.21680), with w the time a checkpoint write
    stops the job [s] and MTBF = 1 / (accelerators x rate).
    """
    mtbf_s = 3600.0 / (facts.interruptions_per_accelerator_hour * accelerators)
    storage_bytes_per_s = facts.storage_bytes_per_s_per_accelerator * accelerators
    write_s = params * facts.checkpoint_bytes_per_param / storage_bytes_per_s
    interval_s = minimum(sqrt(2.0 * write_s * mtbf_s), mtbf_s)
    lost = (facts.restart_s + 0.5 * interval_s) / mtbf_s
    share = maximum((1.0 - lost) / (1.0 + write_s / interval_s), LOWEST_GOODPUT)
    return GoodputTerms(goodput=share, mtbf_s=mtbf_s, checkpoint_interval_s=interval_s, checkpoint_write_s=write_s)
