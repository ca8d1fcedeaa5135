"""Numbers and records as words: filters of the templates and cells of the tables."""

from __future__ import annotations

from typing import Any

from hwmodel import units
from hwmodel.catalog.safe_text import markdown_safe
from hwmodel.report.data import data_line
from hwmodel.report.energy import energy_lines
from hwmodel.report.failures import failures_line
from hwmodel.report.prices import price_line
from hwmodel.report.ways import ways_table
from hwmodel.solve.run.result import Band, PlanLayout

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
    return _shown(value, lambda v: f"{v:.3g} days" if v >= 1 else units.format_duration(v * units.SECONDS_PER_DAY))


def usd(value: Any) -> str:
    """`$2.1M`."""
    return _shown(value, units.format_usd)


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
    """`low to high` of an uncertain value, a dash for a certain one."""
    if not isinstance(value, Band) or value.low == value.high:
        return DASH
    return f"{show(value.low)} to {show(value.high)}"


def layout_words(layout: PlanLayout | None) -> str:
    """`TP 8, PP 4 (x2 virtual), DP 32, ZeRO 1, micro-batch 2, full recompute`."""
    if layout is None:
        return DASH
    parts = [f"TP {layout.tp}"]
    if layout.cp > 1:
        parts.append(f"CP {layout.cp}")
    parts.append(f"PP {layout.pp}" + (f" ({layout.vpp} virtual stages a rank)" if layout.vpp > 1 else ""))
    if layout.ep > 1:
        parts.append(f"EP {layout.ep}")
    if layout.etp > 1:
        parts.append(f"ETP {layout.etp}")
    parts += [f"DP {layout.dp}", f"ZeRO {layout.zero}", f"micro-batch {layout.micro_batch}"]
    modes = {"none": "no recompute", "selective": "selective recompute", "full": "full recompute"}
    share = f"recompute of {layout.recompute}" + (" of the layers" if layout.recompute.endswith("%") else "")
    parts.append(modes.get(layout.recompute, share))
    if layout.offload != "none":
        parts.append(f"{layout.offload} in host memory")
    return ", ".join(parts)


def cost(value: float | None, unit: str) -> str:
    """A cost in the unit of an objective: `$2.1M`, `3e+23 FLOP`."""
    if value is None:
        return DASH
    return usd(value) if unit == "USD" else f"{value:.3g} {unit}"


FILTERS = {
    "count": count,
    "days": days,
    "usd": usd,
    "percent": percent,
    "memory": memory,
    "plain": plain,
    "loss": loss,
    "duration": duration,
    "layout": layout_words,
    "data_line": data_line,
    "price_line": price_line,
    "energy_lines": energy_lines,
    "failures_line": failures_line,
    "ways_table": ways_table,
}


def render(template: str, **context: Any) -> str:
    """A template of this package filled in."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hwmodel.report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters.update(FILTERS)
    return markdown_safe(environment.get_template(template).render(**context).rstrip() + "\n")
