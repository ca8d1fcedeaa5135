"""What a line of a budget rests on, a record for each kind of stage."""

from __future__ import annotations

import msgspec

from hwmodel.solve.run.band import Band
from hwmodel.specs.rl import RlTerms


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """The figures behind a line; of what is entered or not counted there are none."""


class RunDetail(Detail, frozen=True, kw_only=True):
    """A training run."""

    params: float
    tokens: float
    mfu: Band
    loss_nats: Band | None
    seq_len: int
    train_flop: float


class StudentDetail(RunDetail, frozen=True, kw_only=True):
    """The run of a student, and the hours of its teacher's forward passes."""

    teacher: str
    teacher_gpu_hours: Band


class RepeatedDetail(RunDetail, frozen=True, kw_only=True):
    """A run that is made so many times over."""

    count: float


class AblationDetail(Detail, frozen=True, kw_only=True):
    """Runs of several kinds."""

    runs: list[RepeatedDetail]
    count: float


class RlDetail(Detail, frozen=True, kw_only=True):
    """Steps of reinforcement learning; without a pool of its own for rollouts, or a price of judging, None."""

    params: float
    steps: float
    rollouts: float
    tokens: float
    step_s: Band
    terms_s: RlTerms
    longest_response: float
    mean_response: float
    mfu: Band
    lag: float
    pools: str  # one or two
    rollout_accelerators: int | None = None
    rollout_part: str | None = None
    rollout_gpu_hours: Band | None = None
    verifier_usd: float | None = None


class ServedDetail(Detail, frozen=True, kw_only=True):
    """Tokens of prompts and answers, and the layout that serves them."""

    prompt_tokens: float
    output_tokens: float
    precision: str
    tp: float
    batch: float
    tpot_s: Band
    engine: str


class CommitmentDetail(Detail, frozen=True, kw_only=True):
    """A commitment: what it pays for, and the share of use from which it does."""

    years: int
    committed_hours: float
    committed_usd: float
    used_share: float
    break_even_share: float | None


class ShareDetail(Detail, frozen=True, kw_only=True):
    """A share of pre-training, as entered."""

    share: float


NONE = Detail()
