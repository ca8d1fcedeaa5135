"""80 % intervals of serving predictions: one familiarity, for an answer of `serve` and for a row of the board."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np

from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.catalog.stacks import interval_calibration
from hwmodel.ops import Num, maximum, minimum
from hwmodel.physics.columns import anywhere
from hwmodel.physics.intervals import ends
from hwmodel.physics.shape import parameters
from hwmodel.predict.service.passes import prompt_terms, step_terms
from hwmodel.predict.service.setting import CLOSED, OPEN, ServiceSetting
from hwmodel.specs.hardware import Part
from hwmodel.specs.intervals import Ends, Familiarity
from hwmodel.specs.serving import DecodeTerms, ServiceTerms
from hwmodel.specs.shape import Shape

TPOT, TTFT, THROUGHPUT = "tpot", "ttft", "throughput"
NEVER = 3.0  # doublings that a size lies off where no model of its kind was measured on the engine
FARTHEST = 4.0


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """What the runs of a fit covered: the yardstick of familiarity. `sizes`: active parameters by engine and kind;
    `models`: shapes by engine."""

    families: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    engine_parts: frozenset[str] = frozenset()
    layouts: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    sizes: dict[str, tuple[float, ...]] = {}


class ServiceTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What of a serving setting decides how familiar it is.

    `ranks`: whether attention is replicated and whether experts are spread. `searched`: the layout was not stated.
    `strange`: something was never measured (one engine over several scale-up domains, pools whose counts are open, a
    shape made up from a size).
    """

    regime: str
    engine: str
    part: str
    family: str
    mixture: bool
    params: float
    active_params: float
    ranks: tuple[bool, bool] = (False, False)
    searched: bool = False
    strange: bool = False
    cuts: float = 0.0  # doublings of the accelerators that a pass over a prompt is cut over

    @property
    def kind_key(self) -> str:
        """Engine and kind of model, as `Covered.sizes` has them."""
        return f"{self.engine}|{'moe' if self.mixture else 'dense'}"

    @property
    def model_key(self) -> str:
        """Engine and shape, as `Covered.models` has them."""
        return f"{self.engine}|{self.params:.4g}|{self.active_params:.4g}"

    @property
    def engine_part(self) -> str:
        """Engine and part, as `Covered.engine_parts` has them."""
        return f"{self.engine}|{self.part}"

    @property
    def layout_key(self) -> str:
        """Engine, kind, ranks and regime, as `Covered.layouts` has them. Open loops are closed ones at a rate: the same
        passes and queues, and hardly one was published."""
        words = [word for word, used in zip(("dp", "ep"), self.ranks, strict=True) if used]
        return "|".join((self.kind_key, "+".join(words), CLOSED if self.regime == OPEN else self.regime))


def traits_of(
    regime: str, setting: ServiceSetting, engine: str, part: Part, *, made_up: bool = False, searched: bool = False
) -> ServiceTraits:
    """The traits of a setting on `part`."""
    w, shape = setting.worker, setting.shape
    spans = anywhere(w.layout.accelerators > w.machine.network.domain)
    uncounted = setting.prefill is not None and anywhere(setting.prefill_workers * setting.decode_workers <= 0)
    total, active = _sizes(shape)
    reading = setting.prefill or w
    return ServiceTraits(
        regime=regime, engine=engine, part=part.id, family=part.family,
        mixture=any(anywhere(b.n_experts > 0) for b in shape.blocks),
        params=total, active_params=active, ranks=(anywhere(w.layout.dp > 1), anywhere(w.layout.ep > 1)),
        searched=searched, strange=made_up or spans or uncounted, cuts=_cuts(reading.layout.accelerators),
    )  # fmt: skip


def _cuts(accelerators: Num) -> float:
    """Doublings of a count; of a column's largest."""
    return math.log2(max(float(np.max(accelerators)), 1.0))


@cache
def _sizes(shape: Shape) -> tuple[float, float]:
    found = parameters(shape)
    return float(found.total), float(found.active)


def covered_by(runs: list[ServiceTraits]) -> Covered:
    """What the runs of a fit covered."""
    sizes: dict[str, set[float]] = {}
    for run in runs:
        sizes.setdefault(run.kind_key, set()).add(round(run.active_params))
    return Covered(
        families=frozenset(run.family for run in runs),
        parts=frozenset(run.part for run in runs),
        engine_parts=frozenset(run.engine_part for run in runs),
        layouts=frozenset(run.layout_key for run in runs),
        models=frozenset(run.model_key for run in runs),
        sizes={k: tuple(sorted(v)) for k, v in sizes.items()},
    )


