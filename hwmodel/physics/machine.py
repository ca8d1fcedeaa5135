"""From a part, its system and a recipe of formats to the constants that the physics takes."""

from __future__ import annotations

import msgspec

from hwmodel.errors import InputError
from hwmodel.specs.formats import ELEMENT_BYTES, KIN
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.kernels import (
    AttentionConstants,
    GemmConstants,
    KernelCalibration,
    Machine,
    MemoryConstants,
    Network,
)
from hwmodel.specs.precision import Precision, ServingPrecision

# Grouped products whose narrow weights are widened on the way in (int4 tables of aiconfigurator-core 0.12.0; Ampere,
# Ada and Hopper): they tile by 16 rows, and many rows reach at most half of the plain products' ceiling.
WIDENED_GROUP_EDGE = 16.0
WIDENED_GROUP_SHARE = 0.5

# Buffers up to which serving engines sum over eight ranks by kernels of their own (vLLM, all_reduce_utils.py:
# CUSTOM_ALL_REDUCE_MAX_SIZES of compute capability 9.0 and 10.0; 8 MB by default).
FAST_MOST_BYTES = {"hopper": 2.0**18, "blackwell": 2.0**20}
DEFAULT_FAST_MOST_BYTES = 2.0**23

# Units of parts that no readable source counts: a sibling's (unconfirmed; they only scale fill and waves).
FAMILY_UNITS = {"volta": 80.0, "ampere": 108.0, "ada": 142.0, "hopper": 132.0, "blackwell": 148.0, "cdna": 304.0}
FAMILY_UNITS |= {"tpu": 8.0, "trainium": 8.0, "gaudi": 8.0, "ascend": 32.0}

# PCIe 4.0 x16, one direction, of parts whose sources state no host link.
ASSUMED_HOST_LINK_BYTES_PER_S = 32e9


def part_units(part: Part) -> float:
    """Streaming multiprocessors, compute units or cores that a wave of tiles fills."""
    return part.units or FAMILY_UNITS.get(part.family, 128.0)


def format_peak(part: Part, number_format: str, fallbacks: tuple[str, ...] = ()) -> float:
    """Dense peak of a format [FLOP/s]; raises InputError for a format that the part lacks or nobody has stated."""
    lacks = part.peak_dense_flop_per_s.get(number_format, 0.0) is None
    for name in () if lacks else (number_format, *fallbacks):
        peak = part.peak_dense_flop_per_s.get(name)
        if peak:
            return peak
    known = sorted(k for k, v in part.peak_dense_flop_per_s.items() if v)
    reason = "the hardware lacks it" if lacks else "no source states its peak"
    raise InputError(f"{part.name} cannot compute in {number_format}: {reason}; it has {', '.join(known)}")


def high_format(part: Part) -> str:
    """The format of what a recipe leaves in high precision: bf16, or fp16 where the part has no bf16."""
    return "bf16" if part.peak_dense_flop_per_s.get("bf16") else "fp16"


def _lineage(part: Part) -> tuple[str, ...]:
    """Keys of constants that hold for a part, the nearest last: its family, the parts of it that it varies, itself."""
    return part.family, *part.kin, part.id


def _layers(part: Part, table: dict[str, dict[str, float]]) -> tuple[dict[str, float], str]:
    merged = dict(table.get("generic", {}))
    found = "specs"
    for key in _lineage(part):
        if key in table:
            merged |= table[key]
            found = "measured" if key == part.id else f"kin ({key})"
    return merged, found


def _fields(kind: type[msgspec.Struct], values: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in values.items() if k in kind.__struct_fields__}


def _format_table(
    part: Part, number_format: str, tables: dict[str, dict[str, dict[str, float]]]
) -> dict[str, dict[str, float]]:
    """The constants by key of a format, or of the nearest kin of the format that the part or its family has."""
    name = number_format
    while True:
        table = {key: formats[name] for key, formats in tables.items() if name in formats}
        if any(key in table for key in _lineage(part)) or name not in KIN:
            return table
        name = KIN[name]


def gemm_constants(
    part: Part,
    number_format: str,
    calibration: KernelCalibration,
    weight_bytes: float | None = None,
    peak: float = 0.0,
    mixed: bool = False,
) -> tuple[GemmConstants, str]:
    """Constants of products in `number_format` on `part`, and where they come from.

    `mixed`: matrix units take the narrow weights as they are beside wider activations.
    """
    values, found = _layers(part, _format_table(part, number_format, calibration.gemm))
    own = ELEMENT_BYTES.get(number_format, 2.0)
    values.setdefault("sustained", 1.0 / (1.0 + values.get("throttle", 0.0)))
    if (
        weight_bytes is not None and weight_bytes < own and not mixed
    ):  # widened on the way in: fewer bytes, read more slowly
        values["hbm_fraction"] = values.get("hbm_fraction", 0.85) * values.get("weight_only_fraction", 1.0)
        values["group_edge"] = min(values.get("group_edge", WIDENED_GROUP_EDGE), WIDENED_GROUP_EDGE)
        values["group_efficiency"] = values.get("group_efficiency", 0.8) * WIDENED_GROUP_SHARE
    constants = GemmConstants(
        peak_flop_per_s=peak or format_peak(part, number_format),
        hbm_bytes_per_s=part.hbm_bytes_per_s,
        units=part_units(part),
        a_bytes=own,
        b_bytes=own if weight_bytes is None else weight_bytes,
        **_fields(GemmConstants, values),
    )
    return constants, found


