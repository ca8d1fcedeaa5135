"""How right an answer is, in one line: measured runs like it."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.report.blocks import Text
from hwmodel.report.phrases import heard, say
from hwmodel.specs.accuracy import Like

QUANTITIES = {
    "training": "rates in a stated layout",
    "searched": "rates in a searched layout",
    "memory": "peaks of memory",
    "tpot": "times a token",
    "ttft": "times to the first token",
    "throughput": "throughputs",
    "whole": "hours billed",
    "rl": "steps of reinforcement learning",
}


def like_line(found: Like | dict[str, Any] | None) -> str:
    """One line; empty where nothing like it was measured."""
    if found is None:
        return ""
    one = found if isinstance(found, Like) else msgspec.convert(found, Like)
    return say(
        "like {runs} of {sources} ({kind}; {of}): median error {error} %, 80 % interval held {share} %",
        runs=say("one measured run") if one.n == 1 else say("{count} measured runs", count=f"{one.n:,}"),
        sources=say("one source") if one.sources == 1 else say("{count} sources", count=one.sources),
        kind=say(QUANTITIES[one.kind]),
        of=heard(one.of),
        error=f"{100.0 * one.median_error:.0f}",
        share=f"{100.0 * one.coverage:.0f}",
    )


def like_block(found: Like | dict[str, Any] | None) -> Text:
    """The line as a paragraph of a report."""
    line = like_line(found)
    return Text(say("Measured: {line}, each predicted without its source.", line=line) if line else "")
