"""Numbers and records as words: what stands in sentences and in cells of tables."""

from __future__ import annotations

from typing import Any

from hwmodel import units
from hwmodel.report.phrases import heard, say
from hwmodel.solve.run.band import Band
from hwmodel.specs.layout import SCHEDULES, SIZES, PlanLayout

DASH = "-"

TERM_WORDS = {
    "gemm_s": "matrix products",
    "attention_s": "attention",
    "memory_bound_s": "element-wise and norms",
    "cast_s": "casts and scaling",
    "logits_s": "logits and loss",
    "recompute_s": "recomputation",
    "offload_s": "host offload",
    "tp_s": "tensor-parallel communication",
    "cp_s": "context-parallel communication",
    "ep_s": "expert-parallel communication",
    "pp_bubble_s": "pipeline bubble",
    "pp_transfer_s": "pipeline transfers",
    "dp_exposed_s": "exposed data-parallel communication",
    "optimizer_s": "optimizer",
    "host_s": "host and launches",
    "search_s": "optimism of the search",
    "jitter_s": "jitter and stragglers",
    "weights_bytes": "weights",
    "gradients_bytes": "gradients",
    "optimizer_bytes": "optimizer state",
    "activations_bytes": "activations",
    "logits_bytes": "logits",
    "buffers_bytes": "buffers",
    "reserve_bytes": "context, communicators, fragmentation",
}
# Terms of a serving step: those of training where they are the same, and what serving alone has.
SERVING_TERM_WORDS = TERM_WORDS | {
    "experts_s": "experts",
    "logits_s": "logits",
    "pp_s": TERM_WORDS["pp_transfer_s"],
    "kernel_gap_s": "gaps between kernels",
    "host_s": "scheduling and sampling",
}

FACTOR_WORDS = {
    "peak_dense_flop_per_s": "peak compute",
    "hbm_bytes_per_s": "memory bandwidth",
    "hbm_bytes": "memory capacity",
    "link_uni_bytes_per_s": "scale-up links",
    "nic_uni_bytes_per_s": "NIC",
}


def number(value: Any) -> float | None:
    """The plain number of a certain or uncertain value."""
    if value is None:
        return None
    return value.value if isinstance(value, Band) else float(value)


def _shown(value: Any, show: Any) -> str:
    plain = number(value)
    return DASH if plain is None else str(show(plain))


def count(value: Any) -> str:
    """`76.6B`."""
    return _shown(value, units.format_count)


def days(value: Any) -> str:
    """`38.7 days`, or hours below one."""
    return _shown(value, _days)


def _days(value: float) -> str:
    if value < 1:
        return units.format_duration(value * units.SECONDS_PER_DAY)
    return say("{days} days", days=f"{value:,.0f}" if value >= 1000 else f"{value:.3g}")


def usd(value: Any) -> str:
    """`$2.1M`."""
    return _shown(value, units.format_usd)


def signed_usd(value: float) -> str:
    """`-$627k`: what a bad or a lucky run adds."""
    return units.format_usd(value)


def energy(value: Any) -> str:
    """`588 MWh`."""
    return f"{plain(value)} MWh"


def carbon(value: Any) -> str:
    """`238 t CO2e`."""
    return f"{plain(value)} t CO2e"


def percent(value: Any) -> str:
    """`45.2%`."""
    return _shown(value, units.format_fraction)


def memory(value: Any) -> str:
    """`74.7 GiB`."""
    return _shown(value, lambda v: units.format_bytes(v, binary=True).replace("GiB", " GiB").replace("MiB", " MiB"))


def plain(value: Any) -> str:
    """Three digits with thousands separators."""
    return _shown(value, lambda v: f"{v:,.0f}" if abs(v) >= 1000 else f"{v:.3g}")


def loss(value: Any) -> str:
    """Four decimals: differences of a hundredth matter."""
    return _shown(value, lambda v: f"{v:.4f}")


def flop(value: Any) -> str:
    """`6.43e23 FLOP (7,440 PF-days)`."""
    return _shown(value, lambda v: f"{units.format_count(v)} FLOP ({plain(v / units.FLOP_PER_PF_DAY)} PF-days)")


def duration(seconds: Any) -> str:
    """`6.1s`."""
    return _shown(seconds, units.format_duration)


def interval(value: Any, show: Any) -> str:
    """`low to high` of an uncertain value, a dash for one whose ends read the same."""
    if not isinstance(value, Band):
        return DASH
    low, high = show(value.low), show(value.high)
    return DASH if low == high else say("{low} to {high}", low=low, high=high)


# Sizes that are said of the one before them.
JOINED = {size.name: size.words for size in SIZES if size.words.startswith(" ")}


def layout_words(layout: PlanLayout | None) -> str:
    """`TP 8, PP 4 (x2 virtual), DP 32, ZeRO 1, micro-batch 2, full recompute`."""
    if layout is None:
        return DASH
    parts: list[str] = []
    for size in SIZES:
        count = getattr(layout, size.name)
        if not size.always and count <= 1:
            continue
        if size.name in JOINED:
            parts[-1] += say(JOINED[size.name], count=count)
        else:
            parts.append(size.words.format(count=count))
    parts.append(_recompute(layout.recompute))
    if layout.offload != "none":
        parts.append(say("{what} in host memory", what=heard(layout.offload)))
    if layout.schedule != SCHEDULES[0]:
        parts.append(say("schedule {name}", name=layout.schedule))
    return ", ".join(parts)


RECOMPUTE_WORDS = {"none": "no recompute", "selective": "selective recompute", "full": "full recompute"}


def _recompute(mode: str) -> str:
    if mode in RECOMPUTE_WORDS:
        return say(RECOMPUTE_WORDS[mode])
    return (
        say("recompute of {share} of the layers", share=mode)
        if mode.endswith("%")
        else say("recompute of {modules}", modules=mode)
    )


def cost(value: float | None, unit: str | None) -> str:
    """A cost in the unit of an objective: `$2.1M`, `3e+23 FLOP`."""
    if value is None:
        return DASH
    return usd(value) if unit == "USD" else f"{units.format_count(value)} {unit or ''}".rstrip()
