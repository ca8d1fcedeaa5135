"""Reads measured kernel tables and screens them against physics: columns of floats, one row a shape."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import InputError
from hwmodel.specs.formats import ELEMENT_BYTES

Column = NDArray[np.float64]
Words = NDArray[np.str_]
Mask = NDArray[np.bool_]
WORDS = ("part", "engine", "kernel", "format", "spread", "op", "kv")  # columns of text


class Columns(msgspec.Struct, kw_only=True):
    """Rows of one table as columns: numbers under short names (seconds under `t`), and those of WORDS."""

    numbers: dict[str, Column]
    words: dict[str, Words]

    def __getitem__(self, name: str) -> Column:
        return self.numbers[name]

    def __len__(self) -> int:
        return len(next(iter(self.words.values())))


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
    words = {new: table[old].to_numpy().astype(np.str_) for old, new in wanted.items() if new in WORDS}
    numbers = {new: table[old].to_numpy(dtype=float) for old, new in wanted.items() if new not in WORDS}
    words["part"] = _renamed(words["part"], PARTS)
    numbers["t"] = numbers["t"] * 1e-3
    return take(Columns(numbers=numbers, words=words), numbers["t"] > 0)


def _renamed(values: Words, names: dict[str, str]) -> Words:
    unique, codes = np.unique(values, return_inverse=True)
    return np.array([names.get(str(n), str(n)) for n in unique])[codes]


def take(rows: Columns, keep: Mask | NDArray[np.int64]) -> Columns:
    """The rows that a mask or an index keeps."""
    return Columns(
        numbers={name: values[keep] for name, values in rows.numbers.items()},
        words={name: values[keep] for name, values in rows.words.items()},
    )


def of_kind(rows: Columns, family: str, number_format: str) -> Mask:
    """The rows of one family of parts in one format."""
    return np.asarray((rows.words["family"] == family) & (rows.words["format"] == number_format))


def labels(rows: Columns, names: Sequence[str], between: str = " ") -> Words:
    """The words of the rows in the columns `names`, joined."""
    joined = rows.words[names[0]]
    for name in names[1:]:
        joined = np.char.add(np.char.add(joined, between), rows.words[name])
    return joined


def sample(rows: Columns, count: int, seed: int) -> Columns:
    """At most `count` rows, drawn without replacement, the same ones for the same seed."""
    n = len(rows)
    if n <= count:
        return rows
    return take(rows, np.sort(np.random.default_rng(seed).choice(n, count, replace=False)))


def concatenate(tables: list[Columns]) -> Columns:
    """Tables of the same columns, one after another."""
    return Columns(
        numbers={name: np.concatenate([one.numbers[name] for one in tables]) for name in tables[0].numbers},
        words={name: np.concatenate([one.words[name] for one in tables]) for name in tables[0].words},
    )


def held_out(rows: Columns, keys: tuple[str, ...]) -> Mask:
    """A fixed half of the shapes (not of the rows): all measurements of a shape fall on one side."""
    mixed = np.full(len(rows), 0.5)
    for i, key in enumerate(keys):
        mixed = mixed * 1.6180339887 + rows[key] * (i + 1.2345)
    codes = (np.abs(mixed) * 1e4).astype(np.int64)
    unique, back = np.unique(codes, return_inverse=True)
    return np.array([zlib.crc32(int(c).to_bytes(8, "little")) & 1 for c in unique], dtype=bool)[back]


def gemm_rows(directory: Path) -> Columns:
    """Matrix products with columns m, n, k."""
    rows = read(directory, "gemm", {"gemm_dtype": "format", "m": "m", "n": "n", "k": "k"})
    rows.words["format"] = _renamed(rows.words["format"], FORMATS)
    return take(rows, np.isin(rows.words["format"], MEASURED_FORMATS))


def weight_only_rows(directory: Path) -> Columns:
    """Products in 16 bits over weights kept in 8 or 4: columns m, n, k and `weight_bytes`."""
    rows = read(directory, "gemm", {"gemm_dtype": "format", "m": "m", "n": "n", "k": "k"})
    rows = take(rows, np.isin(rows.words["format"], ["int8_wo", "int4_wo"]))
    rows.numbers["weight_bytes"] = np.where(
        rows.words["format"] == "int8_wo", ELEMENT_BYTES["int8"], ELEMENT_BYTES["int4"]
    )
    rows.words["format"] = np.full(len(rows), "bf16")
    return rows


def prefill_rows(directory: Path) -> Columns:
    """Causal attention over whole prompts: b sequences of s tokens, h heads, g key-value heads of width d."""
    shapes = {"batch_size": "b", "isl": "s", "num_heads": "h", "num_key_value_heads": "g", "head_dim": "d"}
    extra = {"window_size": "w", "attn_dtype": "format", "kv_cache_dtype": "kv"}
    rows = read(directory, "attention_prefill", shapes, extra)
    rows.words["format"] = np.where(rows.words["format"] == "fp8", "fp8", "bf16")
    rows.numbers["w"] = np.where(rows["w"] > 0, rows["w"], np.inf)
    return take(rows, (rows.words["kv"] == "fp8") == (rows.words["format"] == "fp8"))


def decode_rows(directory: Path) -> Columns:
    """One new token over caches of s tokens; `kv_bytes` an element."""
    shapes = {"batch_size": "b", "step": "s", "num_heads": "h", "num_key_value_heads": "g", "head_dim": "d"}
    rows = read(directory, "attention_decode", shapes, {"window_size": "w", "kv_cache_dtype": "kv"})
    rows.numbers["s"] = rows["s"] + 1.0
    rows.numbers["s"] = np.where(rows["w"] > 0, np.minimum(rows["s"], rows["w"]), rows["s"])
    rows.numbers["kv_bytes"] = np.where(rows.words["kv"] == "fp8", 1.0, 2.0)
    rows.words["format"] = np.where(rows.words["kv"] == "fp8", "fp8", "bf16")
    return rows


def mla_rows(directory: Path, decode: bool) -> Columns:
    """Latent attention: prompts (192-wide keys, 128-wide values) or decoding over the 512 + 64 wide latent."""
    length = "step" if decode else "isl"
    name = "mla_decode" if decode else "mla_prefill"
    rows = read(directory, name, {"batch_size": "b", length: "s", "num_heads": "h", "kv_cache_dtype": "kv"})
    rows.numbers["s"] = rows["s"] + (1.0 if decode else 0.0)
    rows.numbers["kv_bytes"] = np.where(rows.words["kv"] == "fp8", 1.0, 2.0)
    rows.words["format"] = np.where(rows.words["kv"] == "fp8", "fp8", "bf16")
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
    rows.words["format"] = _renamed(rows.words["format"], FORMATS)
    rows.numbers["experts"] = rows["all"] / rows["ep"]
    rows.numbers["pairs"] = rows["tokens"] * rows["topk"]
    rows.numbers["rows"] = rows["pairs"] / rows["ep"]
    rows.numbers["width"] = rows["inter"] / rows["tp"]
    rows.numbers["gated"] = np.where(np.char.find(rows.words["kernel"], "nongated") >= 0, 0.0, 1.0)
    return rows


def move_rows(directory: Path) -> Columns:
    """Kernels that read two bytes and write one an element (the scaling pass of a cast)."""
    rows = read(directory, "quantize", {"m": "m", "k": "k", "op_name": "op"})
    rows = take(rows, (rows.words["op"] == "scale_matrix") & (rows.words["engine"] == "trtllm"))
    rows.numbers["bytes"] = 3.0 * rows["m"] * rows["k"]
    rows.words["format"] = np.full(len(rows), "bf16")
    return rows
