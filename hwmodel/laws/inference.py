"""Size against use: over-training, smaller than optimal, more samples, and what each costs."""

from __future__ import annotations

from hwmodel import ops
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws.forms import Constants, Outputs, by_name, form_of
from hwmodel.ops import Num


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


def sampled_size(c: Constants, params: Num, samples: Num) -> Outputs:
    """The model whose one answer solves as many tasks as some of k answers of N parameters: N k^e, where odds of
    solving grow as N^s k^t and e = t/s, with the 80 % interval of a family of models not seen."""
    names = {"equivalent_params": "exponent", "low_params": "exponent_low", "high_params": "exponent_high"}
    return {name: params * samples ** c[exponent] for name, exponent in names.items()}


def boardgames(c: Constants, train_flop_s: Num, elo: Num) -> Outputs:
    """Test-time compute for a strength at a training compute, board game Hex (Jones 2021, arXiv 2104.03113)."""
    exponent = c["train_exponent"] * ops.log(train_flop_s) / ops.log(10.0) + c["per_elo"] * elo + c["offset"]
    return {"test_flop_s": 10.0**exponent}


def parallel_streams(c: Constants, params: Num, streams: Num) -> Outputs:
    """Parameters that P streams through the same N weights are worth: N (1 + k ln P) (arXiv 2505.10475)."""
    gain = 1.0 + c["k"] * ops.log(streams)
    return {"dense_equivalent_params": params * gain, "dense_equivalent_per_parameter": gain, "flop_factor": streams}


def reward_sigmoid(c: Constants, gpu_hours: Num, midpoint_gpu_hours: Num, start_reward: Num) -> Outputs:
    """Reward after RL compute C: R0 + (A - R0) / (1 + (C_mid / C)^B) (Khatri et al. 2025, arXiv 2510.13786, eq. 1)."""
    if isinstance(start_reward, float) and not 0.0 <= start_reward < c["A"]:
        raise InputError(f"start_reward is a pass rate from 0 to below the asymptote {c['A']:g}, not {start_reward:g}")
    share = 1.0 / (1.0 + (midpoint_gpu_hours / gpu_hours) ** c["B"])
    return {"reward": start_reward + (c["A"] - start_reward) * share, "share_of_gain": share, "asymptote": c["A"]}


FORMS = by_name(
    form_of(
        "parallel_streams",
        "what parallel streams of the same weights are worth in parameters",
        parallel_streams,
        gives=("dense_equivalent_params", "dense_equivalent_per_parameter", "flop_factor"),
    ),
    form_of(
        "reward_sigmoid",
        "reward by compute of reinforcement learning",
        reward_sigmoid,
        gives=("reward", "share_of_gain", "asymptote"),
    ),
    form_of(
        "overtraining",
        "loss and downstream error at many tokens a parameter",
        overtraining,
        gives=("loss_nats", "error"),
    ),
    form_of(
        "size_overhead",
        "what a smaller model than optimal costs in training",
        size_overhead,
        gives=("tokens_factor", "overhead", "smallest_size_factor"),
        acts="restates",
    ),
    form_of(
        "exchange", "training compute against compute an answer", exchange, gives=("train_factor",), acts="answers"
    ),
    form_of(
        "test_time",
        "samples of a small model for the FLOPs of a large one",
        test_time,
        gives=("samples",),
        acts="answers",
    ),
    form_of("coverage", "questions solved by at least one of k samples", coverage, gives=("coverage",), acts="answers"),
    form_of(
        "sampled_size",
        "the size that several answers of a smaller model are worth",
        sampled_size,
        gives=("equivalent_params", "low_params", "high_params"),
        acts="answers",
    ),
    form_of("boardgames", "training against search in a board game", boardgames, gives=("test_flop_s",)),
)
