"""Forms of vision, sparsity, distillation and mixed modalities; not all of their constants are public.

A law of your own may say `extends: farseer_2025`, give `constants` and an empty `refusal`.
"""

from __future__ import annotations

from hwmodel import ops
from hwmodel.errors import InputError
from hwmodel.laws.forms import Constants, Outputs, by_name, form_of
from hwmodel.ops import Num


def farseer(c: Constants, params: Num, tokens: Num) -> Outputs:
    """L = exp(a3 N^g + b3) + exp(a2 N^b + b2) D^(-exp(a1 N^a + b1)) (arXiv 2506.10972): not separable in N and D."""
    power = ops.exp(c["a1"] * params ** c["a"] + c["b1"])
    data = ops.exp(c["a2"] * params ** c["b"] + c["b2"]) * tokens**-power
    return {"loss_nats": ops.exp(c["a3"] * params ** c["g"] + c["b3"]) + data}


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


def distillation(c: Constants, params: Num, tokens: Num, teacher_loss: Num, supervised_loss: Num) -> Outputs:
    """Loss of a student of N parameters after D tokens of a teacher (arXiv 2502.08606).

    L_S = L_T + L_T^-c0 (1 + (L_T / (L d1))^(1/f1))^(-c1 f1) (A/N^alpha + B/D^beta)^gamma, L the student's loss when
    trained on data alone.
    """
    ratio = (teacher_loss / (supervised_loss * c["d1"])) ** (1.0 / c["f1"])
    student = (c["A"] * params ** -c["alpha"] + c["B"] * tokens ** -c["beta"]) ** c["gamma"]
    gap = teacher_loss ** -c["c0"] * (1.0 + ratio) ** (-c["c1"] * c["f1"]) * student
    return {"loss_nats": teacher_loss + gap}


def mixed_modal(c: Constants, params: Num, tokens: Num, tokens_second: Num, loss: Num, loss_second: Num) -> Outputs:
    """Loss on two modalities from the losses on each (arXiv 2301.03728): their mean, a synergy and a competition."""
    competition = c["A"] * params ** -c["alpha"] + c["B"] * (tokens + tokens_second) ** -c["beta"]
    return {"loss_nats": 0.5 * (loss + loss_second) - c["C"] + competition}


def saturating(c: Constants, core_days: Num) -> Outputs:
    """Error = a (C + d)^-b + c: saturates at both ends (arXiv 2106.04560); C in TPUv3 core-days."""
    return {"error": c["a"] * (core_days + c["d"]) ** -c["b"] + c["c"]}


FORMS = by_name(
    form_of(
        "farseer",
        "size and data that do not separate",
        farseer,
        gives=("loss_nats",),
        constants=("a1", "a", "b1", "a2", "b", "b2", "a3", "g", "b3"),
    ),
    form_of(
        "sparse",
        "non-zero parameters, data and sparsity",
        sparse,
        gives=("loss_nats", "dense_equivalent_params", "dense_equivalent_per_parameter"),
        constants=("a_S", "b_S", "c_S", "b_N", "a_D", "b_D", "c"),
    ),
    form_of(
        "distillation",
        "a student's loss from its teacher's",
        distillation,
        gives=("loss_nats",),
        constants=("c0", "c1", "d1", "f1", "A", "alpha", "B", "beta", "gamma"),
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
        constants=("a", "b", "c", "d"),
    ),
)
