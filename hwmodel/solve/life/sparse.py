"""A model with zeros among its weights beside the dense plan: what its non-zero parameters are worth and cost.

Frantar et al. 2024 (arXiv 2309.08520): zeros reached by gradual pruning during training. One non-zero parameter counts
as more than one dense parameter; FLOPs and time stay those of the dense shape on hardware without sparse kernels.
"""

from __future__ import annotations

import math

import msgspec

from hwmodel import laws
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws import non_embedding_from_total
from hwmodel.laws.combine import require_sound
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.sizing import LossModel, Sized

SPARSE_LAW = "frantar_sparse_2023/t5"
FAR = 1.0  # decades beyond the runs, to which the law is still read


class SparseModel(msgspec.Struct, frozen=True, kw_only=True):
    """Two sparse models: of the plan's size and tokens, and of its loss on the same tokens."""

    law: str
    sparsity: float
    params_non_zero: float
    dense_equivalent_params: float
    loss_nats: float  # of the plan's size with these zeros
    dense_loss_nats: float
    same_loss_params_non_zero: float
    same_loss_params: float  # with its zeros: what is trained
    same_loss_train_flop: float
    decades_outside: float


def sparse_model(setting: Setting, model: LossModel, sized: Sized) -> SparseModel:
    """The sparse models beside a plan. Raises InputError or InfeasibleError where the law has nothing to say."""
    share = setting.request.sparsity
    assert share is not None
    if sized.loss is None:
        raise InfeasibleError(
            "--sparsity weighs losses and this plan has none", binding="law", remedy="a law with a loss, a dense model"
        )
    law = setting.catalog.law(SPARSE_LAW)
    require_sound(model.law, [law])
    kept = 1.0 - share
    worth = laws.evaluate(law, params=sized.n * kept, tokens=sized.d, sparsity=share)
    gain = float(worth["dense_equivalent_per_parameter"])
    counted = sized.n * kept if model.law.params_convention == "non_embedding" else _non_embedding(sized.n) * kept
    far = laws.signed_decades_outside(law, params=counted)
    if abs(far) > FAR:
        assert law.fit_params is not None
        low, high = (f"{end / 1e6:g}M" for end in law.fit_params)
        side = "beyond" if far > 0 else "below"
        most = math.floor(law.fit_params[1] * 10**FAR / kept / 1e6)
        raise InputError(
            f"--sparsity: {law.id} was fitted on {low} to {high} non-zero parameters outside the embeddings; the "
            f"{counted:.3g} of this plan lie {abs(far):.1f} decades {side}, where no law says what zeros are worth: "
            f"take at most {most:g}M parameters outside the embeddings, or drop --sparsity"
        )
    whole = sized.n / (gain * kept)
    return SparseModel(
        law=law.id, sparsity=share, params_non_zero=sized.n * kept, dense_equivalent_params=sized.n * kept * gain,
        loss_nats=float(laws.loss(model.law, sized.n * kept * gain, sized.d)),
        dense_loss_nats=float(laws.loss(model.law, sized.n, sized.d)), same_loss_params_non_zero=sized.n / gain,
        same_loss_params=whole, same_loss_train_flop=6.0 * whole * sized.d, decades_outside=far,
    )  # fmt: skip


def _non_embedding(total: float) -> float:
    return float(non_embedding_from_total(total))
