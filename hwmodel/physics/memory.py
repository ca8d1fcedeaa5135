"""Bytes at the peak of a training step on one accelerator, by pipeline stage.

Weights, gradients and optimizer states follow the ZeRO stage; activations follow what the backward pass needs (arXiv
2205.05198), with the micro-batches in flight under 1F1B; logits, gathered weights and waste come on top.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.ops import Num, ceil, maximum, minimum, where
from hwmodel.physics import shape as shapes
from hwmodel.physics.columns import anywhere
from hwmodel.physics.stages import LayerShard, data_ranks, layer_shard, layers_per_stage, vocabulary_matrices
from hwmodel.specs import Block, Layout, MemoryTerms, Precision, Shape, Stack, Workload

STAGES = ("first", "middle", "last")


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that one layer saves for one token: all of it, what selective recomputation drops, and its input alone."""

    whole: Num
    selective: Num
    entry: Num


def _layer_bytes_per_token(
    shape: Shape, block: Block, layout: Layout, precision: Precision, stack: Stack, seq_len: Num
) -> _Saved:
    d, r, a = shape.d_model, precision.residual_bytes, precision.activation_bytes
    v_dim = shapes.value_head_dim(block)
    split = where(layout.sequence_parallel > 0, layout.tp, 1.0)
    heads = ceil(block.n_heads / layout.tp)
    kv = ceil(block.n_kv_heads / layout.tp)
    mixer = heads * (block.head_dim * r + v_dim * (r + a)) + kv * shapes.cached_width(block) * r
    mixer = mixer + (block.q_lora_rank + block.kv_lora_rank + block.rope_dim) * 2.0 * r
    fused = 1.0 + block.gated
    moe = block.n_experts > 0
    width = where(moe, block.top_k * block.d_ff * layout.etp * stack.imbalance, block.d_ff) + block.d_ff_shared
    width = width / layout.tp
    permuted = where(moe, block.top_k * 2.0 * d * a / layout.tp, 0.0)
    norms = (2.0 * r + 2.0 * a) * d / split
    unfused = stack.attention_generation < 0.5
    scores = where(unfused, heads * seq_len * 5.0, 0.0)
    # With fused attention there are no scores to drop: norm and activation outputs go instead.
    dropped = where(unfused, scores, 2.0 * a * d / split + width * a)
    whole = norms + mixer + width * (fused * r + a) + permuted + scores
    return _Saved(whole=whole, selective=dropped, entry=r * d / split)


def _layer_activations(
    shape: Shape, layout: Layout, precision: Precision, stack: Stack, seq_len: Num
) -> tuple[Num, Num]:
    """Bytes a token that the mean layer keeps under the layout's recomputation, and that it needs while recomputing."""
    count = shapes.layers(shape)
    kept: Num = 0.0
    work: Num = 0.0
    full = maximum(maximum(layout.recompute - 1.0, 0.0), minimum(layout.recompute, 1.0) * stack.selective_layers)
    selective = minimum(layout.recompute, 1.0)
    for block in shape.blocks:
        saved = _layer_bytes_per_token(shape, block, layout, precision, stack, seq_len)
        lean = saved.whole - selective * saved.selective
        share = block.count / count
        kept = kept + share * ((1.0 - full) * lean + full * saved.entry)
        again = where(full > 0, saved.whole, selective * saved.selective) + stack.workspace_layers * lean
        work = work + share * again
    return kept, work


def _in_flight(stage: str, layout: Layout, m: Num, stack: Stack) -> Num:
    """Micro-batches whose activations a stage holds, in units of all its layers (1F1B; interleaving adds)."""
    behind = {"first": layout.pp, "middle": maximum(layout.pp - 1.0, 1.0), "last": 1.0 + 0.0 * layout.pp}[stage]
    # With v chunks a rank starts (v - 1) p + 2 (p - rank - 1) + 1 of them before its first backward pass.
    chunks = (layout.vpp - 1.0) * layout.pp + 2.0 * (behind - 1.0) + 1.0
    held = where(layout.vpp > 1.0, chunks / layout.vpp, behind * where(layout.pp > 1.0, stack.in_flight, 1.0))
    return minimum(held, m)


