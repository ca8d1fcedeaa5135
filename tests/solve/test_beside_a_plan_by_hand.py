"""What stands beside a plan - sparse models, a tenth more compute, curves, gains of size - on a law of round numbers.

The law is 1 + 400 / N^0.5 + 1,600 / D^0.5. Of 6 N D FLOPs its best size is D / 16: (400 / 1,600)^(1 / (0.5 + 0.5)) of
the root of N D is a quarter, and D four of them.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.law.gain import gains
from hwmodel.solve.life.mixture_loss import departures
from hwmodel.solve.life.sparse import SPARSE_LAW, sparse_model
from hwmodel.solve.plan.curves import SIZE_POINTS, size_curve
from hwmodel.solve.plan.margin import margin
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.specs import Block, Shape

CATALOG = load_catalog()
LAW = msgspec.structs.replace(
    CATALOG.law("besiroglu_2024"), covariance=(), covariance_of=(), covariance_mean=(), fit_params=(1e8, 1e10),
    fit_tokens=None, fit_flop=None, constants={"E": 1.0, "A": 400.0, "B": 1600.0, "alpha": 0.5, "beta": 0.5},
)  # fmt: skip
MODEL = LossModel(law=LAW)
# 400 / 4e4 = 0.01 of the size and 1,600 / 1e5 = 0.016 of the tokens: a loss of 1.026.
SIZED = Sized(params=1.6e9, tokens=1e10, loss=1.026, solved={}, closed_by="given")
# One non-zero parameter of half as many is worth ((20 + 10) / (20 x 0.5 + 10))^(1 / 0.5) = 1.5^2 = 2.25 dense ones.
SPARSE = msgspec.structs.replace(
    CATALOG.law(SPARSE_LAW), fit_params=(1e6, 1e8),
    constants={"a_S": 20.0, "b_S": 1.0, "c_S": 10.0, "b_N": 0.5, "a_D": 1.0, "b_D": 1.0, "c": 1.0},
)  # fmt: skip


def asked(**request: Any) -> Any:
    return SimpleNamespace(
        law=LAW, request=SimpleNamespace(**request), catalog=SimpleNamespace(law={SPARSE_LAW: SPARSE}.__getitem__)
    )


def test_a_model_of_which_half_are_zeros() -> None:
    # 1e9 parameters outside the embeddings are 1e9 + 47,491 x 1e9^(1/3) = 1.047491e9 in all; half of them 5e8, log10 of
    # 5 decades beyond 1e8.
    n = 1.047491e9
    found = sparse_model(asked(sparsity=0.5), MODEL, msgspec.structs.replace(SIZED, params=n))
    assert (found.law, found.sparsity, found.params_non_zero) == (SPARSE.id, 0.5, n / 2)
    assert found.decades_outside == pytest.approx(math.log10(5.0), rel=1e-9)
    # Half of them at 2.25 are 1.125 n: the loss of that size; n's loss takes n / 2.25 of them, n / 1.125 with zeros.
    assert found.dense_equivalent_params == pytest.approx(1.125 * n)
    assert found.loss_nats == pytest.approx(1.016 + 400 / (1.125 * n) ** 0.5, rel=1e-12)
    assert found.dense_loss_nats == pytest.approx(1.016 + 400 / n**0.5, rel=1e-12)
    assert found.same_loss_params_non_zero == pytest.approx(n / 2.25)
    assert found.same_loss_params == pytest.approx(n / 1.125)
    assert found.same_loss_train_flop == pytest.approx(6 * n / 1.125 * 1e10)


def test_sizes_of_which_no_law_of_zeros_speaks() -> None:
    # A decade beyond 1e8 non-zero parameters: 1e9, of 2e9 outside the embeddings where half are zeros.
    counts = msgspec.structs.replace(MODEL, law=msgspec.structs.replace(LAW, params_convention="non_embedding"))
    sizes = {"at": 1.999e9, "beyond": 2.2e9, "below": 1.9e5}
    sized = {name: msgspec.structs.replace(SIZED, params=n) for name, n in sizes.items()}
    assert sparse_model(asked(sparsity=0.5), counts, sized["at"]).decades_outside == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(InputError, match=r"1M to 100M .* the 1\.1e\+09 .* 1\.0 decades beyond, .* at most 2000M param"):
        sparse_model(asked(sparsity=0.5), counts, sized["beyond"])
    with pytest.raises(InputError, match=r"the 9\.5e\+04 of this plan lie 1\.0 decades below"):
        sparse_model(asked(sparsity=0.5), counts, sized["below"])
    with pytest.raises(InfeasibleError, match="this plan has none"):
        sparse_model(asked(sparsity=0.5), MODEL, msgspec.structs.replace(SIZED, loss=None))


def test_a_tenth_more_compute_and_the_best_run_of_the_loss() -> None:
    # At the best split both terms are 0.013: N = (400 / 0.013)^2, D = (1,600 / 0.013)^2, which are
    # (4 x 0.01 x 0.016 / 0.026^2)^2 of the FLOPs. A tenth more of them, 1.1^0.5 of each: both terms 1.1^0.25 less.
    found = margin(asked(), SIZED, 5e6)
    assert found is not None
    assert found.anchor_params == pytest.approx((400 / 0.013) ** 2, rel=1e-6)
    assert found.anchor_tokens == pytest.approx((1600 / 0.013) ** 2, rel=1e-6)
    assert found.anchor_flop_share == pytest.approx((0.00064 / 0.000676) ** 2, rel=1e-6)
    gained = 0.026 * (1 - 1.1**-0.25)
    assert (found.more_compute, found.nats_gained) == (1.1, pytest.approx(gained, rel=1e-9))
    assert found.nats_per_usd == pytest.approx(gained / 5e5, rel=1e-9)
    free = margin(asked(), SIZED, None)
    assert free is not None
    assert free.nats_per_usd is None
    assert margin(asked(), msgspec.structs.replace(SIZED, loss=None), 5e6) is None
    # A law that does not say how compute is best split has no best run.
    open_law = SimpleNamespace(law=CATALOG.law("gadre_2024"))
    assert margin(open_law, SIZED, 5e6) is None


def test_the_curve_of_sizes_at_one_compute() -> None:
    # N D = 1.6e19: the best size is a quarter of 4e9, 1e9 on 1.6e10 tokens; from a quarter of it to four times.
    rows = size_curve(MODEL, SIZED)
    assert len(rows) == SIZE_POINTS == 41
    first, middle, last = rows[0], rows[20], rows[-1]
    assert [one.params for one in (first, middle, last)] == pytest.approx([2.5e8, 1e9, 4e9])
    assert [one.tokens for one in (first, middle, last)] == pytest.approx([6.4e10, 1.6e10, 4e9])
    # 400 / 1e9^0.5 = 0.0126491 of each; at a quarter of the size twice and half of it.
    term = 400 / 1e9**0.5
    assert [one.loss_nats - 1 for one in (first, middle, last)] == pytest.approx([2.5 * term, 2 * term, 2.5 * term])
    # That loss takes 1.25 times each term at the best split: 1.25^-2 of the size and of the tokens, 1 - 0.8^4 wasted.
    assert [one.wasted for one in (first, middle, last)] == pytest.approx([1 - 0.8**4, 0.0, 1 - 0.8**4], abs=1e-9)
    assert size_curve(MODEL, msgspec.structs.replace(SIZED, loss=None)) == []
    assert size_curve(LossModel(law=CATALOG.law("gadre_2024")), SIZED) == []


def test_what_a_larger_model_gains() -> None:
    # From 4e8 to 1.6e9 on 1e10 tokens: 0.02 + 0.016 to 0.01 + 0.016.
    (row,) = gains([LAW], 4e8, 1.6e9, 1e10).rows
    assert (row.tokens_small, row.tokens_large) == (1e10, 1e10)
    assert (row.loss_small, row.loss_large) == (pytest.approx(1.036), pytest.approx(1.026))
    assert (row.gain_nats, row.gain_share) == (pytest.approx(0.01), pytest.approx(0.01 / 0.036))
    assert row.decades_outside_fit == 0.0
    # With the data that is best for each, 16 tokens a parameter: both terms alike.
    found = gains([LAW], 4e8, 4e10, None)
    (row,) = found.rows
    assert (row.tokens_small, row.tokens_large) == (pytest.approx(6.4e9), pytest.approx(6.4e11))
    assert (row.loss_small, row.loss_large) == (pytest.approx(1.04), pytest.approx(1.004))
    assert row.gain_share == pytest.approx(0.9)
    assert row.decades_outside_fit == pytest.approx(math.log10(4.0))
    assert found.gain_low == found.gain_high == pytest.approx(0.036)
    # FLOPs of 6 N D from 2.4e19 to 9.6e19, of runs from 1e20 on.
    seen = msgspec.structs.replace(LAW, fit_params=None, fit_flop=(1e20, 1e22))
    assert gains([seen], 4e8, 1.6e9, 1e10).rows[0].decades_outside_fit == pytest.approx(math.log10(1 / 0.24))
    # Of two laws, one by which sizes count twice, the gain lies between 0.01 and 0.02.
    twice = msgspec.structs.replace(LAW, id="twice", constants={**LAW.constants, "A": 800.0})
    both = gains([LAW, twice], 4e8, 1.6e9, 1e10)
    assert (both.gain_low, both.gain_high) == (pytest.approx(0.01), pytest.approx(0.02))
    for small, large in ((1e9, 1e9), (0.0, 1e9), (2e9, 1e9)):
        with pytest.raises(InputError, match="the smaller first"):
            gains([LAW], small, large, None)


def block(count: float, experts: float = 0.0, **fields: float) -> Block:
    return Block(
        count=count, n_heads=8.0, n_kv_heads=8.0, head_dim=128.0, d_ff=64.0, n_experts=experts,
        **{"top_k": 1.0 if experts else 0.0, **fields},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([block(4.0, 8.0)], []),
        ([block(4.0, 8.0, top_k=2.0)], ["2 are active"]),
        ([block(3.0, 8.0), block(1.0)], ["1 of 4 layers have none"]),
        ([block(3.0, 8.0), block(1.0, 1.0)], ["1 of 4 layers have none"]),
        ([block(3.0, 8.0), block(1.0, 16.0)], ["layers have different numbers of experts"]),
        ([block(3.0, 2.0), block(1.0, 8.0)], ["layers have different numbers of experts"]),
        ([block(4.0, 8.0, d_ff_shared=2.0)], ["a shared one stands beside them"]),
        ([block(4.0, 8.0, expert_latent_dim=2.0)], ["experts work in a narrower space"]),
        ([block(3.0, 8.0), block(1.0, 8.0, top_k=3.0)], ["3 are active"]),
    ],
)
def test_what_of_a_mixture_its_law_did_not_see(blocks: list[Block], said: list[str]) -> None:
    assert departures(Shape(name="m", d_model=1024.0, vocab=8000.0, blocks=tuple(blocks))) == said
