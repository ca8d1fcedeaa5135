"""From a size, its tokens and the best layout to an answer: days, hours, money, energy, each with its interval."""

from __future__ import annotations

import msgspec

from hwmodel.economics import energy
from hwmodel.laws.lifetime import train_flop
from hwmodel.physics import shape as shapes
from hwmodel.predict.search import Choice
from hwmodel.solve.question.setting import Fleeted, Setting
from hwmodel.solve.run.band import certain
from hwmodel.solve.run.billing import Rated, bill, quantiles, utilisation
from hwmodel.solve.run.fleet import Fleet, rate_of_size
from hwmodel.solve.run.result import Band, RunAnswer, value_of
from hwmodel.solve.run.sizing import Sized
from hwmodel.specs import Shape
from hwmodel.specs.intervals import CERTAIN, Ends
from hwmodel.units import JOULES_PER_KWH, SECONDS_PER_DAY


class SizedShape(msgspec.Struct, frozen=True, kw_only=True):
    """A shape that stands for a size: the FLOPs are those of the size asked, the step that of the shape."""

    shape: Shape
    params: float  # the size asked
    flop_params: float  # parameters that 6 N counts: the size asked, or the active ones of a given model

    @property
    def shape_params(self) -> float:
        """Parameters of the shape itself that 6 N counts."""
        return float(shapes.parameters(self.shape).active)


def unfleeted(sized: Sized, flop_params: float | None = None) -> RunAnswer:
    """The part of an answer that needs no accelerators."""
    n = flop_params or sized.n
    return RunAnswer(
        params=certain(sized.params), tokens=certain(sized.tokens), train_flop=float(train_flop(n, sized.d)),
        loss_nats=_loss(sized),
    )  # fmt: skip


def answer(
    fleet: Fleet, sized: Sized, at: SizedShape, choice: Choice, doubt: Ends, rate: float | None = None
) -> RunAnswer:
    """The whole answer for one choice. The interval of time carries through to hours, money and energy.

    `rate` [tokens/s] stands where something else than the prediction or the user's --mfu sets the speed.
    """
    setting = fleet.setting
    given = None if rate else fleet.given_rate(at.flop_params, at.shape)
    rate = rate or given or float(rate_of_size(choice.tokens_per_s, at.shape_params, at.flop_params, setting.level))
    held = choice.footprint
    found = bill(setting, rated(fleet, sized, at, rate, CERTAIN if given else doubt, choice.idle_accelerators))
    return RunAnswer(
        params=certain(sized.params),
        tokens=certain(sized.tokens),
        train_flop=float(train_flop(at.flop_params, sized.d)),
        accelerators=fleet.accelerators,
        idle_accelerators=choice.idle_accelerators,
        train_days=found.train_days,
        elapsed_days=found.elapsed_days,
        gpu_hours=found.gpu_hours,
        mfu=found.mfu,
        tokens_per_s=found.tokens_per_s,
        loss_nats=_loss(sized),
        cost_usd=found.cost_usd,
        energy_mwh=found.energy_mwh,
        co2e_t=found.co2e_t,
        peak_memory_bytes=Band.around(held.peak_bytes, held.doubt),
        reserved_memory_bytes=Band.around(held.reserved_bytes, held.doubt),
        goodput=float(found.goodput),
        whole_run_factor=found.whole_run_factor,
        quantiles=quantiles(found),
    )


def rated(fleet: Fleet, sized: Sized, at: SizedShape, tokens_per_s: float, doubt: Ends, idle: int = 0) -> Rated:
    """A sized run at a rate, as it is billed; `idle`: accelerators that wait beside it."""
    return Rated(
        accelerators=float(fleet.accelerators), used=float(fleet.accelerators - idle), params=sized.n, tokens=sized.d,
        six_nd_per_token=6.0 * at.flop_params,
        mfu_flop_per_token=mfu_flop_per_token(fleet.setting, at), tokens_per_s=tokens_per_s,
        doubt=doubt, peak_flop_per_s=fleet.peak_flop_per_s,
    )  # fmt: skip


def _loss(sized: Sized) -> Band | None:
    """The loss of a size: one type whichever law gives it, its interval no wider than itself where the law has none."""
    return None if sized.loss is None else certain(sized.loss)


def mfu_flop_per_token(setting: Setting, at: SizedShape) -> float:
    """FLOP a token that MFU counts, in the convention of the request."""
    r, flop = setting.request, 6.0 * at.flop_params
    if r.flop_convention.lower() == "6nd":
        return flop
    per_token = float(shapes.flop_per_token(at.shape, r.seq_len, r.flop_convention))
    return flop * per_token / float(shapes.flop_per_token(at.shape, r.seq_len, "6nd"))


def flop_convention_rate(fleet: Fleet, at: SizedShape, tokens_per_s: float) -> float:
    """MFU: FLOPs in the convention of the request over the dense peak of the GEMM format, all accelerators counted."""
    per_token = mfu_flop_per_token(fleet.setting, at)
    return float(utilisation(tokens_per_s, per_token, fleet.accelerators, fleet.peak_flop_per_s))


def six_nd_share(fleet: Fleet, flop_per_token: float, tokens_per_s: float) -> float:
    """MFU in 6 N D, which the draw of power goes by whatever convention the report prints."""
    return float(utilisation(tokens_per_s, flop_per_token, fleet.accelerators, fleet.peak_flop_per_s))


def limits_used(setting: Setting, found: RunAnswer) -> float:
    """Share of the time or of the money given that the answer takes, whichever is more; 0 where neither is given."""
    r, shares = setting.request, [0.0]
    if r.time_s is not None:
        shares.append(value_of(found.elapsed_days) * SECONDS_PER_DAY / r.time_s)
    if r.budget_usd is not None and found.cost_usd is not None:
        shares.append(value_of(found.cost_usd) / r.budget_usd)
    return max(shares)


def kwh_per_accelerator_hour(setting: Fleeted) -> float:
    """Site energy of one accelerator-hour [kWh]."""
    return float(energy(1.0, setting.part, setting.system, setting.energy).total_j) / JOULES_PER_KWH