def _states(
    layers_here: Num,
    outside: Num,
    shard: LayerShard,
    layout: Layout,
    precision: Precision,
    stack: Stack,
    trainable: Num,
) -> tuple[Num, Num, Num, Num]:
    """Bytes of weights, gradients, optimizer states and of gathered or spare copies on one rank."""
    dense = layers_here * (shard.dense + shard.vectors) + outside
    experts = layers_here * shard.experts
    dense_ranks, expert_ranks = data_ranks(layout)

    def held(from_stage: float) -> Num:
        cut = layout.zero > from_stage - 0.5
        return dense / where(cut, dense_ranks, 1.0) + experts / where(cut, expert_ranks, 1.0)

    gradient = where(stack.gradient_bytes > 0, stack.gradient_bytes, precision.gradient_bytes)
    gathered = where(layout.zero > 2.5, 2.0 * shard.layer * precision.weight_comm_bytes, 0.0)
    spare = stack.parameter_buffer_bytes * held(3.0) * trainable
    states = precision.master_bytes + precision.moment_bytes
    # Frozen weights keep neither gradients nor states.
    return (
        precision.weight_bytes * held(3.0),
        gradient * held(2.0) * trainable,
        states * held(1.0) * trainable,
        gathered + spare,
    )


def _stage_memory(
    stage: str,
    shape: Shape,
    precision: Precision,
    layout: Layout,
    workload: Workload,
    stack: Stack,
    shard: LayerShard,
    layers_here: Num,
) -> MemoryTerms:
    single = layout.pp < 1.5
    ends = vocabulary_matrices(shape, layout)
    matrices = ends if stage != "middle" else where(single, ends, 0.0)
    tables = shard.lookup if stage == "first" else where(single, shard.lookup, 0.0)
    has_head = {"first": where(single, 1.0, 0.0), "middle": where(single, 1.0, 0.0), "last": 1.0 + 0.0 * layout.pp}
    trainable = minimum(workload.trainable_fraction, 1.0)
    outside = matrices * shard.vocabulary + tables
    weights, gradients, optimizer, buffers = _states(layers_here, outside, shard, layout, precision, stack, trainable)
    tokens = layout.micro_batch * workload.seq_len / layout.cp
    m = maximum(workload.global_batch_seqs / (layout.micro_batch * layout.dp), 1.0)
    kept, work = _layer_activations(shape, layout, precision, stack, workload.seq_len)
    activations = tokens * (kept * layers_here * _in_flight(stage, layout, m, stack) + work) * stack.activation_overhead
    logits = has_head[stage] * tokens * ceil(shape.vocab / layout.tp) * stack.logits_bytes
    # A sequence-parallel rank gathers its whole input before each product.
    gathered = where(layout.sequence_parallel * (layout.tp - 1.0) > 0, tokens * shape.d_model * 4.0, 0.0)
    held = weights + gradients + optimizer + activations + logits + buffers + gathered
    return MemoryTerms(
        weights_bytes=weights,
        gradients_bytes=gradients,
        optimizer_bytes=optimizer,
        activations_bytes=activations,
        logits_bytes=logits,
        buffers_bytes=buffers + gathered,
        reserve_bytes=stack.context_bytes + stack.fragmentation * held,
    )


def memory_by_stage(
    shape: Shape, precision: Precision, layout: Layout, workload: Workload, stack: Stack
) -> dict[str, MemoryTerms]:
    """Peak bytes on the first, a middle and the last pipeline stage (equal where there is one)."""
    shard = layer_shard(shape, layout)
    stages = layers_per_stage(shape, layout, stack)
    return {
        name: _stage_memory(name, shape, precision, layout, workload, stack, shard, getattr(stages, name))
        for name in STAGES
    }


def peak_memory(shape: Shape, precision: Precision, layout: Layout, workload: Workload, stack: Stack) -> MemoryTerms:
    """Peak bytes on the fullest stage. A middle stage never exceeds the first unless it has more layers."""
    shard = layer_shard(shape, layout)
    stages = layers_per_stage(shape, layout, stack)
    fullest: Any = None
    names = STAGES if anywhere(layout.pp > 1.5) else STAGES[:1]
    for name in names:
        terms = _stage_memory(name, shape, precision, layout, workload, stack, shard, getattr(stages, name))
        if fullest is None:
            fullest = terms
            continue
        more = terms.total_bytes > fullest.total_bytes
        fullest = MemoryTerms(
            **{f: where(more, getattr(terms, f), getattr(fullest, f)) for f in MemoryTerms.__struct_fields__}
        )
    result: MemoryTerms = fullest
    return result
