"""How a question is closed on a size and its tokens, each round worked out in the comments.

The law is 1 + 2,000 / N^0.5 + 1,000 / D^0.5.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.life.demand import Life, flip_demand
from hwmodel.solve.life.objective import Costs
from hwmodel.solve.life.samples import _band, _chance, _ratios, _row, _same_cost, _servable
from hwmodel.solve.plan import closing, own_batch
from hwmodel.solve.plan.closing import (
    _filled,
    _first_guess,
    _mixture,
    _with_params,
    at_the_limit,
    batch_of,
    closed,
    near_batches,
    with_tokens,
)
from hwmodel.solve.plan.own_batch import FINE, _held_back, _least, _open, _size_at, own_tokens, seen
from hwmodel.solve.run.records import DemandPoint
from hwmodel.solve.run.result import Band
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.specs.intervals import Z80

LAW = msgspec.structs.replace(
    load_catalog().law("besiroglu_2024"), constants={"E": 1.0, "A": 2000.0, "B": 1000.0, "alpha": 0.5, "beta": 0.5}
)
MODEL = LossModel(law=LAW)
SIZED = Sized(params=4e8, tokens=1e8, loss=1.2, solved={}, closed_by="fleet")


def test_batches_that_are_near_enough() -> None:
    # A tenth either way is one batch.
    own = np.array([1.0, 1.09, 1.11, 1.0, 1.0])
    assert near_batches(own, np.array([1.0, 1.0, 1.0, 1.09, 1.11])).tolist() == [True, True, False, True, False]
    assert _first_guess(1e9, 1.5) == 3e10


def test_batch_of_own_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A critical batch of the square root of the tokens."""

    def rule(tokens: float, given: float | None = None) -> Any:
        return SimpleNamespace(given_seqs=given, critical_tokens=lambda params: tokens**0.5)

    monkeypatch.setattr(closing, "batch_policy", lambda setting: SimpleNamespace(seeing=rule))
    taken: Any = rule(1e10)
    assert batch_of(taken, None, 1e9, 1.2e10) is taken  # type: ignore[arg-type]
    assert batch_of(taken, None, 1e9, 1.3e10).critical_tokens(1e9) == 1.3e10**0.5  # type: ignore[arg-type]
    stated: Any = rule(1e10, 64.0)
    assert batch_of(stated, None, 1e9, 1e12) is stated  # type: ignore[arg-type]


def test_other_tokens_and_other_sizes() -> None:
    # Four times as much halves its term of 0.1.
    more = with_tokens(MODEL, SIZED, 4.0)
    assert (more.params, more.tokens, more.loss) == (4e8, 4e8, pytest.approx(1.15))
    larger = _with_params(MODEL, SIZED, 4.0)
    assert (larger.params, larger.tokens, larger.loss) == (1.6e9, 1e8, pytest.approx(1.15))
    banded = msgspec.structs.replace(SIZED, params=Band(4e8, 2e8, 8e8), tokens=Band(1e8, 5e7, 2e8), loss=None)
    assert with_tokens(MODEL, banded, 2.0).tokens == Band(2e8, 1e8, 4e8)
    assert _with_params(MODEL, banded, 0.5).params == Band(2e8, 1e8, 4e8)
    assert with_tokens(MODEL, banded, 2.0).loss is None
    assert _with_params(MODEL, banded, 2.0).loss is None


