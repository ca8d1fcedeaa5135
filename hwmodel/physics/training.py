"""Seconds of one optimizer step, as exposed, disjoint terms.

A step is m micro-batches through the slowest stage, the pipeline bubble, what communication could not hide, the
optimizer, and what the host and the scale add. `step` takes numbers or columns (rows of layouts, of machines, of
shapes); where only the layout varies it computes the layer once over the distinct (tp, cp, ep, etp, micro-batch).
"""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.ops import Num, log, maximum, minimum, sqrt, where
from hwmodel.physics import shape as shapes
from hwmodel.physics.collectives import gather_s, group, point_to_point_s
from hwmodel.physics.columns import anywhere, distinct, has_column, is_column, take
from hwmodel.physics.kernels import memory_bound_s
from hwmodel.physics.layer import LayerTimes, layer_times, shared_times, with_weight_casts
from hwmodel.physics.layer_communication import slower_network
from hwmodel.physics.memory import layer_activations
from hwmodel.physics.recomputed import ALWAYS, REPEATED, Again, recomputed
from hwmodel.physics.schedule import bubble_s, copies, head_share, other_than_1f1b, pairs_passes
from hwmodel.physics.stages import LayerShard, data_ranks, layer_shard, layers_per_stage, vocabulary_matrices
from hwmodel.specs import Layout, Precision, Shape, Stack, StepTerms, Workload
from hwmodel.specs.kernels import Machine

_LN2 = 0.6931471805599453
_TINY = 1e-30


def micro_batches(layout: Layout, workload: Workload) -> Num:
    """Micro-batches that one pipeline processes in a step (may be fractional where the batch does not divide)."""
    return maximum(workload.global_batch_seqs / (layout.micro_batch * layout.dp), 1.0)


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
    """The times without those of modules that no layout computes again, so that they are not gathered."""
    unread = [
        time
        for field, time in (*REPEATED, ("recompute_norms", "norms_f"))
        if time not in ALWAYS and not anywhere(getattr(layout, field) > 0)
    ]
    if not anywhere((layout.recompute_activation + layout.recompute_mlp + layout.recompute_experts) > 0):
        unread.append("activation_f")
    return msgspec.structs.replace(times, **dict.fromkeys(unread, 0.0))


class MicroBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds a micro-batch spends on the slowest stage, by kind, all layers of that stage together."""

    gemm: Num
    attention: Num
    memory: Num
    cast: Num
    head: Num
    recompute: Num
    tp: Num
    cp: Num
    ep: Num
    host: Num  # what the launches add to all these
    backward: Num  # device seconds of the backward pass (a window for communication)
    mean_stage: Num  # seconds of the mean stage
    mean_backward: Num  # of them the backward pass
    mean_weights: Num  # of that the gradients of weights
    layers: Num  # on the slowest stage
    layer_device: Num  # seconds of one layer on the device, host apart
    launches: Num  # kernels of one layer, forward and backward

    @property
    def total(self) -> Num:
        compute = self.gemm + self.attention + self.memory + self.cast + self.head + self.recompute
        return compute + self.tp + self.cp + self.ep + self.host


def _host_s(device: Num, launches: Num, layout: Layout, stack: Stack) -> Num:
    """Seconds that the host adds where it launches kernels more slowly than the device runs them.

    The longer of the two, and a part of the shorter that grows as they near each other: some kernels of a layer are
    shorter than their launch although the layer is not.
    """
    stretch = 1.0 + stack.host_tensor * (layout.tp - 1.0)
    stretch = stretch * where((layout.pp > 1.0) & (layout.tp > 1.0), stack.host_pipeline, 1.0)
    host = launches * stack.host_op_s * stretch
    longer, shorter = maximum(device, host), minimum(device, host)
    return longer - device + stack.host_mixed * shorter * shorter / maximum(longer, _TINY)


def _expert_traffic_s(
    times: LayerTimes, again: Again, compute: Num, machine: Machine, layout: Layout, stack: Stack
) -> Num:
    """Exposed seconds of a layer's dispatch and combine.

    Schedules that pair passes have another micro-batch at hand to compute meanwhile (arXiv 2412.19437 section 3.2.1);
    interleaved stages too, which use it where the traffic leaves the scale-up domain.
    """
    whole = times.ep_f + times.ep_b + again.experts * times.ep_f
    if not anywhere(layout.ep > 1.0):
        return whole
    crosses = layout.ep * where(layout.etp > 1.0, layout.tp, 1.0) > machine.network.domain
    interleaved = (layout.pp > 1.5) & (layout.vpp > 1.5) & crosses
    hides = interleaved | pairs_passes(layout) | (stack.ep_always > 0)
    exposed = maximum(whole - stack.ep_overlap * compute, stack.dp_floor * whole)
    return where(hides, exposed, whole)


def _accumulate_s(shard: LayerShard, precision: Precision, machine: Machine, stack: Stack) -> Num:
    """Seconds to add one layer's weight gradients to their accumulator."""
    width = where(stack.gradient_bytes > 0, stack.gradient_bytes, precision.gradient_bytes)
    rate = machine.memory.hbm_bytes_per_s * machine.memory.hbm_fraction
    return 2.0 * width * shard.layer * stack.accumulate_passes / rate