def takes_mixed(part: Part, precision: Precision | ServingPrecision) -> bool:
    """Whether matrix units multiply 4-bit by 8-bit operands whose blocks share an exponent, at the 8-bit rate: those
    that know MXFP4 (PTX ISA, tcgen05.mma .kind::mxf8f6f4)."""
    if not isinstance(precision, ServingPrecision) or precision.weight_only:
        return False
    return precision.power_of_two_scales and bool(part.peak_dense_flop_per_s.get("mxfp4"))


def attention_constants(
    part: Part, number_format: str, table: dict[str, dict[str, dict[str, float]]], cache_format: str = ""
) -> AttentionConstants:
    """Constants of fused attention in `number_format` over a cache in `cache_format` (default: the same).

    A format that the part lacks falls back to its high one.
    """
    name = number_format if part.peak_dense_flop_per_s.get(number_format) else high_format(part)
    values, _ = _layers(part, _format_table(part, name, table))
    cache, _ = _layers(part, _format_table(part, cache_format, table))  # none of no format
    values |= {k: v for k, v in cache.items() if k.startswith(("decode_", "mla_decode_"))}
    return AttentionConstants(
        peak_flop_per_s=format_peak(part, name),
        hbm_bytes_per_s=part.hbm_bytes_per_s,
        units=part_units(part),
        **_fields(AttentionConstants, values),
    )


def _flash2(current: AttentionConstants, part: Part, table: dict[str, dict[str, float]]) -> AttentionConstants:
    """The older kernels: today's constants with the ceilings and launch of their generation."""
    values, _ = _layers(part, table)
    slower = values.pop("slowdown", 1.0)
    changed = _fields(AttentionConstants, values)
    return msgspec.structs.replace(current, efficiency=current.efficiency / slower, **changed)


def power_share(part: Part, calibration: KernelCalibration) -> float:
    """Share of its kin's sustained rate that a part with fewer watts a peak FLOP/s keeps; at most 1."""
    peak, kin = part.peak_dense_flop_per_s.get(high_format(part)), calibration.power_watts.get(part.family)
    if not (peak and kin and part.tdp_w) or any(key in calibration.gemm for key in _lineage(part)[1:]):
        return 1.0
    return float(min(1.0, part.tdp_w / (peak / 1e12) / kin) ** calibration.power_exponent)


def sustained_gemm(c: GemmConstants) -> GemmConstants:
    """Constants of products that run back to back for long: the throttled ceiling at any length."""
    return msgspec.structs.replace(c, efficiency=c.efficiency * c.sustained, throttle=c.throttle * 0.0, sustained=1.0)


def sustained_attention(c: AttentionConstants) -> AttentionConstants:
    """As `sustained_gemm`, for attention."""
    return msgspec.structs.replace(c, efficiency=c.efficiency / (1.0 + c.throttle), throttle=c.throttle * 0.0)


def sustained(m: Machine) -> Machine:
    """The machine under a long load, as in training: no kernel is faster than its throttled ceiling."""
    return msgspec.structs.replace(
        m,
        gemm=sustained_gemm(m.gemm),
        gemm_high=sustained_gemm(m.gemm_high),
        attention=sustained_attention(m.attention),
        attention_flash2=sustained_attention(m.attention_flash2),
    )


def network(part: Part, system: System, calibration: KernelCalibration) -> Network:
    """Links and NICs of `system` with the collective constants of its kin and fabric.

    A box without links reaches its accelerators over the host bus (PCIe), which they share.
    """
    values, _ = _layers(part, calibration.collectives)
    topology = system.link_topology
    bus = topology in ("pcie", "none") or system.link_uni_bytes_per_s <= 0.0
    values |= calibration.collectives.get("pcie", {}) if bus else {}
    values |= calibration.scale_out.get("generic", {}) | calibration.scale_out.get(system.fabric, {})
    values["in_switch"] = values.get("in_switch", 0.0) if topology == "switch" and not bus else 0.0
    if not bus:
        values["bus_sharing"] = 0.0
    if bus or topology != "switch":
        values["pair_loss"] = 0.0
    return Network(
        domain=max(system.domain_accelerators, system.accelerators_per_node if bus else 1.0),
        link_bytes_per_s=(part.host_link_uni_bytes_per_s or ASSUMED_HOST_LINK_BYTES_PER_S)
        if bus
        else system.link_uni_bytes_per_s,
        nic_bytes_per_s=max(system.nic_uni_bytes_per_s, 1e8),
        mesh=1.0 if topology == "mesh" else 0.0,
        torus=1.0 if topology.startswith("torus") else 0.0,
        torus_axes=3.0 if topology == "torus3d" else 2.0,
        shared_bus=1.0 if bus else 0.0,
        oversubscription=system.oversubscription,
        pod=system.pod_accelerators,
        fast_most_bytes=FAST_MOST_BYTES.get(part.family, DEFAULT_FAST_MOST_BYTES),
        **_fields(Network, values),
    )


