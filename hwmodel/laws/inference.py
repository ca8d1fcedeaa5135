"""Size against use: over-training, smaller than optimal, more samples, and what each costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwmodel import ops
from hwmodel.errors import InfeasibleError
from hwmodel.laws.forms import Form, Outputs
from hwmodel.ops import Num

Constants = Mapping[str, Any]


def overtraining(c: Constants, params: Num, tokens: Num) -> Outputs:
    """Loss and mean downstream error of an over-trained model (Gadre et al. 2024, arXiv 2403.08540).

    L = E + (a M^eta + b M^-eta) C^-eta with M = D/N and C = 6 N D; error = eps - k exp(-gamma L).
    """
    ratio, flop = tokens / params, 6.0 * params * tokens
    loss = c["E"] + (c["a"] * ratio ** c["eta"] + c["b"] * ratio ** -c["eta"]) * flop ** -c["eta"]
    return {"loss_nats": loss, "error": c["eps"] - c["k"] * ops.exp(-c["gamma"] * loss)}


def tokens_factor(alpha: Num, beta: Num, size_factor: Num) -> Num:
    """Tokens over the optimal tokens that hold the loss at `size_factor` times the optimal size (de Vries 2023)."""
    return (1.0 - (size_factor**-alpha - 1.0) * beta / alpha) ** (-1.0 / beta)


def smallest_factor(alpha: Num, beta: Num) -> Num:
    """Size factor at which no amount of data holds the loss."""
    return (1.0 + alpha / beta) ** (-1.0 / alpha)


def size_overhead(c: Constants, size_factor: Num) -> Outputs:
    """Extra training compute of a model smaller (or larger) than optimal at the same loss; independent of C."""
    least = smallest_factor(c["alpha"], c["beta"])
    if isinstance(size_factor, float) and isinstance(least, float) and size_factor <= least:
        raise InfeasibleError(
            f"at {size_factor:g} times the optimal size no amount of data holds the loss: "
            f"the smallest factor is {least:.3f}",
            binding="loss_floor",
            remedy="take a larger model",
        )
    factor = tokens_factor(c["alpha"], c["beta"], size_factor)
    return {"tokens_factor": factor, "overhead": size_factor * factor - 1.0, "smallest_size_factor": least}


def exchange(c: Constants, inference_factor: Num) -> Outputs:
    """Training compute that buys the same quality when the compute an answer changes by a factor."""
    return {"train_factor": inference_factor ** (-c["train_decades"] / c["inference_decades"])}


def test_time(c: Constants, size_ratio: Num, inference_ratio: Num) -> Outputs:
    """Samples k that a small model may draw for the FLOPs of one M times larger: M + 3 (Dp/Di) (M - 1).

    From 6 N Dp + 2 N k Di = M (6 N Dp + 2 N Di); `inference_ratio` is Di/Dp.
    """
    return {"samples": size_ratio + c["train_over_inference"] / inference_ratio * (size_ratio - 1.0)}


def coverage(c: Constants, samples: Num) -> Outputs:
    """Share of questions that some of k samples solve: exp(a k^b) (Brown et al. 2024, arXiv 2407.21787)."""
    return {"coverage": ops.exp(c["a"] * samples ** c["b"])}


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased share of questions solved with k tries, from n samples of which c are right: 1 - C(n-c,k)/C(n,k)."""
    missing = 1.0
    for i in range(samples - correct + 1, samples + 1):
        missing *= max(0.0, 1.0 - k / i)
    return 1.0 - missing


def boardgames(c: Constants, train_flop_s: Num, elo: Num) -> Outputs:
    """Test-time compute for a strength at a training compute, board game Hex (Jones 2021, arXiv 2104.03113)."""
    exponent = c["train_exponent"] * ops.log(train_flop_s) / ops.log(10.0) + c["per_elo"] * elo + c["offset"]
    return {"test_flop_s": 10.0**exponent}


FORMS = {
    f.name: f
    for f in (
        Form(
            name="overtraining",
            summary="loss and downstream error at many tokens a parameter",
            needs=("params", "tokens"),
            gives=("loss_nats", "error"),
            evaluate=overtraining,
        ),
        Form(
            name="size_overhead",
            summary="what a smaller model than optimal costs in training",
            needs=("size_factor",),
            gives=("tokens_factor", "overhead", "smallest_size_factor"),
            evaluate=size_overhead,
        ),
        Form(
            name="exchange",
            summary="training compute against compute an answer",
            needs=("inference_factor",),
            gives=("train_factor",),
            evaluate=exchange,
        ),
        Form(
            name="test_time",
            summary="samples of a small model for the FLOPs of a large one",
            needs=("size_ratio", "inference_ratio"),
            gives=("samples",),
            evaluate=test_time,
        ),
        Form(
            name="coverage",
            summary="questions solved by at least one of k samples",
            needs=("samples",),
            gives=("coverage",),
            evaluate=coverage,
        ),
        Form(
            name="boardgames",
            summary="training against search in a board game",
            needs=("train_flop_s", "elo"),
            gives=("test_flop_s",),
            evaluate=boardgames,
        ),
    )
}