def _widen_s(shard: LayerShard, precision: Precision, machine: Machine, again: Again) -> Num:
    """Seconds to widen one layer's narrow weights for the forward pass, the backward one, and what comes again."""
    if not anywhere(precision.widen_bytes > 0):
        return 0.0
    return memory_bound_s(precision.widen_bytes * shard.layer, machine.memory) * (2.0 + again.layers)


def _weight_gradients_s(products_b: Num, head: Num) -> Num:
    """Of three products of a layer and of the head, forward and backward, the one that makes gradients of weights."""
    return 0.5 * products_b + head / 3.0


def micro_batch(
    shape: Shape,
    machine: Machine,
    precision: Precision,
    layout: Layout,
    stack: Stack,
    times: LayerTimes,
    shard: LayerShard,
    trainable: Num,
) -> MicroBatch:
    """Seconds of one micro-batch on the slowest pipeline stage, by term; and what schedules and overlap ask of it."""
    again = recomputed(layout, times)
    stages = layers_per_stage(shape, layout, stack)
    accumulate = _accumulate_s(shard, precision, machine, stack) * trainable
    memory = times.memory_f + times.memory_b + accumulate
    repeated = again.products_s * stack.level + again.bytes_s
    tp = times.tp_f + times.tp_b + again.network * times.tp_f
    cp = times.cp_f + times.cp_b + again.attention * times.cp_f
    # The level of a stack is that of its products and attention: bytes and transfers have laws of their own.
    gemm = (times.gemm_f + times.gemm_b) * stack.level
    attention = (times.attention_f + times.attention_b) * stack.level
    cast = times.cast_f + times.cast_b + _widen_s(shard, precision, machine, again)
    ep = _expert_traffic_s(times, again, gemm + attention + memory + cast, machine, layout, stack)
    device = gemm + attention + memory + cast + repeated + tp + cp + ep
    launches = times.launches_f * (1.0 + stack.host_backward + again.layers)
    layer_host = _host_s(device, launches, layout, stack)
    host_back = layer_host * (stack.host_backward / (1.0 + stack.host_backward))
    layer = device + layer_host
    head = times.head_s * stack.level + times.loss_s
    # The slowest stage decides: the last one with the head, or a middle one with more layers.
    last = stages.last * layer + head * head_share(layout)
    on_last = where((layout.pp < 1.5) | (last >= stages.middle * layer), 1.0, 0.0)
    count = where(on_last > 0, stages.last, stages.middle)
    backward = (
        (times.gemm_b + times.attention_b) * stack.level + times.memory_b + times.cast_b + times.tp_b + times.ep_b
    )
    depth = shapes.layers(shape)
    mean_backward: Num = 0.0
    mean_weights: Num = 0.0
    if other_than_1f1b(layout):
        again_b = repeated + again.network * times.tp_f + again.attention * times.cp_f
        mean_backward = (depth * (backward + again_b + host_back) + head * 2.0 / 3.0) / layout.pp
        mean_weights = trainable * _weight_gradients_s(depth * times.gemm_b * stack.level, head) / layout.pp
    return MicroBatch(
        gemm=gemm * count,
        attention=attention * count,
        memory=memory * count,
        cast=cast * count,
        head=head * head_share(layout) * on_last,
        recompute=repeated * count,
        tp=tp * count,
        cp=cp * count,
        ep=ep * count,
        host=layer_host * count,
        backward=(backward + host_back) * count,
        mean_stage=(depth * layer + head) / layout.pp,
        mean_backward=mean_backward,
        mean_weights=mean_weights,
        layers=count,
        layer_device=device,
        launches=launches,
    )


