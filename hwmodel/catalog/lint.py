"""The usual errors of hardware tables, as rules: each says what it looks for and what the figure probably is.

A record may explain an exception: `lint_exceptions: {rule: reason}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from hwmodel.catalog.hardware import PART_VALUES
from hwmodel.catalog.quantities import si_factor
from hwmodel.catalog.records import Raw
from hwmodel.catalog.values import TEXT, FaultError
from hwmodel.errors import CatalogError
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.provenance import Sourced

RATIOS = (0.5, 1.0, 2.0, 4.0)
RATIO_PAIRS = (
    ("fp16", "bf16"), ("fp8", "bf16"), ("int8", "bf16"), ("int8", "fp16"), ("mxfp8", "bf16"), ("nvfp4", "fp8"),
    ("mxfp4", "fp8"), ("fp4", "fp8"), ("int4", "int8"),
)  # fmt: skip
DATACENTRE_GB = (16.0, 32.0, 40.0, 80.0)
NO_PUBLISHED_TDP = ("v4", "v5e", "v5p", "v6e", "v7x", "v8t")


class Finding(NamedTuple):
    """One broken rule of one record."""

    rule: str
    at: tuple[str | int, ...]
    message: str


class PartView(NamedTuple):
    """What a rule about accelerators sees."""

    part: Part
    values: Mapping[str, Sourced]
    kin: list[Part]  # other parts of the same architecture

    def si(self, name: str) -> float | None:
        """A value in SI by its dotted name; None when it is not stated as a number."""
        record = self.values.get(name)
        if record is None or isinstance(record.value, (str, bool)) or record.value is None:
            return None
        dimension = PART_VALUES[name][0]
        factor = 1.0 if dimension == TEXT else si_factor(record.unit, dimension)
        return record.value * (factor or 1.0)


def _near(a: float, b: float, tolerance: float) -> bool:
    return abs(a - b) <= tolerance * abs(b)


def _peak(part: Part, fmt: str) -> float:
    return part.peak_dense_flop_per_s.get(fmt) or 0.0


def sparse_peak(v: PartView) -> Iterator[Finding]:
    """A peak about twice that of all kin is the sparse headline."""
    for fmt in ("bf16", "fp16", "fp8", "nvfp4"):
        known = [_peak(k, fmt) for k in v.kin if _peak(k, fmt) > 0]
        own = _peak(v.part, fmt)
        if known and own > 1.9 * max(known):
            kin = max(v.kin, key=lambda k: _peak(k, fmt))
            yield Finding(
                "sparse-peak", ("peak_dense", fmt),
                f"{own / 1e12:g} TFLOP/s is {own / max(known):.2f} times {kin.id}: a sparse peak? write the dense one",
            )  # fmt: skip


def format_ratio(v: PartView) -> Iterator[Finding]:
    """Formats of one machine stand in ratios of 1/2, 1, 2 or 4."""
    for fmt, base in RATIO_PAIRS:
        a, b = _peak(v.part, fmt), _peak(v.part, base)
        if a and b and not any(_near(a / b, r, 0.03) for r in RATIOS):
            yield Finding(
                "format-ratio", ("peak_dense", fmt),
                f"{fmt} is {a / b:.3g} times {base}, not 1/2, 1, 2 or 4: sparse beside dense? else explain",
            )  # fmt: skip


def clock_times_units(v: PartView) -> Iterator[Finding]:
    """Clock x units x FLOPs a clock is the peak within 2 %."""
    clock, units, flop = (v.si(n) for n in ("clock.tensor", "on_chip.units", "clock.flop_per_unit_clock_bf16"))
    peak = _peak(v.part, "bf16") or _peak(v.part, "fp16")
    if clock and units and flop and not _near(clock * units * flop, peak, 0.02):
        yield Finding(
            "clock-times-units", ("clock", "tensor"),
            f"{clock / 1e6:g} MHz x {units:g} x {flop:g} FLOP is {clock * units * flop / 1e12:.1f} TFLOP/s, the peak "
            f"{peak / 1e12:g}: another clock, or a sparse peak",
        )  # fmt: skip


def bus_times_rate(v: PartView) -> Iterator[Finding]:
    """Bus width x data rate is the memory bandwidth within 3 %."""
    bus, rate, bandwidth = (v.si(n) for n in ("memory.bus_bits", "memory.data_rate", "memory.bandwidth"))
    if bus and rate and bandwidth and not _near(bus * rate / 8.0, bandwidth, 0.03):
        yield Finding(
            "bus-times-rate", ("memory", "bandwidth"),
            f"{bus:g} bit x {rate / 1e9:g} Gbit/s is {bus * rate / 8e9:.0f} GB/s, not {bandwidth / 1e9:g}",
        )  # fmt: skip


def bidirectional_link(v: PartView) -> Iterator[Finding]:
    """One direction is at most half of a two-way headline, and the sum of its links."""
    uni, headline = v.si("link.bandwidth_uni"), v.si("link.headline_bidirectional")
    per_link, links = v.si("link.per_link_uni"), v.si("link.links")
    at = ("link", "bandwidth_uni")
    if uni and headline and uni > 0.52 * headline:
        yield Finding(
            "bidirectional-link", at,
            f"{uni / 1e9:g} GB/s is more than half of the two-way headline {headline / 1e9:g}: write one direction",
        )  # fmt: skip
    elif uni and per_link and links and not _near(per_link * links, uni, 0.03):
        yield Finding(
            "bidirectional-link", at,
            f"{links:g} links of {per_link / 1e9:g} GB/s are {per_link * links / 1e9:g}, not {uni / 1e9:g}",
        )  # fmt: skip


def superchip(v: PartView) -> Iterator[Finding]:
    """Twice the memory and twice the bandwidth of all kin: two chips counted as one."""
    known = [k for k in v.kin if k.hbm_bytes and k.hbm_bytes_per_s]
    if not known or not v.part.hbm_bytes:
        return
    size = v.part.hbm_bytes / max(k.hbm_bytes for k in known)
    rate = v.part.hbm_bytes_per_s / max(k.hbm_bytes_per_s for k in known)
    if size > 1.9 and rate > 1.9:
        message = f"memory {size:.2f} and bandwidth {rate:.2f} times all kin: per superchip or node? count one chip"
        yield Finding("superchip", ("memory", "capacity"), message)


def gib_label(v: PartView) -> Iterator[Finding]:
    """An "80 GB" data-centre part holds 80 GiB."""
    record = v.values.get("memory.capacity")
    if v.part.vendor == "nvidia" and record is not None and record.unit == "GB" and record.value in DATACENTRE_GB:
        yield Finding("gib-label", ("memory", "capacity"), f"an {record.value:g} GB label of this vendor means GiB")


def usable_memory(v: PartView) -> Iterator[Finding]:
    """Usable memory is less than what is built in."""
    if v.part.usable_hbm_bytes and v.part.usable_hbm_bytes > v.part.hbm_bytes * 1.005:
        yield Finding("usable-memory", ("memory", "usable"), "more usable memory than the part has: GB against GiB?")


def tpu_power(v: PartView) -> Iterator[Finding]:
    """No TDP of a TPU after v3 is published: figures going round are averages or guesses."""
    if v.part.family == "tpu" and v.part.architecture in NO_PUBLISHED_TDP and v.part.tdp_w:
        yield Finding("tpu-power", ("power", "tdp"), "no TDP of this part is published: put an average into `average`")


def power_term(v: PartView) -> Iterator[Finding]:
    """A rating says what it rates: TDP, TBP, TGP, a cap."""
    if v.part.tdp_w and not v.part.tdp_term:
        yield Finding("power-term", ("power", "tdp"), "says no `term` (TDP, TBP, TGP, system, power limit)")
    elif v.part.tdp_w and not 30.0 <= v.part.tdp_w <= 2500.0:
        yield Finding("power-term", ("power", "tdp"), f"{v.part.tdp_w:g} W is no accelerator's: per node?")


def ultra_int8(v: PartView) -> Iterator[Finding]:
    """Blackwell Ultra gave up INT8."""
    if v.part.architecture == "blackwell-ultra" and _peak(v.part, "int8") > 1e15:
        yield Finding("ultra-int8", ("peak_dense", "int8"), "this generation cut INT8 to about 1/30: an old table?")


def kin_lack_it(v: PartView) -> Iterator[Finding]:
    """A peak in a format that the architecture does not have."""
    for fmt, peak in v.part.peak_dense_flop_per_s.items():
        lacking = [k.id for k in v.kin if fmt in k.peak_dense_flop_per_s and k.peak_dense_flop_per_s[fmt] is None]
        if peak and lacking:
            yield Finding("kin-lack-it", ("peak_dense", fmt), f"{lacking[0]}, of the same silicon, has no {fmt}")


def accumulate_rate(v: PartView) -> Iterator[Finding]:
    """GeForce parts halve with FP32 accumulation, and training needs that."""
    for fmt, fast in v.part.peak_dense_fp16_accumulate_flop_per_s.items():
        if v.part.family in ("ada", "ampere-rtx", "blackwell-rtx") and _peak(v.part, fmt) > 0.6 * fast:
            yield Finding("accumulate-rate", ("peak_dense", fmt), "is the rate with FP16 accumulation: halve it")


def recalled(v: PartView) -> Iterator[Finding]:
    """A figure that nobody read anywhere is unconfirmed."""
    for name, record in v.values.items():
        if record.source == "recalled" and record.status != "unconfirmed":
            yield Finding("recalled", tuple(name.split(".")), "is recalled, so its status is `unconfirmed`")


PART_RULES: tuple[Callable[[PartView], Iterator[Finding]], ...] = (
    sparse_peak, format_ratio, clock_times_units, bus_times_rate, bidirectional_link, superchip, gib_label,
    usable_memory, tpu_power, power_term, ultra_int8, kin_lack_it, accumulate_rate, recalled,
)  # fmt: skip


def nic_per_node(system: System, part: Part) -> Iterator[Finding]:
    """A network figure of a whole node, given to each accelerator."""
    nic, link = system.nic_uni_bytes_per_s, system.link_uni_bytes_per_s
    stated = part.scale_out_uni_bytes_per_s
    if nic > 200.001e9 or (nic > 1.01 * link and nic > 25e9) or (stated and nic > 2.01 * stated):
        message = f"{nic * 8e-9:g} Gbit/s for one accelerator and one direction: a figure of the node?"
        yield Finding("nic-per-node", ("nic_uni",), message)


def node_power(system: System, part: Part) -> Iterator[Finding]:
    """A node draws at least what its chips are rated for, and not four times that."""
    if not system.node_power_w or not part.tdp_w:
        return
    ratio = system.node_power_w / (part.tdp_w * system.accelerators_per_node)
    if not 0.9 <= ratio <= 4.0:
        yield Finding(
            "node-power", ("node_power",), f"is {ratio:.2f} times the rating of its chips: of one, or a rack?"
        )


def domain_size(system: System, part: Part) -> Iterator[Finding]:
    """A switched node has a scale-up domain of at least one pair, and not beyond what the part states."""
    if part.link_domain > 1 and system.domain_accelerators > max(part.link_domain, 16) * 1.01:
        yield Finding("domain-size", ("domain",), f"the links of {part.id} join {part.link_domain:g} at most")


SYSTEM_RULES: tuple[Callable[[System, Part], Iterator[Finding]], ...] = (nic_per_node, node_power, domain_size)


def _unexcused(raw: Raw, findings: Iterator[Finding]) -> Iterator[CatalogError]:
    excuses = raw.fields.get("lint_exceptions") or {}
    if not isinstance(excuses, dict) or not all(isinstance(v, str) and v for v in excuses.values()):
        yield raw.error(FaultError(("lint_exceptions",), "expected {rule: reason}"))
        return
    for finding in findings:
        if finding.rule not in excuses:
            yield raw.error(FaultError(finding.at, f"{finding.message} [{finding.rule}]"))


def lint_parts(
    raws: Mapping[str, Raw], parts: Mapping[str, Part], values: Mapping[str, Mapping[str, Sourced]]
) -> Iterator[CatalogError]:
    """Every broken rule of the accelerators. A later layer (overlay) is measured against the earlier ones."""
    for part in parts.values():
        raw = raws[part.id]
        kin = [
            k for k in parts.values()
            if k.architecture == part.architecture and k.id != part.id and raws[k.id].root <= raw.root
        ]  # fmt: skip
        view = PartView(part, values[part.id], kin if part.architecture else [])
        yield from _unexcused(raw, (f for rule in PART_RULES for f in rule(view)))


def lint_systems(
    raws: Mapping[str, Raw], systems: Mapping[str, System], parts: Mapping[str, Part]
) -> Iterator[CatalogError]:
    """Every broken rule of the systems."""
    for system in systems.values():
        part = parts[system.part]
        yield from _unexcused(raws[system.id], (f for rule in SYSTEM_RULES for f in rule(system, part)))
