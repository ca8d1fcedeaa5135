"""Options as typed, or numbers, read into a request; contradictions are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias, Unpack, cast

import numpy as np
from msgspec.structs import replace

from hwmodel import units
from hwmodel.errors import InputError, unknown
from hwmodel.plain import Options, OptionValue, listed
from hwmodel.predict.recompute import offload_words, recompute_mode
from hwmodel.predict.schedules import schedules_of
from hwmodel.solve.question.contradictions import check_contradictions
from hwmodel.solve.question.options import PlanOptions
from hwmodel.solve.question.rates import Rates, parse_rates
from hwmodel.solve.question.request import (
    DEFAULT_SEQ_LEN,
    Request,
)
from hwmodel.solve.question.service import parse_service
from hwmodel.solve.question.task_families import TASK_FAMILIES, task_family
from hwmodel.solve.question.typed import check_single, fleet_of
from hwmodel.solve.question.values import (
    dividing_batch,
    experts_asked,
    loss_like_of,
    number_of,
    prompt_share_of,
    quantity,
    seed_of,
    sparsity_asked,
    teacher_asked,
    utilisation_of,
    ways_of,
    whole_of,
)
from hwmodel.specs import Stack
from hwmodel.specs.layout import ASKED

Unread: TypeAlias = dict[str, OptionValue]  # options that nobody has read yet: who reads one takes it out and checks it


def _again(given: Unread) -> dict[str, str]:
    """What is computed again, what waits on the host and how a pipeline is scheduled, checked."""
    words = {}
    readers = {
        "recompute": lambda word: recompute_mode(word, Stack()),
        "offload": offload_words,
        "schedule": schedules_of,
    }
    for name, read in readers.items():
        if name in given:
            words[name] = str(given.pop(name))
            read(words[name])
    return words


def _demand(given: Unread, request: Request) -> Request:
    """--serve and --samples as tokens over the model's life: answers are drawn `samples` times from one prompt."""
    text = given.pop("serve", None)
    if text is not None:
        if request.inference_tokens is not None:
            raise InputError("--serve and --inference-tokens both say the demand: give one of them")
        service = parse_service(str(text))
        request = replace(request, service=service, inference_tokens=service.tokens, prompt_share=service.prompt_share)
    return _samples(given, request)


def _samples(given: Unread, request: Request) -> Request:
    """--samples K or any, and --task-family: how many answers a prompt, and of what the law of their worth is."""
    asked, family = given.pop("samples", None), given.pop("task_family", None)
    if family is not None:
        request = replace(request, task_family=task_family(str(family)))
    if asked is None:
        if family is not None:
            raise InputError("--task-family says what --samples solve: add --samples, like 16, or any")
        return request
    if request.inference_tokens is None:
        raise InputError("--samples multiplies the answers of a demand: add --inference-tokens or --serve")
    if str(asked).strip().lower() == "any":
        if family is None:
            raise InputError(f"--samples any chooses by a law: add --task-family {', '.join(TASK_FAMILIES)}")
        return replace(request, samples_open=True)
    samples = quantity(asked, units.parse_count, "--samples")
    assert samples is not None
    if samples < 1.0:
        raise InputError(f"--samples counts the answers to a prompt, 1 or more, like 16, got {asked!r}")
    return request.with_samples(samples)


def _ways(given: Unread, request: Request) -> Request:
    """--moe, --distill and --sparsity: other ways to the same loss than a dense model trained on its own."""
    moe = given.pop("moe", None)
    distill, teacher = teacher_asked(given.pop("distill", None))
    request = replace(request, distill=distill, teacher=teacher, sparsity=sparsity_asked(given.pop("sparsity", None)))
    if moe is None or moe is False:
        return request
    if request.inference_tokens is None:
        raise InputError("--moe compares lifetimes: add the demand (--inference-tokens or --serve)")
    return replace(request, experts=experts_asked(moe))


def _layout(given: Unread) -> dict[str, float]:
    """The parallel sizes and modes that are given."""
    layout: dict[str, float] = {}
    for key in ASKED:
        value = given.pop(key, None)
        if value is None:
            continue
        if key == "zero":
            if str(value) not in ("0", "1", "2", "3"):
                raise InputError(f"--zero must be 0, 1, 2 or 3, got {value!r}")
            layout[key] = float(str(value))
        else:
            layout[key] = ways_of(value, f"--{key.replace('_', '-')}")
    return layout


