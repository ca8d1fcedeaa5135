"""Passes of one engine instance that the regimes are made of: memory, decode steps, mixed steps, prefills."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, maximum, minimum, where
from hwmodel.physics.columns import anywhere
from hwmodel.physics.serving import (
    bulk_prompt_s,
    cache_transfer_s,
    decode_terms,
    first_pass_s,
    memory,
    mixed_terms,
    prefill_s,
    prefill_terms,
    sequences_that_fit,
    step_budget,
)
from hwmodel.physics.serving_memory import pool_ends
from hwmodel.predict.service.setting import ServiceSetting, Worker
from hwmodel.specs.serving import DecodeTerms, EnginePasses, ServingLoad, ServingMemory
from hwmodel.specs.shape import Shape


def held(setting: ServiceSetting) -> ServingMemory:
    """Memory of one accelerator of a worker that decodes."""
    w = setting.worker
    return memory(setting.shape, w.formats, w.layout, setting.load, w.engine, w.machine.hbm_bytes)


def room(setting: ServiceSetting) -> Num:
    """Requests whose cache one engine instance holds at once; below one where not even one fits."""
    return sequences_that_fit(held(setting), setting.load, setting.worker.layout, setting.worker.engine)


def room_ends(setting: ServiceSetting) -> tuple[Num, Num, Num]:
    """`room`, and the ends of its 80 % interval."""
    w, of = setting.worker, held(setting)
    middle, low, high = (
        sequences_that_fit(msgspec.structs.replace(of, kv_pool_bytes=pool), setting.load, w.layout, w.engine)
        for pool in (of.kv_pool_bytes, *pool_ends(of, w.machine.hbm_bytes))
    )
    return middle, low, high


def capacity(setting: ServiceSetting) -> Num:
    """Requests that one engine instance runs at once: those that fit, at most the engine's ceiling on each rank."""
    w = setting.worker
    return maximum(minimum(room(setting), w.engine.max_running * w.layout.dp), 1.0)


def most_prompts(setting: ServiceSetting) -> Num:
    """Prompts that the ranks and stages of one engine instance take in while each request gains a step's tokens."""
    w = setting.worker
    new = setting.load.new_tokens
    return step_budget(w.engine, new) / new * w.layout.dp * w.layout.pp


def decoding(setting: ServiceSetting, running: Num, before: Num = 0.0) -> Num:
    """Of `running` requests those that decode at once: each waits `before` steps for its first token, prompts come in
    no faster than steps take them, and the first token of each comes with its prompt."""
    output, gain = setting.load.output_tokens, setting.gain
    later = maximum(output - 1.0, 0.0)
    beside = running * output / (output + before * gain)
    return maximum(minimum(beside, later * most_prompts(setting) / gain), 1.0)


def step_terms(setting: ServiceSetting, running: Num) -> DecodeTerms:
    """Terms of a decode step of `running` requests, without drafting."""
    w = setting.worker
    context = setting.load.mean_context
    return decode_terms(setting.shape, w.machine, w.formats, w.layout, w.engine, running, context, setting.verified)


def step_s(setting: ServiceSetting, running: Num) -> Num:
    """Seconds of a decode step of `running` requests, drafting counted."""
    return step_terms(setting, running).total_s * setting.drafting


def mixed_s(setting: ServiceSetting, running: Num, load: ServingLoad | None = None, prompts: Num = 1.0) -> Num:
    """Seconds of a step that decodes `running` requests and takes in `prompts` prompts on each attention rank."""
    w = setting.worker
    at = (setting.shape, w.machine, w.formats, w.layout, w.engine, running, load or setting.load, prompts)
    return mixed_terms(*at, setting.verified).total_s * setting.drafting


def prompts_together(setting: ServiceSetting, running: Num, before: Num = 0.0) -> Num:
    """Prompts that share a step on each rank and stage: as many as come in a step of `running` requests, each of which
    waits `before` steps for its first token, as far as its budget goes; at least the one that is looked at."""
    layout, gain = setting.worker.layout, setting.gain
    coming = minimum(running * gain / (setting.load.output_tokens + before * gain), most_prompts(setting))
    return maximum(coming / (layout.dp * layout.pp), 1.0)


def first_s(shape: Shape, w: Worker, pass_s: Num, new_tokens: Num) -> Num:
    """Seconds of the passes of `pass_s` in all that compute a first token of `new_tokens`, their host counted."""
    return first_pass_s(shape, w.formats, w.layout, w.engine, pass_s, new_tokens)


def passes(setting: ServiceSetting, running: Num, together: Num | None = None, step: Num | None = None) -> EnginePasses:
    """The passes of one engine instance that decodes `running` requests and prefills between, `together` prompts on
    each rank and stage (as many as come to those that run); `step` is the decode step where it is known."""
    w = setting.worker
    together = prompts_together(setting, running) if together is None else together
    step = step_s(setting, running) if step is None else step
    mixed = mixed_s(setting, running, prompts=together)
    longer = maximum(mixed - step, 0.0)
    apart = w.engine.prefills_apart
    if anywhere(apart > 0):
        alone = prompt_s(setting.shape, w, setting.load, together) * setting.drafting
        mixed, longer = where(apart > 0, alone, mixed), where(apart > 0, maximum(alone, longer), longer)
    service = longer / (together * w.layout.dp * w.layout.pp)
    first = first_s(setting.shape, w, mixed, setting.load.new_tokens)
    return EnginePasses(step_s=step, mixed_s=mixed, first_s=first, service_s=service)


def bulk_s(setting: ServiceSetting, running: Num) -> Num:
    """Seconds that one of many waiting prompts costs, `running` requests decoding beside."""
    w = setting.worker
    at = (setting.shape, w.machine, w.formats, w.layout, w.engine, running, setting.load, setting.verified)
    return bulk_prompt_s(*at) * setting.drafting


def prompt_terms(shape: Shape, w: Worker, load: ServingLoad) -> DecodeTerms:
    """Terms of the pass of one prompt on each attention rank, nothing decoding."""
    return prefill_terms(shape, w.machine, w.formats, w.layout, w.engine, load.new_tokens, load.prompt_tokens)


def prompt_s(shape: Shape, w: Worker, load: ServingLoad, prompts: Num = 1.0) -> Num:
    """Seconds of prefilling `prompts` prompts together on each attention rank, nothing decoding."""
    return prefill_s(shape, w.machine, w.formats, w.layout, w.engine, load.new_tokens, load.prompt_tokens, prompts)


def transfer_s(shape: Shape, w: Worker, load: ServingLoad) -> Num:
    """Seconds in which one prompt's cache leaves a prefill worker."""
    return cache_transfer_s(shape, w.machine, w.formats.kv_bytes, load.prompt_tokens, w.layout.tp)