@pytest.fixture
def takes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a run takes of its limit: N D over 4e16, unless another rule is set."""
    rule: dict[str, Any] = {"share": lambda one: one.n * one.d / 4e16}
    monkeypatch.setattr(closing, "on_fleet", lambda fleet, sized, shape=None: SimpleNamespace(answer=sized))
    monkeypatch.setattr(closing, "limits_used", lambda setting, one: rule["share"](one))
    return rule


def setting(**request: Any) -> Any:
    usual = {"confidence": 0.5, "tokens": None, "time_s": 1.0, "budget_usd": None, "flop": None}
    return SimpleNamespace(request=SimpleNamespace(**{**usual, **request}))


def test_tokens_that_take_all_of_the_limit(takes: dict[str, Any]) -> None:
    # At the median in proportion, without asking: half of the limit is used by half of the tokens.
    asked: list[float] = []
    takes["share"] = lambda one: asked.append(one.d) or 1.0
    assert at_the_limit(setting(), MODEL, None, None, 0.5, SIZED).d == 2e8  # type: ignore[arg-type]
    assert asked == []
    # At nine in ten what is used goes by the square of the tokens: 1.21 of it at 1e8 is 1 at 1e8 / 1.1.
    takes["share"] = lambda one: (one.d / 1e8) ** 2 * 1.21
    found = at_the_limit(setting(confidence=0.9), MODEL, None, None, 1.21, SIZED)  # type: ignore[arg-type]
    assert found.d == pytest.approx(1e8 / 1.1, rel=1e-9)
    # By the fourth root a hundredth more each round would not get there: the slope is learnt.
    takes["share"] = lambda one: (one.d / 1e8) ** 0.25 * 0.5
    found = at_the_limit(setting(confidence=0.9), MODEL, None, None, 0.5, SIZED)  # type: ignore[arg-type]
    assert found.d == pytest.approx(16e8, rel=1e-9)


def test_the_largest_size_within_the_limit(takes: dict[str, Any]) -> None:
    # Half of it is used by 2e8 parameters: 4e8 use it all.
    half = msgspec.structs.replace(SIZED, params=2e8)
    assert _filled(setting(), MODEL, None, 0.5, half).n == pytest.approx(4e8)  # type: ignore[arg-type]
    assert _filled(setting(), MODEL, None, 1.0, half) is half  # type: ignore[arg-type]
    # Beyond 3e8 a size jumps over: of 2e8 to 4e8 the geometric middles 2.83e8, then 3.36e8 and so on close in.
    takes["share"] = lambda one: one.n * one.d / 4e16 * (1.5 if one.n > 3e8 else 1.0)
    found = _filled(setting(), MODEL, None, 0.5, half)  # type: ignore[arg-type]
    assert 2.97e8 < found.n <= 3e8

    def jumps(one: Sized) -> float:
        if one.n > 3e8:
            raise InfeasibleError("none", binding="memory", remedy="none")
        return one.n * one.d / 4e16

    takes["share"] = jumps
    assert 2.97e8 < _filled(setting(), MODEL, None, 0.5, half).n <= 3e8  # type: ignore[arg-type]


def test_rounds_of_a_closing(takes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape a quarter slower than the sizes around it: the first round takes 1.25 of the limit, the next all."""
    corrections: list[float] = []

    def size_of(*asked: Any) -> Sized:
        corrections.append(asked[5] if len(asked) > 5 else 1.0)
        return with_tokens(MODEL, SIZED, corrections[-1])

    monkeypatch.setattr(closing, "size_of", size_of)
    takes["share"] = lambda one: 1.25 * one.d / 1e8
    fleet: Any = object()
    found = closed(setting(), MODEL, None, None, fleet)
    assert corrections == pytest.approx([1.0, 0.8])
    assert found.d == pytest.approx(0.8e8)
    assert closed(setting(), MODEL, None, None, None).d == 1e8
    # Given tokens: a hundredth less in each round, until the fourth is within the limit, and is filled.
    corrections.clear()
    takes["share"] = lambda one: 1.01 if one.d > 0.98e8 else 0.97
    monkeypatch.setattr(closing, "_filled", lambda setting, model, fleet, used, one: (used, one))
    used, one = closed(setting(tokens=1e8), MODEL, None, None, fleet)  # type: ignore[misc]
    assert (used, len(corrections)) == (0.97, 5)
    assert one.d == pytest.approx(1e8 / 1.01**3)  # type: ignore[union-attr]
    # What never gets below it is shrunk; where nothing helps, what takes least stands.
    corrections.clear()
    takes["share"] = lambda one: 1.5 + one.d / 1e9
    assert closed(setting(tokens=1e8), MODEL, None, None, fleet).d == pytest.approx(1e8 * min(corrections))
    assert len(corrections) == 5 + len(closing.SHRINKS)


def test_what_closes_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    bounds: list[Any] = []

    def size(r: Any, model: Any, params: Any, affordable: Any, at_most: Any) -> Sized:
        given.append(affordable)
        bounds.append(at_most)
        return SIZED

    monkeypatch.setattr(closing, "size", size)

    def fleet(tokens: float) -> Any:
        return SimpleNamespace(
            tokens_affordable=lambda params, correction: tokens * correction,
            tokens_at_peak=lambda params, correction: 3.0 * tokens * correction,
        )

    def asked(fleet: Any, params: float | None = None, **request: Any) -> Any:
        closing.size_of(setting(**request), MODEL, None, params, fleet, 1.5)
        return given.pop()

    assert asked(fleet(1e9))(4e8) == 1.5e9
    assert bounds.pop()(4e8) == 4.5e9  # at the peak of the fleet, as much corrected
    assert asked(fleet(1e9), budget_usd=1.0, time_s=None)(4e8) == 1.5e9
    assert asked(fleet(1e9), 4e8)(4e8) == 1.5e9
    # No rate is known of a size that is given: twenty tokens a parameter to begin with.
    assert asked(fleet(0.0), 4e8)(4e8) == 1.2e10
    assert asked(fleet(0.0))(4e8) == 0.0
    assert asked(None) is None
    assert bounds.pop() is None
    assert asked(fleet(1e9), time_s=None) is None
    assert asked(fleet(1e9), flop=1e20) is None


