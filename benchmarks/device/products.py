"""Matrix products: plain, in 8 bits, and grouped by expert, over the widths of training and serving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from measure import Call, Recorder, sets

E4M3 = torch.float8_e4m3fn
# (n, k): widths that no tile divides (GPT-OSS) beside neighbours that tiles divide.
UNEVEN = ((5760, 2880), (2880, 2880), (5120, 2880), (2880, 4096))
EVEN = ((6144, 3072), (3072, 3072), (5632, 2816), (5120, 3072), (3072, 4096))
# Llama 8B and 70B: fused query-key-value, output, fused gate and up, down, vocabulary.
LLAMA = ((6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336), (128256, 4096), (10240, 8192), (57344, 8192),
         (8192, 28672))  # fmt: skip
SKINNY = ((4096, 4096), (28672, 8192), (8192, 28672), (10240, 8192), (128256, 4096))
EXPERTS = ((5760, 2880), (2880, 2880), (6144, 3072), (3072, 3072), (1536, 2048), (2048, 768), (4096, 7168),
           (14336, 4096))  # fmt: skip
SERVED_EXPERTS = ((3072, 4096), (4096, 1536), (4096, 7168), (7168, 2048))


def random(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    """Normal random numbers in a format."""
    values = torch.randn(*shape, device="cuda", dtype=torch.bfloat16)
    return values if dtype is torch.bfloat16 else values.to(dtype)


def product(m: int, n: int, k: int, kind: str) -> Sequence[Call]:
    """Calls of one product in 16 bits: forward, the input's gradient, or the weights' gradient."""
    made: list[Call] = []
    for _ in range(sets(2.0 * (m * k + n * k + m * n if kind != "forward" else m * k + n * k))):
        x, w, dy = random(m, k), random(n, k), random(m, n) if kind != "forward" else None
        if kind == "forward":
            made.append(lambda x=x, w=w: torch.mm(x, w.t()))
        elif kind == "input_gradient":
            made.append(lambda dy=dy, w=w: torch.mm(dy, w))
        else:
            made.append(lambda dy=dy, x=x: torch.mm(dy.t(), x))
    return made


def scaled(m: int, n: int, k: int, scales: str) -> Sequence[Call]:
    """Calls of one product in 8 bits with a scale a tensor, or one a row and column."""
    made: list[Call] = []
    for _ in range(sets(float(m * k + n * k))):
        x, w = random(m, k, dtype=E4M3), random(n, k, dtype=E4M3)
        shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((m, 1), (1, n)) if scales == "row" else ((), ())
        a, b = (torch.rand(shape, device="cuda") + 0.5 for shape in shapes)
        made.append(lambda x=x, w=w, a=a, b=b: torch._scaled_mm(
            x, w.t(), a, b, out_dtype=torch.bfloat16, use_fast_accum=True))  # fmt: skip
    return made


def offsets(experts: int, rows: int, uneven: bool) -> torch.Tensor:
    """Where the rows of each expert end; uneven shares fall like 1 / (rank + 8), as routers leave them."""
    shares = torch.tensor([1.0 / (i + 8.0) if uneven else 1.0 for i in range(experts)], dtype=torch.float64)
    ends = (shares.cumsum(0) / shares.sum() * experts * rows / 16).round().mul(16)
    ends[-1] = experts * rows
    return ends.to(device="cuda", dtype=torch.int32)


def grouped(experts: int, rows: int, n: int, k: int, kind: str, uneven: bool = False) -> Sequence[Call]:
    """Calls of one grouped product in 16 bits: forward, or the weights' gradient."""
    ends, total = offsets(experts, rows, uneven), experts * rows
    made: list[Call] = []
    inputs = total * (k + n) if kind == "weight_gradient" else total * k + experts * n * k
    for _ in range(min(4, sets(2.0 * inputs))):
        x = random(total, k)
        if kind == "forward":
            w = random(experts, n, k)
            made.append(lambda x=x, w=w: torch._grouped_mm(x, w.transpose(-2, -1), offs=ends))
        else:
            dy = random(total, n)
            made.append(lambda x=x, dy=dy: torch._grouped_mm(dy.t(), x, offs=ends))
    return made


