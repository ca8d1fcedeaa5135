"""Joint draws of what is uncertain in a plan, and the days, hours, dollars and loss that each draw makes of it.

Every source of doubt has a name; the same name and seed give the same draws, so two plans that share a doubt (the law,
the practice of the team, the market) are compared under the same state of the world.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel import laws
from hwmodel.economics import (
    Z80,
    at_rate,
    elapsed_over_productive,
    goodput,
    quantile_z,
    rent_drawn,
    share_below,
    whole_run_log_spread,
)
from hwmodel.laws.evidence import gap_band
from hwmodel.ops import Num
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.pairs import evidence_kind, loss_gaps
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.run.sizing import LossModel, loss_target, referred_loss
from hwmodel.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from hwmodel.solve.run.solved import Solved

DRAWS = 4096
GRID = 33  # points at which a quantile function without a closed form is computed
MOST_TOKENS_FACTOR = 1e3  # a drawn law may reach the loss with no data at all: dear beyond any limit, but a number
SPAN_Z = 3.5  # and how far out

DOUBTS = ("step", "ratio", "failures", "whole_run", "price", "drift", "law", "format")

Deviates = Mapping[str, Num]


@cache
def _normal_quantiles(count: int) -> NDArray[np.float64]:
    """Midpoints of `count` slices of equal probability of the standard normal, in order."""
    half = np.array([quantile_z((i + 0.5) / count) for i in range(count // 2)])
    return np.concatenate([half, -half[::-1]])


def deviates(name: str, seed: int, count: int = DRAWS) -> NDArray[np.float64]:
    """Standard normal draws of one source of doubt: a Latin hypercube, so that each margin is exact."""
    order = np.random.default_rng((seed, zlib.crc32(name.encode())))
    return order.permutation(_normal_quantiles(count))


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run comes to: a number for each draw."""

    steady_hours: Num  # accelerator-hours that train
    failure_hours: Num  # lost to failures and restarts
    gpu_hours: Num  # billed: those, and what whole runs cost beyond both
    elapsed_days: Num
    cost_usd: Num | None
    loss_nats: Num | None


class Doubt(msgspec.Struct, frozen=True):
    """A source of doubt: `key` names it in this plan and in those that share it, `name` in words."""

    name: str
    key: str


class UncertainRun(msgspec.Struct, frozen=True, kw_only=True):
    """A solved plan as a function of its doubts."""

    setting: Fleeted
    solved: Any  # Solved; any, because records of this kind are not imported at run time
    doubts: tuple[Doubt, ...]
    step_log_sds: tuple[float, float]  # below and above the prediction
    ratio_log_sd: float = 0.0  # of the speed against that of another format, whose step doubt this run shares
    tokens: Callable[[Num], Num] | None = None  # factor on the tokens that reach the loss asked for
    gap: Callable[[Num], Num] | None = None  # share of the loss that the format costs
    loss: Callable[[Num], Num] | None = None

    def outcome(self, at: Deviates) -> Outcome:
        """Hours, days, dollars and loss where each doubt takes the standard normal value (or draws) of `at`."""
        answer, fleet = self.solved.answer, self.solved.fleet
        n, used, size = float(fleet.accelerators), self.solved.used, self.solved.sized.n
        z = {name: at.get(name, 0.0) for name in DOUBTS}
        more = self._tokens_factor(z)
        slower = z["step"] * self._step_log_sd(z["step"]) + z["ratio"] * self.ratio_log_sd
        days = value_of(answer.train_days) * more * np.exp(slower)
        # The interval of the rates of failure is one of 80 %: its end is Z80 standard deviations away.
        share = goodput(float(used), size, at_rate(self.setting.reliability, np.asarray(z["failures"]) / Z80)).goodput
        spread = whole_run_log_spread(float(answer.train_flop), self.setting.whole_run)
        elapsed = days * elapsed_over_productive(share, fleet.whole_run_log_factor(used), z["whole_run"], spread)
        hours = elapsed * 24.0 * n
        price = self.setting.price
        cost = None
        if price is not None:
            cost = rent_drawn(hours, price, elapsed * SECONDS_PER_DAY, z["price"], z["drift"])
        loss = None
        if self.loss is not None:
            loss = self.loss(z["law"]) * (1.0 if self.gap is None else 1.0 + self.gap(z["format"]))
        steady = days * 24.0 * n
        return Outcome(
            steady_hours=steady, failure_hours=steady * (1.0 / share - 1.0), gpu_hours=hours, elapsed_days=elapsed,
            cost_usd=cost, loss_nats=loss,
        )  # fmt: skip

    def _step_log_sd(self, z: Num) -> Num:
        """Standard deviation of the side that a deviate lies on: the doubt of a step reaches further up than down."""
        below, above = self.step_log_sds
        return np.where(np.asarray(z) > 0.0, above, below)

    def _tokens_factor(self, z: Deviates) -> Num:
        return 1.0 if self.tokens is None else np.minimum(self.tokens(z["law"]), MOST_TOKENS_FACTOR)

    def drawn(self, seed: int) -> Outcome:
        """All doubts drawn together."""
        return self.outcome({one.name: deviates(one.key, seed) for one in self.doubts})


