"""Reinforcement learning of a language model: what one step does, its fitted constants, and its terms."""

from __future__ import annotations

import msgspec

from hwmodel.specs.intervals import IntervalConstants


class ResponseLengths(msgspec.Struct, frozen=True, kw_only=True):
    """Response lengths as a histogram: `tokens` ascending, each the length of its share of the rollouts."""

    tokens: tuple[float, ...]
    shares: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean response [tokens]."""
        return sum(t * s for t, s in zip(self.tokens, self.shares))

    @property
    def longest(self) -> float:
        """Longest response [tokens]."""
        return self.tokens[-1]


class RlConstants(msgspec.Struct, frozen=True, kw_only=True):
    """What published steps take beside the predictions of serving and training (`hwmodel calibrate --rl`).

    `length_log_sd`: of responses that a mean alone describes, log-normal up to their limit. `length_share`: mean over
    limit where the limit alone is known. `widths`: doubts of a step and of its phases, for 80 % intervals.
    """

    rollout_level: float  # seconds of rollouts over those of the serving model
    update_level: float  # the same of scoring and training
    step_s: float  # rewards, data, scheduling of a step: whatever its size
    sync_bytes_per_s: float  # an accelerator of an engine: new weights that enter it
    switch_bytes_per_s: float  # an accelerator of one pool: weights and optimizer states out to the host and back
    length_log_sd: float
    length_share: float
    widths: IntervalConstants
    fitted_on: str = ""


class RlTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of one step by phase. Phases of two pools run at once: `hidden_s` is what does not show in the total."""

    rollout_s: float
    verifier_s: float
    logprob_s: float
    update_s: float
    sync_s: float
    switch_s: float
    other_s: float
    hidden_s: float

    @property
    def total_s(self) -> float:
        """Seconds of the step."""
        work = self.rollout_s + self.verifier_s + self.logprob_s + self.update_s
        return work + self.sync_s + self.switch_s + self.other_s - self.hidden_s
