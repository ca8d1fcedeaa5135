"""The kernel laws over table columns: predicted seconds of measured rows from named constants (numbers or columns)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hwmodel.catalog import load_catalog
from hwmodel.ops import Num
from hwmodel.physics import kernels
from hwmodel.physics.machine import format_peak, part_units
from hwmodel.specs.formats import ELEMENT_BYTES
from hwmodel.specs.hardware import Part
from hwmodel.specs.kernels import AttentionConstants, GemmConstants, MemoryConstants
from hwmodel.validation.kernels.tables import Column, Columns, labels, take

Values = Mapping[str, Num]  # a constant's name to its value, or to a column of values beside the rows
Law = Callable[[Columns, Values], Num]
KIN_PEAK = {"fp8_block": "fp8", "int8": "int8"}


def part(name: str) -> Part:
    return load_catalog().part(name)


def peak(name: str, number_format: str) -> float:
    """Dense peak that a format is fitted over. 4-bit counts four times bf16: what Ultra parts add is not reached."""
    spec = part(name)
    full = format_peak(spec, KIN_PEAK.get(number_format, number_format))
    return min(full, 4.0 * format_peak(spec, "bf16")) if number_format == "nvfp4" else full


def over_catalog_peak(name: str, number_format: str) -> float:
    """The fitted peak over the catalog's."""
    return peak(name, number_format) / format_peak(part(name), KIN_PEAK.get(number_format, number_format))


def with_specs(rows: Columns, number_format: str | None = None) -> Columns:
    """Adds the specs of each row's part: `peak` of the format, `bandwidth`, `units`."""
    names, codes = np.unique(rows.words["part"], return_inverse=True)
    parts = [part(str(n)) for n in names]
    specs = {
        "peak": _peaks(rows) if number_format is None else np.array([peak(p.id, number_format) for p in parts])[codes],
        "bandwidth": np.array([p.hbm_bytes_per_s for p in parts])[codes],
        "units": np.array([part_units(p) for p in parts])[codes],
    }
    families = np.array([p.family for p in parts])[codes]
    return Columns(numbers=rows.numbers | specs, words=rows.words | {"family": families})


def _peaks(rows: Columns) -> Column:
    """The peak of each row's format on its part."""
    unique, back = np.unique(labels(rows, ("part", "format"), "|"), return_inverse=True)
    return np.array([peak(*str(u).split("|")) for u in unique])[back]


def gemm_constants(rows: Columns, v: Values) -> GemmConstants:
    """The rows' constants as columns: specs of their parts, bytes of their formats, and the fitted values `v`."""
    names, codes = np.unique(rows.words["format"], return_inverse=True)
    element = np.array([ELEMENT_BYTES[str(n)] for n in names])[codes]
    own = {k: x for k, x in v.items() if k in GemmConstants.__struct_fields__}
    specs: dict[str, Num] = {"peak_flop_per_s": rows["peak"], "hbm_bytes_per_s": rows["bandwidth"]}
    specs |= {"units": rows["units"], "a_bytes": element, "b_bytes": element}
    return GemmConstants(**(specs | own))


def gemm(rows: Columns, v: Values) -> Num:
    """Products, with the cast of the left operand where the kernel of the table includes it (`cast` 1).

    Small operands stay in the cache between the runs of the benchmark; `resident_bytes` lets them, in the fit only:
    in a model the weights of a layer come from memory.
    """
    m, n, k = rows["m"], rows["n"], rows["k"]
    c = gemm_constants(rows, v)
    moved = (m * c.a_bytes + n * c.b_bytes) * k + m * n * c.out_bytes
    warm = rows["bandwidth"] * (1.0 + 4.0 * np.maximum(1.0 - moved / v["resident_bytes"], 0.0))
    return kernels.gemm_s(m, n, k, gemm_constants(rows, dict(v) | {"hbm_bytes_per_s": warm})) + kernels.cast_s(m * k, c)


def weight_only(rows: Columns, v: Values) -> Num:
    """Products whose weights are widened on the way in: they read fewer bytes at a share of the rate."""
    slow = {"hbm_fraction": v["hbm_fraction"] * v["weight_only_fraction"], "b_bytes": rows["weight_bytes"]}
    return kernels.gemm_s(rows["m"], rows["n"], rows["k"], gemm_constants(rows, dict(v) | slow))