def test_a_mixture_counts_its_active_parameters() -> None:
    mixture = load_catalog().model("mixtral-8x7b")
    total, active = 46.7e9, 12.88e9

    def found(affordable: Any = None, **request: Any) -> Sized:
        usual = {"tokens": None, "flop": None, "has_loss_target": False, "unique_tokens": None}
        one: Any = SimpleNamespace(request=SimpleNamespace(**{**usual, **request}), law=SimpleNamespace(id="law"))
        return _mixture(one, mixture, affordable)

    by_flop = found(flop=6e21)
    assert by_flop.n == pytest.approx(total, rel=1e-3)
    assert by_flop.d == pytest.approx(1e21 / active, rel=1e-3)
    assert (by_flop.closed_by, by_flop.loss) == ("flop", None)
    by_fleet = found(lambda n: 2.0 * n)
    assert (by_fleet.closed_by, by_fleet.d) == ("fleet", pytest.approx(2 * active, rel=1e-3))
    assert (found(tokens=5e9).d, found(tokens=5e9).closed_by) == (5e9, "given")
    with pytest.raises(InputError, match="cannot say how many tokens"):
        found()
    for wrong in ({"has_loss_target": True}, {"unique_tokens": 1e9}):
        with pytest.raises(InputError, match="needs the loss of"):
            found(tokens=5e9, **wrong)


# --- each size at its own batch


def crew(**fields: Any) -> Any:
    """A fleet of two accelerators of 1e15 FLOP/s with 3e6 s left."""
    usual = {"accelerators": 2, "peak_flop_per_s": 1e15, "productive_s_available": lambda params, used=None: 3e6}
    return SimpleNamespace(**{**usual, **fields})


def test_when_sizes_are_compared_at_their_own_batches() -> None:
    def opened(sized: Sized, batch: float | None = None, **request: Any) -> bool:
        r = SimpleNamespace(**{"tokens": None, "mfu": None, **request})
        return _open(crew(setting=SimpleNamespace(request=r, law=LAW), batch=SimpleNamespace(given_seqs=batch)), sized)

    by_fleet = msgspec.structs.replace(SIZED, solved={"params": "", "tokens": ""})
    assert opened(by_fleet)
    assert not opened(msgspec.structs.replace(by_fleet, closed_by="flop"))
    assert not opened(msgspec.structs.replace(by_fleet, solved={"tokens": ""}))
    for wrong in ({"batch": 64.0}, {"tokens": 1e9}, {"mfu": 0.4}):
        assert not opened(by_fleet, **wrong)


def test_a_batch_that_holds_back() -> None:
    # Twice the batch brings six or four per cent.
    for quicker, held in ((1.06, True), (1.04, False)):

        def rate(case: int, quicker: float = quicker) -> float:
            return quicker if case else 1.0

        def evaluate(shape: Any, params: float, fleets: Any, caps: Any, rate: Any = rate) -> Any:
            assert (fleets, caps) == ([2], (1.0, 2.0))
            return SimpleNamespace(tokens_per_s=rate)

        assert _held_back(crew(evaluate=evaluate), 1e9) is held