class DataParallel(msgspec.Struct, frozen=True, kw_only=True):
    """Gradient reduction and weight gathering over the data-parallel ranks, and what hides them, in seconds."""

    volume_s: Num  # each time, were nothing hidden
    window_s: Num  # of compute that it may hide under
    times: Num  # how often in a step
    floor: Num  # share of it that is never hidden

    @property
    def exposed_s(self) -> Num:
        """What a step waits for: the volume less the window, with a soft corner, and never below the floor."""
        hidden = self.volume_s - self.window_s
        edge = 0.1 * self.volume_s
        soft = 0.5 * (hidden + sqrt(hidden * hidden + edge * edge)) * (1.0 - self.floor)
        return (self.floor * self.volume_s + soft) * self.times


def _data_parallel_s(
    shape: Shape,
    machine: Machine,
    precision: Precision,
    layout: Layout,
    stack: Stack,
    shard: LayerShard,
    micro: MicroBatch,
    m: Num,
    trainable: Num,
) -> Num:
    """Exposed seconds a step of gradient reduction and weight gathering over the data-parallel ranks."""
    if not anywhere(layout.dp * layout.cp > 1.0):
        return 0.0
    found = data_parallel(shape, machine, precision, layout, stack, shard, micro, m, trainable)
    return where(data_ranks(layout)[0] > 1.0, found.exposed_s, 0.0)


def data_parallel(
    shape: Shape,
    machine: Machine,
    precision: Precision,
    layout: Layout,
    stack: Stack,
    shard: LayerShard,
    micro: MicroBatch,
    m: Num,
    trainable: Num,
) -> DataParallel:
    """What the data-parallel ranks exchange in a step, and the window that it has."""
    net = machine.network
    stages = layers_per_stage(shape, layout, stack)
    count = maximum(stages.middle, stages.last) * copies(layout)
    dense_ranks, expert_ranks = data_ranks(layout)
    vocabulary = vocabulary_matrices(shape, layout) * shard.vocabulary
    dense, outside = count * (shard.dense + shard.vectors) + vocabulary + shard.lookup, vocabulary + shard.lookup
    near = minimum(dense_ranks, maximum(net.domain / layout.tp, 1.0))
    dense_group = group(dense_ranks, near, net)
    experts = count * shard.experts
    has_experts, expert_group = anywhere(experts > 0), dense_group
    if has_experts:
        near_experts = maximum(net.domain / minimum(layout.ep * layout.etp, net.domain), 1.0)
        expert_group = group(expert_ranks, minimum(expert_ranks, near_experts), net)
    g = where(stack.gradient_comm_bytes > 0, stack.gradient_comm_bytes, precision.gradient_comm_bytes) * trainable
    w = precision.weight_comm_bytes

    def gather(width: Num) -> Num:
        """Seconds to gather (or reduce) all of the rank's parameters in large messages."""
        one = gather_s(dense * width, dense_group, net)
        if has_experts:
            one = one + where(experts > 0, gather_s(experts * width, expert_group, net), 0.0)
        return one

    def by_layer(width: Num) -> Num:
        """The same with one message a layer, each with its own latency and ramp."""
        layer = gather_s((shard.dense + shard.vectors) * width, dense_group, net)
        if has_experts:
            layer = layer + where(experts > 0, gather_s(shard.experts * width, expert_group, net), 0.0)
        return count * layer + gather_s(outside * width, dense_group, net)

    full_shard = layout.zero > 2.5
    # Stages of a pipeline keep their weights whole over the micro-batches, and gather and reduce once (see memory).
    times = where(full_shard & (layout.pp < 1.5), m, 1.0)
    reduced = gather(g)
    once = reduced + where(layout.zero > 0.5, gather(w * trainable), reduced)
    # Fully sharded: weights are gathered for the forward and the backward pass of every micro-batch, layer by layer.
    each = 2.0 * by_layer(w) + by_layer(g) if anywhere(full_shard) else 0.0
    sharded = (layout.zero > 0.5) & (stack.zero_overlap > -0.5)
    overlap = where(sharded, stack.zero_overlap, stack.dp_overlap)
    window = where(full_shard, stack.fsdp_overlap * micro.total, overlap * micro.backward)
    volume = where(full_shard, each, once)
    volume = volume * where(dense_ranks > near, slower_network(dense_ranks / near, stack), 1.0)
    return DataParallel(volume_s=volume, window_s=window, times=times, floor=stack.dp_floor)


def _owned(shape: Shape, layout: Layout, stack: Stack, shard: LayerShard) -> Num:
    """Parameters whose optimizer states one rank holds."""
    stages = layers_per_stage(shape, layout, stack)
    dense_ranks, expert_ranks = data_ranks(layout)
    sharded = where(layout.zero > 0.5, 1.0, 0.0)
    vocabulary = vocabulary_matrices(shape, layout) * shard.vocabulary + shard.lookup
    middle = stages.middle * copies(layout)
    dense = middle * (shard.dense + shard.vectors) + vocabulary
    owned = dense / where(sharded > 0, dense_ranks, 1.0)
    return owned + middle * shard.experts / where(sharded > 0, expert_ranks, 1.0)


