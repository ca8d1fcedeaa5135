"""What the communication of a training step follows from: its collectives, and what compute hides of them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hwmodel.ops import Num
from hwmodel.physics import collectives, formulas, layer_communication, micro_batch, training
from hwmodel.physics.data_parallel import data_parallel
from hwmodel.physics.stages import data_ranks
from hwmodel.report.explain.parts import repeated, stack
from hwmodel.report.explain.rerun import Rerun
from hwmodel.report.explain.rule import Fact, Rule, by


def _with_again(micro_batches: Num, layers: Num, forward_s: Num, backward_s: Num, again: Num) -> Num:
    return micro_batches * layers * formulas.with_again(forward_s, backward_s, again)


def tensor(step: Rerun) -> Rule:
    """Gathers and scatters of tensor parallelism in the layers of a step."""
    t = step.times
    forward = Fact(value=float(t.tp_f), source="of a layer, exposed", rule=_pairs(step, float(t.tp_f)))
    return by(
        layer_communication.tensor_parallel, _with_again, **repeated(step), forward_s=forward,
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

    def run(exchange_s: Num, pairs: Num, slower: Num, tp_overlap: Num) -> Num:
        return formulas.tensor_exposed_s(exchange_s, slower, pairs, tp_overlap)

    words = f"{said} of {size / 1e6:,.1f} MB over {tp:g} ranks"
    return by(
        layer_communication.tensor_parallel, run, exchange_s=Fact(value=one, source=words, rule=rule),
        pairs=Fact(value=exposed / (one * slower * hidden) if hidden > 0 else 0.0, source="of a layer"),
        slower=Fact(value=slower, source="between scale-up domains (1: inside one)"),
        tp_overlap=stack(step, "tp_overlap"),
    )  # fmt: skip


def _twice(one: Rule) -> Rule:
    """A gather and a scatter of the same size take the same time."""
    return by(collectives.reduce_scatter_s, lambda **x: 2.0 * one.run(**x), **one.inputs)


def _gather(step: Rerun, size: float, ranks: float, near: float) -> Rule:
    """An all-gather, from what its group of ranks costs and what is sent."""
    net = step.machine.network
    among = collectives.group(ranks, near, net)
    of = f"network constants of {step.machine.part}"

    def run(size_bytes: Num, link_ramp_s: Num, nic_ramp_s: Num, **group: Num) -> Num:
        ramps = msgspec.structs.replace(net, link_ramp_s=link_ramp_s, nic_ramp_s=nic_ramp_s)
        return collectives.gather_s(size_bytes, collectives.Group(**group), ramps)

    said = {
        "inside": "ranks in one scale-up domain", "domains": "scale-up domains",
        "latency_s": f"of {ranks:g} ranks, {of}", "link_bytes_per_s": f"that a rank can use inside, {of}",
        "nic_bytes_per_s": f"that a rank can use between domains, {of}",
    }  # fmt: skip
    facts = {name: Fact(value=float(getattr(among, name)), source=words) for name, words in said.items()}
    ramps = {name: Fact(value=float(getattr(net, name)), source=of) for name in ("link_ramp_s", "nic_ramp_s")}
    return by(
        collectives.gather_s, run, size_bytes=Fact(value=size, source="the whole buffer"), **facts, **ramps,
    )  # fmt: skip


def context(step: Rerun) -> Rule:
    """Keys and values round the ring, where attention does not hide them."""
    t = step.times
    ring = f"keys and values round {float(step.layout.cp):g} ranks, a layer, less what attention hides"
    return by(
        layer_communication.context_parallel, _with_again, **repeated(step),
        forward_s=Fact(value=float(t.cp_f), source=ring),
        backward_s=Fact(value=float(t.cp_b), source=f"twice the bytes: {ring}"),
        again=Fact(value=float(step.again.attention), source="share that recomputation repeats"),
    )  # fmt: skip


def experts(step: Rerun) -> Rule:
    """Dispatch and combine, and what is exposed of them."""
    t, again = step.times, float(step.again.experts)
    exposed = float(step.micro.ep) / float(step.micro.layers)
    whole = float(formulas.with_again(t.ep_f, t.ep_b, again))

    def run(micro_batches: Num, layers: Num, whole_s: Num, exposed_share: Num) -> Num:
        return micro_batches * layers * whole_s * exposed_share

    said = f"dispatch and combine over {float(step.layout.ep):g} ranks, a layer"
    both = by(
        layer_communication.expert_parallel, formulas.with_again, forward_s=Fact(value=float(t.ep_f), source=said),
        backward_s=Fact(value=float(t.ep_b), source=said),
        again=Fact(value=again, source="share that recomputation repeats"),
    )  # fmt: skip
    hides = "what another micro-batch's compute does not hide (1: the schedule hides nothing)"
    return by(
        micro_batch.expert_traffic_s, run, **repeated(step), whole_s=Fact(value=whole, source=said, rule=both),
        exposed_share=Fact(value=exposed / whole if whole else 0.0, source=hides),
    )  # fmt: skip


def transfers(step: Rerun) -> Rule:
    """Activations and gradients between stages."""
    lay, s = step.layout, step.stack
    count = float(formulas.transfers(step.micro_batches, lay.vpp, lay.pp, s.pp_overlap))
    total = float(step.one.step.pp_transfer_s)

    def run(one_s: Num, micro_batches: Num, vpp: Num, pp: Num, pp_overlap: Num) -> Num:
        return one_s * formulas.transfers(micro_batches, vpp, pp, pp_overlap)

    size = step.tokens * float(step.run.shape.d_model) * float(step.precision.residual_bytes) / float(lay.tp)
    said = f"{size / 1e6:,.1f} MB from a stage to the next"
    return by(
        training.transfer_s, run, one_s=Fact(value=total / count, source=said), vpp="layout.vpp", pp="layout.pp",
        micro_batches=repeated(step)["micro_batches"], pp_overlap=stack(step, "pp_overlap"),
    )  # fmt: skip


def data(step: Rerun) -> Rule:
    """Gradients reduced and weights gathered, less the window of compute that hides them."""
    args = (step.run.shape, step.run.machine, step.precision, step.layout, step.stack, step.shard, step.micro)
    d = data_parallel(*args, step.micro_batches, step.trainable)
    ranks, lay = float(data_ranks(step.layout)[0]), step.layout
    each = "in each micro-batch, layer by layer" if float(lay.zero) > 2.5 else "in a step"
    kind = f"gradients reduced and weights gathered over {ranks:g} ranks (ZeRO {float(lay.zero):g}) {each}"
    if float(lay.zero) < 0.5:
        kind = f"gradients all-reduced over {ranks:g} ranks in a step"

    def run(volume_s: Num, window_s: Num, never_hidden: Num, times: Num) -> Num:
        return formulas.exposed_s(volume_s, window_s, never_hidden, times)

    return by(
        data_parallel, run, volume_s=Fact(value=float(d.volume_s), source=kind),
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

    def run(overlap: Num, compute_s: Num) -> Num:
        return overlap * compute_s

    rule = by(data_parallel, run, overlap=stack(step, name), compute_s=Fact(value=of, source=words))
    return Fact(value=value, source="of compute that may hide it", rule=rule)


EXCHANGES: dict[str, Callable[[Rerun], Rule]] = {
    "tp_s": tensor, "cp_s": context, "ep_s": experts, "pp_transfer_s": transfers, "dp_exposed_s": data,
}  # fmt: skip