def test_tokens_that_sizes_see_at_the_batch_of_these_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 100, 200 and 300 tokens a second by the batch, of which the second fits in no layout."""
    found = SimpleNamespace(
        best=np.array([0, -1, 2]), space=SimpleNamespace(accelerators=np.array([1.0, 2.0, 2.0])),
        tokens_per_s=lambda case: 100.0 * (case + 1),
    )  # fmt: skip
    asked: list[Any] = []

    def evaluate(shape: Any, params: float, fleets: Any, caps: Any) -> Any:
        asked.append(caps)
        return found

    rule = SimpleNamespace(critical_tokens=lambda params: 4.0, critical_of=lambda params, tokens: tokens / 2)
    monkeypatch.setattr(own_batch.shapes, "shape_for_params", lambda params: None)
    monkeypatch.setattr(own_batch.shapes, "parameters", lambda shape: SimpleNamespace(active=1.5e9))
    fleet = crew(evaluate=evaluate, batch=rule, setting=SimpleNamespace(level=1.25),
                 productive_s_available=lambda params, used: 10.0 * used)  # fmt: skip
    # A shape of 1.5e9 for 1e9, measured a quarter slower: 1.2 times the rate of each, in ten or twenty seconds.
    assert seen(fleet, 1e9, np.array([8.0, 16.0, 24.0])).tolist() == pytest.approx([1200.0, 0.0, 7200.0])
    assert asked == [(1.0, 2.0, 3.0)]


def test_the_most_tokens_at_an_own_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    # At the peak 2e15 x 3e6 / 6e9 = 1e12 tokens. What is seen falls short of the first two shares, 1 and 2/3, and
    # passes the third, 4/9; of four between there and 2/3 the last that is passed counts.
    monkeypatch.setattr(own_batch, "seen", lambda fleet, params, tokens: np.full(len(tokens), 5e11))
    assert own_tokens(crew(), 1e9) == pytest.approx(5e11)
    monkeypatch.setattr(own_batch, "seen", lambda fleet, params, tokens: 4.8e11 + 0.1 * tokens)
    # 4.8e11 + 0.1 x 4.444e11 = 5.244e11; from there to 6.667e11 the next, 5.68e11, sees 5.37e11, which is less.
    assert own_tokens(crew(), 1e9) == pytest.approx(4.8e11 + 0.1 * (0.1 * 4e12 / 9 + 4.8e11), rel=1e-6)
    monkeypatch.setattr(own_batch, "seen", lambda fleet, params, tokens: 0.0 * tokens)
    assert own_tokens(crew(), 1e9) == 0.0


def test_the_least_loss_of_the_sizes_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of N D = 4e16 up to 1e9 parameters: the law's optimum is 4e8, a hundredth above 10^8.6."""
    asked: list[float] = []

    def own(fleet: Any, params: float) -> float:
        asked.append(params)
        return 4e16 / params if params <= 1.0001e9 else 0.0

    monkeypatch.setattr(own_batch, "own_tokens", own)
    monkeypatch.setattr(own_batch, "seen", lambda fleet, params, tokens: np.array([4e16 / params]))
    coarse = list(range(8 * FINE, 10 * FINE + 1, 8))
    found = _least(None, MODEL, coarse, range(8 * FINE, 10 * FINE + 1))  # type: ignore[arg-type]
    assert found.params == pytest.approx(4e8, rel=0.02)
    assert found.loss == pytest.approx(1.2, abs=1e-4)
    assert _size_at(9 * FINE + FINE // 2) == pytest.approx(10**9.5)
    none = _least(None, MODEL, [10 * FINE], range(10 * FINE, 10 * FINE + 1))  # type: ignore[arg-type]
    assert (none.loss, none.tokens, none.place) == (math.inf, 1.0, 10 * FINE)


# --- answers against size, and demand


CONSTANTS = {"exponent": math.e, "exponent_low": 1.0, "exponent_high": math.e**3}


def test_the_probability_that_answers_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwmodel.solve.life.samples.ENDS", tuple(CONSTANTS))
    # Ten answers are worth 10^e of the size, with 10^1 and 10^(e^3) at the ends of 80 %. A size of 10^2 needs an
    # exponent of two, whose log lies 1 - ln 2 = 0.307 below the middle: 0.307 x 1.28155 of the lower side of one.
    wins = _chance(CONSTANTS, 1e9, 10.0, 1e11)
    assert wins == pytest.approx(0.5 + 0.5 * math.erf((1 - math.log(2)) * Z80 / math.sqrt(2)))
    # One of 10^(e^2) lies half of the upper side of two above it.
    loses = _chance(CONSTANTS, 1.0, 10.0, 10 ** (math.e**2))
    assert loses == pytest.approx(0.5 - 0.5 * math.erf(0.5 * Z80 / math.sqrt(2)))
    assert _chance(CONSTANTS, 1e9, 10.0, 1e9) == 1.0
    assert _chance(CONSTANTS, 1e9, 1.0, 1e11) == 0.0
    assert _chance(CONSTANTS, 1e9, 10.0, None) == 0.0


def test_sizes_that_answers_are_worth() -> None:
    # Powers of four; ends are followed to the reach of the table, beyond only where the middle lies there.
    assert _ratios(4.0, np.array([0.5, 0.0, 1.0])).tolist() == [2.0, 1.0, 4.0]
    wide = _ratios(10.0, np.array([1.0, -9.0, 9.0]))
    assert wide[1] == pytest.approx(1 / wide[2])
    assert wide[0] == 10.0
    assert _ratios(10.0, np.array([9.0, 0.0, 9.5])).tolist() == [1e9, 1.0, 1e9]
    assert _band(np.array([2.0, 5.0, 1.0])) == Band(2.0, 1.0, 5.0)


def test_a_row_of_answers() -> None:
    one: Any = SimpleNamespace(total_cost=np.array([10.0, 8.0, 20.0]))
    two: Any = SimpleNamespace(
        total_cost=np.array([8.0, 9.0, 10.0]), params=np.array([3.0, 4.0, 2.0]), tokens=np.array([7.0, 1.0, 1.0]),
        loss=np.array([2.0, 1.0, 1.0]), train_cost=np.array([5.0, 1.0, 1.0]), serve_cost=np.array([3.0, 1.0, 1.0]),
    )  # fmt: skip
    row = _row(4.0, two, one, True)
    assert (row.samples, row.tokens, row.loss_nats, row.train_cost, row.serve_cost) == (4.0, 7.0, 2.0, 5.0, 3.0)
    assert (row.params, row.lifetime_cost) == (Band(3.0, 2.0, 4.0), Band(8.0, 8.0, 10.0))
    assert (row.saving.value, row.saving.low, row.saving.high) == pytest.approx((0.2, -0.125, 0.5))
    assert row.beyond_law
    assert _servable(two)
    assert not _servable(SimpleNamespace(total_cost=np.array([1.0, math.inf, 1.0])))  # type: ignore[arg-type]


def test_the_size_whose_one_answer_costs_as_much() -> None:
    # One answer of r times the size costs r^2.
    lives: Any = SimpleNamespace(params=1e9, one_answer_cost=lambda ratio: ratio**2)
    assert _same_cost(lives, 9.0) == pytest.approx(3e9, rel=1e-4)
    assert _same_cost(lives, 0.25) == pytest.approx(5e8, rel=1e-4)
    assert _same_cost(lives, math.inf) is None
    cheap: Any = SimpleNamespace(params=1e9, one_answer_cost=lambda ratio: 0.0)
    assert _same_cost(cheap, 1.0) == pytest.approx(1e9 * _ratios(10.0, np.array([1.0, -9.0, 9.0]))[2])


def test_the_demand_at_which_the_choice_flips() -> None:
    # Between 1e12 and 1e14 served the saving goes from 1 to 9 per cent: half way, 5, at 1e13.
    def point(tokens: float, saving: float | None) -> DemandPoint:
        return DemandPoint(inference_tokens=tokens, params=1.0, tokens=1.0, saving=saving)

    curve = [point(1e10, None), point(1e12, 0.01), point(1e14, 0.09), point(1e16, 0.2)]
    assert flip_demand(curve) == pytest.approx(1e13)
    assert flip_demand(curve, 0.09) == pytest.approx(1e14)
    assert flip_demand(curve, 0.03) == pytest.approx(10**12.5)
    assert flip_demand(curve[:2]) is None
    assert flip_demand(curve, 0.005) is None
    assert flip_demand(curve, 0.3) is None


def test_what_a_life_costs() -> None:
    # 2 N D to train, N / 4 a token of eight served; a bill of its own stands for the training: its 10 dollars, or 5 kWh
    # for each of its 2 hours; FLOPs have none.
    costs = Costs(
        train=lambda n, d: 2 * n * d, serve=lambda n: n / 4, answers=lambda k: lambda n: n, objective="usd", note=""
    )
    life = Life(found=None, costs=costs, loss=1.2, demand=8.0)  # type: ignore[arg-type]
    assert (life.cost(3.0, 5.0), life.served(3.0)) == (36.0, 6.0)
    answer: Any = SimpleNamespace(cost_usd=Band(10.0, 9.0, 11.0), gpu_hours=Band(2.0, 1.0, 3.0))
    assert life.billed(answer, 3.0, 5.0) == 16.0
    assert life.billed(SimpleNamespace(cost_usd=None), 3.0, 5.0) == 36.0  # type: ignore[arg-type]
    hourly = msgspec.structs.replace(costs, objective="kwh", per_accelerator_hour=5.0)
    assert msgspec.structs.replace(life, costs=hourly).billed(answer, 3.0, 5.0) == 16.0
    flops = msgspec.structs.replace(life, costs=msgspec.structs.replace(costs, objective="flops"))
    assert flops.billed(answer, 3.0, 5.0) == 36.0
    never = msgspec.structs.replace(life, costs=msgspec.structs.replace(costs, serve=lambda n: math.inf))
    assert never.billed(answer, 3.0, 5.0) is None