def uncertain_run(setting: Fleeted, solved: Solved, model: LossModel) -> UncertainRun:
    """A solved plan with its doubts: the prediction of its step, its law, format, failures, whole runs and price."""
    step = value_of(solved.answer.train_days)
    days = solved.answer.train_days
    sds = (0.0, 0.0)
    if isinstance(days, Band):
        sds = math.log(step / days.low) / Z80, math.log(days.high / step) / Z80
    part, recipe = setting.part.id, setting.precision.id
    doubts = [Doubt("failures", "failures"), Doubt("whole_run", "whole_run")]
    if sds[1] > 0.0:
        doubts.insert(0, Doubt("step", f"step {part} {recipe} {setting.stack.id}"))
    if setting.price is not None and setting.price.how != "given":
        doubts += [Doubt("price", f"price {part} {setting.price.kind}"), Doubt("drift", "drift")]
    tokens, loss, gap = None, None, _format_gap(setting, solved)
    if solved.sized.loss is not None:
        if loss_target(setting.request, model) is not None:
            tokens = _tokens_for_loss(setting, solved, model)
        else:
            loss = _loss(solved, model)
    if tokens is not None or loss is not None:
        doubts.append(Doubt("law", f"law {setting.law.id}"))
    if gap is not None and loss is not None:
        doubts.append(Doubt("format", f"format {evidence_kind(setting.precision)}"))
    return UncertainRun(
        setting=setting, solved=solved, doubts=tuple(doubts), step_log_sds=sds, tokens=tokens, gap=gap, loss=loss
    )  # fmt: skip


def _ordered(values: Any) -> Callable[[Num], Num]:
    """The quantile function of drawn values, over standard normal deviates."""
    found = np.sort(np.asarray(values, dtype=float))
    places = _normal_quantiles(len(found) - len(found) % 2)
    return lambda z: np.interp(z, places, found[: len(places)])


def _loss(solved: Solved, model: LossModel) -> Callable[[Num], Num] | None:
    """Loss of the plan over the joint draws of the law's constants; certain for a law without them."""
    n, d = solved.sized.n, solved.sized.d
    if model.drawn is None:
        value = value_of(solved.sized.loss)
        return lambda z: value + 0.0 * np.asarray(z)
    return _ordered(model.loss(n, d, model.drawn))


def _tokens_for_loss(setting: Fleeted, solved: Solved, model: LossModel) -> Callable[[Num], Num] | None:
    """Factor on the plan's tokens that reaches the loss asked for under each draw of the law's constants.

    A target like another run's loss moves with the draw, as that run's loss does.
    """
    if model.drawn is None or model.unique_tokens is not None:
        return None
    reference, n = setting.request.reference, solved.sized.n
    target: Num = laws.loss(model.law, n, solved.sized.d)  # as trained: what serving bits cost comes on top
    if reference is not None:
        target = target + referred_loss(reference, model.drawn) - referred_loss(reference, model.law)
    factors = laws.tokens_reaching(model.drawn, n, target) / solved.sized.d
    return _ordered(factors)


def _format_gap(setting: Fleeted, solved: Solved) -> Callable[[Num], Num] | None:
    """Share of the loss that training in few bits costs, as published pairs have it; None for 16 bits."""
    kind = evidence_kind(setting.precision)
    if kind in ("", "16-bit"):
        return None
    band = gap_band(loss_gaps(setting.catalog.precision_pairs()), kind, solved.sized.n, solved.sized.d)
    if band is None:
        return None
    places = np.linspace(-SPAN_Z, SPAN_Z, GRID)
    values = np.array([band.quantile(share_below(float(z))) for z in places])
    return lambda z: np.interp(z, places, values)
