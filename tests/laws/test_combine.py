"""What may be combined is done, what may not is refused with its reason."""

from __future__ import annotations

import importlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hwmodel import laws
from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.laws import precision
from hwmodel.laws.combine import _beyond, _clash, combine, judge, require_sound
from hwmodel.laws.data import effective_tokens, repeated_loss, tokens_for_effective
from hwmodel.laws.experts import dense_equivalent
from hwmodel.laws.forms import form, form_names
from hwmodel.laws.judged import NOT_BOTH


@pytest.mark.parametrize(
    ("base", "other", "verdict"),
    [
        ("besiroglu_2024", "kumar_2024", "interval"),
        ("besiroglu_2024", "sun_2025", "sound"),
        ("besiroglu_2024", "chen_qat_2025", "sound"),
        ("besiroglu_2024", "ouyang_qid_2024", "bound"),
        ("besiroglu_2024", "muennighoff_2023", "sound"),
        ("besiroglu_2024", "ludziejewski_2025", "sound"),
        ("besiroglu_2024", "clark_2022", "refused"),
        ("besiroglu_2024", "gadre_2024", "refused"),
        ("besiroglu_2024", "kaplan_2020/L_N", "refused"),
        ("besiroglu_2024", "krajewski_2024/dense", "refused"),
        ("besiroglu_2024", "chinchilla_2022/approach3", "sound"),
        ("besiroglu_2024", "gpt4_loss", "refused"),
        ("kaplan_2020/L_ND", "kumar_2024", "refused"),
        ("llama3_2024", "muennighoff_2023", "refused"),
        ("muennighoff_2023", "muennighoff_2023", "sound"),
        ("krajewski_2024/dense", "muennighoff_2023", "sound"),
        # a base of mixtures over several modalities: all below was judged on dense language models
        ("shukor_nmm_2025/experts", "muennighoff_2023", "refused"),
        ("shukor_nmm_2025/experts", "ludziejewski_2025", "refused"),
        ("shukor_nmm_2025/experts", "kumar_2024", "refused"),
        ("shukor_nmm_2025/experts", "sun_2025", "refused"),
        ("shukor_nmm_2025/experts", "chen_qat_2025", "refused"),
        ("shukor_nmm_2025/experts", "ouyang_qid_2024", "refused"),
        ("shukor_nmm_2025/experts", "step_law_2025", "refused"),
        ("ludziejewski_2025", "muennighoff_2023", "refused"),
        ("busbridge_distill_2025/supervised", "muennighoff_2023", "refused"),  # its sum is raised to a power
        ("besiroglu_2024", "scale_rl_2025", "refused"),
        ("besiroglu_2024", "tao_vocab_2024", "refused"),
        ("besiroglu_2024", "densing_2024", "refused"),
        ("besiroglu_2024", "wei_emergent_2022", "refused"),
        ("besiroglu_2024", "schaeffer_2023", "refused"),
        ("besiroglu_2024", "kaplan_2020/B_crit", "refused"),  # from a loss of another corpus
        ("besiroglu_2024", "parscale_2025", "refused"),
        ("besiroglu_2024", "frantar_compression_2025/weights-4bit", "refused"),
        ("besiroglu_2024", "frantar_sparse_2023/t5", "sound"),
        ("besiroglu_2024", "frantar_sparse_2023/vit", "refused"),
        ("besiroglu_2024", "busbridge_distill_2025", "sound"),
        ("besiroglu_2024", "devries_2023/besiroglu", "sound"),
        ("besiroglu_2024", "devries_2023/chinchilla-tex", "refused"),
        ("besiroglu_2024", "ling_leverage_2025/hyperparameters", "refused"),
        ("besiroglu_2024", "deepseek_llm_2024/hyperparameters", "sound"),
        ("krajewski_2024/dense", "clark_2022/dense", "refused"),  # neither says what corpus its level is of
    ],
)
def test_a_law_on_a_base(law, base, other, verdict):
    (found,) = combine(law(base), [law(other)])
    assert found.verdict == verdict
    assert len(found.reason) > 20


