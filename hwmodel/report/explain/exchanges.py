"""What the communication of a training step follows from: its collectives, and what compute hides of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hwmodel.ops import log, maximum, sqrt
from hwmodel.physics import collectives, layer_communication, training
from hwmodel.physics.stages import data_ranks
from hwmodel.report.explain.parts import repeated, stack
from hwmodel.report.explain.rerun import Rerun
from hwmodel.report.explain.rule import Fact, Rule, by
from hwmodel.specs.kernels import Network

OTHER = ("torus", "mesh", "bus_sharing")  # of a network; where one is set the closed form is another


def tensor(step: Rerun) -> Rule:
    """Gathers and scatters of tensor parallelism in the layers of a step."""

    def run(micro_batches: Any, layers: Any, forward_s: Any, backward_s: Any, again: Any) -> Any:
        return micro_batches * layers * (forward_s + backward_s + again * forward_s)

    t = step.times
    forward = Fact(value=float(t.tp_f), source="of a layer, exposed", rule=_pairs(step, float(t.tp_f)))
    return by(
        layer_communication.tensor_parallel, run, **repeated(step), forward_s=forward,
        backward_s=Fact(value=float(t.tp_b), source="of a layer, exposed: the same again"),
        again=Fact(value=float(step.again.network), source="share that recomputation repeats"),
    )  # fmt: skip


def _pairs(step: Rerun, exposed: float) -> Rule | None:
    """A gather and a scatter (or an all-reduce) for attention and for the network, less what products hide."""
    tp, net = float(step.layout.tp), step.machine.network
    if tp <= 1.0:
        return None
    size = step.tokens * float(step.run.shape.d_model) * float(step.precision.residual_bytes)
    near = min(tp, float(net.domain))
    if float(step.layout.sequence_parallel) > 0:
        one = 2.0 * float(collectives.all_gather_s(size, tp, near, net))
        said, rule = "an all-gather and a reduce-scatter", _twice(_gather(step, size, tp, near))
    else:
        one, said, rule = float(collectives.all_reduce_s(size, tp, near, net)), "an all-reduce", None
    slower = float(layer_communication.slower_network(tp / near, step.stack)) if tp > near else 1.0
    hidden = 1.0 - float(step.stack.tp_overlap)

    def run(exchange_s: Any, pairs: Any, slower: Any, tp_overlap: Any) -> Any:
        return exchange_s * pairs * slower * (1.0 - tp_overlap)

    words = f"{said} of {size / 1e6:,.1f} MB over {tp:g} ranks"
    return by(
        layer_communication.tensor_parallel, run, exchange_s=Fact(value=one, source=words, rule=rule),
        pairs=Fact(value=exposed / (one * slower * hidden) if hidden > 0 else 0.0, source="of a layer"),
        slower=Fact(value=slower, source="between scale-up domains (1: inside one)"),
        tp_overlap=stack(step, "tp_overlap"),
    )  # fmt: skip


def _twice(one: Rule | None) -> Rule | None:
    """A gather and a scatter of the same size take the same time."""
    return None if one is None else by(collectives.reduce_scatter_s, lambda **x: 2.0 * one.run(**x), **one.inputs)


def _gather(step: Rerun, size: float, ranks: float, near: float) -> Rule | None:
    """An all-gather in its closed form; None on a network whose links are meshes, tori or a shared bus."""
    net = step.machine.network
    if any(float(getattr(net, name)) for name in OTHER) or ranks > float(net.pod):
        return None

    def run(size_bytes: Any, ranks_inside: Any, domains: Any, **c: Any) -> Any:
        inside = size_bytes * (ranks_inside - 1.0) / ranks_inside
        rate = c["link_bytes_per_s"] * c["link_efficiency"] * (1.0 - c["pair_loss"] / maximum(ranks_inside**2, 4.0))
        near_s = collectives._pass_s(inside, rate, c["link_ramp_s"])
        latency = c["link_latency_s"] + c["link_rank_latency_s"] * (ranks_inside - 1.0)
        if ranks == near:
            return latency + near_s
        across = size_bytes / ranks_inside * (domains - 1.0) / domains
        far_s = collectives._pass_s(across, c["nic_bytes_per_s"] * c["nic_efficiency"], c["nic_ramp_s"])
        far_latency = c["nic_latency_s"] + c["nic_rank_latency_s"] * log(maximum(domains, 1.0)) / math.log(2.0)
        return latency + far_latency + maximum(near_s, far_s)

    names = [name for name in Network.__struct_fields__ if name.startswith(("link_", "nic_", "pair_"))]
    constants = {name: Fact(value=float(getattr(net, name)), source=f"network constants of {step.machine.part}")
                 for name in names}  # fmt: skip
    return by(
        collectives.all_gather_s, run, size_bytes=Fact(value=size, source="the whole buffer"),
        ranks_inside=Fact(value=near, source="ranks in one scale-up domain"),
        domains=Fact(value=ranks / near, source="scale-up domains"), **constants,
    )  # fmt: skip


def context(step: Rerun) -> Rule:
    """Keys and values round the ring, where attention does not hide them."""

    def run(micro_batches: Any, layers: Any, forward_s: Any, backward_s: Any, again: Any) -> Any:
        return micro_batches * layers * (forward_s + backward_s + again * forward_s)

    t = step.times
    ring = f"keys and values round {float(step.layout.cp):g} ranks, a layer, less what attention hides"
    return by(
        layer_communication.context_parallel, run, **repeated(step), forward_s=Fact(value=float(t.cp_f), source=ring),
        backward_s=Fact(value=float(t.cp_b), source=f"twice the bytes: {ring}"),
        again=Fact(value=float(step.again.attention), source="share that recomputation repeats"),
    )  # fmt: skip


def experts(step: Rerun) -> Rule:
    """Dispatch and combine, and what is exposed of them."""
    t, again = step.times, float(step.again.experts)
    exposed = float(step.micro.ep) / float(step.micro.layers)
    whole = float(t.ep_f) * (1.0 + again) + float(t.ep_b)

    def run(micro_batches: Any, layers: Any, whole_s: Any, exposed_share: Any) -> Any:
        return micro_batches * layers * whole_s * exposed_share

    def layer_s(forward_s: Any, backward_s: Any, again: Any) -> Any:
        return forward_s * (1.0 + again) + backward_s

    said = f"dispatch and combine over {float(step.layout.ep):g} ranks, a layer"
    both = by(
        layer_communication.expert_parallel, layer_s, forward_s=Fact(value=float(t.ep_f), source=said),
        backward_s=Fact(value=float(t.ep_b), source=said),
        again=Fact(value=again, source="share that recomputation repeats"),
    )  # fmt: skip
    hides = "what another micro-batch's compute does not hide (1: the schedule hides nothing)"
    return by(
        training._expert_traffic_s, run, **repeated(step), whole_s=Fact(value=whole, source=said, rule=both),
        exposed_share=Fact(value=exposed / whole if whole else 0.0, source=hides),
    )  # fmt: skip


def transfers(step: Rerun) -> Rule:
    """Activations and gradients between stages."""
    lay, s = step.layout, step.stack
    count = 2.0 * step.micro_batches * float(lay.vpp) * (1.0 - float(s.pp_overlap)) + 2.0 * (float(lay.pp) - 1.0)
    total = float(step.one.step.pp_transfer_s)

    def run(one_s: Any, micro_batches: Any, vpp: Any, pp: Any, pp_overlap: Any) -> Any:
        return one_s * (2.0 * micro_batches * vpp * (1.0 - pp_overlap) + 2.0 * (pp - 1.0))

    size = step.tokens * float(step.run.shape.d_model) * float(step.precision.residual_bytes) / float(lay.tp)
    said = f"{size / 1e6:,.1f} MB from a stage to the next"
    return by(
        training._transfer_s, run, one_s=Fact(value=total / count, source=said), vpp="layout.vpp", pp="layout.pp",
        micro_batches=repeated(step)["micro_batches"], pp_overlap=stack(step, "pp_overlap"),
    )  # fmt: skip


def data(step: Rerun) -> Rule:
    """Gradients reduced and weights gathered, less the window of compute that hides them."""
    args = (step.run.shape, step.run.machine, step.precision, step.layout, step.stack, step.shard, step.micro)
    d = training.data_parallel(*args, step.micro_batches, step.trainable)
    ranks, lay = float(data_ranks(step.layout)[0]), step.layout
    each = "in each micro-batch, layer by layer" if float(lay.zero) > 2.5 else "in a step"
    kind = f"gradients reduced and weights gathered over {ranks:g} ranks (ZeRO {float(lay.zero):g}) {each}"
    if float(lay.zero) < 0.5:
        kind = f"gradients all-reduced over {ranks:g} ranks in a step"

    def run(volume_s: Any, window_s: Any, never_hidden: Any, times: Any) -> Any:
        hidden, edge = volume_s - window_s, 0.1 * volume_s
        soft = 0.5 * (hidden + sqrt(hidden * hidden + edge * edge)) * (1.0 - never_hidden)
        return (never_hidden * volume_s + soft) * times

    return by(
        training.data_parallel, run, volume_s=Fact(value=float(d.volume_s), source=kind),
        window_s=_window(step, float(d.window_s)),
        never_hidden=Fact(value=float(d.floor), source=f"share, dp_floor of stack {step.stack.id}"),
        times=Fact(value=float(d.times), source="a step"),
    )  # fmt: skip


def _window(step: Rerun, value: float) -> Fact:
    """The share of a micro-batch (or of its backward pass) under which the exchange runs."""
    s, sharded = step.stack, float(step.layout.zero) > 2.5
    if not sharded:
        of, words = float(step.micro.backward), "the backward pass of a micro-batch on the slowest stage"
        name = "zero_overlap" if float(step.layout.zero) > 0.5 and float(s.zero_overlap) > -0.5 else "dp_overlap"
    else:
        of, words, name = float(step.micro.total), "a micro-batch on the slowest stage", "fsdp_overlap"

    def run(overlap: Any, compute_s: Any) -> Any:
        return overlap * compute_s

    rule = by(training.data_parallel, run, overlap=stack(step, name), compute_s=Fact(value=of, source=words))
    return Fact(value=value, source="of compute that may hide it", rule=rule)


EXCHANGES: dict[str, Callable[[Rerun], Rule]] = {
    "tp_s": tensor, "cp_s": context, "ep_s": experts, "pp_transfer_s": transfers, "dp_exposed_s": data,
}  # fmt: skip