def grouped(rows: Columns, v: Values) -> Num:
    """An expert layer whose permutation moves `permute_bytes` (of the fit) an element of every routed copy."""
    return grouped_layer_s(rows, gemm_constants(rows, v), v["permute_bytes"])


def grouped_layer_s(rows: Columns, c: GemmConstants, permute_bytes: Num) -> Num:
    """An expert layer: permute, up (and gate) projection, activation, down projection, weighted sum."""
    pairs, width, hidden = rows["rows"], rows["width"], rows["hidden"]
    touched = np.maximum(np.minimum(rows["experts"], pairs), 1.0)
    up = kernels.grouped_gemm_s(pairs / touched, (1.0 + rows["gated"]) * width, hidden, touched, c)
    down = kernels.grouped_gemm_s(pairs / touched, hidden, width, touched, c)
    moved = rows["pairs"] * hidden * permute_bytes + pairs * width * (2.0 + 2.0 * rows["gated"] + c.a_bytes)
    return up + down + moved / (c.hbm_bytes_per_s * 0.8)


def attention_constants(rows: Columns, v: Values) -> AttentionConstants:
    own = {k: x for k, x in v.items() if k in AttentionConstants.__struct_fields__}
    specs: dict[str, Num] = {"peak_flop_per_s": rows["peak"], "hbm_bytes_per_s": rows["bandwidth"]}
    specs |= {"units": rows["units"], "efficiency": 1.0, "hbm_fraction": 1.0, "launch_s": 0.0}
    return AttentionConstants(**(specs | own))


def prefill(rows: Columns, v: Values) -> Num:
    """Causal attention over whole prompts."""
    return prefill_s(rows, attention_constants(rows, v))


def prefill_s(rows: Columns, c: AttentionConstants) -> Num:
    """The same with constants of the physics."""
    s, d = rows["s"], rows["d"]
    wide = rows.numbers.get("dv", d)
    return kernels.attention_forward_s(rows["b"], s, s, rows["h"], rows["g"], d, wide, rows["w"], c)


def decode(rows: Columns, v: Values) -> Num:
    """Attention of one new token a sequence."""
    return decode_s(rows, attention_constants(rows, v))


def decode_s(rows: Columns, c: AttentionConstants) -> Num:
    """The same with constants of the physics."""
    b, s, h, g, d = (rows[x] for x in "bshgd")
    return kernels.attention_decode_s(b, s, h, g, d, d, rows["kv_bytes"], c)


def mla_decode(rows: Columns, v: Values) -> Num:
    """Latent attention of one new token a sequence (latent 512, rope 64)."""
    return mla_decode_s(rows, attention_constants(rows, v))


def mla_decode_s(rows: Columns, c: AttentionConstants) -> Num:
    """The same with constants of the physics."""
    return kernels.mla_decode_s(rows["b"], rows["s"], rows["h"], 512.0, 64.0, rows["kv_bytes"], c)


def moves(rows: Columns, v: Values) -> Num:
    """Kernels that only move bytes."""
    c = MemoryConstants(hbm_bytes_per_s=rows["bandwidth"], hbm_fraction=v["hbm_fraction"], launch_s=v["launch_s"])
    return kernels.memory_bound_s(rows["bytes"], c)


def physical_gemm(rows: Columns) -> Columns:
    """Without rows faster than the peak or than their bytes over the bandwidth."""
    element = gemm_constants(rows, {"efficiency": 1.0, "hbm_fraction": 1.0, "launch_s": 0.0}).a_bytes
    flop = 2.0 * rows["m"] * rows["n"] * rows["k"]
    moved = (rows["m"] + rows["n"]) * rows["k"] * element + 2.0 * rows["m"] * rows["n"]
    return take(rows, (rows["t"] * rows["peak"] > flop) & (rows["t"] * rows["bandwidth"] > moved))


def physical_prefill(rows: Columns) -> Columns:
    """Without rows faster than the peak."""
    keys = np.minimum(rows["s"], rows["w"])
    flop = 4.0 * rows["b"] * rows["h"] * rows["d"] * (rows["s"] * keys - 0.5 * keys * keys)
    return take(rows, rows["t"] * rows["peak"] > flop)


def physical_decode(rows: Columns) -> Columns:
    """Without rows that read their cache faster than the bandwidth."""
    moved = 2.0 * rows["b"] * rows["s"] * rows["g"] * rows["d"] * rows["kv_bytes"]
    return take(rows, rows["t"] * rows["bandwidth"] > moved)
