"""Reads measured kernel tables and screens them against physics: columns of floats, one row a shape."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from hwmodel.errors import InputError
from hwmodel.specs.formats import ELEMENT_BYTES

Columns = dict[str, Any]  # name -> array; `part`, `format`, `engine`, `kernel` are arrays of text

FORMATS = {"bfloat16": "bf16", "fp8": "fp8", "fp8_block": "fp8_block", "nvfp4": "nvfp4", "sq": "int8"}
MEASURED_FORMATS = ("bf16", "fp8", "fp8_block", "nvfp4", "int8")
PARTS = {
    "a100-sxm-80gb": "a100-sxm4-80gb",
    "h100-sxm-80gb": "h100-sxm5-80gb",
    "b200-sxm": "b200-sxm6-180gb",
    "b300-sxm": "b300-sxm6",
}


def read(directory: Path, name: str, columns: dict[str, str], extra: dict[str, str] | None = None) -> Columns:
    """Columns of one table under short names; the part ids are the catalog's, seconds stand under `t`."""
    import pyarrow.parquet as pq

    path = Path(directory) / f"{name}.parquet"
    if not path.is_file():
        raise InputError(f"kernel table {path} is missing; expected the tables gemm, attention_prefill, ... there")
    wanted = {"accelerator": "part", "stack": "engine", "kernel_source": "kernel", "latency": "t"} | columns
    wanted |= extra or {}
    table = pq.read_table(path, columns=list(wanted)).to_pandas()
    out: Columns = {}
    for old, new in wanted.items():
        text = new in ("part", "engine", "kernel", "format", "spread", "op", "kv")
        out[new] = table[old].astype(str).to_numpy() if text else table[old].to_numpy(dtype=float)
    out["part"] = _renamed(out["part"], PARTS)
    out["t"] = out["t"] * 1e-3
    return take(out, out["t"] > 0)


def _renamed(values: Any, names: dict[str, str]) -> Any:
    unique, codes = np.unique(values, return_inverse=True)
    return np.array([names.get(str(n), str(n)) for n in unique])[codes]


def take(rows: Columns, keep: Any) -> Columns:
    """The rows that a mask or an index keeps."""
    return {name: values[keep] for name, values in rows.items()}


def sample(rows: Columns, count: int, seed: int) -> Columns:
    """At most `count` rows, drawn without replacement, the same ones for the same seed."""
    n = len(rows["t"])
    if n <= count:
        return rows
    return take(rows, np.sort(np.random.default_rng(seed).choice(n, count, replace=False)))


def concatenate(tables: list[Columns]) -> Columns:
    """Tables of the same columns, one after another."""
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}


def held_out(rows: Columns, keys: tuple[str, ...]) -> Any:
    """A fixed half of the shapes (not of the rows): all measurements of a shape fall on one side."""
    mixed = np.full(len(rows["t"]), 0.5)
    for i, key in enumerate(keys):
        mixed = mixed * 1.6180339887 + rows[key] * (i + 1.2345)
    codes = (np.abs(mixed) * 1e4).astype(np.int64)
    unique, back = np.unique(codes, return_inverse=True)
    return np.array([zlib.crc32(int(c).to_bytes(8, "little")) & 1 for c in unique], dtype=bool)[back]


def gemm_rows(directory: Path) -> Columns:
    """Matrix products with columns m, n, k."""
    rows = read(directory, "gemm", {"gemm_dtype": "format", "m": "m", "n": "n", "k": "k"})
    rows["format"] = _renamed(rows["format"], FORMATS)
    return take(rows, np.isin(rows["format"], MEASURED_FORMATS))


def weight_only_rows(directory: Path) -> Columns:
    """Products in 16 bits over weights kept in 8 or 4: columns m, n, k and `weight_bytes`."""
    rows = read(directory, "gemm", {"gemm_dtype": "format", "m": "m", "n": "n", "k": "k"})
    rows = take(rows, np.isin(rows["format"], ["int8_wo", "int4_wo"]))
    rows["weight_bytes"] = np.where(rows["format"] == "int8_wo", ELEMENT_BYTES["int8"], ELEMENT_BYTES["int4"])
    rows["format"] = np.full(len(rows["t"]), "bf16")
    return rows