def _batch_seqs(given: Unread, seq_len: int, gpus: int | None) -> float | None:
    """The global batch in sequences, where it is given in either unit."""
    seqs = quantity(given.pop("global_batch", None), units.parse_count, "--global-batch")
    tokens = quantity(given.pop("global_batch_tokens", None), units.parse_count, "--global-batch-tokens")
    if seqs is not None and tokens is not None:
        raise InputError("--global-batch (sequences) and --global-batch-tokens say the same thing: give one of them")
    if tokens is not None:
        seqs = tokens / seq_len
        if seqs < 1:
            raise InputError(f"--global-batch-tokens {tokens:g} is less than one sequence of --seq-len {seq_len}")
        return dividing_batch(seqs, gpus)
    if seqs is not None and seqs != round(seqs):
        raise InputError(f"--global-batch must be a whole number of sequences, got {seqs:g}")
    return None if seqs is None else float(round(seqs))


QUANTITIES = {
    "time": ("time_s", units.parse_duration_s),
    "budget": ("budget_usd", units.parse_usd),
    "power": ("power_w", units.parse_power_w),
    "flops": ("flop", units.parse_flop),
    "tokens": ("tokens", units.parse_count),
    "unique_tokens": ("unique_tokens", units.parse_count),
    "params": ("params", units.parse_count),
    "inference_tokens": ("inference_tokens", units.parse_count),
    "loss": ("loss", units.parse_positive),
    "loss_factor": ("loss_factor", units.parse_positive),
    "mfu": ("mfu", utilisation_of),
    "lifetime_budget": ("lifetime_budget_usd", units.parse_usd),
}
_VERBATIM = ("system", "model", "precision", "serving_precision", "law", "objective", "price_kind", "region", "stack",
             "reliability", "measured", "prices", "flop_convention", "optimizer", "gradient_dtype")  # fmt: skip


def _window(given: Unread, request: Request) -> Request:
    """--deadline and --start as the time that they leave; a start that was not given is added to what was asked."""
    deadline, start = given.pop("deadline", None), given.pop("start", None)
    if deadline is None and start is None:
        return request
    from hwmodel.solve.question.deadline import read_deadline

    if deadline is not None and request.time_s is not None:
        raise InputError("--time and --deadline both say when the run must have ended: give one of them")
    found = read_deadline(deadline, start)
    asked = request.asked
    if start is None and found.start is not None:
        asked = (*asked, ("--start", found.start))
    time_s = request.time_s if found.time_s is None else found.time_s
    return replace(request, start=found.start, deadline=found.deadline, time_s=time_s, asked=asked)


def _rates(value: Any) -> Rates:
    """Prices by part; a bare number is checked like every quantity."""
    if isinstance(value, (int, float)):
        number_of(value, units.parse_usd, "--usd-per-hour")
    return parse_rates(value)


FIRST_YEAR, LAST_YEAR = 2016, 2100
MOST_PUE = 4.0  # no site that publishes one draws more


def _stance(given: Unread, request: Request) -> Request:
    """--confidence, --year and --pue: how sure the figures are to be, of when the software is, what the site draws."""
    share = quantity(given.pop("confidence", None), units.parse_fraction, "--confidence")
    if share is not None:
        if share >= 1.0:
            raise InputError(f"--confidence must lie between 0 and 1, like 80%, got {share:g}: nothing is certain")
        request = replace(request, confidence=share)
    said = given.pop("pue", None)
    pue = quantity(said, units.parse_positive, "--pue")
    if pue is not None and not 1.0 <= pue <= MOST_PUE:
        raise InputError(
            f"--pue is the power of the site over that of its machines, 1 to {MOST_PUE:g}, like 1.2, got {said!r}"
        )
    said = given.pop("year", None)
    year = None if said is None else number_of(said, None, "--year")
    if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
        raise InputError(f"--year is the year of the software, like 2024, got {said!r}")
    return replace(request, pue=pue, year=year)


def _asked(given: Unread) -> tuple[tuple[str, str], ...]:
    """Option and value, as they would be typed; repeatable options appear once a value."""
    typed = []
    for name, value in given.items():
        option = "--catalog" if name == "catalogs" else "--" + name.replace("_", "-")
        if name == "loss_like" and isinstance(value, (tuple, list)):
            value = "@".join(f"{part:.10g}" if isinstance(part, (int, float)) else str(part) for part in value)
        typed += [(option, f"{v:.12g}" if isinstance(v, float) else str(v)) for v in listed(value)]
    return tuple(typed)


