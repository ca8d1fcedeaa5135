"""One option of a question, as typed or as a number, read and checked."""

from __future__ import annotations

import math
from typing import Any

from hwmodel import units
from hwmodel.errors import InputError
from hwmodel.solve.question.request import (
    DEFAULT_PROMPT_SHARE,
)

# What a reader reads, in the table of magnitudes.
KINDS = {
    units.parse_count: "model", units.parse_flop: "FLOP", units.parse_usd: "USD", units.parse_duration_s: "s",
    units.parse_power_w: "W", units.parse_gbit_per_s: "Gbit/s",
}  # fmt: skip


def quantity(value: Any, read: Any, what: str) -> Any:
    """Strings are parsed; numbers are checked to be positive and finite (a share: at most 1) and passed."""
    if value is None:
        return None
    number = read(value, what) if isinstance(value, str) else number_of(value, read, what)
    return units.within(number, KINDS[read], value, what) if read in KINDS else number


def number_of(value: Any, read: Any, what: str) -> float:
    """A positive finite number as it stands; at most 1 for a share."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        shown = str(value) if not isinstance(value, int) else "an integer beyond any quantity"
        raise InputError(f"{what} must be a number or a text like '70B', got {shown[:60]!r}") from None
    if isinstance(value, bool) or not 0 < number < math.inf:
        raise InputError(f"{what} must be a number above zero, got {value!r}")
    if read in (units.parse_fraction, utilisation_of) and number > 1:
        raise InputError(f"{what} must lie above 0 and at most 1, got {value!r}")
    return reachable(number, value, what) if read is utilisation_of else number


def whole_of(value: Any, what: str) -> int:
    """A whole number above zero."""
    number = quantity(value, units.parse_count, what)
    if number != int(number):
        raise InputError(f"{what} must be a whole number, got {value!r}")
    return int(number)


def ways_of(value: Any, what: str) -> float:
    """A parallel size or micro-batch: a small whole number."""
    if not str(value).isdecimal() and not (isinstance(value, float) and value.is_integer()):
        raise InputError(f"{what} must be a whole number like 8, got {value!r}")
    return float(whole_of(value, what))


def loss_like_of(text: Any) -> tuple[float, float] | None:
    """Parameters and tokens of `70B@1.4T`."""
    if text is None:
        return None
    if not isinstance(text, str):
        if not isinstance(text, (tuple, list)) or len(text) != 2:
            raise InputError(f"--loss-like takes parameters and tokens, like (70e9, 1.4e12), got {text!r}")
        size, data = text
        return (
            quantity(size, units.parse_count, "--loss-like parameters"),
            quantity(data, units.parse_count, "--loss-like tokens"),
        )
    size, at, data = text.partition("@")
    if not at:
        raise InputError(f"cannot read --loss-like {text!r}; write it like 70B@1.4T (parameters at tokens)")
    return units.parse_count(size, "--loss-like parameters"), units.parse_count(data, "--loss-like tokens")


def prompt_share_of(text: Any) -> float:
    """Share of the served tokens that are prompt, from `3:1` or from the share itself."""
    if text is None:
        return DEFAULT_PROMPT_SHARE
    parts = str(text).split(":")
    if len(parts) == 2 and all(part.strip().replace(".", "", 1).isdigit() for part in parts):
        prompt, output = (float(part) for part in parts)
        if prompt + output > 0:
            return prompt / (prompt + output)
    try:
        return float(quantity(text, units.parse_fraction, "--prompt-output"))
    except InputError:
        raise InputError(
            f"cannot read --prompt-output {text!r}; write it like 3:1 (prompt tokens to output tokens) or 75%"
        ) from None


ANY_TEACHER = "any"


def teacher_asked(text: Any) -> tuple[bool, tuple[float, float] | None]:
    """--distill: whether a teacher is asked for, and N@D of one that is there; nothing (or `any`) for the best."""
    if text is None or text is False:
        return False, None
    if text is True or str(text).strip().lower() == ANY_TEACHER:
        return True, None
    try:
        return True, loss_like_of(text)
    except InputError:
        raise InputError(
            f"cannot read --distill {text!r}; give the teacher's size and tokens like 70B@15T, or nothing for the best"
        ) from None


MOST_ZEROS = 0.875  # of the sparsest runs behind the law of sparsity


def sparsity_asked(text: Any) -> float | None:
    """--sparsity: the share of the weights that are zero. InputError beyond what the law was fitted on."""
    share = quantity(text, units.parse_fraction, "--sparsity")
    if share is not None and not 0.0 < share <= MOST_ZEROS:
        raise InputError(
            f"--sparsity is the share of weights that are zero, above 0 to {MOST_ZEROS:.1%} (the sparsest runs behind "
            f"the law), like 75%; got {text!r}"
        )
    return share


EXPERTS_TRIED = (2.0, 4.0, 8.0, 16.0, 32.0)  # those of the runs behind the law of experts


def experts_asked(text: Any) -> tuple[float, ...]:
    """Numbers of experts of --moe: `all`, or a list. Raises InputError beyond what the law was fitted on."""
    if text is True or str(text).strip().lower() == "all":
        return EXPERTS_TRIED
    counts = []
    for word in str(text).split(","):
        if not word.strip().isdecimal() or not 2 <= int(word) <= EXPERTS_TRIED[-1]:
            raise InputError(
                f"--moe takes numbers of experts from 2 to {EXPERTS_TRIED[-1]:g}, like --moe 8,32, or nothing for all, "
                f"not {word.strip()!r}: the law of experts was fitted on no others"
            )
        counts.append(float(word))
    return tuple(dict.fromkeys(counts))


DIVIDING_ERROR = 0.2  # share of a batch given in tokens, that it may be moved to divide well


def dividing_batch(seqs: float, gpus: int | None) -> float:
    """The whole batch near `seqs` that replicas divide best: a multiple of the fleet where that moves it by at most
    a fifth, else of the largest grain that does (what divides the fleet, and powers of two)."""
    grains = {2**i for i in range(int(seqs).bit_length())}
    if gpus is not None:
        low = {g for g in range(1, math.isqrt(gpus) + 1) if gpus % g == 0}
        grains |= {g for g in low | {gpus // g for g in low} if g <= seqs}
    near = [g for g in grains if abs(round(seqs / g) * g / seqs - 1.0) <= DIVIDING_ERROR]
    grain = max(near, default=1, key=lambda g: (math.gcd(g, gpus) if gpus is not None else g, g))
    return float(max(1, round(seqs / grain) * grain))


LEAST_UTILISATION = 1e-6  # of the peak: a run below it never ends


def utilisation_of(text: str, what: str) -> float:
    """A share of the peak that a run may reach."""
    return reachable(units.parse_fraction(text, what), text, what)


def reachable(share: float, given: Any, what: str) -> float:
    """Raises InputError for next to nothing of the peak."""
    if share < LEAST_UTILISATION:
        raise InputError(f"{what} {given!r} is next to nothing of the peak; give at least {LEAST_UTILISATION:.4%}")
    return share


def seed_of(value: Any) -> int:
    if str(value).isdecimal() and int(str(value)) < 2**64:
        return int(str(value))
    raise InputError(f"--seed must be a whole number of zero or more, got {value!r}")
