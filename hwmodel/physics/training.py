"""Seconds of one optimizer step, as exposed, disjoint terms.

A step is m micro-batches through the slowest stage, the pipeline bubble, what communication could not hide, the
optimizer, and what the host and the scale add. `step` takes numbers or columns (rows of layouts, of machines, of
shapes); where only the layout varies it computes the layer once over the distinct (tp, cp, ep, etp, micro-batch).
"""

from __future__ import annotations

from math import nan
from typing import Any

import msgspec

from hwmodel.ops import Num, maximum, minimum, where
from hwmodel.physics.collectives import point_to_point_s
from hwmodel.physics.columns import anywhere, distinct, has_column, is_column, take
from hwmodel.physics.data_parallel import data_parallel
from hwmodel.physics.formulas import activations_wait_s, host_optimizer_s, optimizer_s, slowest, transfers
from hwmodel.physics.layer import LayerTimes, layer_times, shared_times, with_weight_casts
from hwmodel.physics.memory import layer_activations
from hwmodel.physics.micro_batch import micro_batch
from hwmodel.physics.recomputed import ALWAYS, REPEATED
from hwmodel.physics.schedule import bubble_s, copies, micro_batches
from hwmodel.physics.stages import LayerShard, data_ranks, layer_shard, layers_per_stage, vocabulary_matrices
from hwmodel.specs import Layout, Precision, Shape, Stack, StepTerms, Workload
from hwmodel.specs.kernels import Machine


def _layer_times(
    shape: Shape, machine: Machine, precision: Precision, layout: Layout, workload: Workload, stack: Stack
) -> LayerTimes:
    """The layer's times, computed once over the layouts that share them."""
    keys = [layout.tp, layout.cp, layout.ep, layout.etp, layout.micro_batch, layout.sequence_parallel]
    keys = [*keys, workload.seq_len]
    fixed = not (has_column(shape) or has_column(machine) or has_column(stack) or has_column(precision))
    found = distinct(keys) if fixed and not is_column(workload.trainable_fraction) else None
    if found is None:
        return layer_times(shape, machine, precision, layout, workload, stack)
    first, inverse = found
    few = shared_times(shape, machine, precision, take(layout, first), take(workload, first), stack)
    columns: LayerTimes = take(_read(few, layout), inverse)
    return with_weight_casts(columns, layout, workload)


def _read(times: LayerTimes, layout: Layout) -> LayerTimes:
    """The times without those of modules that no layout computes again: these are not gathered (whoever reads one all
    the same gets no number)."""
    unread = [
        time
        for field, time in (*REPEATED, ("recompute_norms", "norms_f"))
        if time not in ALWAYS and not anywhere(getattr(layout, field) > 0)
    ]
    if not anywhere((layout.recompute_activation + layout.recompute_mlp + layout.recompute_experts) > 0):
        unread.append("activation_f")
    return msgspec.structs.replace(times, **dict.fromkeys(unread, nan))


def owned_params(shape: Shape, layout: Layout, stack: Stack, shard: LayerShard) -> Num:
    """Parameters whose optimizer states one rank holds."""
    stages = layers_per_stage(shape, layout, stack)
    dense_ranks, expert_ranks = data_ranks(layout)
    sharded = where(layout.zero > 0.5, 1.0, 0.0)
    vocabulary = vocabulary_matrices(shape, layout) * shard.vocabulary + shard.lookup
    middle = stages.middle * copies(layout)
    dense = middle * (shard.dense + shard.vectors) + vocabulary
    owned = dense / where(sharded > 0, dense_ranks, 1.0)
    return owned + middle * shard.experts / where(sharded > 0, expert_ranks, 1.0)


def optimizer_bytes(precision: Precision) -> Num:
    """Bytes that the optimizer moves a parameter: states read and written once, gradients read, weights written."""
    states = 2.0 * (precision.master_bytes + precision.moment_bytes) + precision.mean_weight_bytes
    return states + 2.0 * precision.gradient_bytes


