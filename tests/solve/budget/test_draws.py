"""Joint draws: exact margins, closed forms, shared states of the world, and what the chances say."""

import math
from statistics import NormalDist

import numpy as np
import pytest

import hwmodel as hm
from hwmodel.economics import Z80, quantile_z, rent_drawn
from hwmodel.solve.budget.draws import DRAWS, UncertainRun, deviates, uncertain_run
from hwmodel.solve.plan.compare_values import compare_values
from hwmodel.solve.plan.solver import prepare, setting_of
from hwmodel.solve.question.setting import fleeted
from hwmodel.specs.economics import PriceSummary

NORMAL = NormalDist()
FIXED = {"gpus": "512xH100", "params": "40B", "tokens": "2T"}


def run_of(**given: object) -> UncertainRun:
    prepared = prepare(setting_of(**given))
    assert prepared.solved is not None
    return uncertain_run(fleeted(prepared.setting), prepared.solved, prepared.model)


def test_margins_are_exact_and_names_are_independent() -> None:
    first, second = deviates("a", 0), deviates("b", 0)
    assert np.sort(first) == pytest.approx([quantile_z((i + 0.5) / DRAWS) for i in range(DRAWS)], abs=1e-12)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert np.array_equal(first, deviates("a", 0))
    assert not np.array_equal(first, deviates("a", 1))


def test_days_without_failures_are_the_closed_form() -> None:
    """ln days is normal with the variances of step and whole run added; failures move a median by little."""
    run = run_of(**FIXED)
    drawn = run.drawn(0)
    answer = run.solved.answer
    for share in (0.5, 0.8, 0.9):
        assert np.quantile(drawn.elapsed_days, share) == pytest.approx(
            answer.quantiles[f"p{100 * share:.0f}"]["elapsed_days"], rel=0.02
        )
        assert np.quantile(drawn.cost_usd, share) == pytest.approx(
            answer.quantiles[f"p{100 * share:.0f}"]["cost_usd"], rel=0.02
        )


def test_scalars_and_arrays_take_one_path() -> None:
    run = run_of(**FIXED)
    z = {one.name: deviates(one.key, 3) for one in run.doubts}
    together = run.outcome(z)
    for i in (0, 17, 4095):
        alone = run.outcome({name: float(values[i]) for name, values in z.items()})
        assert alone.elapsed_days == pytest.approx(together.elapsed_days[i], rel=1e-12)
        assert alone.cost_usd == pytest.approx(together.cost_usd[i], rel=1e-12)
        assert alone.loss_nats == pytest.approx(together.loss_nats[i], rel=1e-12)


def test_rent_at_deviates_by_hand() -> None:
    # 100 h at $2, quotes from $1 to $3; half a year of drift at its 80 % end is 30 % more.
    price = PriceSummary(
        part="x", kind="on_demand", median_usd_per_accelerator_hour=2.0, low_usd_per_accelerator_hour=1.0,
        high_usd_per_accelerator_hour=3.0, n_quotes=5, first_date="", last_date="", age_days=0,
    )  # fmt: skip
    assert rent_drawn(100.0, price, 0.0, 0.0, 0.0) == pytest.approx(200.0)
    assert rent_drawn(100.0, price, 0.0, Z80, 0.0) == pytest.approx(300.0)
    assert rent_drawn(100.0, price, 0.0, -Z80, 0.0) == pytest.approx(100.0)
    a_year_and_a_half_s = 3 * 365.25 / 2 * 86400.0  # its mean has drifted as long as half a year at its end
    assert rent_drawn(100.0, price, a_year_and_a_half_s, 0.0, Z80) == pytest.approx(260.0, rel=1e-3)


def test_failures_at_their_interval_by_hand() -> None:
    run = run_of(**FIXED)
    facts = run.setting.reliability
    more = run.outcome({"failures": Z80}).failure_hours / run.outcome({}).failure_hours
    # The time lost grows between the root of the rate (checkpoints) and the rate itself (restarts).
    factor = math.exp(facts.rate_log_half_width)
    assert math.sqrt(factor) < more < factor * 1.1


def test_a_limit_at_the_median_is_kept_half_the_time_and_at_p80_four_times_in_five() -> None:
    free = hm.plan(**FIXED)
    for name, share in (("p50", 0.5), ("p80", 0.8), ("p90", 0.9)):
        q = free.answer.quantiles[name]
        days, usd = q["elapsed_days"] * 1.0001, q["cost_usd"] * 1.0001
        held = hm.plan(**FIXED, time=f"{days:.9g}d", budget=f"${usd:.9g}").risk
        assert [one.chance for one in held.limits] == pytest.approx([share, share], abs=0.015)
        assert held.all_met is not None
        assert 2 * share - 1 - 0.03 < held.all_met <= min(one.chance for one in held.limits)


