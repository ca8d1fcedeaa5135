"""What a format loses, in nats a token and of a benchmark's average, as words."""

from __future__ import annotations

from hwmodel.report.phrases import say
from hwmodel.solve.run.band import Band


def loss_words(loss: Band) -> str:
    """`0.053 (0.023 to 0.12)`, or `0`."""
    if loss.high == 0.0:
        return "0"
    return say("{value} ({low} to {high})", value=f"{loss.value:.2g}", low=f"{loss.low:.2g}", high=f"{loss.high:.2g}")


def score_words(score: Band) -> str:
    """`98.9% (97.4% to 99.5%)`."""
    if score.low == score.high:
        return "100%"
    ends = {"low": f"{100 * score.low:.1f}%", "high": f"{100 * score.high:.1f}%"}
    if ends["low"] == ends["high"]:
        return ends["low"]
    return say("{value} ({low} to {high})", value=f"{100 * score.value:.1f}%", **ends)
