"""Lines, intervals and students that fits give, on a few points worked out in the comments."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.laws import allocation, fit_floor
from hwmodel.laws.distill import given_teacher, usual_teacher
from hwmodel.laws.fit_beyond import form_miss
from hwmodel.laws.fit_floor import FloorInterval, _edge, score_scale
from hwmodel.laws.fit_leverage import MANY, Leverage, _candidates, leverage, said
from hwmodel.laws.fit_repeats import RepeatFit, predict_repeated
from hwmodel.laws.fit_slices import _line, _parabola
from hwmodel.laws.fitting import LogSum


def test_a_line_with_the_scatter_about_it() -> None:
    # (0, 0), (1, 1), (2, 3): slope 1.5, offset -1/6, residuals 1/6, -1/3, 1/6: 1/6 on one degree of freedom. The slope
    # varies by 1/6 over 2 (squares about the mean), its root 0.288675; t of one degree at 0.9 is 3.07768.
    x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 3.0])
    found = _line(x, y, 0.0, 7, 100, 1)
    assert (found.slope, found.offset) == pytest.approx((1.5, -1 / 6))
    assert (found.low, found.high) == pytest.approx((1.5 - 0.888451, 1.5 + 0.888451), rel=1e-5)
    # A noise of 0.5 a point is larger: the root of 0.25.
    found = _line(x, y, 0.5, 7, 100, 1)
    assert found.high - found.slope == pytest.approx(0.5 * 3.07768, rel=1e-5)


def test_a_line_through_two_points_has_the_noise_alone() -> None:
    # Squares about the mean 2: 0.02 / 2, its root 0.1; t of four degrees is 1.53321, of one (at least) 3.07768.
    x, y = np.array([0.0, 2.0]), np.array([0.0, 1.0])
    found = _line(x, y, 0.02, 4, 40_000, 1)
    assert found.high - found.slope == pytest.approx(0.153321, rel=1e-5)
    assert _line(x, y, 0.02, 0, 10, 1).high - 0.5 == pytest.approx(0.307768, rel=1e-5)
    # Draws lie about the line as the interval says; the offset (at x = 0) varies by 0.02 itself, its root 0.1414.
    assert found.draws.shape == (40_000, 2)
    assert np.median(found.draws, axis=0) == pytest.approx([0.0, 0.5], abs=0.005)
    assert np.quantile(found.draws[:, 1], 0.9) - 0.5 == pytest.approx(0.1533, rel=0.03)
    assert np.quantile(found.draws[:, 0], 0.9) == pytest.approx(1.53321 * 0.02**0.5, rel=0.03)
    # A line that is high at 0 is flat: -2 / 4 of the product of both spreads, over the root of (4 / 4) (2 / 4).
    assert np.corrcoef(found.draws.T)[0, 1] == pytest.approx(-(0.5**0.5), abs=0.05)


def repeats(rd: list[float], rn: list[float]) -> Any:
    return RepeatFit(
        base={"E": 1.7}, rd_star=15.0, rn_star=5.0, objective=0.0, points=3, repeating=3,
        draws=np.array([rd, rn]).T, residuals=np.array([0.01, -0.01, 0.05]), ranges={},
    )  # fmt: skip


def test_intervals_of_repeats_end_where_the_search_does() -> None:
    # Tenths of eleven draws: the second and the second last. The search goes from 10 e^-5 = 0.06738 to 1,484.1.
    found = repeats([float(i) for i in range(1, 12)], [0.0675] * 10 + [9.0]).intervals
    assert found["RD_star"] == pytest.approx((2.0, 10.0))
    assert found["RN_star"] == (None, pytest.approx(0.0675))
    found = repeats([0.0685, *[0.0685] * 9, 1.0], [1.0, *[1480.0] * 10]).intervals
    assert found["RD_star"] == (pytest.approx(0.0685), pytest.approx(0.0685))
    assert found["RN_star"] == (pytest.approx(1480.0), None)
    assert repeats([1.0, *[1465.0] * 10], [1.0] * 11).intervals["RD_star"][1] == pytest.approx(1465.0)


def test_constants_and_spread_of_repeats() -> None:
    # Median 0.01; deviations 0, 0.02, 0.04: 1.4826 x 0.02.
    found = repeats([1.0], [1.0])
    assert found.constants == {"E": 1.7, "RD_star": 15.0, "RN_star": 5.0}
    assert found.residual_sd == pytest.approx(0.029652)


def test_the_usual_teacher_has_twenty_tokens_a_parameter_and_costs_nothing(law: Any) -> None:
    constants = law("busbridge_distill_2025").constants
    found = usual_teacher(constants, 1e9, flop=1e21)
    assert found.teacher_tokens == pytest.approx(20.0 * found.teacher_params)
    assert found.teacher_flop == 0.0
    # 6 N D of the student and 2 N a token of the teacher's logits are all that is spent.
    assert found.tokens * (6.0 * 1e9 + 2.0 * found.teacher_params) == pytest.approx(1e21)
    # No other size of twenty tokens a parameter between 0.03 and 30 times the student's teaches better.
    sizes = 1e9 * np.geomspace(0.03, 30.0, 400)
    others = given_teacher(constants, 1e9, sizes, 20.0 * sizes, flop=1e21)
    assert found.loss == pytest.approx(float(np.min(others.loss)), rel=1e-5)
    # For a loss: the cheapest of them.
    asked = found.loss + 0.05
    cheap = usual_teacher(constants, 1e9, loss=asked)
    others = given_teacher(constants, 1e9, sizes, 20.0 * sizes, loss=asked)
    assert cheap.flop == pytest.approx(float(np.min(others.flop)), rel=1e-3)
    assert cheap.teacher_tokens == pytest.approx(20.0 * cheap.teacher_params)
    assert msgspec.structs.asdict(cheap)["loss"] <= asked * (1.0 + 1e-6)


def test_the_budget_of_a_size_under_a_law_of_tokens() -> None:
    # D = 2 C^0.5 and C = 6 N D: for N = 3, C = 36 C^0.5, so C = 1,296 and D = 72; 6 x 3 x 72 = 1,296.
    law = {"k_tokens": 2.0, "a_tokens": 0.5}
    assert allocation.flop_for_params(law, 3.0) == pytest.approx(1296.0, rel=1e-12)
    assert allocation.params_for_flop(law, 1296.0) == pytest.approx(3.0, rel=1e-12)


def test_the_vertex_of_a_slice_lies_between_its_sizes() -> None:
    # Losses (x - 3.3)^2 + 2 at x = 0 to 6: the best of them is 3, the minimum 2 at 3.3.
    x = np.arange(7.0)
    found = _parabola(x, (x - 3.3) ** 2 + 2.0)
    assert found is not None
    assert found.log_n == pytest.approx(3.3, rel=1e-9)
    assert found.loss == pytest.approx(2.0, rel=1e-9)


def level(above: list[float]) -> tuple[LogSum, np.ndarray[Any, Any]]:
    """Twice a factor A, against the logarithms of 2 e and so much more: within a thousandth ln A is their mean."""
    half = ((0, np.ones(len(above))),)
    model = LogSum(names=("log_A",), terms=(half, half), target=np.log(2.0) + 1.0 + np.array(above))
    return model, np.array([1.0 + np.mean(above)])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_run_that_a_constant_hangs_on(sign: float) -> None:
    # Five runs, the third 5e-4 off: ln A is 1 + 1e-4, without the third 1, without another 1 + 1.25e-4.
    found = leverage(*level([0.0, 0.0, sign * 5e-4, 0.0, 0.0]), (0,))
    assert [(one.name, one.runs) for one in found] == [("A", (2,))]
    assert found[0].value == pytest.approx(np.exp(1.0 + sign * 1e-4), rel=1e-9)
    assert found[0].without == pytest.approx(np.e, rel=1e-9)


def test_what_is_said_of_a_constant_that_moves() -> None:
    # By a half upwards and downwards, and by a tenth, which is not said.
    up, down, little = (Leverage(name="B", runs=(1, 4), value=2.0, without=value) for value in (3.0, 1.0, 2.19))
    assert (up.moved, down.moved, little.moved) == pytest.approx((0.5, 0.5, 0.095))
    assert said([up, down, little], (2, 3, 4, 5, 6)) == [
        "B hangs on 2 runs (lines 3, 6): 2 with them, 3 without",
        "B hangs on 2 runs (lines 3, 6): 2 with them, 1 without",
    ]


def test_of_many_runs_those_far_off_are_left_out_one_by_one() -> None:
    # All runs weigh the same in A, so that residuals decide: 50 of no residual drop out, whichever way others are off.
    rows = [0.0] * 50 + [(-1.0) ** i * (1e-5 + 1e-7 * i) for i in range(MANY)]
    model, _ = level(rows)
    assert sorted(_candidates(model, np.array([1.0]))) == list(range(50, MANY + 50))
    fewer, _ = level(rows[:MANY])
    assert list(_candidates(fewer, np.array([1.0]))) == list(range(MANY))


def smoothed(width: float, *residuals: float) -> float:
    """The share of residuals within a thousandth: for a kernel so wide, its height there times two thousandths."""
    heights = [np.exp(-0.5 * (one / width) ** 2) / (2.0 * np.pi) ** 0.5 for one in residuals]
    return float(np.mean(heights)) * 2e-3 / width


def test_the_scale_of_a_score() -> None:
    # One far off: the median size is 2, 1.4826 times it 2.9652, far below the deviation; times 1.06 / 5^0.2. Each of
    # five scores is a thousandth, three degrees of freedom.
    found = score_scale(np.array([1.0, -1.0, 2.0, -2.0, 100.0]), 3)
    wide = 1.06 * 2.9652 / 5**0.2
    assert found == pytest.approx(5e-6 / 3 / smoothed(wide, 1.0, 1.0, 2.0, 2.0, 100.0), rel=1e-4)
    # Two alike: the deviation is 1, less than 1.4826.
    found = score_scale(np.array([1.0, -1.0]), 1)
    assert found == pytest.approx(2e-6 / smoothed(1.06 / 2**0.2, 1.0, 1.0), rel=1e-4)
    # Within the quadratic zone a score is the residual and its curvature whole: squares of 1e-6 over two.
    assert score_scale(np.array([1e-6, -1e-6, 1e-6, -1e-6]), 2) == pytest.approx(2e-12, rel=1e-6)


def test_where_a_profile_crosses_what_is_allowed() -> None:
    # Rises of 0, 1 and 9 at logarithms 0, 1 and 2; half of 8 is allowed: roots 1, 2 and 3, half way between.
    grid, rise = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 9.0])
    assert _edge(grid, rise, 1, 8.0, 1) == pytest.approx(np.exp(1.5))
    assert _edge(grid, rise[::-1].copy(), 1, 8.0, -1) == pytest.approx(np.exp(0.5))
    # At the ends of the grid the runs set none; a profile that falls again crosses at once, or not before the next.
    assert _edge(grid, rise, 2, 8.0, 1) is None
    assert _edge(grid, rise, 0, 8.0, -1) is None
    assert _edge(grid, np.array([0.0, 9.0, 9.0]), 1, 8.0, 1) == pytest.approx(np.e)
    assert _edge(grid, np.array([0.0, 0.0, 1.0]), 1, 8.0, 1) == pytest.approx(np.exp(2.0))


@pytest.mark.parametrize(
    ("half", "ends"), [(0.4, (np.exp(-0.4), np.exp(0.4))), (1.5, (np.exp(-1.5), None)), (3.0, (None, None))]
)
def test_the_floors_that_a_profile_allows(monkeypatch: Any, half: float, ends: tuple[float | None, ...]) -> None:
    # A parabola about log floor 0 that crosses what is allowed at `half`: looked for to 2.5 below and 1 above. Two
    # parameters for four residuals in the quadratic zone: a scale of 4e-12 / 2; t of two degrees at 0.9 is 1.885618.
    allowed = 2e-12 * 1.885618**2
    residual = np.array([1e-6, -1e-6, 1e-6, -1e-6])

    class Model:
        def shares(self, _theta: Any) -> Any:
            return None, [residual]

    def minimised(_model: Any, starts: Any, fixed: tuple[int, ...]) -> Any:
        assert fixed == (1,)
        assert (starts[:, 0] == 7.0).all()
        return None, 3e-12 + 0.5 * allowed * (starts[:, 1] / half) ** 2

    monkeypatch.setattr(fit_floor, "minimise", minimised)
    found = fit_floor.floor_profile(Model(), np.array([7.0, 0.0]), 3e-12, 1)  # type: ignore[arg-type]
    for got, end in zip((found.low, found.high), ends, strict=True):
        assert got == (None if end is None else pytest.approx(end, rel=1e-4))


def test_what_is_said_of_a_floor() -> None:
    ends: tuple[tuple[float | None, float | None], ...] = ((1.5, 1.75), (None, 1.75), (None, None))
    both, upper, none = (FloorInterval(low=low, high=high) for low, high in ends)
    assert (both.identified, upper.identified, none.identified) == (True, False, False)
    assert both.said() == "1.5000 to 1.7500"
    assert upper.said() == "not identified (only: below 1.7500)"
    assert none.said() == "not identified"


def test_what_a_form_misses_beyond_its_runs() -> None:
    # 0.02 a decade, at four decades twice that: less by one, and 2.5 a draw of one.
    assert form_miss(0.02, 4.0, 0.0) == pytest.approx(-0.04)
    assert form_miss(0.02, 4.0, 1.0) == pytest.approx(0.06)


def test_the_interval_of_a_repeated_run() -> None:
    # All tokens distinct at 10 of them with 40 parameters that they feed: 1.5 + 2 / 40^0.5 + 1 / 10^0.5 whatever the
    # decays, half of the runs a hundredth below. Scatter 0.01 about the median: 1.4826 x 0.01.
    base = {"E": 1.5, "A": 2.0, "alpha": 0.5, "B": 1.0, "beta": 0.5}
    fit = RepeatFit(
        base=base, rd_star=15.0, rn_star=5.0, objective=0.0, points=3, repeating=3, draws=np.array([[2.0, 3.0]]),
        residuals=np.array([0.0, 0.01, 0.02]), ranges={},
    )  # fmt: skip
    value, low, high = predict_repeated(fit, 0.8, 40.0, 10.0, 10.0, 0.0)
    assert value == pytest.approx((1.5 + 2 / 40**0.5 + 1 / 10**0.5) * np.exp(-0.01), rel=1e-9)
    assert (low / value, high / value) == pytest.approx((np.exp(-0.01), np.exp(0.01)), rel=1e-9)
    # Four decades beyond: 2 x 0.014826 lower, and 2.5 x 1.2816 of that to either side, drawn 400 times.
    _, low, high = predict_repeated(fit, 0.8, 40.0, 10.0, 10.0, 4.0)
    assert np.log(low / value) == pytest.approx(-0.029652 * (1 + 3.204), rel=0.15)
    assert np.log(high / value) == pytest.approx(-0.029652 * (1 - 3.204), rel=0.15)


def test_resampled_decays_widen_the_interval_of_a_repeated_run() -> None:
    # Thirty tokens of 10 feed 2^2 x 10 = 40 of 120 parameters: two repeats and two excesses, of decays (2, 4) or
    # (20, 40) in as many draws. Each lies half of the gap between their logarithms from the median.
    def log_loss(rd: float, rn: float) -> float:
        d, n = 10 + 10 * rd * (1 - np.exp(-2 / rd)), 40 + 40 * rn * (1 - np.exp(-2 / rn))
        return float(np.log(1.5 + 2 / n**0.5 + 1 / d**0.5))

    fit = RepeatFit(
        base={"E": 1.5, "A": 2.0, "alpha": 0.5, "B": 1.0, "beta": 0.5}, rd_star=15.0, rn_star=5.0, objective=0.0,
        points=3, repeating=3, draws=np.array([[2.0, 4.0], [20.0, 40.0]]), residuals=np.zeros(3), ranges={},
    )  # fmt: skip
    value, low, high = predict_repeated(fit, 0.8, 120.0, 30.0, 10.0, 0.0)
    assert np.log(value) == pytest.approx(log_loss(15.0, 5.0), rel=1e-12)
    half = (log_loss(2.0, 4.0) - log_loss(20.0, 40.0)) / 2
    assert (np.log(low / value), np.log(high / value)) == pytest.approx((-half, half), rel=1e-9)
    none = msgspec.structs.replace(fit, draws=np.empty((0, 2)))
    assert predict_repeated(none, 0.8, 120.0, 30.0, 10.0, 0.0) == pytest.approx((value, value, value), rel=1e-12)


def test_each_constant_hangs_on_runs_of_its_own() -> None:
    # Twice A e^(b x) at x = 0 and x = 1, three runs each, whose means are ln A and ln A + b. One of the first is 3e-4
    # low, one of the others 6e-4: ln A is 1 - 1e-4, without its run 1; ln A + b is 2 - 2e-4, without its run 2.
    x = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    off = np.array([0.0, -3e-4, 0.0, 0.0, 0.0, -6e-4])
    half = ((0, np.ones(6)), (1, x))
    model = LogSum(names=("log_A", "b"), terms=(half, half), target=np.log(2.0) + 1.0 + x + off)
    first, second = leverage(model, np.array([1.0 - 1e-4, 1.0 - 1e-4]), (0, 1))
    assert (first.name, first.runs, second.name, second.runs) == ("A", (1,), "b", (5,))
    assert (first.value, first.without) == pytest.approx((np.exp(1.0 - 1e-4), np.e), rel=1e-9)
    assert (second.value, second.without) == pytest.approx((1.0 - 1e-4, 1.0 + 1e-4), rel=1e-7)
