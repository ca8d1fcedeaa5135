"""The constants of the training step that are fitted on runs: what each means, its prior and its bounds."""

from __future__ import annotations

import math

import msgspec

from hwmodel.specs.training_calibration import TrainingCalibration


class RunParameter(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted constant. `place` is generic | family:<id> | stack:<id>; positive ones are fitted as logarithms.

    `sigma` is the prior's width: in natural logs for positive constants, in the unit itself for fractions.
    """

    name: str
    place: str
    field: str
    prior: float
    sigma: float
    low: float
    high: float
    meaning: str

    @property
    def logarithmic(self) -> bool:
        return self.low > 0

    def encode(self, value: float) -> float:
        """Distance from the prior in prior widths."""
        shift = math.log(value / self.prior) if self.logarithmic else value - self.prior
        return shift / self.sigma

    def decode(self, x: float) -> float:
        """Value at a distance from the prior, inside the bounds."""
        value = self.prior * math.exp(x * self.sigma) if self.logarithmic else self.prior + x * self.sigma
        return min(max(value, self.low), self.high)


def _level(stack: str, meaning: str, sigma: float = 0.10) -> RunParameter:
    return RunParameter(
        name=f"level.{stack}", place=f"stack:{stack}", field="level", prior=1.0, sigma=sigma, low=0.6, high=1.6,
        meaning=meaning,
    )  # fmt: skip


def _family(family: str, field: str, bits: str, prior: float = 1.05, sigma: float = 0.10) -> RunParameter:
    return RunParameter(
        name=f"{field}.{family}", place=f"family:{family}", field=field, prior=prior, sigma=sigma, low=0.7, high=1.6,
        meaning=f"time of {bits} products in training over the kernel law's for a long load, {family}",
    )  # fmt: skip


def _generic(name: str, prior: float, sigma: float, low: float, high: float, meaning: str) -> RunParameter:
    return RunParameter(
        name=name, place="generic", field=name, prior=prior, sigma=sigma, low=low, high=high, meaning=meaning
    )


def _stack(stack: str, field: str, prior: float, sigma: float, low: float, high: float, meaning: str) -> RunParameter:
    return RunParameter(
        name=f"{field}.{stack}", place=f"stack:{stack}", field=field, prior=prior, sigma=sigma, low=low, high=high,
        meaning=meaning,
    )  # fmt: skip


PARAMETERS: tuple[RunParameter, ...] = (
    _generic("host_op_s", 8e-6, 0.4, 1e-6, 4e-5, "host time to launch one kernel"),
    _generic("tp_overlap", 0.25, 0.15, 0.0, 0.9, "tensor-parallel communication hidden under products"),
    _generic("fsdp_overlap", 0.85, 0.15, 0.0, 1.0, "share of a pass that hides gathering of sharded weights"),
    _generic("jitter", 0.003, 0.003, 0.0, 0.05, "slowdown a doubling of the number of nodes, any cluster"),
    _generic("memory_passes", 1.2, 0.2, 0.6, 3.0, "traffic of element-wise operations over the fused minimum"),
    _generic("score_passes", 5.0, 0.3, 1.0, 12.0, "times that unfused attention moves each score forward"),
    _generic("attention_backward", 1.1, 0.15, 0.7, 2.0, "time of attention's backward pass over the kernel law's"),
    _generic("attention_old", 1.1, 0.15, 0.7, 2.0, "time of FlashAttention-2 kernels over the kernel law's"),
    _generic("launches_expert", 16.0, 0.3, 1.0, 60.0, "kernels launched forward for each expert of a rank"),
    _generic("grouped", 0.92, 0.25, 0.3, 1.0, "efficiency of experts' products over plain ones"),
    _family("ampere", "sustained_high", "16-bit"),
    _family("hopper", "sustained_high", "16-bit"),
    _family("hopper", "sustained", "8-bit"),
    # Products of a training layer on B200 as cuBLAS and Transformer Engine run them, over the kernel law's
    # time: forward 1.20, gradients of inputs 1.22, of weights 1.36 with their fp32 accumulation, which the step
    # counts itself (medians of 16, 8 and 12 shapes); grouped products, 1.08 times dense ones (6 shapes).
    # SimuMax@e691807, configs/system/b200_bf16_ceperm.json (`matmul`, `group_matmul`: times of kernels).
    _family("blackwell", "sustained_high", "16-bit", prior=1.22, sigma=0.05),
    _family("blackwell", "sustained", "8-bit"),
    _family("blackwell", "sustained_four", "4-bit"),
    _family("tpu", "sustained_high", "16-bit"),
    _family("tpu", "sustained", "8-bit"),
    _level("megatron-lm-2021", "device time of Megatron-LM to 2022 over the kernels'"),
    _level("megatron-deepspeed", "device time of Megatron-DeepSpeed over the kernels'"),
    _level("pytorch", "device time of PyTorch programs of 2023 and later without tuned recipes over the kernels'"),
    _level("megatron-core", "device time of Megatron-Core over theirs", sigma=0.05),
    _level("megatron-recipes", "device time of NeMo and Megatron-Bridge over the kernels', release of January 2025"),
    RunParameter(
        name="drift.megatron-recipes",
        place="stack:megatron-recipes",
        field="drift",
        prior=0.0,
        sigma=0.05,
        low=-0.3,
        high=0.3,
        meaning="its growth with a year of releases, natural log",
    ),
    _level("nemo", "device time of NeMo over both together", sigma=0.03),
    _level("megatron-bridge", "device time of Megatron-Bridge over both together", sigma=0.03),
    _level("fsdp", "device time of PyTorch FSDP trainers over theirs", sigma=0.05),
    _level("nanotron", "device time of nanotron over theirs", sigma=0.05),
    _level("jax", "device time of XLA stacks over the kernels'"),
    _stack("megatron-deepspeed", "host_op_s", 1.2e-5, 0.4, 1e-6, 6e-5, "launch time under Megatron-DeepSpeed"),
    _stack("nanotron", "host_op_s", 1.2e-5, 0.4, 1e-6, 6e-5, "launch time under nanotron"),
    _stack("eager", "host_tensor", 0.3, 0.3, 0.0, 3.0, "launches added a tensor-parallel rank, eager programs"),
    _stack(
        "megatron-deepspeed",
        "host_tensor_own",
        0.0,
        0.6,
        -2.0,
        2.0,
        "the same under Megatron-DeepSpeed, less that of eager programs",
    ),
    _stack("nanotron", "host_pipeline", 2.0, 0.5, 1.0, 12.0, "launch cost with pipeline and tensor ranks, nanotron"),
    _stack("nanotron", "jitter", 0.01, 0.01, 0.0, 0.1, "the same of the cluster of nanotron's grid"),
    _stack("nanotron", "contention", 0.1, 0.1, 0.0, 0.6, "network time added by a doubling of the nodes, nanotron"),
    _stack("nanotron", "network_fraction", 0.8, 0.3, 0.1, 1.5, "network of the nanotron cluster over benchmarks"),
)


def with_values(base: TrainingCalibration, values: dict[str, float]) -> TrainingCalibration:
    """The calibration with the named constants, and no other fitted ones."""
    generic: dict[str, float] = {}
    families: dict[str, dict[str, float]] = {}
    fitted: dict[str, dict[str, float]] = {}
    for parameter in PARAMETERS:
        if parameter.name not in values:
            continue
        kind, _, key = parameter.place.partition(":")
        target = generic if kind == "generic" else (families if kind == "family" else fitted).setdefault(key, {})
        target[parameter.field] = values[parameter.name]
    return msgspec.structs.replace(base, generic=generic, families=families, fitted=fitted)