@pytest.mark.parametrize(
    "pair",
    [
        ("kumar_2024", "sun_2025"),
        ("chen_qat_2025", "ouyang_qid_2024"),
        ("chen_qat_2025/W4A4", "chen_qat_2025/W4A16"),
        ("muennighoff_2023", "ludziejewski_2025"),
        ("sun_2025", "ouyang_qid_2024"),
        ("kumar_2024", "muennighoff_2023"),
        ("ludziejewski_2025", "sun_2025"),
    ],
)
def test_two_terms_that_nobody_has_judged_together_are_not_both_used(law, pair):
    base = law("besiroglu_2024")
    for name in pair:
        require_sound(base, [law(name)])
    with pytest.raises(InputError):
        require_sound(base, [law(name) for name in pair])


def test_repeats_in_another_base_use_its_own_useful_size(law):
    refit, repeats = law("besiroglu_2024"), law("muennighoff_2023")
    fresh = laws.loss(refit, 7e9, 1e11)
    once = repeated_loss(refit.constants, repeats.constants, 7e9, 1e11, 1e11)
    # 100B distinct tokens feed 4.8B parameters of this base: the rest of 7B is worth less, the first epoch is whole
    assert once["effective_tokens"] == 1e11
    assert 4.7e9 < once["effective_params"] < 7e9
    assert once["loss_nats"] > fresh
    four, forty = (repeated_loss(refit.constants, repeats.constants, 5e9, e * 1e11, 1e11) for e in (4, 40))
    assert four["effective_tokens"] == pytest.approx(1e11 * (1 + 15.387756 * (1 - np.exp(-3 / 15.387756))))
    assert forty["effective_tokens"] < 16.4e11


def test_effective_tokens_invert():
    total = np.geomspace(1e9, 2e11, 20)
    worth = effective_tokens(total, 1e10, 15.4)
    assert tokens_for_effective(worth, 1e10, 15.4) == pytest.approx(total, rel=1e-9)
    assert tokens_for_effective(1.7e11, 1e10, 15.4) == float("inf")


def test_a_mixture_enters_a_dense_law_as_its_dense_equivalent(law):
    c = law("ludziejewski_2025").constants
    n = dense_equivalent(c, 2e9, 1e11, 8.0)
    dense = laws.evaluate(law("ludziejewski_2025"), params=n, tokens=1e11, experts=1)["loss_nats"]
    mixed = laws.evaluate(law("ludziejewski_2025"), params=2e9, tokens=1e11, experts=8)["loss_nats"]
    assert dense == pytest.approx(mixed, rel=1e-12)
    assert 2e9 < n < 16e9  # between active and total
    assert dense_equivalent(c, 2e9, 1e11, 1.0) == pytest.approx(2e9)


@pytest.mark.parametrize(
    ("params", "tokens", "longer"),
    [
        (7e9, 1e12, (1.03, 1.19, 1.51, 1.86)),
        (70e9, 1.4e12, (1.02, 1.07, 1.23, 1.34)),
        (8e9, 15e12, (1.39, 1.60, 3.4, 7.4)),
    ],
)
def test_tokens_that_pay_the_penalty_of_fp8_back(law, format_penalty, params, tokens, longer):
    base = law("besiroglu_2024")
    p = format_penalty(params, tokens, 4, 3)
    loss = laws.loss(base, params, tokens)
    four = (p.sun, p.kumar_own, p.factor_in_base, p.multiplier_on_base)
    got = [laws.tokens_for_loss(base, params, loss - nats) / tokens for nats in four]
    assert got == [pytest.approx(x, rel=0.025) for x in longer]


