"""What is said of the data of a run."""

from __future__ import annotations

from typing import Any

from hwmodel.report.phrases import say
from hwmodel.units import format_count, format_fraction, format_usd


def data_line(data: Any) -> str:
    """Epochs, worth and price of repeats, in a sentence; nothing where all tokens are fresh."""
    if data is None:
        return ""
    said = say(
        "The {unique} distinct tokens are seen {epochs} times: worth {worth} fresh ones",
        unique=format_count(data.unique_tokens),
        epochs=f"{data.epochs:.3g}",
        worth=format_count(data.effective_tokens),
    )
    if data.extra_compute_share is None:
        return said + say("; no amount of fresh data reaches this loss at this law.")
    if data.extra_compute_share < 5e-4:
        return said + say(", at no cost in compute.")
    paid = say(" ({usd} of the rent)", usd=format_usd(data.extra_usd)) if data.extra_usd is not None else ""
    saved = format_fraction(data.extra_compute_share / (1.0 + data.extra_compute_share))
    return said + say(". On fresh data the same loss takes {saved} less compute{paid}.", saved=saved, paid=paid)
