"""What each term of a training step follows from: micro-batches, layers, and the kernels of one layer."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from hwmodel.catalog.stacks import search_optimism
from hwmodel.ops import Num, minimum
from hwmodel.physics import formulas, kernels, layer, micro_batch, schedule, training
from hwmodel.physics.recomputed import recomputed
from hwmodel.predict.optimism import SPLITS, added_by_search, search_factor_of, with_search
from hwmodel.report.explain.answered import Answered
from hwmodel.report.explain.exchanges import EXCHANGES
from hwmodel.report.explain.parts import micro_batches, repeated, stack
from hwmodel.report.explain.products import products
from hwmodel.report.explain.rerun import Rerun
from hwmodel.report.explain.rule import Fact, Rule, by
from hwmodel.specs import StepTerms
from hwmodel.specs.kernels import MemoryConstants
from hwmodel.specs.layout import schedule_word


def step_rule(found: Answered, step: Rerun, name: str) -> Rule | None:
    """The rule of a term of the step; None where it is nothing, or one formula does not give it."""
    if name == "jitter_s":
        return _jitter(found, step)
    if name == "search_s":
        return _search(found)
    own = TERMS.get(name)
    return own(step) if own is not None and found.value(f"step.{name}") else None


def _levelled(micro_batches: Num, layers: Num, forward_s: Num, backward_s: Num, level: Num) -> Num:
    return micro_batches * layers * formulas.levelled(forward_s, backward_s, level)


def _gemm(step: Rerun) -> Rule:
    forward, backward = products(step)
    return by(formulas.levelled, _levelled, **repeated(step), forward_s=forward, backward_s=backward,
              level=stack(step, "level"))  # fmt: skip


def _attention(step: Rerun) -> Rule:
    t = step.times
    heads = max(float(block.n_heads) for block in step.run.shape.blocks)
    said = f"causal attention of {heads:g} heads (TP {float(step.layout.tp):g}) over {step.tokens:,.0f} tokens, a layer"
    return by(
        layer.attention_s, _levelled, **repeated(step), forward_s=Fact(value=float(t.attention_f), source=said),
        backward_s=Fact(value=float(t.attention_b), source=f"five products instead of two; {said}"),
        level=stack(step, "level"),
    )  # fmt: skip


def _memory(step: Rerun) -> Rule:
    def run(micro_batches: Num, layers: Num, forward_s: Num, backward_s: Num, accumulate_s: Num) -> Num:
        return micro_batches * layers * formulas.passes_s(forward_s, backward_s, accumulate_s)

    said = "norms, residuals, rotary embedding, activation, permutation of a layer"
    return by(
        layer.traffic_s, run, **repeated(step), forward_s=Fact(value=float(step.times.memory_f), source=said),
        backward_s=Fact(value=float(step.times.memory_b), source=f"twice the bytes: {said}"),
        accumulate_s=_accumulate(step),
    )  # fmt: skip


def _accumulate(step: Rerun) -> Fact:
    """Adding a layer's gradients to their accumulator."""
    width = float(micro_batch.gradient_bytes(step.precision, step.stack))
    size = (float(step.shard.layer), width, float(step.stack.accumulate_passes))
    value = float(formulas.accumulate_s(*size, step.machine.memory)) * step.trainable

    def run(params: Num, gradient_bytes: Num, passes: Num, trainable: Num, **constants: Num) -> Num:
        return trainable * formulas.accumulate_s(params, gradient_bytes, passes, _memory_constants(**constants))

    rule = by(
        formulas.accumulate_s, run, params=Fact(value=float(step.shard.layer), source="of a layer on one rank"),
        gradient_bytes=Fact(value=width, source="bytes of a gradient in the accumulator"),
        passes=stack(step, "accumulate_passes"),
        trainable=Fact(value=step.trainable, source="share of the parameters that are trained"), **memory(step),
    )  # fmt: skip
    return Fact(value=value, source="gradients added to their accumulator, a layer", rule=rule)


