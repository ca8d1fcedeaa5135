"""One micro-batch on the slowest pipeline stage: its layers with what is computed again, the host, and the head."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, where
from hwmodel.physics import shape as shapes
from hwmodel.physics.columns import anywhere, only
from hwmodel.physics.formulas import (
    accumulate_s,
    at_level,
    host_s,
    launch_wait_s,
    levelled,
    passes_s,
    traffic_exposed_s,
    with_again,
)
from hwmodel.physics.kernels import memory_bound_s
from hwmodel.physics.layer import LayerTimes
from hwmodel.physics.recomputed import Again, recomputed
from hwmodel.physics.schedule import head_share, other_than_1f1b, pairs_passes
from hwmodel.physics.stages import LayerShard, layers_per_stage
from hwmodel.specs import Layout, Precision, Shape, Stack
from hwmodel.specs.kernels import Machine


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


def host_adds_s(device: Num, launches: Num, layout: Layout, stack: Stack) -> Num:
    """Seconds that the host adds to a layer that the device runs in `device` seconds: all of its own where each launch
    waits for its kernel."""
    pipeline = where((layout.pp > 1.0) & (layout.tp > 1.0), stack.host_pipeline, 1.0)
    host = host_s(launches, stack.host_op_s, stack.host_tensor, layout.tp, pipeline)
    wait = launch_wait_s(device, host, stack.host_mixed)
    return where(stack.launch_blocking > 0, host, wait) if anywhere(stack.launch_blocking > 0) else wait


def expert_traffic_s(
    times: LayerTimes, again: Again, compute: Num, machine: Machine, layout: Layout, stack: Stack
) -> Num:
    """Exposed seconds of a layer's dispatch and combine.

    Schedules that pair passes have another micro-batch at hand to compute meanwhile (arXiv 2412.19437 section 3.2.1);
    interleaved stages too, which use it where the traffic leaves the scale-up domain.
    """
    whole = with_again(times.ep_f, times.ep_b, again.experts)
    if not anywhere(layout.ep > 1.0):
        return whole
    crosses = layout.ep * where(layout.etp > 1.0, layout.tp, 1.0) > machine.network.domain
    interleaved = (layout.pp > 1.5) & (layout.vpp > 1.5) & crosses
    hides = interleaved | pairs_passes(layout) | (stack.ep_always > 0)
    return where(hides, traffic_exposed_s(whole, compute, stack.ep_overlap, stack.dp_floor), whole)


def gradient_bytes(precision: Precision, stack: Stack) -> Num:
    """Bytes of a gradient in its accumulator."""
    return where(stack.gradient_bytes > 0, stack.gradient_bytes, precision.gradient_bytes)


def widen_s(shard: LayerShard, precision: Precision, machine: Machine, again: Again) -> Num:
    """Seconds to widen one layer's narrow weights for the forward pass, the backward one, and what comes again."""
    if not anywhere(precision.widen_bytes > 0):
        return 0.0
    passes = memory_bound_s(precision.widen_bytes * shard.layer, machine.memory) * (2.0 + again.layers)
    return only(precision.widen_bytes > 0, passes)


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
    passes, width = stack.accumulate_passes, gradient_bytes(precision, stack)
    accumulated = accumulate_s(shard.layer, width, passes, machine.memory) * trainable
    memory = passes_s(times.memory_f, times.memory_b, accumulated)
    repeated = at_level(again.products_s, stack.level, again.bytes_s)
    tp = with_again(times.tp_f, times.tp_b, again.network)
    cp = with_again(times.cp_f, times.cp_b, again.attention)
    gemm = levelled(times.gemm_f, times.gemm_b, stack.level)
    attention = levelled(times.attention_f, times.attention_b, stack.level)
    cast = passes_s(times.cast_f, times.cast_b, widen_s(shard, precision, machine, again))
    ep = expert_traffic_s(times, again, gemm + attention + memory + cast, machine, layout, stack)
    device = gemm + attention + memory + cast + repeated + tp + cp + ep
    launches = times.launches_f * (1.0 + stack.host_backward + again.layers)
    layer_host = host_adds_s(device, launches, layout, stack)
    layer = device + layer_host
    head = at_level(times.head_s, stack.level, times.loss_s)
    backward, host_back = _backward_s(times, stack), layer_host * (stack.host_backward / (1.0 + stack.host_backward))
    depth, (count, on_last) = shapes.layers(shape), _slowest_stage(shape, layout, stack, layer, head)
    mean_backward: Num = 0.0
    mean_weights: Num = 0.0
    if other_than_1f1b(layout):
        again_b = repeated + again.network * times.tp_f + again.attention * times.cp_f
        mean_backward = (depth * (backward + again_b + host_back) + head * 2.0 / 3.0) / layout.pp
        mean_weights = trainable * _weight_gradients_s(depth * times.gemm_b * stack.level, head) / layout.pp
    return MicroBatch(
        gemm=gemm * count, attention=attention * count, memory=memory * count, cast=cast * count,
        head=head * head_share(layout) * on_last, recompute=repeated * count, tp=tp * count, cp=cp * count,
        ep=ep * count, host=layer_host * count, backward=(backward + host_back) * count,
        mean_stage=(depth * layer + head) / layout.pp, mean_backward=mean_backward,
        mean_weights=mean_weights, layers=count, layer_device=device, launches=launches,
    )  # fmt: skip


def _backward_s(times: LayerTimes, stack: Stack) -> Num:
    """Seconds of a layer's backward pass on the device, without what it computes again and the ring of contexts."""
    return (times.gemm_b + times.attention_b) * stack.level + times.memory_b + times.cast_b + times.tp_b + times.ep_b


def _slowest_stage(shape: Shape, layout: Layout, stack: Stack, layer: Num, head: Num) -> tuple[Num, Num]:
    """Layers of the slowest stage, and 1 where it holds the head: the last one, or a middle one with more layers."""
    stages = layers_per_stage(shape, layout, stack)
    last = stages.last * layer + head * head_share(layout)
    on_last = where((layout.pp < 1.5) | (last >= stages.middle * layer), 1.0, 0.0)
    return where(on_last > 0, stages.last, stages.middle), on_last
