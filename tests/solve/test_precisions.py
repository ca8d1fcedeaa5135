"""Formats compared on evidence: thresholds against independent arithmetic, verdicts, lacking rows, kinds of recipe."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

import hwmodel as hm
from hwmodel import report
from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.laws.evidence import GapBand, gap_band
from hwmodel.report.compare import sentence
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.plan.break_even import probability_wins, verdict
from hwmodel.solve.run.format_records import FormatRow
from hwmodel.solve.run.pairs import evidence_kind, loss_gaps, published_speed
from hwmodel.solve.run.result import Band

CATALOG = load_catalog()
LONG = {"gpus": "1024xH100", "params": "8B", "tokens": "15T"}
# besiroglu_2024, typed again: the threshold is checked against arithmetic that does not go through the package
A, B, E, ALPHA, BETA = 482.00572, 2085.43420, 1.81686, 0.34781303, 0.36585412


@pytest.fixture(scope="module")
def long() -> Plan:
    return hm.compare(**LONG, precision="bf16,fp8,fp8-block,nvfp4")


def row(plan: Plan, name: str) -> FormatRow:
    return next(one for one in plan.precisions if one.precision == name)


def test_the_threshold_at_a_fixed_size_is_that_of_the_law(long):
    """B D^-beta (1 - s^-beta) over the loss, as worked by hand: about 0.13 % at 1.27x."""
    fp8 = row(long, "fp8")
    s = fp8.speedup.value
    loss = E + A * 8e9**-ALPHA + B * 15e12**-BETA
    assert fp8.pays_up_to_share.value == pytest.approx(B * 15e12**-BETA * (1 - s**-BETA) / loss, rel=2e-3)
    assert fp8.pays_up_to_share.low < fp8.pays_up_to_share.value < fp8.pays_up_to_share.high


def test_the_threshold_with_size_and_tokens_free_is_that_of_the_optimum(long):
    """At the optimum the reducible loss falls as C^-(alpha beta / (alpha + beta))."""
    fp8 = row(long, "fp8")
    loss = E + A * 8e9**-ALPHA + B * 15e12**-BETA
    falls = ALPHA * BETA / (ALPHA + BETA)
    free = (loss - E) * (1 - fp8.speedup.value**-falls) / loss
    assert fp8.pays_up_to_share_free.value == pytest.approx(free, rel=5e-3)
    assert fp8.pays_up_to_share_free.value > fp8.pays_up_to_share.value


def test_eight_bits_at_8b_on_15t_are_within_noise_and_never_refused(long):
    fp8 = row(long, "fp8")
    assert 1.1 < fp8.speedup.value < 1.4
    assert fp8.verdict == "within_noise"
    assert fp8.loss_gap_share.high < 0.006
    assert 0.3 < fp8.probability_wins < 0.7
    factor = fp8.tokens_factor
    assert factor is None or factor.high < 5.0


def test_a_format_that_the_part_lacks_is_a_row(long):
    assert row(long, "nvfp4").status == "lacking"
    assert "nvfp4" in row(long, "nvfp4").reason
    with pytest.raises(InputError, match="cannot compute in nvfp4"):
        hm.compare(**LONG, precision="nvfp4")
    later = hm.compare(gpus="64xH100", params="8B", tokens="100B", precision="nvfp4,fp8,bf16")
    assert [one.status for one in later.precisions] == ["lacking", "ok", "ok"]
    assert row(later, "bf16").verdict == "reference"


def test_short_runs_pay_and_four_bits_in_every_layer_do_not():
    plan = hm.compare(gpus="128xB200", params="8B", tokens="160B", precision="bf16,fp8,mxfp8,nvfp4,mxfp4")
    assert row(plan, "fp8").verdict == "pays"
    assert row(plan, "mxfp8").verdict == "pays"
    assert row(plan, "fp8").probability_wins > 0.9
    far = hm.compare(gpus="128xB200", params="8B", tokens="15T", precision="bf16,nvfp4,mxfp4")
    assert row(far, "mxfp4").verdict == "does_not_pay"
    assert row(far, "mxfp4").tokens_factor is None  # not a factor like 2,019


def test_laws_are_scenarios_with_their_ratio_to_the_pairs():
    plan = hm.compare(gpus="128xB200", params="8B", tokens="1T", precision="bf16,nvfp4")
    kumar, sun = (row(plan, "nvfp4").scenarios[law] for law in ("kumar_2024", "sun_2025"))
    assert 5.0 < kumar.ratio_to_pairs < 11.0
    assert kumar.pairs_inside_fit
    assert 0.1 < sun.ratio_to_pairs < 0.4
    assert kumar.value > row(plan, "nvfp4").loss_gap_share.high


def test_a_mixture_has_a_measured_gap_and_says_what_is_unknown():
    plan = hm.compare(gpus="256xH100", model="mixtral-8x7b", tokens="1T", precision="bf16,fp8")
    fp8 = row(plan, "fp8")
    assert fp8.loss_gap_share.high < 0.006
    assert fp8.verdict == "unknown"
    assert "no loss" in fp8.verdict_reason
    text = report.compare_markdown(plan)
    assert "bf16 wins" not in text
    assert "not known" in text


def test_recipes_without_full_states_have_no_pairs():
    full = CATALOG.precision("bf16")
    assert evidence_kind(full) == "16-bit"
    pure = msgspec.structs.replace(full, master_bytes=0.0, gradient_bytes=2.0, moment_bytes=4.0)
    assert evidence_kind(pure) == ""
    assert evidence_kind(CATALOG.precision("fp8-states")) == ""
    assert evidence_kind(CATALOG.precision("tf32")) == "16-bit"
    assert evidence_kind(CATALOG.precision("nvfp4")) == "nvfp4-part"
    assert evidence_kind(msgspec.structs.replace(CATALOG.precision("nvfp4"), bf16_layers=0.0)) == "nvfp4-full"


def test_a_recipe_without_pairs_is_unknown_and_not_free():
    plan = hm.compare(gpus="64xH100", params="8B", tokens="1T", precision="bf16,fp8-states")
    states = row(plan, "fp8-states")
    assert states.loss_gap_share is None
    assert states.verdict == "unknown"


def test_layers_kept_in_sixteen_bits_act_on_speed_and_bytes():
    plan = hm.compare(gpus="128xB200", params="8B", tokens="1T", precision="bf16,nvfp4,nvfp4-full")
    kept, every = row(plan, "nvfp4"), row(plan, "nvfp4-full")
    assert 1.0 < kept.speedup.value < every.speedup.value
    assert kept.loss_gap_share.value < every.loss_gap_share.value


def test_recipes_differ_by_how_they_scale():
    plan = hm.compare(gpus="64xH100", params="8B", tokens="1T", seq_len="8192",
                      precision="bf16,fp8,fp8-row,fp8-block,fp8-delayed")  # fmt: skip
    speed = {one.precision: one.speedup.value for one in plan.precisions}
    assert speed["fp8"] - speed["fp8-row"] > 0.05
    assert speed["fp8-delayed"] >= speed["fp8"] > speed["fp8-row"]


def test_a_life_with_demand_has_a_threshold_of_its_own():
    question = {"gpus": "512xH100", "loss_like": "70B@1.4T", "precision": "bf16,fp8"}
    free, served = (hm.compare(**question, **more) for more in ({}, {"inference_tokens": "20T"}))
    one, other = row(free, "fp8").pays_up_to_share_free, row(served, "fp8").pays_up_to_share_free
    assert one.value > 0.0
    # serving is most of the cost, and no faster: less of a gap is paid for
    assert 0.0 < other.value < one.value


BAND = Band(0.002, 0.0005, 0.004)


@pytest.mark.parametrize(
    ("paid", "said"),
    [(0.0041, "pays"), (0.0035, "pays_unless_at_the_top"), (0.0025, "within_noise"), (0.001, "within_noise"),
     (0.0004, "does_not_pay"), (-0.001, "does_not_pay")],
)  # fmt: skip
def test_verdicts_by_where_the_threshold_lies(paid, said):
    assert verdict(BAND, paid) == said


def test_the_probability_agrees_with_drawing():
    band = gap_band(loss_gaps(CATALOG.precision_pairs()), "nvfp4-part", 8e9, 1e12)
    assert isinstance(band, GapBand)
    speedup, random = Band.around(1.4, 0.1), np.random.default_rng(0)
    speeds = 1.4 * np.exp(0.1 / 1.2815515655 * random.standard_normal(40_000))
    roots = band.centre_root + band.scale_root * random.standard_t(band.freedom, 40_000)
    gaps = np.sign(roots) * roots**2 - 0.001
    drawn = float(np.mean(gaps < 0.01 * np.log(speeds)))
    assert probability_wins(band, speedup, lambda s: 0.01 * math.log(s)) == pytest.approx(drawn, abs=0.02)


def test_a_sentence_that_a_lead_can_repeat(long):
    said = sentence(row(long, "fp8"))
    assert "published pairs" in said
    assert "pays for a loss gap of up to" in said
    assert "undecided" in said
    assert said.count("%") >= 3


def test_published_speeds_stand_beside_the_prediction(long):
    fp8 = row(long, "fp8").speedup_published
    assert (fp8.pairs, fp8.sources) == (10, 7)
    assert 1.2 < fp8.median < 1.3
    assert published_speed(CATALOG.precision_pairs(), CATALOG.precision("nvfp4-full")) is None


def test_reports_fit_into_their_words(long):
    text = report.compare_markdown(long)
    assert len(text.split()) <= 2000
    for needed in ("0.1 %", "scenario", "published pairs"):
        assert needed in " ".join(text.split())
    assert report.compare_csv(long).count("\n") == 5