class _Shipped(msgspec.Struct, frozen=True, kw_only=True):
    serving_covered: Covered


@cache
def shipped_covered() -> Covered:
    """What the shipped fit covered."""
    return read_calibration(calibrations_dir() / "intervals.yaml", _Shipped).serving_covered


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Shares that doubtful mechanisms have in one quantity, numbers or columns.

    `experts`: their grouped products; `other`: what is no product of matrices (attention, element-wise kernels and the
    gaps between them, collectives, the host), for products are measured best; `queue`: waits for other requests.
    """

    experts: Num = 0.0
    other: Num = 0.0
    queue: Num = 0.0


class Alone(NamedTuple):
    """A decode step of what runs, and the pass of one prompt on each attention rank."""

    step: DecodeTerms
    prompt: DecodeTerms


def _prompt_alone(setting: ServiceSetting) -> DecodeTerms:
    return prompt_terms(setting.shape, setting.prefill or setting.worker, setting.load)


def passes_alone(setting: ServiceSetting, running: Num) -> Alone:
    """The passes that several quantities of one setting are told apart by."""
    return Alone(step_terms(setting, running), _prompt_alone(setting))


def parts_of(setting: ServiceSetting, terms: ServiceTerms, quantity: str, alone: Alone | None = None) -> Parts:
    """Shares of a quantity: of decode steps (of the prompt's pass, for a first token), and what requests wait for one
    another (prompts between tokens; prompts ahead of one's own; the time that a saturated engine spends on them).
    `alone`: the passes, where they are known."""
    if quantity == TTFT:
        waits = 1.0 - minimum(terms.prefill_s / maximum(terms.ttft_s, 1e-12), 1.0)
        return _parts(alone.prompt if alone else _prompt_alone(setting), waits)
    step = alone.step if alone else step_terms(setting, terms.running)
    if quantity == TPOT:
        undelayed = step.total_s * setting.drafting / setting.gain
        return _parts(step, 1.0 - minimum(undelayed / maximum(terms.tpot_s, 1e-12), 1.0))
    return _parts(step, minimum(maximum(terms.utilisation, 0.0), 1.0))


def _parts(step: DecodeTerms, waits: Num) -> Parts:
    """The shares of a pass that stands beside waits."""
    rest = (1.0 - waits) / step.total_s
    return Parts(experts=rest * step.experts_s, other=rest * (step.total_s - step.gemm_s - step.experts_s), queue=waits)


def service_familiarity(traits: ServiceTraits, parts: Parts, covered: Covered) -> Familiarity:
    """What the error of a serving prediction goes by. Distances: doublings of the active parameters from the nearest
    measured model of the kind on the engine; a family of parts, a part, an engine on a part, a layout without measured
    runs; what was searched or strange; of first tokens, over how many accelerators the prompt is cut."""
    sizes = covered.sizes.get(traits.kind_key, ())
    off = min((abs(math.log2(traits.active_params / size)) for size in sizes), default=NEVER)
    return Familiarity(
        known=float(traits.model_key in covered.models),
        shares=msgspec.structs.asdict(parts),
        distances={
            "size": min(off, FARTHEST),
            "family": float(traits.family not in covered.families),
            "part": float(traits.part not in covered.parts),
            "engine_part": float(traits.engine_part not in covered.engine_parts),
            "layout": float(traits.layout_key not in covered.layouts),
            "searched": float(traits.searched),
            "strange": float(traits.strange),
            "cuts": traits.cuts,
        },
    )


def service_ends(
    traits: ServiceTraits, setting: ServiceSetting, terms: ServiceTerms, quantity: str, covered: Covered | None = None,
    alone: Alone | None = None,
) -> Ends:  # fmt: skip
    """Ends of the 80 % interval of one predicted quantity: of seconds, a throughput's too (flip them for the rate)."""
    of = service_familiarity(traits, parts_of(setting, terms, quantity, alone), covered or shipped_covered())
    return ends(of, interval_calibration()[quantity])


def at_rest(
    setting: ServiceSetting, *, running: float, tpot_s: float, ttft_s: float, busy: float, alone: Alone | None = None
) -> ServiceTerms:
    """Terms of a fleet that was chosen from a table: what `parts_of` asks of them."""
    passes = alone or passes_alone(setting, running)
    return ServiceTerms(
        ttft_s=ttft_s, tpot_s=tpot_s, request_s=ttft_s + tpot_s * float(setting.load.output_tokens),
        step_s=float(passes.step.total_s), prefill_s=float(passes.prompt.total_s),
        running=running, waiting=0.0, requests_per_s=0.0, utilisation=busy,
    )  # fmt: skip
