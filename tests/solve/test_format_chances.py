"""Formats beside each other: chances from joint draws against closed forms, and a verdict under each objective."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import msgspec
import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import speedup_log_half_width
from hwmodel.economics import Z80
from hwmodel.laws.evidence import Gap, gap_band
from hwmodel.report import compare_markdown
from hwmodel.report.compare import sentence
from hwmodel.solve.budget.beats import Beats
from hwmodel.solve.plan.answer import FormatPlan
from hwmodel.solve.plan.format_verdict import contradicting
from hwmodel.solve.run.format_records import Contradiction
from hwmodel.solve.run.pairs import loss_gaps

ASKED = {"gpus": "256xH100", "params": "13B", "tokens": "2T"}
A, B, E, ALPHA, BETA = 482.00572, 2085.43420, 1.81686, 0.34781303, 0.36585412
SD = speedup_log_half_width() / Z80


@cache
def found() -> FormatPlan:
    return hm.compare(**ASKED, precision="bf16,fp8,fp8-row")


def chance(value: str, other: str) -> Beats:
    return next(one for one in found().chances if (one.value, one.other) == (value, other))


def speed(name: str) -> float:
    return next(row for row in found().precisions if row.precision == name).speedup.value


def test_the_errors_of_two_formats_are_common_but_for_their_ratio() -> None:
    """P(fp8 ends sooner) = Phi(ln s / sd of the ratio): no doubt of failures, price or whole runs enters."""
    for name in ("fp8", "fp8-row"):
        expected = NormalDist().cdf(-math.log(speed(name)) / SD)
        assert chance("bf16", name).sooner == pytest.approx(expected, abs=0.01)
        assert chance("bf16", name).cheaper == pytest.approx(expected, abs=0.01)


def test_two_narrow_formats_have_a_ratio_each() -> None:
    expected = NormalDist().cdf(math.log(speed("fp8") / speed("fp8-row")) / (math.sqrt(2.0) * SD))
    assert chance("fp8", "fp8-row").sooner == pytest.approx(expected, abs=0.015)
    assert chance("fp8", "fp8-row").lower_loss is None  # the same evidence speaks for both


def test_the_lower_loss_is_that_of_the_published_pairs() -> None:
    band = gap_band(loss_gaps(load_catalog().precision_pairs()), "fp8", 13e9, 2e12)
    assert band is not None
    assert chance("bf16", "fp8").lower_loss == pytest.approx(1.0 - band.below(0.0), abs=0.01)


def test_each_objective_has_its_verdict() -> None:
    """The gap paid for is that of the tokens which the saving buys, by arithmetic typed again."""
    loss = E + A * 13e9**-ALPHA + B * 2e12**-BETA
    for row in found().precisions[1:]:
        assert set(row.verdicts) == {"usd", "kwh", "co2e", "flops"}
        base = found().precisions[0]
        for objective, key in (("usd", "cost_usd"), ("kwh", "energy_mwh"), ("co2e", "co2e_t")):
            one = row.verdicts[objective]
            times = getattr(base, key).value / getattr(row, key).value
            assert one.times_cheaper.value == pytest.approx(times)
            paid = B * 2e12**-BETA * (1 - times**-BETA) / loss
            assert one.pays_up_to_share.value == pytest.approx(paid, rel=3e-3)
        assert row.verdicts["usd"].verdict == row.verdict
        assert row.verdicts["flops"].pays_up_to_share.value == 0.0
        assert row.verdicts["flops"].verdict != "pays"


def test_without_a_price_dollars_have_no_verdict() -> None:
    plan = hm.compare(gpus="64xgaudi3", params="8B", tokens="300B", precision="bf16,fp8", objective="kwh")
    if plan.answer.cost_usd is None:
        assert "usd" not in plan.precisions[1].verdicts
    assert "kwh" in plan.precisions[1].verdicts


def test_pairs_that_say_otherwise_are_counted() -> None:
    gaps = [Gap(source="a", low=0.001, high=0.001), Gap(source="b", low=0.004, high=0.004)]
    paying = contradicting(gaps, "pays", 0.002)
    assert paying == Contradiction(pairs=1, of=2, furthest_share=0.004, sources=["b"])
    assert contradicting(gaps, "does_not_pay", 0.002).sources == ["a"]
    assert contradicting(gaps, "pays", 0.005) is None
    assert contradicting(gaps, "within_noise", 0.002) is None


def test_no_verdict_contradicts_a_published_pair_unsaid() -> None:
    """Over sizes, runs and parts: where a pair of the kind lies on the other side of the threshold, the sentence of
    the format says how many do."""
    pairs = loss_gaps(load_catalog().precision_pairs())
    for gpus, params, tokens in (("128xB200", "8B", "160B"), ("128xB200", "8B", "15T"), ("64xH100", "1B", "30B"),
                                 ("1024xGB200", "70B", "15T")):  # fmt: skip
        plan = hm.compare(gpus=gpus, params=params, tokens=tokens, precision="bf16,fp8,nvfp4,mxfp4")
        text = compare_markdown(plan)
        for row in plan.precisions:
            if row.status != "ok" or row.pays_up_to_share is None:
                continue
            paid, kind = row.pays_up_to_share.value, row.evidence.kind
            worse = sum(gap.low > paid for gap in pairs[kind])
            better = sum(gap.high < paid for gap in pairs[kind])
            if (row.verdict == "pays" and worse) or (row.verdict == "does_not_pay" and better):
                assert row.against is not None
                assert f"of {len(pairs[kind])} pairs lost" in text


def test_a_contradiction_is_a_part_of_the_sentence() -> None:
    against = Contradiction(pairs=2, of=11, furthest_share=0.0042, sources=["x", "y"])
    row = msgspec.structs.replace(found().precisions[1], verdict="pays", against=against)
    assert "(2 of 11 lost more than that, up to 0.42 %: x, y)" in sentence(row)
    row = msgspec.structs.replace(row, verdict="does_not_pay")
    assert "lost less than that, down to 0.42 %" in sentence(row)
    assert "pairs lost" not in sentence(msgspec.structs.replace(row, against=None))


def test_the_report_shows_objectives_and_chances() -> None:
    text = compare_markdown(found())
    assert "## Under each objective" in text
    assert "| bf16 against fp8 |" in text