def grouped_scaled(experts: int, rows: int, n: int, k: int) -> Sequence[Call]:
    """Calls of one grouped product in 8 bits, a scale a row."""
    ends, total = offsets(experts, rows, False), experts * rows
    made: list[Call] = []
    for _ in range(min(4, sets(float(total * k + experts * n * k)))):
        x, w = random(total, k, dtype=E4M3), random(experts, n, k, dtype=E4M3)
        a, b = torch.rand(total, device="cuda") + 0.5, torch.rand(experts, n, device="cuda") + 0.5
        made.append(lambda x=x, w=w, a=a, b=b: torch._scaled_grouped_mm(
            x, w.transpose(-2, -1), a, b, offs=ends, out_dtype=torch.bfloat16, use_fast_accum=True))  # fmt: skip
    return made


def plain_products(record: Recorder) -> None:
    """Training's three products, the widths of Llama in three formats, and the few rows of decoding."""
    for m in (8192, 32768):
        for n, k in (*UNEVEN, *EVEN):
            for kind in ("forward", "input_gradient", "weight_gradient"):
                _product(record, m, n, k, kind, "bf16", lambda m=m, n=n, k=k, kind=kind: product(m, n, k, kind))
    for m in (1, 4, 16, 64, 128, 256):
        for n, k in SKINNY:
            _product(record, m, n, k, "forward", "bf16", lambda m=m, n=n, k=k: product(m, n, k, "forward"))
            _product(record, m, n, k, "forward", "fp8_row", lambda m=m, n=n, k=k: scaled(m, n, k, "row"))
    for m in (512, 2048, 8192, 32768):
        for n, k in LLAMA:
            _product(record, m, n, k, "forward", "bf16", lambda m=m, n=n, k=k: product(m, n, k, "forward"))
            for scales in ("row", "tensor"):
                _product(record, m, n, k, "forward", f"fp8_{scales}",
                         lambda m=m, n=n, k=k, scales=scales: scaled(m, n, k, scales))  # fmt: skip
    for n, k in LLAMA:
        for kind in ("input_gradient", "weight_gradient"):
            _product(record, 8192, n, k, kind, "bf16", lambda n=n, k=k, kind=kind: product(8192, n, k, kind))


def _product(
    record: Recorder, m: int, n: int, k: int, kind: str, dtype: str, calls: Callable[[], Sequence[Call]]
) -> None:
    element = 2.0 if dtype == "bf16" else 1.0
    moved = element * (m * k + n * k) + 2.0 * m * n
    record.measure(f"mm_{kind}", dtype, {"m": m, "n": n, "k": k}, calls, flop=2.0 * m * n * k, moved=moved)


def expert_products(record: Recorder) -> None:
    """Grouped products of training by rows an expert, then those of serving, even and uneven."""
    for experts in (2, 8, 16):
        for rows in (1024, 4096, 16384):
            for n, k in EXPERTS:
                if experts * rows > 2**17:
                    continue
                _grouped(record, "forward", "bf16", experts, rows, n, k)
                if rows == 4096:
                    _grouped(record, "weight_gradient", "bf16", experts, rows, n, k)
    for experts in (64, 128):
        for rows in (16, 64, 256, 1024):
            for n, k in SERVED_EXPERTS:
                _grouped(record, "forward", "bf16", experts, rows, n, k)
                _grouped(record, "forward", "fp8_row", experts, rows, n, k)
    for rows in (256, 1024):
        _grouped(record, "forward", "bf16", 128, rows, 3072, 4096, uneven=True)


def _grouped(
    record: Recorder, kind: str, dtype: str, experts: int, rows: int, n: int, k: int, uneven: bool = False
) -> None:
    element, total = (2.0 if dtype == "bf16" else 1.0), experts * rows
    args: dict[str, Any] = {"experts": experts, "rows": rows, "n": n, "k": k, "uneven": int(uneven)}

    def calls() -> Sequence[Call]:
        if dtype == "bf16":
            return grouped(experts, rows, n, k, kind, uneven)
        return grouped_scaled(experts, rows, n, k)

    moved = element * (total * k + experts * n * k) + 2.0 * total * n
    record.measure(f"grouped_{kind}", dtype, args, calls, flop=2.0 * total * n * k, moved=moved, least_s=0.08)