def memory(step: Rerun) -> dict[str, Fact]:
    """Constants of what only moves bytes."""
    said = f"memory constants of {step.machine.part}"
    return {one: Fact(value=float(getattr(step.machine.memory, one)), source=said)
            for one in ("hbm_bytes_per_s", "hbm_fraction")}  # fmt: skip


def _launch(step: Rerun) -> Fact:
    return Fact(value=float(step.machine.memory.launch_s), source=f"memory constants of {step.machine.part}")


def _memory_constants(launch_s: Num = 0.0, **constants: Num) -> MemoryConstants:
    return MemoryConstants(launch_s=launch_s, **constants)


def _moved_s(size_bytes: Num, **constants: Num) -> Num:
    return kernels.memory_bound_s(size_bytes, _memory_constants(**constants))


def _casts(step: Rerun) -> Rule:
    def run(micro_batches: Num, layers: Num, forward_s: Num, backward_s: Num, widen_s: Num) -> Num:
        return micro_batches * layers * formulas.passes_s(forward_s, backward_s, widen_s)

    widen = float(micro_batch.widen_s(step.shard, step.precision, step.machine, step.again))
    return by(
        layer.casts_s, run, **repeated(step),
        forward_s=Fact(value=float(step.times.cast_f), source="inputs and weights of a layer, cast and scaled"),
        backward_s=Fact(value=float(step.times.cast_b), source="gradients of a layer, cast and scaled"),
        widen_s=Fact(value=widen, source="narrow weights widened before their products"),
    )  # fmt: skip


def _logits(step: Rerun) -> Rule:
    def run(micro_batches: Num, products_s: Num, level: Num, loss_s: Num) -> Num:
        return micro_batches * formulas.at_level(products_s, level, loss_s)

    vocabulary = float(step.run.shape.vocab)
    said = f"logits of {step.tokens:,.0f} tokens over {vocabulary:,.0f} words, forward and backward"
    loss = by(
        layer.loss_s, _moved_s, launch_s=_launch(step), **memory(step),
        size_bytes=Fact(
            value=float(layer.loss_bytes(step.run.shape, step.tokens, step.layout.tp)),
            source="fp32 logits written, read twice, their gradient written and read in 16 bits",
        ),
    )  # fmt: skip
    return by(
        layer.head_s, run, micro_batches=micro_batches(step),
        products_s=Fact(value=float(step.times.head_s), source=said), level=stack(step, "level"),
        loss_s=Fact(value=float(step.times.loss_s), source="bytes of the loss of a micro-batch", rule=loss),
    )  # fmt: skip


def _again(step: Rerun) -> Rule:
    def run(micro_batches: Num, layers: Num, products_s: Num, level: Num, bytes_s: Num) -> Num:
        return micro_batches * layers * formulas.at_level(products_s, level, bytes_s)

    return by(
        recomputed, run, **repeated(step), level=stack(step, "level"),
        products_s=Fact(value=float(step.again.products_s), source="products and attention computed again, a layer"),
        bytes_s=Fact(value=float(step.again.bytes_s), source="casts and memory traffic that come again, a layer"),
    )  # fmt: skip