def _optimizer_s(machine: Machine, precision: Precision, layout: Layout, owned: Num) -> Num:
    """Seconds of the optimizer on the accelerator: every state of the `owned` parameters read and written once."""
    states = 2.0 * (precision.master_bytes + precision.moment_bytes) + precision.mean_weight_bytes
    per_param = states + 2.0 * precision.gradient_bytes
    return memory_bound_s(owned * per_param, machine.memory) * (1.0 - layout.offload_optimizer)


def _offload_s(
    machine: Machine, precision: Precision, layout: Layout, stack: Stack, owned: Num, saved: Num, micro_s: Num, m: Num
) -> Num:
    """Exposed seconds of what waits in host memory: `saved` bytes of activations go out and come back under each
    micro-batch; gradients go to an optimizer on the host's cores, and weights come back (arXiv 2101.06840)."""
    link = machine.host_link_bytes_per_s
    total: Num = 0.0
    if anywhere(layout.offload_activations > 0):
        total = layout.offload_activations * m * maximum(2.0 * saved / link - micro_s, 0.0)
    if anywhere(layout.offload_optimizer > 0):
        moved = (precision.gradient_bytes + precision.weight_bytes) / link
        total = total + layout.offload_optimizer * owned * (moved + 1.0 / stack.host_adam_params_per_s)
    return total


def _saved_bytes(shape: Shape, precision: Precision, layout: Layout, workload: Workload, stack: Stack) -> Num:
    """Activations that one micro-batch leaves on a middle stage [bytes]; zero where none are moved to the host."""
    if not anywhere(layout.offload_activations > 0):
        return 0.0
    kept, _ = layer_activations(shape, layout, precision, stack, workload.seq_len)
    tokens = layout.micro_batch * workload.seq_len / layout.cp
    return tokens * kept * layers_per_stage(shape, layout, stack).middle


def _transfer_s(
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
    count = 2.0 * m * layout.vpp * (1.0 - stack.pp_overlap) + 2.0 * (layout.pp - 1.0)
    return where(layout.pp > 1.0, one * count, 0.0)


def nodes(layout: Layout, machine: Machine) -> Num:
    """Scale-up domains that the fleet spans, at least one."""
    return maximum(layout.accelerators / machine.network.domain, 1.0)


def jitter(layout: Layout, machine: Machine, stack: Stack) -> Num:
    """Share of a step that the slowest of many nodes adds: it grows with them until nodes as slow are replaced."""
    return stack.jitter * log(minimum(nodes(layout, machine), stack.jitter_nodes)) / _LN2


def step(
    shape: Shape, machine: Machine, precision: Precision, layout: Layout, workload: Workload, stack: Stack
) -> StepTerms:
    """Exposed seconds of one optimizer step by term; their sum is the step. Numbers or columns that broadcast."""
    times = _layer_times(shape, machine, precision, layout, workload, stack)
    shard = layer_shard(shape, layout)
    trainable = minimum(workload.trainable_fraction, 1.0)
    m = micro_batches(layout, workload)
    micro = micro_batch(shape, machine, precision, layout, stack, times, shard, trainable)
    owned = _owned(shape, layout, stack, shard) * trainable
    saved = _saved_bytes(shape, precision, layout, workload, stack)
    bubble = stack.bubble * bubble_s(layout, m, micro.mean_stage, micro.mean_backward, micro.mean_weights)
    terms: dict[str, Any] = {
        "gemm_s": m * micro.gemm,
        "attention_s": m * micro.attention,
        "memory_bound_s": m * micro.memory,
        "cast_s": m * micro.cast,
        "logits_s": m * micro.head,
        "recompute_s": m * micro.recompute,
        "offload_s": _offload_s(machine, precision, layout, stack, owned, saved, micro.total, m),
        "tp_s": m * micro.tp,
        "cp_s": m * micro.cp,
        "ep_s": m * micro.ep,
        "pp_bubble_s": bubble,
        "pp_transfer_s": _transfer_s(shape, machine, precision, layout, workload, stack, m),
        "dp_exposed_s": _data_parallel_s(shape, machine, precision, layout, stack, shard, micro, m, trainable),
        "optimizer_s": _optimizer_s(machine, precision, layout, owned),
        "host_s": m * micro.host + stack.step_s,
    }
    before: Num = 0.0
    for value in terms.values():
        before = before + value
    terms["jitter_s"] = before * jitter(layout, machine, stack)
    return StepTerms(**terms)
