"""What is served by what, and under which load: the setting that every regime of serving takes."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num
from hwmodel.physics.serving import tokens_per_step
from hwmodel.specs.kernels import Machine
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad, Speculation
from hwmodel.specs.shape import Shape

# The regimes: how requests come.
CLOSED, STATIC, SATURATED, OPEN = "closed loop", "static batch", "saturated", "open loop"
AT_ONCE, DISAGGREGATED = "sent at once", "disaggregated"

# Where nothing is stated of drafts: the share of them that is accepted, and what drafting one costs in steps.
ACCEPTANCE, DRAFT_SHARE = 0.7, 0.05


def drafts_of(draft_tokens: Num) -> Speculation:
    """So many drafts a step, nothing else known of them."""
    return Speculation(draft_tokens=draft_tokens, acceptance=ACCEPTANCE, draft_share=DRAFT_SHARE)


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One engine instance: the machine it runs on, in which formats, by which engine, in which layout."""

    machine: Machine
    formats: ServingFormats
    engine: Engine
    layout: ServingLayout


class ServiceSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A model, its workers and their load; every field is a number or a column of numbers.

    `clients` of one engine instance (the batch of a static one, those sent at once) or a `rate` of Poisson arrivals
    [1/s] on one; of disaggregated pools the clients of all. `prefill`: the workers of a pool of their own, on a machine
    and in formats of their own; their cache moves to `worker`. `limited` 1: no request may exceed limits on latency, so
    that the engine is not filled.
    """

    shape: Shape
    worker: Worker
    load: ServingLoad
    clients: Num = 1.0
    rate: Num = 0.0
    drafts: Speculation = Speculation()
    limited: Num = 0.0
    prefill: Worker | None = None
    prefill_workers: Num = 0.0
    decode_workers: Num = 0.0

    @property
    def verified(self) -> Num:
        """Tokens of one sequence that pass the model in a step: one, and the drafts."""
        return 1.0 + self.drafts.draft_tokens

    @property
    def drafting(self) -> Num:
        """Time of a step with its drafts over that of the model alone."""
        return 1.0 + self.drafts.draft_share * self.drafts.draft_tokens

    @property
    def gain(self) -> Num:
        """Tokens that a sequence gains in a step."""
        return tokens_per_step(self.drafts)


def on_layout(setting: ServiceSetting, layout: ServingLayout) -> ServiceSetting:
    """The setting with its workers in another layout (or in a column of layouts)."""
    return msgspec.structs.replace(setting, worker=msgspec.structs.replace(setting.worker, layout=layout))
