"""What a user asks of a serving fleet, checked."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from hwmodel.catalog.reading import csv_lines
from hwmodel.errors import InputError
from hwmodel.predict.service.layouts import Sizes
from hwmodel.predict.service.setting import ACCEPTANCE, DRAFT_SHARE
from hwmodel.specs.serving import Speculation
from hwmodel.specs.shape import Shape


class RequestLengths(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of many lengths: means, longest, and what makes waits and tails longer than those of equal ones."""

    prompt_tokens: float
    output_tokens: float
    longest_tokens: float  # prompt and output of one request
    prompt_variance: float  # of prompt lengths over their squared mean
    prompts: tuple[tuple[float, float], ...]  # (length, share of requests at most so long)

    def prompt_quantile(self, share: float) -> float:
        """The prompt length that this share of requests does not exceed."""
        return next((length for length, upto in self.prompts if upto >= share - 1e-12), self.prompts[-1][0])


class PoolLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The accelerators of one pool: their part, and at most how many (infinite: as many as it takes)."""

    part: str
    most: float = float("inf")


def read_date(text: str, flag: str) -> float:
    """A month like `2025-09` in years. Raises InputError."""
    year, _, month = text.partition("-")
    if not (year.isdecimal() and 2015 <= int(year) <= 2100 and month.isdecimal() and 1 <= int(month) <= 12):
        raise InputError(f"cannot read {flag} {text!r}; write a month like 2025-09")
    return float(year) + (float(month) - 0.5) / 12.0


def read_pool(text: str, flag: str) -> PoolLimit:
    """A pool like `4xH200`, or a part alone. Raises InputError."""
    count, times, part = text.partition("x")
    if times and count.strip().isdecimal() and part.strip():
        if int(count) < 1:
            raise InputError(f"{flag} {text!r} has no accelerators")
        return PoolLimit(part=part.strip(), most=float(count))
    return PoolLimit(part=text.strip())


MOST_PEAK_TO_MEAN = 1e4


class ServingQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A model, a demand and limits. `rate` in requests a second (mean), `peak_to_mean` what the fleet must carry over
    it; latencies in seconds hold for `percentile` of requests; `hit_rate` of prompt tokens are found in a cache."""

    model: str
    shape: Shape | None = None  # the model itself, where `model` names a file of it
    prompt_tokens: float
    output_tokens: float
    rate: float
    ttft_s: float = float("inf")
    tpot_s: float = float("inf")
    percentile: float = 0.95
    peak_to_mean: float = 1.0
    spares: int = 1
    max_loss_nats: float | None = None  # what serving in fewer bits may lose, a token
    min_quality: float | None = None  # share of a benchmark's average that must be kept
    hit_rate: float = 0.0
    engine: str = "generic"
    parts: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    prices: tuple[tuple[str, float], ...] = ()  # part (empty: every part) and dollars an accelerator-hour, as given
    price_kind: str | None = None  # kind of quote; None: on demand
    price_file: str | None = None  # the user's own quotes
    region: str | None = None  # the place whose continent's quotes count; None: those of all places
    draft_tokens: float = 0.0
    acceptance: float = ACCEPTANCE
    draft_share: float = DRAFT_SHARE
    lengths: RequestLengths | None = None  # a histogram; prompt and output tokens are its means
    prefill: PoolLimit | None = (
        None  # accelerators of a prefill pool of their own part; then `decode` has the other pool
    )
    decode: PoolLimit | None = None
    engine_year: float = 0.0  # of the engine's release, in years; 0: today
    max_running: float | None = None  # requests that one attention rank runs at once; None: the engine's own setting
    rounds: float | None = None  # requests that each client of a closed loop sends; None: as benchmarks do
    step_tokens: float | None = None  # prompt tokens that a step takes in; None: the engine's own setting
    api_price: tuple[float, float] | None = None  # dollars a million tokens in and out of an offer to compare with
    disaggregated: bool | None = None  # True: only separate pools, False: none, None: whichever is cheaper
    tp: float | None = None
    pp: float | None = None
    dp: float | None = None
    ep: float | None = None

    @property
    def longest_tokens(self) -> float:
        """Prompt and output of the longest request."""
        return self.lengths.longest_tokens if self.lengths else self.prompt_tokens + self.output_tokens

    @property
    def prompt_variance(self) -> float:
        """Variance of prompt lengths over their squared mean."""
        return self.lengths.prompt_variance if self.lengths else 0.0

    @property
    def prompt_tail_tokens(self) -> float:
        """The prompt that the percentile of requests does not exceed."""
        return (
            max(self.lengths.prompt_quantile(self.percentile), self.prompt_tokens)
            if self.lengths
            else self.prompt_tokens
        )

    @property
    def speculation(self) -> Speculation:
        """Drafts a step; drafting one costs `draft_share` of a step of the model."""
        return Speculation(draft_tokens=self.draft_tokens, acceptance=self.acceptance, draft_share=self.draft_share)

    def __post_init__(self) -> None:
        positive = {"demand": self.rate, "input": self.prompt_tokens, "output": self.output_tokens,
                    "ttft": self.ttft_s, "tpot": self.tpot_s}  # fmt: skip
        for name, value in positive.items():
            if not value > 0:
                raise InputError(f"--{name} must be above zero, not {value:g}")
        if not 0.0 <= self.hit_rate < 1.0:
            raise InputError(f"--prefix-hit must be a share below 1, not {self.hit_rate:g}")
        if not 0.5 <= self.percentile < 1.0:
            raise InputError(f"--p must lie between 50 and 99.9 (percent of requests), not {100 * self.percentile:g}")
        if not 1.0 <= self.peak_to_mean <= MOST_PEAK_TO_MEAN:
            raise InputError(f"--peak-to-mean must lie between 1 and {MOST_PEAK_TO_MEAN:g}, not {self.peak_to_mean:g}")
        if self.draft_tokens < 0 or not 0.0 <= self.acceptance < 1.0:
            raise InputError("--draft-tokens must not be negative, --acceptance a share below 1")
        for name, cap in (
            ("max-running", self.max_running),
            ("step-tokens", self.step_tokens),
            ("rounds", self.rounds),
        ):
            if cap is not None and not cap >= 1:
                raise InputError(f"--{name} must be at least 1, not {cap:g}")
        if (self.prefill is None) != (self.decode is None):
            raise InputError("--prefill and --decode name the parts of two pools: say both, like 4xH200 and 16xH100")
        if self.prefill is not None and self.disaggregated is False:
            raise InputError("--prefill and --decode are pools of their own and --aggregated forbids them: drop one")
        if self.max_loss_nats is not None and not self.max_loss_nats >= 0.0:
            raise InputError(f"--max-loss must be nats a token of zero or more, not {self.max_loss_nats:g}")
        if self.spares < 0:
            raise InputError(f"--spares must not be negative, is {self.spares}")