def test_what_mends_a_budget_mends_it() -> None:
    free = hm.plan(**FIXED)
    usd = 1.05 * free.answer.quantiles["p50"]["cost_usd"]
    (limit,) = hm.plan(**FIXED, budget=f"${usd:.6g}").risk.limits
    assert 0.5 < limit.chance < 0.6
    mend = limit.mend
    assert mend is not None
    assert mend.share == 0.8
    for change in (
        {"tokens": f"{mend.tokens:.6g}"},
        {"budget": f"${mend.limit:.6g}"},
    ):
        (mended,) = hm.plan(**{**FIXED, "budget": f"${usd:.6g}", **change}).risk.limits
        assert mended.chance == pytest.approx(0.8, abs=0.01)


def test_days_and_dollars_that_are_enough_are_those_of_the_answer() -> None:
    """One figure of the days that are enough with a certainty, on whichever line it is printed."""
    p50 = hm.plan(**FIXED).answer.quantiles["p50"]
    found = hm.plan(**FIXED, time=f"{1.02 * p50['elapsed_days']:.4g}d", budget=f"${1.02 * p50['cost_usd']:.4g}")
    mended = {one.name: one.mend.limit for one in found.risk.limits if one.mend is not None}
    p80 = found.answer.quantiles["p80"]
    assert mended == {"time": p80["elapsed_days"], "budget": p80["cost_usd"]}


def test_accelerators_that_mend_a_deadline_do() -> None:
    (limit,) = hm.plan(**FIXED, deadline="30d").risk.limits
    assert limit.mend is not None
    assert limit.mend.accelerators is not None
    assert limit.mend.accelerators % 8 == 0
    enough = {**FIXED, "gpus": f"{limit.mend.accelerators}xH100"}
    assert hm.plan(**enough, deadline="30d", confidence="80%").answer.elapsed_days.value <= 30.0
    fewer = hm.plan(**{**enough, "gpus": f"{limit.mend.accelerators - 8}xH100"})
    assert fewer.answer.quantiles["p80"]["elapsed_days"] > 30.0


def test_tokens_that_reach_a_loss_are_a_doubt_of_days() -> None:
    """A loss asked for makes the law's constants a doubt of the bill; given tokens make them one of the loss."""
    aimed = hm.plan(gpus="512xH100", loss="1.95", price_kind=None).risk
    assert "law" in [one.driver for one in aimed.drivers]
    given = hm.plan(**FIXED).risk
    assert "law" not in [one.driver for one in given.drivers]
    assert given.loss_p10 < given.loss_p90
    assert aimed.loss_p10 is None


def test_a_price_given_and_an_mfu_given_are_no_doubts() -> None:
    found = hm.plan(**FIXED, usd_per_hour="2", mfu="40%").risk
    assert [one.driver for one in found.drivers] == ["whole_run", "failures"]


def test_few_bits_add_the_gap_of_published_pairs() -> None:
    sixteen, eight = hm.plan(**FIXED).risk, hm.plan(**FIXED, precision="fp8").risk
    assert eight.loss_p90 > sixteen.loss_p90


def test_the_largest_driver_stands_first_and_each_brackets_the_median() -> None:
    plan = hm.plan(**FIXED)
    spans = [one.usd_high - one.usd_low for one in plan.risk.drivers]
    assert spans == sorted(spans, reverse=True)
    middle = plan.answer.quantiles["p50"]["cost_usd"]
    for one in plan.risk.drivers:
        assert one.usd_low <= middle * (1 + 1e-9)
        assert one.usd_high >= middle * (1 - 1e-9)


def test_lines_add_up_to_the_rent() -> None:
    run = run_of(**FIXED)
    out = run.outcome({})
    assert out.steady_hours + out.failure_hours < out.gpu_hours * 1.5
    plan = hm.plan(**FIXED)
    assert sum(one.p50 for one in plan.risk.lines) == pytest.approx(plan.answer.quantiles["p50"]["cost_usd"], rel=0.05)


def test_seeds_change_draws_and_nothing_else() -> None:
    first, again, other = (hm.plan(**FIXED, deadline="30d", seed=seed).risk for seed in (0, 0, 1))
    assert first == again
    assert first.limits[0].chance != other.limits[0].chance
    assert first.limits[0].chance == pytest.approx(other.limits[0].chance, abs=0.02)


def test_a_plan_does_not_beat_itself_and_always_beats_a_clearly_worse_one() -> None:
    same, worse, _ = compare_values({"tokens": ["2T", "2.0T", "8T"]}, gpus="512xH100", params="40B").chances
    assert (same.cheaper, same.sooner, same.lower_loss) == (None, None, None)
    assert worse.cheaper == 1.0  # the same states of the world: four times the tokens cost more in each
    assert worse.lower_loss < 0.01
