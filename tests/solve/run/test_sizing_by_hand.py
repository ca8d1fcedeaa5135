"""Which size and how many tokens a question comes to, on a law of round constants.

1 + 2,000 / N^0.5 + 1,000 / D^0.5: the two terms are alike where N = 4 D, so that 2.4e17 FLOP (N D = 4e16) buy 4e8
parameters on 1e8 tokens, and a loss of 1 + 0.1 + 0.1. Eleven draws of the first constant, 2^(-1) to 2^1 of it in
steps of 2^0.2: nine in ten lie below 2^0.8.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel import laws
from hwmodel.catalog import load_catalog
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run import answers, billing, sizing
from hwmodel.solve.run.answers import SizedShape, flop_convention_rate, limits_used, mfu_flop_per_token, six_nd_share
from hwmodel.solve.run.billing import Rated, bill, quantiles
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.run.sizing import LossModel, Sized, loss_target, size
from hwmodel.specs.intervals import Z80, Ends
from tests.solve.quiet import quiet

LAW = msgspec.structs.replace(
    load_catalog().law("besiroglu_2024"), constants={"E": 1.0, "A": 2000.0, "B": 1000.0, "alpha": 0.5, "beta": 0.5},
    covariance=(), covariance_of=(),
)  # fmt: skip
SCALES = 2.0 ** np.linspace(-1.0, 1.0, 11)
DRAWN: Any = msgspec.structs.replace(LAW, constants={**LAW.constants, "A": 2000.0 * SCALES})
PLAIN, WIDE = LossModel(law=LAW), LossModel(law=LAW, drawn=DRAWN)
# Two thirds of 3e9 tokens are seen again: 1e9 + 2e9 (1 - e^-1) count, with a decay of 2.
REPEATS: Any = msgspec.structs.replace(LAW, constants={"RD_star": 2.0, "RN_star": 4.0})
REPEATING = LossModel(law=LAW, repetition=REPEATS, unique_tokens=1e9)
END = 2.0**0.8


def asked(**fields: Any) -> Any:
    usual = {"loss": None, "sampled_like": None, "reference": None, "loss_factor": 1.0, "tokens": None, "flop": None}
    return SimpleNamespace(**{**usual, **fields})


def near(found: Any, value: float, ends: float | None = None, tolerance: float = 1e-6) -> None:
    assert value_of(found) == pytest.approx(value, rel=tolerance)
    if ends is not None:
        assert (found.low, found.high) == pytest.approx((value / ends, value * ends), rel=1e-3)


def test_what_flops_buy() -> None:
    found = size(asked(flop=2.4e17), WIDE, None, None)
    # Of a constant twice as large the size is twice as large at the same FLOPs, the tokens half as many.
    near(found.params, 4e8, END)
    near(found.tokens, 1e8, END)
    assert (found.closed_by, found.n, found.d) == ("flop", pytest.approx(4e8), pytest.approx(1e8))
    near(found.loss, 1.2)
    assert isinstance(found.loss, Band)
    assert (found.loss.low, found.loss.high) == pytest.approx((1.1 + 0.1 / END, 1.1 + 0.1 * END), rel=1e-3)
    near(size(asked(flop=2.4e17), PLAIN, None, None).params, 4e8)
    # At 1e9 parameters 4e7 tokens; on 1e9 tokens 4e7 parameters.
    near(size(asked(flop=2.4e17), WIDE, 1e9, None).tokens, 4e7)
    found = size(asked(flop=2.4e17, tokens=1e9), WIDE, None, None)
    near(found.params, 4e7)
    assert found.d == 1e9
    with pytest.raises(InfeasibleError, match="leave no model of at least"):
        size(asked(flop=2.4e17, tokens=1e12), WIDE, None, None)


def test_what_a_fleet_gets_through() -> None:
    # Tokens of N D = 4e16 again: the same optimum, with the bands of the same FLOPs.
    found = size(asked(), WIDE, None, lambda n: 4e16 / n)
    near(found.params, 4e8, END, 1e-3)
    near(found.tokens, 1e8, END, 1e-3)
    assert found.closed_by == "fleet"
    # Where tokens fall as N^2, N D^0.5 is what is shared: 2,000 N^-0.5 + 1,000 N / 2e12, least at N^1.5 = 2e12.
    found = size(asked(), PLAIN, None, lambda n: (2e12 / n) ** 2)
    near(found.params, 2e12 ** (2 / 3), tolerance=1e-3)
    near(size(asked(), PLAIN, 2e8, lambda n: 4e16 / n).tokens, 2e8)
    with pytest.raises(InfeasibleError, match="no model of any size trains"):
        size(asked(), PLAIN, None, lambda n: 0.0)
    with pytest.raises(InfeasibleError, match="less than one training token"):
        size(asked(), PLAIN, 1e9, lambda n: 0.5)


def test_a_law_without_a_loss_shares_compute_by_its_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing.laws, "has_loss", lambda law: False)
    found = size(asked(), PLAIN, None, lambda n: 4e16 / n)
    near(found.params, 4e8)
    assert found.loss is None
    with pytest.raises(InputError, match="has no loss"):
        size(asked(loss=1.2), PLAIN, None, None)


def test_what_a_law_closes() -> None:
    # A quarter of the parameters in tokens; of twice the constant a sixteenth.
    found = size(asked(), WIDE, 4e8, None)
    near(found.tokens, 1e8, END**2)
    found = size(asked(tokens=1e8), WIDE, None, None)
    near(found.params, 4e8, END**2)
    assert (found.d, found.closed_by) == (1e8, "law")
    # Tokens that repeat count as 2.264e9.
    worth = 1e9 + 2e9 * (1 - math.exp(-1))
    repeated = LossModel(law=LAW, drawn=DRAWN, repetition=REPEATS, unique_tokens=1e9)
    near(size(asked(tokens=3e9), repeated, None, None).params, 4 * worth, END**2)
    found = size(asked(tokens=1e8), PLAIN, 1e9, None)
    assert (found.params, found.tokens, found.closed_by) == (1e9, 1e8, "given")


def test_what_a_loss_asks_for() -> None:
    near(size(asked(loss=1.2), PLAIN, 4e8, None).tokens, 1e8)
    near(size(asked(loss=1.2, tokens=1e8), PLAIN, None, None).params, 4e8)
    found = size(asked(loss=0.6, loss_factor=2.0), PLAIN, None, None)
    near(found.params, 4e8)
    near(found.tokens, 1e8)
    assert found.closed_by == "loss"
    # A run of 4e8 on 1e8 tokens, and a share of it; what is enough with samples goes before a number.
    assert loss_target(asked(reference=(4e8, 1e8, 1.5)), PLAIN) == pytest.approx(1.8)
    assert loss_target(asked(loss=3.0, sampled_like=(4e8, 1e8), reference=(4e8, 1e8, 1.0)), PLAIN) == pytest.approx(1.2)
    assert loss_target(asked(), PLAIN) is None
    near(size(asked(reference=(4e8, 1e8, 1.0)), PLAIN, 4e8, None).tokens, 1e8)


def test_a_loss_on_few_tokens() -> None:
    # Of 1e9 unique tokens: at most 4e9 parameters count whole. 3e9 tokens count as 2.264e9 and 1.2e10 parameters, two
    # such sizes beyond, as 4e9 + 1.6e10 (1 - e^-0.5).
    repeated = LossModel(law=LAW, repetition=REPEATS, unique_tokens=1e9)
    worth, counted = 1e9 + 2e9 * (1 - math.exp(-1)), 4e9 + 1.6e10 * (1 - math.exp(-0.5))
    loss = 1.0 + 2000 / counted**0.5 + 1000 / worth**0.5
    assert repeated.loss(1.2e10, 3e9) == pytest.approx(loss)
    assert LossModel(law=LAW, unique_tokens=1e9).loss(1.2e10, 3e9) == pytest.approx(
        1 + 2000 / 1.2e10**0.5 + 1000 / 3e9**0.5
    )
    assert LossModel(law=LAW, repetition=REPEATS).effective(3e9) == 3e9
    near(size(asked(loss=loss), repeated, 1.2e10, None).tokens, 3e9, tolerance=1e-4)
    near(size(asked(loss=loss, tokens=3e9), repeated, None, None).params, 1.2e10, tolerance=1e-4)
    found = size(asked(loss=loss), repeated, None, None)
    assert found.closed_by == "loss"
    assert repeated.loss(found.n, found.d) == pytest.approx(loss, rel=1e-4)
    assert found.n * found.d < 1.2e10 * 3e9
    # However often repeated 1e9 tokens count as 3e9, any size as 2e10.
    least = 1.0 + 2000 / counted**0.5 + 1000 / 3e9**0.5
    with pytest.raises(InfeasibleError, match="out of reach"):
        size(asked(loss=least * 0.9999), repeated, 1.2e10, None)
    near(size(asked(loss=least * 1.001), repeated, 1.2e10, None).loss, least * 1.001, tolerance=1e-4)
    with pytest.raises(InfeasibleError, match="out of reach"):
        size(asked(loss=1.0 + 2000 / 2e10**0.5 + 1000 / worth**0.5 - 1e-5, tokens=3e9), repeated, None, None)


def test_draws_are_taken_where_a_law_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Any] = []
    monkeypatch.setattr(sizing, "require_sound", lambda law, others: judged.append((law, others)))
    with_draws = load_catalog().law("besiroglu_2024")
    assert sizing.loss_model(LAW, None, None, 1).drawn is None
    assert sizing.loss_model(with_draws, None, None, 1, 0).drawn is None
    found = sizing.loss_model(with_draws, REPEATS, None, 1, 7)
    assert len(found.drawn.constants["A"]) == 7
    assert judged == []
    sizing.loss_model(with_draws, REPEATS, 1e9, 1)
    assert judged == [(with_draws, [REPEATS])]
    assert WIDE.band(1.0, lambda law: law.constants["A"]).high == pytest.approx(2000 * END)
    assert PLAIN.band(1.0, lambda law: law.constants["A"]) == 1.0
    assert laws.has_loss(LAW)


def test_flops_by_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    # A convention that counts 9e9 where 6 N counts 6e9: half as much again; 8 of 1e15 FLOP/s at 4e5 tokens a second.
    monkeypatch.setattr(answers.shapes, "flop_per_token", lambda shape, seq, how: 6e9 if how == "6nd" else 9e9)
    at: Any = SizedShape(shape=None, params=3e9, flop_params=2e9)  # type: ignore[arg-type]
    for how, flop in (("6nd", 1.2e10), ("6ND", 1.2e10), ("megatron", 1.8e10)):
        setting: Any = SimpleNamespace(request=SimpleNamespace(flop_convention=how, seq_len=8))
        fleet: Any = SimpleNamespace(setting=setting, accelerators=8, peak_flop_per_s=1e15)
        assert mfu_flop_per_token(setting, at) == pytest.approx(flop)
        assert flop_convention_rate(fleet, at, 4e5) == pytest.approx(flop * 4e5 / 8e15)
        assert six_nd_share(fleet, 1.2e10, 4e5) == pytest.approx(0.6)
    sized = Sized(params=3e9, tokens=1e11, loss=2.0, solved={})
    run = answers.rated(fleet, sized, at, 4e5, Ends(0.1, 0.2), 2)
    assert (run.accelerators, run.used, run.params, run.tokens) == (8.0, 6.0, 3e9, 1e11)
    assert (run.six_nd_per_token, run.mfu_flop_per_token) == pytest.approx((1.2e10, 1.8e10))
    assert (run.tokens_per_s, run.peak_flop_per_s, run.doubt) == (4e5, 1e15, Ends(0.1, 0.2))
    found = answers.unfleeted(sized)
    assert found.train_flop == pytest.approx(6 * 3e9 * 1e11)
    assert answers.unfleeted(sized, 2e9).train_flop == pytest.approx(6 * 2e9 * 1e11)
    assert found.loss_nats == Band(2.0, 2.0, 2.0)
    banded = msgspec.structs.replace(sized, loss=Band(2.0, 1.0, 3.0))
    assert answers.unfleeted(banded).loss_nats == Band(2.0, 1.0, 3.0)


def test_the_limit_that_is_used_most() -> None:
    # Half of two days, three quarters of 400 dollars.
    found: Any = SimpleNamespace(elapsed_days=1.0, cost_usd=300.0)
    for time_s, budget, share in (
        (172800.0, None, 0.5),
        (172800.0, 400.0, 0.75),
        (None, 400.0, 0.75),
        (None, None, 0.0),
    ):
        setting: Any = SimpleNamespace(request=SimpleNamespace(time_s=time_s, budget_usd=budget))
        assert limits_used(setting, found) == share
    setting = SimpleNamespace(request=SimpleNamespace(time_s=None, budget_usd=400.0))
    assert limits_used(setting, SimpleNamespace(elapsed_days=1.0, cost_usd=None)) == 0.0  # type: ignore[arg-type]


def test_energy_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "energy", lambda hours, *_: SimpleNamespace(total_j=hours * 7.2e6))
    assert answers.kwh_per_accelerator_hour(quiet("8xH100", "1T")) == 2.0


def billed_run(monkeypatch: pytest.MonkeyPatch) -> tuple[Fleeted, Rated, dict[str, Any]]:
    """Ten days of eight accelerators, six of which train; runs a factor e^0.1 longer for each doubling from three, an
    80 % end of e^0.4 beside the step's e^0.3 and e^0.6. Two dollars an hour, of one and five; half a kilowatt, 50 g.
    With what rent and energy are asked for."""
    asked_of: dict[str, Any] = {}

    def rent(hours: float, price: Any, elapsed_s: float) -> Any:
        asked_of["rent"] = (hours, elapsed_s)
        return SimpleNamespace(median_usd=2.0, low_usd=1.0, high_usd=5.0)

    def energy(hours: float, part: Any, system: Any, facts: Any, mfu: float) -> Any:
        asked_of["mfu"] = mfu
        return SimpleNamespace(total_kwh=0.5, kg_co2e=0.025)

    monkeypatch.setattr(billing, "rent", rent)
    monkeypatch.setattr(billing, "energy", energy)
    setting = quiet("8xH100", "1T", 0.4 / Z80)
    whole = msgspec.structs.replace(setting.whole_run, per_doubling=0.1, accelerators=3.0)
    setting = msgspec.structs.replace(setting, whole_run=whole)
    run = Rated(
        accelerators=8.0, used=6.0, params=1e9, tokens=8.64e11, six_nd_per_token=3e9, mfu_flop_per_token=4e9,
        tokens_per_s=1e6, doubt=Ends(0.3, 0.6), peak_flop_per_s=1e15,
    )  # fmt: skip
    return setting, run, asked_of


def test_a_bill(monkeypatch: pytest.MonkeyPatch) -> None:
    setting, run, asked_of = billed_run(monkeypatch)
    found, longer = bill(setting, run), math.exp(0.1)
    near(found.train_days, 10.0)
    assert found.train_days.high == pytest.approx(10 * math.exp(0.6))
    near(found.elapsed_days, 10 * longer, tolerance=1e-4)
    down, up = math.hypot(0.3, 0.4), math.hypot(0.6, 0.4)
    assert found.elapsed_days.low == pytest.approx(10 * longer * math.exp(-down), rel=1e-4)
    assert found.gpu_hours.value == pytest.approx(1920 * longer, rel=1e-4)
    assert found.gpu_hours.high == pytest.approx(1920 * longer * math.exp(up), rel=1e-4)
    assert found.cost_usd is not None
    assert found.cost_usd.value == pytest.approx(3840 * longer, rel=1e-4)
    assert found.cost_usd.low == pytest.approx(3840 * longer * math.exp(-math.hypot(down, math.log(2))), rel=1e-4)
    assert found.cost_usd.high == pytest.approx(3840 * longer * math.exp(math.hypot(up, math.log(2.5))), rel=1e-4)
    assert asked_of["rent"] == (1.0, pytest.approx(864000 * longer, rel=1e-4))
    # 3e9 x 1e6 of 8e15 set the draw, 4e9 the utilisation that is shown; a rate is its time turned round.
    assert asked_of["mfu"] == pytest.approx(0.375)
    assert (found.mfu.value, found.mfu.low) == pytest.approx((0.5, 0.5 * math.exp(-0.6)))
    assert (found.tokens_per_s.value, found.tokens_per_s.high) == pytest.approx((1e6, 1e6 * math.exp(0.3)))
    # Half a kWh and 25 g an hour: MWh and tonnes.
    assert found.energy_mwh.value == pytest.approx(0.96 * longer, rel=1e-4)
    assert found.energy_mwh.high == pytest.approx(
        0.96 * longer * math.exp(math.hypot(up, math.log(0.9 / 0.76))), rel=1e-4
    )
    assert found.co2e_t.value == pytest.approx(0.048 * longer, rel=1e-4)
    assert found.whole_run_factor.value == pytest.approx(longer)
    assert found.whole_run_factor.high == pytest.approx(longer * math.exp(0.4))


def test_a_bill_by_certainty(monkeypatch: pytest.MonkeyPatch) -> None:
    """At nine in ten hours, days and money stand at their upper ends, and the median beside them."""
    setting, run, _ = billed_run(monkeypatch)
    found, up = bill(setting, run), math.hypot(0.6, 0.4)
    sure = msgspec.structs.replace(setting, request=msgspec.structs.replace(setting.request, confidence=0.9))
    late = bill(sure, run)
    assert late.gpu_hours.value == pytest.approx(found.gpu_hours.high, rel=1e-6)
    assert late.elapsed_days.value == pytest.approx(found.elapsed_days.high, rel=1e-6)
    assert late.median_gpu_hours == found.gpu_hours
    assert late.energy_mwh.value == pytest.approx(found.energy_mwh.value * math.exp(up), rel=1e-4)
    every = quantiles(found)
    assert set(every) == {"p50", "p80", "p90"}
    assert every["p50"]["gpu_hours"] == found.gpu_hours.value
    assert every["p90"]["elapsed_days"] == pytest.approx(found.elapsed_days.high)
    assert every["p90"]["cost_usd"] == pytest.approx(found.cost_usd.high)
    unpriced = msgspec.structs.replace(setting, price=None)
    assert bill(unpriced, run).cost_usd is None
    assert quantiles(bill(unpriced, run))["p80"]["cost_usd"] is None


def test_sizes_that_endless_tokens_would_not_bring_to_the_least_loss_are_not_asked() -> None:
    # N D = 4e16. On the grid, eighths of a decade, the least is at 10^8.625: 1 + 2,000 / 20,535 + 1,000 / 9,739
    # = 1.20007. 10^8 comes to 1.2 on endless tokens and is asked; 10^7.875 to 1 + 2,000 / 8,660 = 1.231, and nothing
    # from there down is.
    seen: list[float] = []

    def tokens_of(n: float) -> float:
        seen.append(n)
        return 4e16 / n

    assert sizing._least_loss(PLAIN, tokens_of) == pytest.approx(4e8, rel=1e-6)
    assert min(seen) == pytest.approx(1e8)
    assert max(seen) == pytest.approx(1e14)


def test_sizes_that_the_peak_would_not_bring_to_the_least_loss_are_not_asked() -> None:
    # N D = 4e16, and at most 1.5 times that. The least is 1.20007 at 10^8.625; at the most 10^9 comes to
    # 1 + 2,000 / 31,623 + 1,000 / 7,746 = 1.19234, 10^9.125 to 1.20369, 10^8.375 to 1 + 2,000 / 15,399 + 1,000 / 15,905
    # = 1.19275 and 10^8.25 to 1.20443: those from 10^8.375 to 10^9 are asked.
    seen: list[float] = []

    def tokens_of(n: float) -> float:
        seen.append(n)
        return 4e16 / n

    assert sizing._least_loss(PLAIN, tokens_of, lambda n: 6e16 / n) == pytest.approx(4e8, rel=1e-6)
    assert min(seen) == pytest.approx(10**8.375)
    assert max(seen) == pytest.approx(1e9)


@pytest.mark.parametrize("largest", [1e7, 3e9, 1e14])
@pytest.mark.parametrize("compute", [1e14, 1e18, 1e24])
def test_leaving_sizes_out_changes_no_bit(compute: float, largest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def tokens_of(n: float) -> float:
        return 0.0 if n > largest else compute / n * (1.0 + 0.2 * math.sin(5.0 * math.log(n)))

    def at_most(n: float) -> float:
        return 1.2 * compute / n

    some = [sizing._least_loss(model, tokens_of) for model in (PLAIN, REPEATING)]
    assert some == [sizing._least_loss(model, tokens_of, at_most) for model in (PLAIN, REPEATING)]
    monkeypatch.setattr(sizing, "_floor_of_loss", lambda model, params, at_most=None: -math.inf)
    assert some == [sizing._least_loss(model, tokens_of) for model in (PLAIN, REPEATING)]


@pytest.mark.parametrize("name", [entry.id for entry in load_catalog().laws()])
def test_no_tokens_bring_a_size_below_its_floor(name: str) -> None:
    law = load_catalog().law(name)
    if not laws.has_loss(law):
        return
    for n in np.geomspace(1e6, 1e14, 9):
        floor = sizing._floor_of_loss(LossModel(law=law), float(n))
        assert all(
            floor <= float(laws.loss(law, float(n), float(d))) * (1.0 + 1e-15) for d in np.geomspace(1, 1e20, 41)
        )