def sizes_of(question: ServingQuestion) -> Sizes:
    """The sizes that a question fixes."""
    return Sizes(tp=question.tp, pp=question.pp, dp=question.dp, ep=question.ep)


def read_histogram(path: Path) -> RequestLengths:
    """Lengths of a CSV with the columns prompt_tokens, output_tokens, count.

    Raises InputError for a missing file, missing columns, negative or no counts."""
    needed = ("prompt_tokens", "output_tokens", "count")
    lines = [(number, cells) for number, cells in csv_lines(path, "--histogram") if any(cells)]
    header = [name.strip() for name in lines[0][1]] if lines else []
    if len(lines) < 2 or any(name not in header for name in needed):
        raise InputError(f"--histogram {path} needs the columns {', '.join(needed)} and at least one row")
    found = [_bucket(path, number, dict(zip(header, cells)), needed) for number, cells in lines[1:]]
    kept = [one for one in found if one[2] > 0]
    total = sum(n for _, _, n in kept)
    if total <= 0:
        raise InputError(f"--histogram {path}: all counts are zero")
    prompt = sum(p * n for p, _, n in kept) / total
    square = sum(p * p * n for p, _, n in kept) / total
    below, steps = 0.0, []
    for p, _, n in sorted(kept):
        below += n
        steps.append((p, below / total))
    return RequestLengths(
        prompt_tokens=prompt, output_tokens=sum(o * n for _, o, n in kept) / total,
        longest_tokens=max(p + o for p, o, _ in kept), prompt_variance=square / prompt**2 - 1.0, prompts=tuple(steps),
    )  # fmt: skip


def _bucket(path: Path, number: int, row: dict[str, str], needed: tuple[str, ...]) -> tuple[float, float, float]:
    """Prompt, output and count of one line."""
    try:
        p, o, n = (float(row[name]) for name in needed)
    except (KeyError, ValueError) as error:
        raise InputError(f"--histogram {path} line {number}: {', '.join(needed)} must be numbers") from error
    if not (math.isfinite(p + o + n) and n >= 0 and p > 0 and o > 0):
        raise InputError(f"--histogram {path} line {number}: counts must not be negative, lengths above zero")
    return p, o, n