def test_quantising_afterwards_costs_what_the_paper_says(law):
    c = law("kumar_2024").constants
    assert precision.kumar_ptq(c, 70e9, 1.4e12, 4) == pytest.approx(0.056, abs=5e-4)


def test_what_nobody_has_judged_is_refused():
    """A new form says what it does to a base, or is refused; the answer never falls through to "sound"."""
    law = load_catalog().law
    base = law("besiroglu_2024")
    for name in ("liang_dit_2024", "zhai_vit_2021", "parscale_2025", "scale_rl_2025", "jones_boardgames_2021"):
        verdict = combine(base, [law(name)])[0]
        assert (verdict.verdict, "nobody has judged" in verdict.reason) == ("refused", True), name


def test_a_law_that_nobody_has_judged_is_sent_to_what_it_gives(law):
    """In the words of its form; a form that names no output is sent on all the same."""
    said = "nobody has judged whether {} may act on another law's loss: {} it alone (`hwmodel law show {}`)"
    for name, what in (("wei_emergent_2022", "use"), ("parscale_2025/code", "it gives {}; use")):
        other = law(name)
        gives = ", ".join(form(other.form).gives)
        assert (what == "use") == (not gives)
        assert _beyond(law("besiroglu_2024"), other, None) == said.format(name, what.format(gives), name)


def test_what_two_laws_do_to_one_base_is_said(law):
    """One effect twice, two that exclude each other, two that nobody judged; one law, or no effect on the loss."""
    bits, floats, repeats = law("kumar_2024"), law("sun_2025"), law("muennighoff_2023")
    again = msgspec.structs.replace(bits, id="kumar_again")
    assert _clash(bits, again) == "two terms for the same effect"
    assert _clash(bits, floats) == NOT_BOTH[frozenset({"training_bits", "float_format"})]
    assert _clash(bits, repeats) == (
        "nobody has judged kumar_2024 and muennighoff_2023 together: each was fitted without the other; use one"
    )
    assert _clash(bits, bits) == _clash(bits, law("besiroglu_2024")) == _clash(law("besiroglu_2024"), bits) == ""


def test_two_laws_that_clash_are_refused_once(law):
    """The second of the pair, whatever their order; each law is judged by itself beside."""
    bits, floats = law("kumar_2024"), law("sun_2025")
    for first, second in ((bits, floats), (floats, bits)):
        found = [(one.law, one.on, one.verdict) for one in combine(law("besiroglu_2024"), [first, second])]
        assert found.count((second.id, first.id, "refused")) == 1
        assert len(found) == 3


def test_every_pair_of_laws_is_backed_by_a_source_or_refused_in_one_line():
    catalog = load_catalog()
    specs = catalog.laws()
    bases = [spec for spec in specs if not spec.refusal and form(spec.form).acts in ("base", "repeats")]
    for base in bases:
        for found in (judge(base, other) for other in specs):
            assert "\n" not in found.reason
            assert len(found.reason) > 20, found
            assert found.verdict == "refused" or found.source.split(",")[0] in catalog.data.sources, found


def test_a_form_that_says_nothing_of_a_base_is_refused_on_every_base(law):
    """What a new form does by default."""
    assert form("reward_sigmoid").acts == "unjudged"
    for base in load_catalog().laws():
        if base.form != "none":
            assert judge(base, law("scale_rl_2025")).verdict == "refused", base.id


def test_capabilities_are_those_of_the_forms_not_of_their_names():
    for name in form_names():
        shape = form(name)
        assert (shape.at is None) == (not shape.settings), name
        assert not (shape.splits and shape.terms), name
        if shape.acts in ("base", "repeats"):
            assert shape.terms is not None
            assert shape.loss_of_size_and_data
    for module in ("combine", "optimum"):
        source = Path(importlib.import_module(f"hwmodel.laws.{module}").__file__).read_text()
        named = [n for n in form_names() if f'form == "{n}"' in source or f'form != "{n}"' in source]
        assert named == []
