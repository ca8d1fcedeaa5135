"""The expected use of a model in words: `200 req/s, 1k in, 300 out, 2 years, tpot 40ms`."""

from __future__ import annotations

import re

import msgspec

from hwmodel import units
from hwmodel.errors import InputError

EXAMPLE = "'200 req/s, 1k in, 300 out, 2 years, tpot 40ms'"
PARTS = {
    "requests_per_s": "the requests (like 200 req/s)",
    "prompt_tokens": "the prompt (like 1k in)",
    "output_tokens": "the answer (like 300 out)",
    "seconds": "the time (like 2 years)",
}
_LIMIT = re.compile(r"(?:p(?P<percentile>[\d.]+)\s+)?(?P<what>tpot|ttft)\s+(?P<limit>.+)", re.IGNORECASE)


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a second over a time, each with a prompt and an answer; an optional limit on seconds a token."""

    requests_per_s: float
    prompt_tokens: float
    output_tokens: float
    seconds: float
    tpot_limit_s: float | None = None

    @property
    def tokens(self) -> float:
        """Tokens processed over the whole time, prompt and output."""
        return self.requests_per_s * self.seconds * (self.prompt_tokens + self.output_tokens)

    @property
    def prompt_share(self) -> float:
        return self.prompt_tokens / (self.prompt_tokens + self.output_tokens)


def parse_service(text: str) -> Service:
    """Read a service; every part but the latency is needed, in any order. Raises InputError with the example."""
    found: dict[str, float] = {}
    for part in (piece.strip() for piece in text.split(",")):
        name, value = _part(part, text)
        if name in found:
            raise InputError(f"--serve {text!r} says {name.replace('_', ' ')} twice; write it like {EXAMPLE}")
        found[name] = value
    missing = {"requests_per_s", "prompt_tokens", "output_tokens", "seconds"} - set(found)
    if missing:
        named = ", ".join(words for name, words in PARTS.items() if name in missing)
        raise InputError(f"--serve {text!r} lacks {named}; write it like {EXAMPLE}")
    return Service(**found)


def _part(part: str, text: str) -> tuple[str, float]:
    bound = _LIMIT.fullmatch(part)
    if bound is not None:
        return "tpot_limit_s", _usual_step(bound["what"].lower(), bound["percentile"] or "50", bound["limit"])
    if part.endswith("/s"):
        return "requests_per_s", units.parse_rate(part.replace(" ", ""), "req", "the demand of --serve")
    for ending, name in ((" in", "prompt_tokens"), (" out", "output_tokens")):
        if part.endswith(ending):
            return name, units.parse_count(part.removesuffix(ending), "the tokens of --serve")
    try:
        return "seconds", units.parse_duration_s(part, "the time of --serve")
    except InputError as error:
        raise InputError(f"cannot read {part!r} in --serve {text!r}; write it like {EXAMPLE}") from error


def _usual_step(what: str, percentile: str, limit: str) -> float:
    """Seconds that a usual step may take. Raises InputError for a limit on something else, with what answers it."""
    if what == "ttft" or percentile != "50":
        other = "the time to the first token" if what == "ttft" else f"p{percentile} of them"
        given = f" --p {percentile}" if percentile != "50" else ""
        raise InputError(
            f"--serve bounds the usual step (tpot 40ms), not {other}; `hwmodel serve --demand ... --{what} {limit}"
            f"{given}` answers for that"
        )
    return units.parse_duration_s(limit, "the TPOT of --serve")
