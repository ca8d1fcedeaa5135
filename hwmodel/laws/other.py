"""Laws of one line: compute accounting, diffusion, thresholds of abilities, metrics, density."""

from __future__ import annotations

from hwmodel import ops
from hwmodel.laws.forms import Constants, Outputs, by_name, form_of
from hwmodel.ops import Num


def compute_6nd(c: Constants, params: Num, tokens: Num) -> Outputs:
    """Training FLOPs 6 N D (forward 2, backward 4 a parameter and token) and inference FLOPs a token."""
    train = c["train_flop_per_param_token"] * params * tokens
    return {
        "train_flop": train,
        "train_pf_days": train / 8.64e19,
        "inference_flop_per_token": c["inference_flop_per_param_token"] * params,
    }


def pf_day(c: Constants, flop: Num) -> Outputs:
    """FLOPs in petaFLOP/s-days."""
    return {"pf_days": flop / c["flop_per_pf_day"]}


def diffusion(c: Constants, flop: Num) -> Outputs:
    """Optimal size, tokens, loss and FID of a diffusion transformer (Liang et al. 2024, arXiv 2410.08184)."""
    return {
        "params": c["k_params"] * flop ** c["a_params"],
        "tokens": c["k_tokens"] * flop ** c["a_tokens"],
        "diffusion_loss": c["k_loss"] * flop ** c["a_loss"],
        "fid": c["k_fid"] * flop ** c["a_fid"],
    }


def thresholds(c: Constants, flop: Num) -> Outputs:
    """Compute over the published threshold of each task; 1 or more: beyond it."""
    return {name: flop / least for name, least in c.items()}


def metric(c: Constants, loss: Num, answer_tokens: Num) -> Outputs:
    """One smooth loss, two metrics: exact match of k tokens p^k (sharp), tokens wrong k (1 - p) (smooth), p = e^-L.

    Schaeffer et al. 2023 (arXiv 2304.15004): abilities that seem to emerge may be the metric's doing.
    """
    p = ops.exp(-loss)
    return {"token_accuracy": p, "exact_match": p**answer_tokens, "tokens_wrong": answer_tokens * (1.0 - p)}


def density(c: Constants, days: Num) -> Outputs:
    """Growth of capability a parameter, ln rho = A t (arXiv 2412.04315)."""
    return {"density_factor": ops.exp(c["per_day"] * days), "doubling_days": ops.log(2.0) / c["per_day"]}


FORMS = by_name(
    form_of(
        "compute_6nd",
        "FLOPs of training and inference",
        compute_6nd,
        gives=("train_flop", "train_pf_days", "inference_flop_per_token"),
        acts="accounting",
    ),
    form_of("pf_day", "a unit of compute", pf_day, gives=("pf_days",), acts="accounting"),
    form_of(
        "diffusion",
        "powers of compute for diffusion transformers",
        diffusion,
        gives=("params", "tokens", "diffusion_loss", "fid"),
    ),
    form_of("thresholds", "compute at which abilities were first seen", thresholds, gives=()),
    form_of(
        "metric",
        "sharp and smooth metrics of one loss",
        metric,
        gives=("token_accuracy", "exact_match", "tokens_wrong"),
        acts="settings",
    ),
    form_of("density", "capability a parameter over time", density, gives=("density_factor", "doubling_days")),
)
