"""What is said of the data of a run."""

from __future__ import annotations

from typing import Any

from hwmodel.units import format_count, format_fraction, format_usd


def data_line(data: Any) -> str:
    """Epochs, worth and price of repeats, in a sentence; nothing where all tokens are fresh."""
    if data is None:
        return ""
    said = (
        f"The {format_count(data.unique_tokens)} distinct tokens are seen {data.epochs:.3g} times: worth "
        f"{format_count(data.effective_tokens)} fresh ones"
    )
    if data.extra_compute_share is None:
        return said + "; no amount of fresh data reaches this loss at this law."
    if data.extra_compute_share < 5e-4:
        return said + ", at no cost in compute."
    paid = f" ({format_usd(data.extra_usd)} of the rent)" if data.extra_usd is not None else ""
    saved = format_fraction(data.extra_compute_share / (1.0 + data.extra_compute_share))
    return f"{said}. On fresh data the same loss takes {saved} less compute{paid}."