def _bubble(step: Rerun) -> Rule:
    """Idle seconds of the schedule; under 1F1B its micro-batches of the mean stage."""
    lay, micro = step.layout, step.micro
    of = "a micro-batch on the mean stage"

    def run(bubble: Num, idle_s: Num) -> Num:
        return bubble * idle_s

    def idle(pp: Num, vpp: Num, micro_batches: Num, stage_s: Num, backward_s: Num, weights_s: Num) -> Num:
        plain = msgspec.structs.replace(lay, pp=pp, vpp=vpp)
        return schedule.bubble_s(plain, micro_batches, stage_s, backward_s, weights_s)

    seconds = float(
        schedule.bubble_s(lay, step.micro_batches, micro.mean_stage, micro.mean_backward, micro.mean_weights)
    )
    rule = by(
        schedule.bubble_s, idle, pp="layout.pp", vpp="layout.vpp", micro_batches=micro_batches(step),
        stage_s=Fact(value=float(micro.mean_stage), source=f"{of}, all its terms together"),
        backward_s=Fact(value=float(micro.mean_backward), source=f"of it the backward pass: {of}"),
        weights_s=Fact(value=float(micro.mean_weights), source=f"of it the gradients of weights: {of}"),
    )  # fmt: skip
    plainly = float(lay.schedule) == 0.0  # other schedules choose between cases: their value alone is shown
    said = f"what {schedule_word(lay)} leaves idle"
    return by(
        training.step, run, bubble=stack(step, "bubble"),
        idle_s=Fact(value=seconds, source=said, rule=rule if plainly else None),
    )  # fmt: skip


def _owned(step: Rerun) -> Fact:
    """Parameters whose optimizer states one rank holds."""
    owned = float(training.owned_params(step.run.shape, step.layout, step.stack, step.shard))
    return Fact(value=owned * step.trainable, source="whose states one rank holds")


def _optimizer(step: Rerun) -> Rule:
    p = step.precision
    width = float(training.optimizer_bytes(p))

    def run(owned_params: Num, bytes_per_param: Num, on_device: Num, **constants: Num) -> Num:
        return formulas.optimizer_s(owned_params, bytes_per_param, on_device, _memory_constants(**constants))

    return by(
        formulas.optimizer_s, run, launch_s=_launch(step), **memory(step),
        owned_params=_owned(step),
        bytes_per_param=Fact(value=width, source=f"states read and written, gradients read, weights written: {p.id}"),
        on_device=Fact(value=1.0 - float(step.layout.offload_optimizer), source="share that is not on the host"),
    )  # fmt: skip


def _offload(step: Rerun) -> Rule:
    """What the host link and the host's cores make a step wait for."""
    lay, s, p = step.layout, step.stack, step.precision
    saved = float(training.saved_bytes(step.run.shape, p, lay, step.workload, s))

    def run(
        activations: Num, micro_batches: Num, saved_bytes: Num, host_link_bytes_per_s: Num, compute_s: Num,
        optimizer: Num, owned_params: Num, bytes_per_param: Num, host_adam_params_per_s: Num,
    ) -> Num:  # fmt: skip
        """Seconds of both waits, each by the formula of the physics."""
        link, rate = host_link_bytes_per_s, host_adam_params_per_s
        waits = formulas.activations_wait_s(activations, micro_batches, saved_bytes, link, compute_s)
        return waits + formulas.host_optimizer_s(optimizer, owned_params, bytes_per_param, link, rate)

    link = Fact(value=float(step.machine.host_link_bytes_per_s), source=f"host link of {step.machine.part}")
    return by(
        training.offload_s, run, micro_batches=micro_batches(step), host_link_bytes_per_s=link,
        activations=Fact(value=float(lay.offload_activations), source="1 where they wait in host memory"),
        optimizer=Fact(value=float(lay.offload_optimizer), source="1 where its states are on the host"),
        saved_bytes=Fact(value=saved, source="activations that a micro-batch leaves"), owned_params=_owned(step),
        compute_s=Fact(value=float(step.micro.total), source="a micro-batch on the slowest stage"),
        bytes_per_param=Fact(value=float(p.gradient_bytes + p.weight_bytes), source="gradients out, weights back"),
        host_adam_params_per_s=stack(step, "host_adam_params_per_s"),
    )  # fmt: skip


def _host(step: Rerun) -> Rule:
    def run(micro_batches: Num, layers: Num, layer_s: Num, step_s: Num) -> Num:
        return micro_batches * layers * layer_s + step_s

    m = step.micro
    one = Fact(
        value=float(m.host) / float(m.layers) if float(m.layers) else 0.0, rule=_host_layer(step),
        source="what launches add to a layer: the longer of host and device, and a part of the shorter",
    )  # fmt: skip
    return by(micro_batch.host_adds_s, run, **repeated(step), layer_s=one, step_s=stack(step, "step_s"))


