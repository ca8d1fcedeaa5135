"""Quantities of a request that exclude each other, or leave nothing to size a plan by: one refusal each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from hwmodel.errors import InputError, unknown

if TYPE_CHECKING:
    from hwmodel.solve.question.request import Request

OBJECTIVES = ("usd", "flops", "kwh", "co2e")


MOST_LOSS_NATS = 14.0  # ln of a vocabulary of a million, 13.8, rounded up: a model that knows nothing


class Refusal(NamedTuple):
    """What a request may not say: whether it does, and the refusal, in which `{r.loss:g}` is a field of the request."""

    found: Callable[[Request], bool]
    said: str


def _sized(r: Request) -> bool:
    return r.params is not None or r.model is not None or r.shape is not None


def _on_part(r: Request) -> bool:
    return r.accelerator is not None or r.system is not None


def _fixed_beside_lifetime_budget(r: Request) -> str | None:
    """The first option that sets what a lifetime budget solves for."""
    fixed = {"--loss": r.loss, "--loss-like": r.loss_like, "--params": r.params, "--model": r.model,
             "--tokens": r.tokens, "--flops": r.flop}  # fmt: skip
    return next((name for name, value in fixed.items() if value is not None), None)


# In the order in which they are said where several hold.
REFUSALS = (
    Refusal(
        lambda r: r.params is not None and r.model is not None,
        "--params and --model both set the size: give one of them",
    ),
    Refusal(
        lambda r: r.loss is not None and r.loss > MOST_LOSS_NATS,
        f"--loss {{r.loss:g}} is beyond that of an untrained model ({MOST_LOSS_NATS:g} nats/token, the logarithm of a "
        "vocabulary of a million); write it like 2.1",
    ),
    Refusal(
        lambda r: r.loss is not None and r.loss_like is not None,
        "--loss and --loss-like both set the loss: give one of them",
    ),
    Refusal(
        lambda r: bool(r.usd_per_hour) and r.price_kind is not None,
        "--usd-per-hour states the price that --price-kind would look up: give one of them",
    ),
    Refusal(
        lambda r: r.lifetime_budget_usd is not None and r.inference_tokens is None,
        "--lifetime-budget pays for training and serving: add --inference-tokens or --serve",
    ),
    Refusal(
        lambda r: r.lifetime_budget_usd is not None and r.gpus is None,
        "--lifetime-budget needs the fleet that trains: add --gpus with a count, like 512xH100",
    ),
    Refusal(
        lambda r: r.lifetime_budget_usd is not None and _fixed_beside_lifetime_budget(r) is not None,
        "--lifetime-budget solves size, tokens and loss by itself: drop {fixed}",
    ),
    Refusal(
        lambda r: r.lifetime_budget_usd is not None and r.objective not in (None, "usd"),
        "--lifetime-budget counts dollars: drop --objective {r.objective}",
    ),
    Refusal(
        lambda r: r.loss_factor != 1.0 and not r.has_loss_target,
        "--loss-factor scales a loss target: add --loss or --loss-like 70B@1.4T",
    ),
    Refusal(
        lambda r: _sized(r) and r.tokens is not None and r.flop is not None,
        "--params, --tokens and --flops are tied by C = 6 N D: give two of the three",
    ),
    Refusal(
        lambda r: _sized(r) and r.tokens is not None and r.has_loss_target,
        "--params and --tokens already fix the loss: drop one of them or the loss target",
    ),
    Refusal(
        lambda r: r.has_loss_target and r.flop is not None,
        "a loss target and --flops both say how much is trained: give one of them",
    ),
    Refusal(
        lambda r: r.global_batch_seqs is not None and r.tokens is not None
        and r.global_batch_seqs * r.seq_len > r.tokens,
        "--global-batch {r.global_batch_seqs:g} sequences of {r.seq_len} are more than --tokens",
    ),
    Refusal(
        lambda r: bool(r.layout) and not _on_part(r),
        "{size} lays a run out on accelerators: add --gpus, like 1024xA100",
    ),
    Refusal(
        lambda r: r.serving_precision is not None and r.inference_tokens is None,
        "--serving-precision serves a demand: add --inference-tokens or --serve",
    ),
    Refusal(
        lambda r: bool(r.usd_per_hour) and r.prices is not None,
        "--usd-per-hour and --prices both say the price: give one of them",
    ),
    Refusal(
        lambda r: r.unique_tokens is not None and r.tokens is not None and r.unique_tokens > r.tokens,
        "--unique-tokens exceed --tokens: the run would not see them all; drop or lower one of them",
    ),
    Refusal(
        lambda r: not (_sized(r) or r.tokens is not None or r.has_loss_target or r.has_compute),
        "nothing sets the size of the run: give at least one of --tokens, --params, --model, --flops, --time, "
        "--budget, --loss or --loss-like",
    ),
    Refusal(
        lambda r: r.mfu is not None and not _on_part(r),
        "--mfu needs the accelerators it is reached on: add --gpus, like 1024xA100",
    ),
    Refusal(
        lambda r: r.power_w is not None and not _on_part(r),
        "--power carries named accelerators: add --gpus, like H100 (all it carries) or 512xH100",
    ),
    Refusal(
        lambda r: (r.time_s is not None or r.budget_usd is not None) and not _on_part(r),
        "--time and --budget buy compute only on named accelerators: add --gpus, like 256xH100 or H100",
    ),
)  # fmt: skip


def check_contradictions(r: Request) -> None:
    """Raises InputError where the given quantities exclude each other or leave nothing to size the plan by."""
    if r.objective is not None and r.objective not in OBJECTIVES:
        raise unknown("objective", r.objective, OBJECTIVES, "--objective")
    said = next((one.said for one in REFUSALS if one.found(r)), None)
    if said is not None:
        size = "--" + next(iter(r.layout), "").replace("_", "-")
        raise InputError(said.format(r=r, size=size, fixed=_fixed_beside_lifetime_budget(r)))
