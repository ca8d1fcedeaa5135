"""Mixtures of experts: Clark 2022, Krajewski 2024, Ludziejewski 2025 (joint), Abnar 2025 (sparsity), Tian 2025."""

from __future__ import annotations

from hwmodel import ops
from hwmodel.errors import InputError
from hwmodel.laws import additive
from hwmodel.laws.forms import Constants, Outputs, by_name, form_of
from hwmodel.ops import Num


def saturated_experts(experts: Num, start: Num, most: Num) -> Num:
    """E-hat: 1/Eh = 1/(E - 1 + 1/(1/Es - 1/Em)) + 1/Em (Clark et al. 2022, arXiv 2202.01169)."""
    return 1.0 / (1.0 / (experts - 1.0 + 1.0 / (1.0 / start - 1.0 / most)) + 1.0 / most)


def clark(c: Constants, params: Num, experts: Num) -> Outputs:
    """log10 L = a log10 N + b log10 Eh + c log10 N log10 Eh + d; N of the dense backbone, 130B tokens."""
    ten = ops.log(10.0)
    n, e = ops.log(params) / ten, ops.log(saturated_experts(experts, c["E_start"], c["E_max"])) / ten
    return {"loss_nats": 10.0 ** (c["a"] * n + c["b"] * e + c["c"] * n * e + c["d"])}


def granular(c: Constants, params: Num, tokens: Num, granularity: Num) -> Outputs:
    """L = c + (g / G^gamma + a) / N^alpha + b / D^beta (Krajewski et al. 2024, arXiv 2402.07871); 64 experts."""
    size = c["g"] * granularity ** -c["gamma"] + c["a"]
    return {"loss_nats": c["c"] + size * params ** -c["alpha"] + c["b"] * tokens ** -c["beta"]}


def at_experts(c: Constants, experts: Num) -> Constants:
    """The joint law at a number of experts, as the constants of `laws.additive`.

    L = a Eh^delta Nact^(alpha + gamma ln Eh) + b Eh^omega D^(beta + zeta ln Eh) + c (Ludziejewski et al. 2025,
    arXiv 2502.05172); the printed alpha and beta are negative, here they are positive.
    """
    e = saturated_experts(experts, c["E_start"], c["E_max"])
    log_e = ops.log(e)
    return {
        "E": c["c"],
        "A": c["a"] * e ** c["delta"],
        "alpha": -(c["alpha"] + c["gamma"] * log_e),
        "B": c["b"] * e ** c["omega"],
        "beta": -(c["beta"] + c["zeta"] * log_e),
    }


def joint_moe(c: Constants, params: Num, tokens: Num, experts: Num) -> Outputs:
    """Loss of N active parameters (embeddings counted) with this many experts, one active."""
    return {"loss_nats": additive.loss(at_experts(c, experts), params, tokens)}


def dense_equivalent(c: Constants, params: Num, tokens: Num, experts: Num) -> Num:
    """Dense parameters with the loss of a mixture under the joint law: L(1, N_eq, D) = L(E, Nact, D).

    The sound way to feed a mixture into a dense law (never its active or total parameters raw).
    """
    target = joint_moe(c, params, tokens, experts)["loss_nats"]
    return additive.size_for_loss(at_experts(c, 1.0), tokens, target)


def active_for_dense(c: Constants, params: Num, tokens: Num, experts: Num) -> Num:
    """Active parameters of a mixture with the loss of a dense model of `params` on these tokens: the inverse of
    `dense_equivalent`. Infinite where the tokens are too few for so many experts at any size."""
    target = additive.loss(at_experts(c, 1.0), params, tokens)
    mixture = at_experts(c, experts)
    rest = target - additive.floor_at_tokens(mixture, tokens)
    size = (mixture["A"] / ops.maximum(rest, 1e-12)) ** (1.0 / mixture["alpha"])
    return ops.where(rest > 1e-12, size, float("inf"))


def sparsity_loss(c: Constants, params: Num, tokens: Num, sparsity: Num) -> Outputs:
    """L = a/N^alpha + b/D^beta + c/(1-S)^lambda + d/((1-S)^delta N^gamma) + e (Abnar et al. 2025); N total."""
    used = 1.0 - sparsity
    return {
        "loss_nats": c["a"] * params ** -c["alpha"]
        + c["b"] * tokens ** -c["beta"]
        + c["c"] * used ** -c["lambda"]
        + c["d"] * used ** -c["delta"] * params ** -c["gamma"]
        + c["e"]
    }


def leverage(c: Constants, flop: Num, sparsity: Num, granularity: Num) -> Outputs:
    """FLOPs of a dense model over those of a mixture of the same loss: Ah^(a + d log10 C + gamma g^2 + beta g).

    g = log2 G and 1/Ah = 1/(A + 1/(1/As - 1/Am)) + 1/Am with A the active share (Tian et al. 2025, arXiv 2507.17702).
    """
    if isinstance(sparsity, float) and not 0.0 <= sparsity < 1.0:
        raise InputError(f"sparsity is the share of experts that a token does not use, 0 to below 1, not {sparsity:g}")
    active = 1.0 / (1.0 / (1.0 - sparsity + 1.0 / (1.0 / c["A_start"] - 1.0 / c["A_max"])) + 1.0 / c["A_max"])
    g = ops.log(granularity) / ops.log(2.0)
    power = c["a"] + c["d"] * ops.log(flop) / ops.log(10.0) + c["gamma"] * g * g + c["beta"] * g
    gain = active**power
    return {"compute_leverage": gain, "dense_equivalent_flop": gain * flop}


def active_allocation(c: Constants, flop: Num) -> Outputs:
    """Active parameters and tokens by compute, with C = k1 Nact D + k2 D (Hunyuan-Large, arXiv 2411.02265)."""
    return {"params": c["k_params"] * flop ** c["a_params"], "tokens": c["k_tokens"] * flop ** c["a_tokens"]}


FORMS = by_name(
    form_of(
        "active_allocation",
        "active size and tokens as powers of compute, without a loss",
        active_allocation,
        gives=("params", "tokens"),
        splits=True,
    ),
    form_of(
        "clark", "size and number of experts, logarithms to base ten", clark, gives=("loss_nats",), acts="experts_alone"
    ),
    form_of(
        "leverage",
        "dense compute over that of a mixture of the same loss",
        leverage,
        gives=("compute_leverage", "dense_equivalent_flop"),
        acts="experts_alone",
    ),
    form_of("granular", "size, data and granularity of experts", granular, gives=("loss_nats",), acts="experts_alone"),
    form_of(
        "joint_moe",
        "the additive form whose terms depend on the number of experts",
        joint_moe,
        gives=("loss_nats",),
        settings=("experts",),
        at=at_experts,
        acts="experts",
    ),
    form_of(
        "sparsity",
        "total size, data and the share of experts not used",
        sparsity_loss,
        gives=("loss_nats",),
        acts="experts_alone",
    ),
)