# What sizes a run; a fleet alone is answered for a month, and for other times beside it.
SIZING = ("tokens", "params", "model", "shape", "flop", "time_s", "budget_usd", "loss", "loss_like",
          "lifetime_budget_usd")  # fmt: skip
OPEN_TIME_S = 30.0 * units.SECONDS_PER_DAY


def _given(options: PlanOptions) -> Unread:
    """The options that nobody has read yet (whoever reads one takes it out), NumPy's numbers as plain ones.

    Raises InputError for an empty text.
    """
    found: Unread = {}
    for name, value in cast("Options", options).items():
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is None or (isinstance(plain, (tuple, list)) and not plain):
            continue
        for one in listed(plain):
            if isinstance(one, str) and not one.strip():
                raise InputError(f"--{name.replace('_', '-')} is empty: give a value or leave it out")
        found[name] = plain
    return found


# Every option of a plan but its shape, by the names of the command line.
OPTIONS = (
    *QUANTITIES, *_VERBATIM, *ASKED, "recompute", "offload", "schedule", "gpus", "usd_per_hour", "seq_len", "serve",
    "samples", "task_family", "moe", "distill", "sparsity", "global_batch", "global_batch_tokens", "nic_gbit_s",
    "loss_like", "prompt_output", "catalogs", "seed", "confidence", "year", "deadline", "start", "pue",
)  # fmt: skip


def parse_request(**given: Unpack[PlanOptions]) -> Request:
    """A Request from the options of `plan` (strings as typed, or numbers). Raises InputError with the mend."""
    request = read_request(**given)
    check_contradictions(request)
    return request


def read_request(**options: Unpack[PlanOptions]) -> Request:
    """The options read, quantities that exclude each other unnoticed. Raises InputError for what cannot be read."""
    given = _given(options)
    for name in (*QUANTITIES, "gpus", "model", "precision", "system"):
        check_single(name, given.get(name))
    asked = _asked({k: v for k, v in given.items() if k != "shape"})
    gpus, accelerator = fleet_of(given.pop("gpus", None))
    seq_len = whole_of(given.pop("seq_len", DEFAULT_SEQ_LEN), "--seq-len")
    batch = _batch_seqs(given, seq_len, gpus)
    stated = {
        field: quantity(given.pop(name), read, f"--{name.replace('_', '-')}")
        for name, (field, read) in QUANTITIES.items()
        if name in given
    }
    words = {name: str(given.pop(name)) for name in _VERBATIM if name in given}
    request = Request(asked=asked, gpus=gpus, accelerator=accelerator, seq_len=seq_len, global_batch_seqs=batch)
    request = replace(request, **stated, **words)
    request = _money_and_network(given, _window(given, request))
    request = replace(
        request, loss_like=loss_like_of(given.pop("loss_like", None)),
        prompt_share=prompt_share_of(given.pop("prompt_output", None)),
    )  # fmt: skip
    request = _ways(given, _demand(given, request))
    request = replace(
        request, layout=_layout(given), **_again(given), shape=given.pop("shape", None), catalogs=_folders(given),
        seed=seed_of(given.pop("seed", 0)),
    )  # fmt: skip
    request = _stance(given, request)
    if given:
        raise unknown("option", next(iter(given)), OPTIONS, "plan")
    counted = gpus is not None or (request.power_w is not None and accelerator is not None)
    if counted and not any(getattr(request, name) is not None for name in SIZING):
        return replace(request, time_s=OPEN_TIME_S, open_time=True)
    return request


def _money_and_network(given: Unread, request: Request) -> Request:
    """--usd-per-hour and --nic-gbit-s."""
    rates = _rates(given.pop("usd_per_hour", None))
    nic = quantity(given.pop("nic_gbit_s", None), units.parse_gbit_per_s, "--nic-gbit-s")
    return replace(request, usd_per_hour=rates, nic_uni_bytes_per_s=None if nic is None else nic * 1e9 / 8)


def _folders(given: Unread) -> tuple[str, ...]:
    """The catalogs laid over the shipped one."""
    return tuple(str(Path(str(path))) for path in listed(given.pop("catalogs", None)))
