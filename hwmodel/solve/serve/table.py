"""All configurations of one model on one part and recipe: layouts times batches, evaluated at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.predict.formats import formats_of
from hwmodel.predict.service import ServiceSetting, Worker, on_layout
from hwmodel.predict.service.arrivals import ArrivalSpread, Decoded, decoded, fitting, places
from hwmodel.predict.service.layouts import layouts, rows_of
from hwmodel.predict.service.passes import room_ends
from hwmodel.predict.service.together import Column, ServiceGroup
from hwmodel.solve.run.band import Band
from hwmodel.solve.serve.question import ServingQuestion, sizes_of
from hwmodel.specs.economics import PriceSummary
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.kernels import Machine
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import Engine, ServingLayout, ServingLoad
from hwmodel.specs.shape import Shape

Index = NDArray[np.intp]


class PartOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A part in a recipe: where it stands, as one engine instance whose layout is open, and its price."""

    part: Part
    system: System
    recipe: ServingPrecision
    setting: ServiceSetting
    tried: ServingLayout  # all layouts, fitting or not
    price: PriceSummary | None = None


class EngineInstance(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine instance is and holds: fields of a `FleetRow`."""

    part: str
    system: str
    precision: str
    tp: float
    pp: float
    dp: float
    ep: float
    accelerators_per_replica: float
    batch: float
    cache_requests: Band  # whose cache it holds at once


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The configurations of one part and recipe that fit, and what each decodes at its batch (`at`)."""

    part: Part
    system: System
    recipe: ServingPrecision
    setting: ServiceSetting  # of one engine instance, its layout open
    tried: ServingLayout  # all layouts, fitting or not
    room: Column  # requests whose cache each of them holds
    at: Decoded
    places: Index | None = None  # of the configurations among all that fit; None: all of these
    price: PriceSummary | None = None

    @property
    def machine(self) -> Machine:
        return self.setting.worker.machine

    @property
    def count(self) -> int:
        return self.at.count


def load_of(question: ServingQuestion, prompt_tokens: float | None = None) -> ServingLoad:
    """The mean load of a question, or that of another prompt; cached prompt tokens are not computed again."""
    prompt = prompt_tokens or question.prompt_tokens
    load = ServingLoad(
        prompt_tokens=prompt, output_tokens=question.output_tokens, cached_tokens=prompt * question.hit_rate
    )
    return load if question.rounds is None else msgspec.structs.replace(load, rounds=question.rounds)


def spread_of(question: ServingQuestion) -> ArrivalSpread:
    """How the requests of a question differ, and the share of them that its limits hold for."""
    tail = question.prompt_tail_tokens
    longer = load_of(question, tail) if tail > question.prompt_tokens else None
    return ArrivalSpread(percentile=question.percentile, prompt_variance=question.prompt_variance, longer=longer)


def setting_of(
    question: ServingQuestion, shape: Shape, machine: Machine, recipe: ServingPrecision, engine: Engine
) -> ServiceSetting:
    """One engine instance under the load and the caps of a question, its layout that of a single accelerator."""
    own = 0.0 if question.step_tokens is not None else None  # what is stated is not widened
    caps = {"max_running": question.max_running, "step_tokens": question.step_tokens, "whole_prompt_tokens": own}
    engine = msgspec.structs.replace(engine, **{name: value for name, value in caps.items() if value is not None})
    worker = Worker(machine=machine, formats=formats_of(shape, recipe), engine=engine, layout=ServingLayout())
    return ServiceSetting(shape=shape, worker=worker, load=load_of(question), drafts=question.speculation)


def offer(
    shape: Shape,
    part: Part,
    system: System,
    machine: Machine,
    recipe: ServingPrecision,
    engine: Engine,
    question: ServingQuestion,
    price: PriceSummary | None = None,
) -> PartOffer:
    """A part and recipe with every layout of the model on it."""
    setting = setting_of(question, shape, machine, recipe, engine)
    tried = layouts(shape, float(machine.network.domain), sizes_of(question))
    return PartOffer(part=part, system=system, recipe=recipe, setting=setting, tried=tried, price=price)


def options(question: ServingQuestion, offers: Sequence[PartOffer], within_s: float = math.inf) -> list[Options]:
    """Every layout and batch that fits, as columns; of those that decode a token within so many seconds."""
    settings, spread = ServiceGroup([o.setting for o in offers]), spread_of(question)
    rooms = places(settings, [o.tried for o in offers])
    found = [fitting(o.setting, o.tried, room, spread) for o, room in zip(offers, rooms, strict=True)]
    return [
        Options(
            part=o.part, system=o.system, recipe=o.recipe, setting=o.setting, tried=o.tried, room=room, at=at,
            price=o.price,
        )
        for o, room, at in zip(offers, rooms, decoded(settings, found, spread, within_s), strict=True)
    ]  # fmt: skip


def engine_instance(o: Options, at: Decoded, i: int) -> EngineInstance:
    """One engine instance of a configuration."""
    one = rows_of(at.layout, i)
    return EngineInstance(
        part=o.part.id, system=o.system.id, precision=o.recipe.id,
        tp=float(one.tp), pp=float(one.pp), dp=float(one.dp), ep=float(one.ep),
        accelerators_per_replica=float(one.accelerators), batch=float(at.batch[i]),
        cache_requests=cache_requests(on_layout(o.setting, one)),
    )  # fmt: skip


def cache_requests(s: ServiceSetting) -> Band:
    """Requests whose cache one engine instance holds at once, with its 80 % interval."""
    middle, low, high = room_ends(s)
    return Band(float(middle), float(low), float(high))


__all__ = [
    "Column",
    "EngineInstance",
    "Options",
    "PartOffer",
    "cache_requests",
    "engine_instance",
    "load_of",
    "offer",
    "options",
    "setting_of",
    "spread_of",
]
