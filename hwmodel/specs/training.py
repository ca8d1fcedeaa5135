"""A training step: what it processes, and the terms that its time and memory are made of."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What one optimizer step processes. `trainable_fraction` is 1 for full training, below 1 for LoRA-like tuning."""

    seq_len: Num
    global_batch_seqs: Num
    trainable_fraction: Num = 1.0


class StepTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Exposed, disjoint seconds of one optimizer step; they sum to the step."""

    gemm_s: Num
    attention_s: Num
    memory_bound_s: Num
    cast_s: Num
    logits_s: Num
    recompute_s: Num
    offload_s: Num
    tp_s: Num
    cp_s: Num
    ep_s: Num
    pp_bubble_s: Num
    pp_transfer_s: Num
    dp_exposed_s: Num
    optimizer_s: Num
    host_s: Num
    jitter_s: Num
    search_s: Num = 0.0  # what layouts that were searched run slower than predicted (see `predict.optimism`)

    @property
    def total_s(self) -> Num:
        total: Num = 0.0
        for name in self.__struct_fields__:
            total = total + getattr(self, name)
        return total


class MemoryTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on the fullest accelerator of one pipeline stage; they sum to its peak."""

    weights_bytes: Num
    gradients_bytes: Num
    optimizer_bytes: Num
    activations_bytes: Num
    logits_bytes: Num
    buffers_bytes: Num
    reserve_bytes: Num  # context, communicator buffers, fragmentation

    @property
    def total_bytes(self) -> Num:
        total: Num = 0.0
        for name in self.__struct_fields__:
            total = total + getattr(self, name)
        return total
