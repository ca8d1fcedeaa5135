"""How right an answer is, in one line: measured runs like it."""

from __future__ import annotations

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


def like_line(found: Like | None) -> str:
    """One line; empty where nothing like it was measured."""
    if found is None:
        return ""
    return say(
        "like {runs} of {sources} ({kind}; {of}): median error {error} %, 80 % interval held {share} %",
        runs=say("one measured run") if found.n == 1 else say("{count} measured runs", count=f"{found.n:,}"),
        sources=say("one source") if found.sources == 1 else say("{count} sources", count=found.sources),
        kind=say(QUANTITIES[found.kind]),
        of=heard(found.of),
        error=f"{100.0 * found.median_error:.0f}",
        share=f"{100.0 * found.coverage:.0f}",
    )


def like_block(found: Like | None) -> Text:
    """The line as a paragraph of a report."""
    line = like_line(found)
    return Text(say("Measured: {line}, each predicted without its source.", line=line) if line else "")
