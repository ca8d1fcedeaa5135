"""Laws that were long refused, against their papers' formulas written out here and against what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hwmodel import laws
from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError

LAW = load_catalog().law


def _supervised(n, d):
    """Busbridge et al. 2025, Table 6."""
    return 1.220 + (3355.0 / n**0.408 + 18186.0 / d**0.431) ** 0.452


def _student(n, d, teacher):
    """The same, eq. 8, as it is printed."""
    bracket = 1.0 + (teacher / (_supervised(n, d) * 1.315)) ** (1.0 / 0.090)
    able = (2243.0 / n**0.321 + 24181.0 / d**0.637) ** 0.764
    return teacher + teacher**-2.549 * bracket ** (-522.6 * 0.090) * able


@pytest.mark.parametrize("n", [1.43e8, 1e9, 7.75e9])
@pytest.mark.parametrize("d", [4e9, 1e11, 1e12])
@pytest.mark.parametrize("teacher", [1.7, 2.0, 2.4, 3.0])
def test_a_student_has_the_printed_loss(n, d, teacher):
    got = laws.evaluate(LAW("busbridge_distill_2025"), params=n, tokens=d, teacher_loss=teacher)
    assert got["loss_nats"] == pytest.approx(_student(n, d, teacher), rel=1e-12)
    assert got["supervised_loss_nats"] == pytest.approx(_supervised(n, d), rel=1e-12)
    assert laws.loss(LAW("busbridge_distill_2025/supervised"), n, d) == pytest.approx(_supervised(n, d), rel=1e-12)


def test_a_hopeless_teacher_overflows_nothing():
    got = laws.evaluate(LAW("busbridge_distill_2025"), params=1e9, tokens=1e10, teacher_loss=11.0)
    assert got["loss_nats"] == pytest.approx(11.0)


def test_the_supervised_optimum_is_the_minimum_of_its_loss():
    law = LAW("busbridge_distill_2025/supervised")
    best = laws.optimum_for_flop(law, 1e21)
    sizes = best.params * np.geomspace(0.5, 2.0, 2001)
    assert sizes[np.argmin(_supervised(sizes, 1e21 / 6.0 / sizes))] == pytest.approx(best.params, rel=1e-3)


def test_a_teacher_too_good_teaches_less_and_data_in_plenty_need_none():
    law = LAW("busbridge_distill_2025")

    def student(teacher, tokens):
        return float(laws.evaluate(law, params=5.46e8, tokens=tokens, teacher_loss=teacher)["loss_nats"])

    losses = [student(t, 5.12e11) for t in np.linspace(1.6, 2.4, 81)]
    assert 0 < int(np.argmin(losses)) < 80  # the capacity gap: best in between
    assert student(2.1, 1e10) < _supervised(5.46e8, 1e10)  # few tokens: distilled is better (Figure 6)
    assert student(2.1, 1e13) > _supervised(5.46e8, 1e13)  # many: trained on data is


def test_leverage_is_one_for_a_dense_model_and_best_near_the_granularity_that_the_paper_names():
    law = LAW("ling_leverage_2025")
    dense = laws.evaluate(law, flop=1e20, sparsity=0.0, granularity=2.0)["compute_leverage"]
    assert dense == pytest.approx(1.0, abs=0.02)
    grid = np.geomspace(2, 64, 501)
    gains = [laws.evaluate(law, flop=1e22, sparsity=0.969, granularity=float(g))["compute_leverage"] for g in grid]
    assert 8.0 < grid[int(np.argmax(gains))] < 12.5
    assert max(gains) > 7.0
    with pytest.raises(InputError, match="sparsity is the share of experts"):
        laws.evaluate(law, flop=1e20, sparsity=1.2, granularity=2.0)


def test_mixtures_are_smaller_and_longer_trained_than_dense_models_of_the_same_compute():
    dense, moe = (laws.optimum_for_flop(LAW(f"ling_leverage_2025/{v}"), 1e20) for v in ("dense", "moe"))
    assert moe.params < dense.params
    assert moe.tokens > dense.tokens
    assert 6.0 * dense.params == pytest.approx(0.0655 * 1e20**0.5422, rel=1e-9)
    assert 6.0 * moe.params == pytest.approx(0.1915 * 1e20**0.5095, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "floor", "c0", "a"),
    [("language", 0.0, 3.47e8, 0.048), ("image-16x16", 2.64, 1.6e-8, 0.16), ("video-vq-16x16x16", 0.95, 2.2e-5, 0.14)],
)
def test_modalities_have_the_printed_loss_by_compute(name, floor, c0, a):
    days = 37.0
    got = laws.evaluate(LAW(f"henighan_2020/L_C-{name}"), flop=days * 8.64e19)["loss_nats"]
    assert got == pytest.approx(floor + (days / c0) ** -a, rel=1e-12)


def test_language_by_compute_is_that_of_gpt3():
    """GPT-3 prints L = 2.57 C^-0.048 in PF-days (arXiv 2005.14165, Figure 3.1) and kaplan_2020 N = 1.3e9 C^0.73."""
    got = laws.evaluate(LAW("henighan_2020/L_C-language"), flop=3640 * 8.64e19)["loss_nats"]
    assert got == pytest.approx(2.57 * 3640**-0.048, rel=1e-3)
    one = laws.optimum_for_flop(LAW("henighan_2020/N_opt-language"), 8.64e19)
    assert one.params == pytest.approx(1.3e9, rel=0.01)


def test_farseer_is_its_printed_formula_and_gives_no_optimum():
    n, d = 2.0e9, 4.0e10
    want = math.exp(-0.021 * n**0.169 - 0.091) + math.exp(88.01 * n**-0.1 - 6.287) * d ** -math.exp(
        -0.124 * n**0.123 + 0.424
    )
    got = laws.evaluate(LAW("farseer_2025"), params=n, tokens=d)
    assert got == {"bits_per_character": pytest.approx(want, rel=1e-12)}
    with pytest.raises(InputError, match="not for allocation"):
        laws.optimum_for_flop(LAW("farseer_2025"), 1e21)


def test_rewards_of_reinforcement_learning_saturate():
    law = LAW("scale_rl_2025")
    given = {"midpoint_gpu_hours": 8e3, "start_reward": 0.3}
    assert laws.evaluate(law, gpu_hours=8e3, **given)["reward"] == pytest.approx(0.3 + 0.345 / 2)
    assert laws.evaluate(law, gpu_hours=1e9, **given)["reward"] == pytest.approx(0.645, abs=1e-6)
    with pytest.raises(InputError, match="start_reward is a pass rate"):
        laws.evaluate(law, gpu_hours=1e4, midpoint_gpu_hours=8e3, start_reward=0.7)


def test_every_new_law_says_where_from_and_how_it_counts():
    for name in ("farseer_2025", "busbridge_distill_2025", "shukor_nmm_2025", "frantar_compression_2025",
                 "henighan_2020",
                 "ling_leverage_2025", "diloco_2025", "parscale_2025", "nezhurina_clip_2025", "bergsma_timescale_2025",
                 "scale_rl_2025"):  # fmt: skip
        spec = LAW(name)
        assert spec.locator, name
        assert spec.caveats, name
        assert not spec.refusal, name
