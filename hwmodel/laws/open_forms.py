"""Forms of vision, sparsity and compression, distillation, mixed modalities, and size and data that do not separate.

Those of mixed modalities are not public: a law of your own may say `extends: aghajanyan_2023`, give `constants` and an
empty `refusal`.
"""

from __future__ import annotations

from hwmodel import ops
from hwmodel.errors import InputError
from hwmodel.laws import additive
from hwmodel.laws.forms import Constants, Outputs, by_name, form_of
from hwmodel.ops import Num


def farseer(c: Constants, params: Num, tokens: Num) -> Outputs:
    """L = exp(a3 N^g + b3) + exp(a2 N^b + b2) D^(-exp(a1 N^a + b1)) (arXiv 2506.10972): not separable in N and D.

    Bits per character of the authors' validation set.
    """
    power = ops.exp(c["a1"] * params ** c["a"] + c["b1"])
    data = ops.exp(c["a2"] * params ** c["b"] + c["b2"]) * tokens**-power
    return {"bits_per_character": ops.exp(c["a3"] * params ** c["g"] + c["b3"]) + data}


def sparse(c: Constants, params: Num, tokens: Num, sparsity: Num) -> Outputs:
    """L = (aS (1-S)^bS + cS) (1/N)^bN + (aD/D)^bD + c with N the non-zero parameters (arXiv 2309.08520, eq. 1).

    The dense model of the same loss on the same data has N [(aS + cS) / (aS (1-S)^bS + cS)]^(1/bN) parameters.
    """
    if isinstance(sparsity, float) and not 0.0 <= sparsity < 1.0:
        raise InputError(f"sparsity is a share of the parameters that are zero, 0 up to below 1, not {sparsity:g}")
    capacity = c["a_S"] * (1.0 - sparsity) ** c["b_S"] + c["c_S"]
    gain = ((c["a_S"] + c["c_S"]) / capacity) ** (1.0 / c["b_N"])
    return {
        "loss_nats": capacity * params ** -c["b_N"] + (c["a_D"] / tokens) ** c["b_D"] + c["c"],
        "dense_equivalent_params": params * gain,
        "dense_equivalent_per_parameter": gain,
    }


def student_loss(c: Constants, params: Num, tokens: Num, teacher_loss: Num) -> Num:
    """Loss of a student of N parameters after D tokens of a teacher (Busbridge et al. 2025, arXiv 2502.08606, eq. 8).

    L_S = L_T + L_T^-c0 (1 + (L_T / (d1 L))^(1/f1))^(-c1 f1) (A_S/N^alpha_S + B_S/D^beta_S)^gamma_S, L the loss of the
    student trained on data alone. Its logarithm is summed: the power of the bracket under- and overflows.
    """
    alone = additive.loss(c, params, tokens)
    ratio = ops.log(teacher_loss / (c["d1"] * alone)) / c["f1"]
    log_bracket = ops.maximum(ratio, 0.0) + ops.log(1.0 + ops.exp(-abs(ratio)))
    able = c["A_S"] * params ** -c["alpha_S"] + c["B_S"] * tokens ** -c["beta_S"]
    log_gap = -c["c0"] * ops.log(teacher_loss) - c["c1"] * c["f1"] * log_bracket + c["gamma_S"] * ops.log(able)
    loss: Num = teacher_loss + ops.exp(log_gap)
    return loss


def distillation(c: Constants, params: Num, tokens: Num, teacher_loss: Num) -> Outputs:
    """A student's loss beside that of the same run without its teacher."""
    return {
        "loss_nats": student_loss(c, params, tokens, teacher_loss),
        "supervised_loss_nats": additive.loss(c, params, tokens),
    }


def mixed_modal(c: Constants, params: Num, tokens: Num, tokens_second: Num, loss: Num, loss_second: Num) -> Outputs:
    """Loss on two modalities from the losses on each (arXiv 2301.03728): their mean, a synergy and a competition."""
    competition = c["A"] * params ** -c["alpha"] + c["B"] * (tokens + tokens_second) ** -c["beta"]
    return {"loss_nats": 0.5 * (loss + loss_second) - c["C"] + competition}


def saturating(c: Constants, core_days: Num) -> Outputs:
    """Error = a (C + d)^-b + c: saturates at both ends (arXiv 2106.04560); C in TPUv3 core-days."""
    return {"error": c["a"] * (core_days + c["d"]) ** -c["b"] + c["c"]}


def saturating_flop(c: Constants, flop: Num) -> Outputs:
    """The same with C in FLOPs, counted in `flop_unit` of them."""
    return saturating(c, flop / c["flop_unit"])


def effective_params(c: Constants, params: Num) -> Outputs:
    """N eff: what N parameters trained in a compressed form count as in a bf16 law (arXiv 2502.16440)."""
    return {"dense_equivalent_params": params * c["eff"], "dense_equivalent_per_parameter": c["eff"]}


FORMS = by_name(
    form_of(
        "farseer",
        "size and data that do not separate",
        farseer,
        gives=("bits_per_character",),
    ),
    form_of(
        "sparse",
        "non-zero parameters, data and sparsity",
        sparse,
        gives=("loss_nats", "dense_equivalent_params", "dense_equivalent_per_parameter"),
        acts="zeros",
    ),
    form_of(
        "distillation",
        "a student's loss from its teacher's",
        distillation,
        gives=("loss_nats", "supervised_loss_nats"),
        acts="teacher",
    ),
    form_of(
        "mixed_modal",
        "two modalities in one model",
        mixed_modal,
        gives=("loss_nats",),
        constants=("A", "alpha", "B", "beta", "C"),
    ),
    form_of(
        "saturating",
        "an error with a floor and a ceiling",
        saturating,
        gives=("error",),
    ),
    form_of(
        "saturating_flop",
        "an error with a floor and a ceiling, by FLOPs",
        saturating_flop,
        gives=("error",),
    ),
    form_of(
        "effective_params",
        "what a compressed parameter is worth",
        effective_params,
        gives=("dense_equivalent_params", "dense_equivalent_per_parameter"),
    ),
)
