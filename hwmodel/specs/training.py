"""A training step: how it is laid out, and the terms that its time and memory are made of."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What one optimizer step processes. `trainable_fraction` is 1 for full training, below 1 for LoRA-like tuning."""

    seq_len: Num
    global_batch_seqs: Num
    trainable_fraction: Num = 1.0


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a step is spread over accelerators; every field is a number or a column of numbers.

    The fleet is tp * cp * pp * dp; experts are sharded `ep` ways inside dp * cp (and `etp` inside tp).
    `zero` is the ZeRO stage (0: all replicated, 1: optimizer, 2: and gradients, 3: and weights, as FSDP).
    What the backward pass computes again instead of keeping it: `recompute_layers`, a share of the layers, whole; of
    the other layers the modules that are 1. `offload_` 1: kept in host memory, activations between the passes,
    optimizer states always.
    """

    tp: Num = 1.0
    cp: Num = 1.0
    pp: Num = 1.0
    vpp: Num = 1.0
    ep: Num = 1.0
    etp: Num = 1.0
    dp: Num = 1.0
    zero: Num = 1.0
    micro_batch: Num = 1.0
    sequence_parallel: Num = 1.0
    recompute_layers: Num = 0.0
    recompute_norms: Num = 0.0
    recompute_activation: Num = 0.0
    recompute_attention: Num = 0.0  # the attention core
    recompute_up_projections: Num = 0.0  # from latents to heads (multi-head latent attention)
    recompute_mlp: Num = 0.0  # the whole dense feed-forward network
    recompute_shared_experts: Num = 0.0
    recompute_experts: Num = 0.0  # routed experts with their router, dispatch and combine
    offload_activations: Num = 0.0
    offload_optimizer: Num = 0.0

    @property
    def accelerators(self) -> Num:
        return self.tp * self.cp * self.pp * self.dp


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
