"""Gradients and weights over the data-parallel ranks: how long the exchange takes, and what compute hides of it."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, maximum, minimum, where
from hwmodel.physics.collectives import gather_s, group
from hwmodel.physics.columns import anywhere
from hwmodel.physics.formulas import exposed_s
from hwmodel.physics.layer_communication import slower_network
from hwmodel.physics.micro_batch import MicroBatch
from hwmodel.physics.schedule import copies
from hwmodel.physics.stages import LayerShard, data_ranks, layers_per_stage, vocabulary_matrices
from hwmodel.specs import Layout, Precision, Shape, Stack
from hwmodel.specs.kernels import Machine


class DataParallel(msgspec.Struct, frozen=True, kw_only=True):
    """Gradient reduction and weight gathering over the data-parallel ranks, and what hides them, in seconds."""

    volume_s: Num  # each time, were nothing hidden
    window_s: Num  # of compute that it may hide under
    times: Num  # how often in a step
    floor: Num  # share of it that is never hidden
    present: Num = 1.0  # 1 where there is more than one rank

    @property
    def exposed_s(self) -> Num:
        """What a step waits for."""
        return where(self.present > 0, exposed_s(self.volume_s, self.window_s, self.floor, self.times), 0.0)


ALONE = DataParallel(volume_s=0.0, window_s=0.0, times=1.0, floor=0.0, present=0.0)


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
    dense_ranks, expert_ranks = data_ranks(layout)
    if not anywhere(dense_ranks > 1.0):
        return ALONE
    net = machine.network
    stages = layers_per_stage(shape, layout, stack)
    count = maximum(stages.middle, stages.last) * copies(layout)
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
        seconds = gather_s(dense * width, dense_group, net)
        if has_experts:
            seconds = seconds + where(experts > 0, gather_s(experts * width, expert_group, net), 0.0)
        return seconds

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
    present = where(dense_ranks > 1.0, 1.0, 0.0)
    return DataParallel(volume_s=volume, window_s=window, times=times, floor=stack.dp_floor, present=present)
