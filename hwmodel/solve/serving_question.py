"""What a user asks of a serving fleet, checked."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec

from hwmodel.errors import InputError
from hwmodel.specs.serving import Speculation


class ServingQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A model, a demand and limits. `rate` in requests a second (mean), `peak_to_mean` what the fleet must carry over
    it; latencies in seconds hold for `percentile` of requests; `hit_rate` of prompt tokens are found in a cache."""

    model: str
    prompt_tokens: float
    output_tokens: float
    rate: float
    ttft_s: float = float("inf")
    tpot_s: float = float("inf")
    percentile: float = 0.95
    peak_to_mean: float = 1.0
    spares: int = 1
    hit_rate: float = 0.0
    engine: str = "generic"
    parts: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    draft_tokens: float = 0.0
    acceptance: float = 0.7
    draft_share: float = 0.05
    disaggregated: bool | None = None  # True: only separate pools, False: none, None: whichever is cheaper
    tp: float | None = None
    pp: float | None = None
    dp: float | None = None
    ep: float | None = None

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
            raise InputError(f"--p must lie between 50 and 99.9, not {100 * self.percentile:g}")
        if self.peak_to_mean < 1.0:
            raise InputError(f"--peak-to-mean must be at least 1, not {self.peak_to_mean:g}")
        if self.draft_tokens < 0 or not 0.0 <= self.acceptance < 1.0:
            raise InputError("--draft-tokens must not be negative, --acceptance a share below 1")
        if self.spares < 0:
            raise InputError(f"--spares must not be negative, is {self.spares}")


def read_histogram(path: Path) -> tuple[float, float]:
    """Mean prompt and output tokens of a CSV with the columns prompt_tokens, output_tokens, count.

    Raises InputError for a missing file, missing columns, negative or no counts."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise InputError(f"cannot read --histogram {path}: {error.strerror}") from error
    needed = ("prompt_tokens", "output_tokens", "count")
    if not rows or any(name not in rows[0] for name in needed):
        raise InputError(f"--histogram {path} needs the columns {', '.join(needed)} and at least one row")
    total = prompt = output = 0.0
    for number, row in enumerate(rows, start=2):
        try:
            p, o, n = (float(row[name]) for name in needed)
        except (TypeError, ValueError) as error:
            raise InputError(f"--histogram {path} line {number}: {', '.join(needed)} must be numbers") from error
        if n < 0 or p <= 0 or o <= 0:
            raise InputError(f"--histogram {path} line {number}: counts must not be negative, lengths above zero")
        total, prompt, output = total + n, prompt + n * p, output + n * o
    if total <= 0:
        raise InputError(f"--histogram {path}: all counts are zero")
    return prompt / total, output / total