def prefill_rows(directory: Path) -> Columns:
    """Causal attention over whole prompts: b sequences of s tokens, h heads, g key-value heads of width d."""
    shapes = {"batch_size": "b", "isl": "s", "num_heads": "h", "num_key_value_heads": "g", "head_dim": "d"}
    extra = {"window_size": "w", "attn_dtype": "format", "kv_cache_dtype": "kv"}
    rows = read(directory, "attention_prefill", shapes, extra)
    rows["format"] = np.where(rows["format"] == "fp8", "fp8", "bf16")
    rows["w"] = np.where(rows["w"] > 0, rows["w"], np.inf)
    return take(rows, (rows["kv"] == "fp8") == (rows["format"] == "fp8"))


def decode_rows(directory: Path) -> Columns:
    """One new token over caches of s tokens; `kv_bytes` an element."""
    shapes = {"batch_size": "b", "step": "s", "num_heads": "h", "num_key_value_heads": "g", "head_dim": "d"}
    rows = read(directory, "attention_decode", shapes, {"window_size": "w", "kv_cache_dtype": "kv"})
    rows["s"] = rows["s"] + 1.0
    rows["s"] = np.where(rows["w"] > 0, np.minimum(rows["s"], rows["w"]), rows["s"])
    rows["kv_bytes"] = np.where(rows["kv"] == "fp8", 1.0, 2.0)
    rows["format"] = np.where(rows["kv"] == "fp8", "fp8", "bf16")
    return rows


def mla_rows(directory: Path, decode: bool) -> Columns:
    """Latent attention: prompts (192-wide keys, 128-wide values) or decoding over the 512 + 64 wide latent."""
    length = "step" if decode else "isl"
    name = "mla_decode" if decode else "mla_prefill"
    rows = read(directory, name, {"batch_size": "b", length: "s", "num_heads": "h", "kv_cache_dtype": "kv"})
    rows["s"] = rows["s"] + (1.0 if decode else 0.0)
    rows["kv_bytes"] = np.where(rows["kv"] == "fp8", 1.0, 2.0)
    rows["format"] = np.where(rows["kv"] == "fp8", "fp8", "bf16")
    return rows


def moe_rows(directory: Path) -> Columns:
    """Expert layers of one rank: `tokens` of the whole group, of whose token-expert pairs `rows` fall on this rank.

    The tables of the model with 256 experts of width 7168 count tokens per rank and not per group: left out.
    """
    shapes = {"num_tokens": "tokens", "hidden_size": "hidden", "inter_size": "inter", "topk": "topk"}
    extra = {"num_experts": "all", "moe_tp_size": "tp", "moe_ep_size": "ep", "distribution": "spread"}
    extra |= {"moe_dtype": "format"}
    rows = read(directory, "moe", shapes, extra)
    rows = take(rows, ~((rows["hidden"] == 7168) & (rows["all"] == 256)))
    rows["format"] = _renamed(rows["format"], FORMATS)
    rows["experts"] = rows["all"] / rows["ep"]
    rows["pairs"] = rows["tokens"] * rows["topk"]
    rows["rows"] = rows["pairs"] / rows["ep"]
    rows["width"] = rows["inter"] / rows["tp"]
    rows["gated"] = np.where(np.char.find(rows["kernel"].astype(str), "nongated") >= 0, 0.0, 1.0)
    return rows


def move_rows(directory: Path) -> Columns:
    """Kernels that read two bytes and write one an element (the scaling pass of a cast)."""
    rows = read(directory, "quantize", {"m": "m", "k": "k", "op_name": "op"})
    rows = take(rows, (rows["op"] == "scale_matrix") & (rows["engine"] == "trtllm"))
    rows["bytes"] = 3.0 * rows["m"] * rows["k"]
    rows["format"] = np.full(len(rows["t"]), "bf16")
    return rows
