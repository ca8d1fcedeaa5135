"""Quantities of a request that exclude each other, or leave nothing to size a plan by: one refusal each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwmodel.errors import InputError, unknown

if TYPE_CHECKING:
    from hwmodel.solve.question.request import Request

OBJECTIVES = ("usd", "flops", "kwh", "co2e")


MOST_LOSS_NATS = 14.0  # ln of a vocabulary of a million: a model that knows nothing


def check_contradictions(r: Request) -> None:
    """Raises InputError where the given quantities exclude each other or leave nothing to size the plan by."""
    if r.objective is not None and r.objective not in OBJECTIVES:
        raise unknown("objective", r.objective, OBJECTIVES, "--objective")
    if r.params is not None and r.model is not None:
        raise InputError("--params and --model both set the size: give one of them")
    if r.loss is not None and r.loss > MOST_LOSS_NATS:
        raise InputError(f"--loss {r.loss:g} is beyond that of an untrained model (12 nats/token); write it like 2.1")
    if r.loss is not None and r.loss_like is not None:
        raise InputError("--loss and --loss-like both set the loss: give one of them")
    if r.usd_per_hour and r.price_kind is not None:
        raise InputError("--usd-per-hour states the price that --price-kind would look up: give one of them")
    _check_lifetime_budget(r)
    if r.loss_factor != 1.0 and not r.has_loss_target:
        raise InputError("--loss-factor scales a loss target: add --loss or --loss-like 70B@1.4T")
    sized = r.params is not None or r.model is not None or r.shape is not None
    if sized and r.tokens is not None and r.flop is not None:
        raise InputError("--params, --tokens and --flops are tied by C = 6 N D: give two of the three")
    if sized and r.tokens is not None and r.has_loss_target:
        raise InputError("--params and --tokens already fix the loss: drop one of them or the loss target")
    if r.has_loss_target and r.flop is not None:
        raise InputError("a loss target and --flops both say how much is trained: give one of them")
    if r.global_batch_seqs is not None and r.tokens is not None and r.global_batch_seqs * r.seq_len > r.tokens:
        raise InputError(f"--global-batch {r.global_batch_seqs:g} sequences of {r.seq_len} are more than --tokens")
    _check_partners(r)
    if r.unique_tokens is not None and r.tokens is not None and r.unique_tokens > r.tokens:
        raise InputError("--unique-tokens exceed --tokens: the run would not see them all; drop or lower one of them")
    if not (sized or r.tokens is not None or r.has_loss_target or r.has_compute):
        raise InputError(
            "nothing sets the size of the run: give at least one of --tokens, --params, --model, --flops, --time, "
            "--budget, --loss or --loss-like"
        )
    if r.mfu is not None and r.accelerator is None and r.system is None:
        raise InputError("--mfu needs the accelerators it is reached on: add --gpus, like 1024xA100")
    if r.power_w is not None and r.accelerator is None and r.system is None:
        raise InputError("--power carries named accelerators: add --gpus, like H100 (all it carries) or 512xH100")
    if (r.time_s is not None or r.budget_usd is not None) and r.accelerator is None and r.system is None:
        raise InputError(
            "--time and --budget buy compute only on named accelerators: add --gpus, like 256xH100 or H100"
        )


def _check_partners(r: Request) -> None:
    """Options that say nothing without another one."""
    fleet = r.accelerator is not None or r.system is not None
    if r.layout and not fleet:
        name = "--" + next(iter(r.layout)).replace("_", "-")
        raise InputError(f"{name} lays a run out on accelerators: add --gpus, like 1024xA100")
    if r.serving_precision is not None and r.inference_tokens is None:
        raise InputError("--serving-precision serves a demand: add --inference-tokens or --serve")
    if r.usd_per_hour and (r.price_kind is not None or r.prices is not None):
        other = "--price-kind" if r.price_kind is not None else "--prices"
        raise InputError(f"--usd-per-hour and {other} both say the price: give one of them")


def _check_lifetime_budget(r: Request) -> None:
    """--lifetime-budget asks for the least loss that it pays for, so nothing else may set size, tokens or loss."""
    if r.lifetime_budget_usd is None:
        return
    if r.inference_tokens is None:
        raise InputError("--lifetime-budget pays for training and serving: add --inference-tokens or --serve")
    if r.gpus is None:
        raise InputError("--lifetime-budget needs the fleet that trains: add --gpus with a count, like 512xH100")
    others = {"--loss": r.loss, "--loss-like": r.loss_like, "--params": r.params, "--model": r.model,
              "--tokens": r.tokens, "--flops": r.flop}  # fmt: skip
    named = next((name for name, value in others.items() if value is not None), None)
    if named:
        raise InputError(f"--lifetime-budget solves size, tokens and loss by itself: drop {named}")
    if r.objective not in (None, "usd"):
        raise InputError(f"--lifetime-budget counts dollars: drop --objective {r.objective}")