def _host_layer(step: Rerun) -> Rule:
    """The host beside the device in one layer."""
    tp, pp = float(step.layout.tp), float(step.layout.pp)
    pipeline = float(step.stack.host_pipeline) if tp > 1.0 and pp > 1.0 else 1.0

    def run(
        device_s: Num, launches: Num, host_op_s: Num, host_tensor: Num, tp: Num, pipeline: Num, host_mixed: Num
    ) -> Num:
        host = formulas.host_s(launches, host_op_s, host_tensor, tp, pipeline)
        return formulas.launch_wait_s(device_s, host, host_mixed)

    host: dict[str, str | Fact] = {
        "launches": Fact(value=float(step.micro.launches), source="kernels of a layer, forward and backward"),
        "pipeline": Fact(value=pipeline, source=f"stack {step.stack.id}: tensor and pipeline parallelism together"),
        "tp": "layout.tp", **{name: stack(step, name) for name in ("host_op_s", "host_tensor")},
    }  # fmt: skip
    if float(step.stack.launch_blocking) > 0:
        return by(micro_batch.host_adds_s, formulas.host_s, **host)
    return by(
        micro_batch.host_adds_s, run,
        device_s=Fact(value=float(step.micro.layer_device), source="a layer on the device"),
        host_mixed=stack(step, "host_mixed"), **host,
    )  # fmt: skip


def _before(found: Answered, *last: str) -> list[str]:
    """The terms that there are, but for the last ones."""
    return [name for name in StepTerms.__struct_fields__ if name not in last and found.value(f"step.{name}")]


def _jitter(found: Answered, step: Rerun) -> Rule | None:
    """What the slowest of many nodes adds to all terms before it."""
    if not found.value("step.jitter_s"):
        return None
    before = _before(found, "jitter_s", "search_s")
    spanned = float(minimum(training.nodes(step.layout, step.machine), step.stack.jitter_nodes))

    def run(jitter: Num, domains: Num, **terms: Num) -> Num:
        return sum(terms.values()) * formulas.slowest(jitter, domains)

    domains = Fact(value=spanned, source="scale-up domains of the fleet, at most those of a stack's jitter_nodes")
    return by(training.jitter, run, jitter=stack(step, "jitter"), domains=domains,
              **{name: f"step.{name}" for name in before})  # fmt: skip


def _search(found: Answered) -> Rule | None:
    """What a layout that a search chose is slower by, from the share of its sizes that were open."""
    before = _before(found, "search_s")
    total = sum(found.value(f"step.{name}") or 0.0 for name in before)
    added = found.value("step.search_s")
    if not added or total <= 0.0:
        return None
    share = math.log1p(added / total) / search_optimism()

    def run(optimism: Num, open_share: Num, **terms: Num) -> Num:
        return added_by_search(sum(terms.values()), search_factor_of(optimism, open_share))

    said = f"of {', '.join(SPLITS)}, those that the question left open or took from a search"
    return by(
        with_search, run,
        optimism=Fact(value=search_optimism(), source="catalogs/calibrations/searched.yaml: a logarithm of seconds"),
        open_share=Fact(value=round(3.0 * share) / 3.0, source=said), **{name: f"step.{name}" for name in before},
    )  # fmt: skip


TERMS: dict[str, Callable[[Rerun], Rule]] = {
    "gemm_s": _gemm, "attention_s": _attention, "memory_bound_s": _memory, "cast_s": _casts, "logits_s": _logits,
    "recompute_s": _again, "pp_bubble_s": _bubble, "optimizer_s": _optimizer, "offload_s": _offload, "host_s": _host,
    **EXCHANGES,
}  # fmt: skip