def across_bridges(net: Network, part: Part, system: System, calibration: KernelCalibration) -> Network:
    """The network of an engine inside one box: cards bridged in pairs or fours reach the others over the host bus.

    Training spans boxes and keeps the NICs for what leaves a bridge.
    """
    if not 1.0 < system.domain_accelerators < system.accelerators_per_node:
        return net
    sharing = calibration.collectives.get("pcie", {}).get("bus_sharing", 0.0)
    bus = part.host_link_uni_bytes_per_s / (1.0 + sharing * (system.accelerators_per_node - 2.0))
    return msgspec.structs.replace(net, nic_bytes_per_s=max(float(net.nic_bytes_per_s), bus))


def box(part: Part, accelerators: float = 8.0) -> System:
    """A single box of `accelerators` of a part, wired as the part says and without a network."""
    return System(
        id=f"{part.id}-box",
        name=f"box of {part.name}",
        part=part.id,
        accelerators_per_node=accelerators,
        domain_accelerators=max(part.link_domain, accelerators),
        link_uni_bytes_per_s=part.link_uni_bytes_per_s,
        link_topology=part.link_topology,
        nic_uni_bytes_per_s=0.0,
        fabric="none",
    )


def _kernel_format(precision: Precision | ServingPrecision) -> str:
    """The kernels that a recipe runs: FP8 with a scale for each block has its own, slower ones."""
    blocks = isinstance(precision, Precision) and 0.0 < precision.scale_block < float("inf")
    return "fp8_block" if blocks and precision.gemm_format == "fp8" else precision.gemm_format


Kernels = tuple[GemmConstants, GemmConstants, AttentionConstants]


def _limited(kernels: Kernels, share: float, always: bool) -> Kernels:
    """Kernels of a part whose power holds `share` of its kin's rate: under a long load, or, `always`, however short."""
    gemm, high, attention = kernels
    change = msgspec.structs.replace
    if always:
        return (
            change(gemm, efficiency=gemm.efficiency * share),
            change(high, efficiency=high.efficiency * share),
            change(attention, efficiency=attention.efficiency * share),
        )
    return (
        change(gemm, sustained=gemm.sustained * share),
        change(high, sustained=high.sustained * share),
        change(attention, throttle=(1.0 + attention.throttle) / share - 1.0),
    )


def machine(
    part: Part, system: System, precision: Precision | ServingPrecision, calibration: KernelCalibration
) -> Machine:
    """The constants of `part` in `system` for a recipe; raises InputError for a format that the part lacks."""
    if part.hbm_bytes <= 0 or part.hbm_bytes_per_s <= 0:
        raise InputError(f"no source states the memory of {part.id}; add it in an overlay (--catalog DIR)")
    fallbacks = precision.fallback_formats if isinstance(precision, Precision) else ()
    peak = format_peak(part, precision.gemm_format, fallbacks)
    weight_bytes = precision.weight_bytes if isinstance(precision, ServingPrecision) else None
    gemm, found = gemm_constants(
        part, _kernel_format(precision), calibration, weight_bytes, peak, takes_mixed(part, precision)
    )
    if isinstance(precision, Precision):
        # Training scales operands in passes of its own; the casts behind `gemm` are those of serving kernels.
        gemm = msgspec.structs.replace(gemm, cast_bytes=calibration.casts.get(precision.cast_kind, 0.0))
    high, _ = gemm_constants(part, high_format(part), calibration)
    narrow = isinstance(precision, ServingPrecision) and precision.kv_bytes < 1.5
    cache = "fp8" if narrow else high_format(part)
    attention = attention_constants(part, precision.attention_format, calibration.attention, cache)
    memory, _ = _layers(part, calibration.memory)
    share = power_share(part, calibration)
    serving, net = isinstance(precision, ServingPrecision), network(part, system, calibration)
    if share < 1.0:
        # Training steps take a sustained ceiling; serving the constants of short runs, though it never rests either.
        gemm, high, attention = _limited((gemm, high, attention), share, always=serving)
    return Machine(
        part=part.id,
        system=system.id,
        family=part.family,
        gemm=gemm,
        gemm_high=high,
        attention=attention,
        attention_flash2=_flash2(attention, part, calibration.attention_flash2),
        memory=MemoryConstants(hbm_bytes_per_s=part.hbm_bytes_per_s, **_fields(MemoryConstants, memory)),
        network=across_bridges(net, part, system, calibration) if serving else net,
        hbm_bytes=part.usable_hbm_bytes or part.hbm_bytes,
        host_link_bytes_per_s=part.host_link_uni_bytes_per_s or ASSUMED_HOST_LINK_BYTES_PER_S,
        units=part_units(part),
        provenance=found,
    )