def offload_s(
    machine: Machine, precision: Precision, layout: Layout, stack: Stack, owned: Num, saved: Num, micro_s: Num, m: Num
) -> Num:
    """Exposed seconds of what waits in host memory: `saved` bytes of activations of each micro-batch, and the states of
    an optimizer on the host's cores."""
    link = machine.host_link_bytes_per_s
    total: Num = 0.0
    if anywhere(layout.offload_activations > 0):
        total = activations_wait_s(layout.offload_activations, m, saved, link, micro_s)
    if anywhere(layout.offload_optimizer > 0):
        moved = precision.gradient_bytes + precision.weight_bytes
        rate = stack.host_adam_params_per_s
        total = total + host_optimizer_s(layout.offload_optimizer, owned, moved, link, rate)
    return total


def saved_bytes(shape: Shape, precision: Precision, layout: Layout, workload: Workload, stack: Stack) -> Num:
    """Activations that one micro-batch leaves on a middle stage [bytes]; zero where none are moved to the host."""
    if not anywhere(layout.offload_activations > 0):
        return 0.0
    kept, _ = layer_activations(shape, layout, precision, stack, workload.seq_len)
    tokens = layout.micro_batch * workload.seq_len / layout.cp
    return tokens * kept * layers_per_stage(shape, layout, stack).middle


def transfer_s(
    shape: Shape, machine: Machine, precision: Precision, layout: Layout, workload: Workload, stack: Stack, m: Num
) -> Num:
    """Exposed seconds of activations and gradients passed between pipeline stages."""
    if not anywhere(layout.pp > 1.0):
        return 0.0
    net = machine.network
    # Each tensor-parallel rank sends its part; the receiving side gathers (arXiv 2104.04473 section 4.1).
    tokens = layout.micro_batch * workload.seq_len / layout.cp
    size = tokens * shape.d_model * precision.residual_bytes / layout.tp
    crosses = where(layout.tp * layout.cp * layout.dp * layout.pp > net.domain, 1.0, 0.0)
    one = point_to_point_s(size, crosses, net) / stack.network_fraction
    return where(layout.pp > 1.0, one * transfers(m, layout.vpp, layout.pp, stack.pp_overlap), 0.0)


def nodes(layout: Layout, machine: Machine) -> Num:
    """Scale-up domains that the fleet spans, at least one."""
    return maximum(layout.accelerators / machine.network.domain, 1.0)


def jitter(layout: Layout, machine: Machine, stack: Stack) -> Num:
    """Share of a step that the slowest of many nodes adds: it grows with them until nodes as slow are replaced."""
    return slowest(stack.jitter, minimum(nodes(layout, machine), stack.jitter_nodes))


def step(
    shape: Shape, machine: Machine, precision: Precision, layout: Layout, workload: Workload, stack: Stack
) -> StepTerms:
    """Exposed seconds of one optimizer step by term; their sum is the step. Numbers or columns that broadcast."""
    times = _layer_times(shape, machine, precision, layout, workload, stack)
    shard = layer_shard(shape, layout)
    trainable = workload.trainable_fraction
    m = micro_batches(layout, workload)
    micro = micro_batch(shape, machine, precision, layout, stack, times, shard, trainable)
    owned = owned_params(shape, layout, stack, shard) * trainable
    saved = saved_bytes(shape, precision, layout, workload, stack)
    exchange = data_parallel(shape, machine, precision, layout, stack, shard, micro, m, trainable)
    bubble = stack.bubble * bubble_s(layout, m, micro.mean_stage, micro.mean_backward, micro.mean_weights)
    terms: dict[str, Any] = {
        "gemm_s": m * micro.gemm,
        "attention_s": m * micro.attention,
        "memory_bound_s": m * micro.memory,
        "cast_s": m * micro.cast,
        "logits_s": m * micro.head,
        "recompute_s": m * micro.recompute,
        "offload_s": offload_s(machine, precision, layout, stack, owned, saved, micro.total, m),
        "tp_s": m * micro.tp,
        "cp_s": m * micro.cp,
        "ep_s": m * micro.ep,
        "pp_bubble_s": bubble,
        "pp_transfer_s": transfer_s(shape, machine, precision, layout, workload, stack, m),
        "dp_exposed_s": exchange.exposed_s,
        "optimizer_s": optimizer_s(owned, optimizer_bytes(precision), 1.0 - layout.offload_optimizer, machine.memory),
        "host_s": m * micro.host + stack.step_s,
    }
    before: Num = 0.0
    for value in terms.values():
        before = before + value
    terms["jitter_s"] = before * jitter(layout, machine, stack)
    return StepTerms(**terms)
