"""What moves bytes more than it multiplies: casts, norms, activations, rows, losses, optimizers, sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from measure import Call, Recorder, sets
from products import E4M3, random
from torch.nn import functional

Make = Callable[..., Call]
BF16 = torch.bfloat16


def rotated(make: Callable[[], Call], input_bytes: float) -> Sequence[Call]:
    """As many calls over inputs of their own as leave the cache."""
    return [make() for _ in range(sets(input_bytes))]


def casts(record: Recorder) -> None:
    """To 8 bits and back by count of elements; rows written into a cache of keys and values."""
    for power in (18, 20, 22, 24, 26, 28):
        n = 2**power
        record.measure("cast_to_e4m3", "bf16", {"elements": n},
                       lambda n=n: rotated(lambda: _cast(random(n), E4M3), 2.0 * n), moved=3.0 * n)  # fmt: skip
        record.measure("cast_from_e4m3", "fp8", {"elements": n},
                       lambda n=n: rotated(lambda: _cast(random(n, dtype=E4M3), BF16), 1.0 * n),
                       moved=3.0 * n)  # fmt: skip
        record.measure("copy", "bf16", {"elements": n}, lambda n=n: rotated(lambda: _clone(random(n)), 2.0 * n),
                       moved=4.0 * n)  # fmt: skip
    for rows in (1, 16, 256, 2048, 8192):
        for dtype, element in ((BF16, 2), (E4M3, 1)):
            record.measure("cache_write", "bf16" if element == 2 else "fp8", {"rows": rows, "width": 1024},
                           lambda rows=rows, dtype=dtype: [_write(rows, dtype)],
                           moved=1024.0 * rows * (2 + element))  # fmt: skip


def _cast(x: torch.Tensor, to: torch.dtype) -> Call:
    return lambda: x.to(to)


def _clone(x: torch.Tensor) -> Call:
    out = torch.empty_like(x)
    return lambda: out.copy_(x)


def _write(rows: int, dtype: torch.dtype) -> Call:
    """Rows into a cache; in 8 bits the same bytes are written under an integer's name, as index_copy_ wants."""
    cache = torch.zeros(200_000, 1024, device="cuda", dtype=BF16 if dtype is BF16 else torch.uint8)
    slots = torch.randperm(200_000, device="cuda")[:rows]
    new = random(rows, 1024)
    if dtype is BF16:
        return lambda: cache.index_copy_(0, slots, new)
    return lambda: cache.index_copy_(0, slots, new.to(E4M3).view(torch.uint8))


def layers(record: Recorder) -> None:
    """Norms, activations and rotations as PyTorch runs them one by one."""
    for rows in (64, 1024, 8192, 65536):
        for width in (4096, 8192):
            args, n = {"rows": rows, "width": width}, rows * width
            for name, (make, moved) in _of_rows(rows, width).items():
                record.measure(name, "bf16", args, lambda make=make, n=n: rotated(make, 2.0 * n),
                               moved=moved * n, least_s=0.05)  # fmt: skip


def _of_rows(rows: int, width: int) -> dict[str, tuple[Callable[[], Call], float]]:
    """What makes a call of each operation, and the bytes an element that it has to move."""
    w = random(width)

    def on(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], Call]:
        return lambda: _on(function, rows, width)

    return {
        "rms_norm": (on(lambda x: functional.rms_norm(x, (width,), w, 1e-5)), 4.0),
        "rms_norm_written_out": (on(lambda x: written_out(x, w)), 4.0),
        "layer_norm": (on(lambda x: functional.layer_norm(x, (width,), w, w)), 4.0),
        "silu": (on(functional.silu), 4.0),
        "add": (on(lambda x: x + x), 4.0),
        "silu_times": (lambda: _gate(rows, width), 6.0),
        "rotate": (lambda: _rotate(rows, width), 4.0),
        "gather_rows": (lambda: _gather(rows, width), 4.0),
        "add_rows": (lambda: _add_rows(rows, width), 6.0),
    }


def _on(function: Callable[[torch.Tensor], torch.Tensor], rows: int, width: int) -> Call:
    x = random(rows, width)
    return lambda: function(x)


def _gate(rows: int, width: int) -> Call:
    a, b = random(rows, width), random(rows, width)
    return lambda: functional.silu(a) * b


def _rotate(rows: int, width: int) -> Call:
    """Rotary positions of heads of 128, in float32 and back."""
    x = random(rows, width // 128, 128)
    angles = torch.rand(rows, 1, 64, device="cuda")
    cos, sin = torch.cat((angles, angles), -1).cos(), torch.cat((angles, angles), -1).sin()

    def run() -> torch.Tensor:
        wide = x.float()
        turned = torch.cat((-wide[..., 64:], wide[..., :64]), -1)
        return (wide * cos + turned * sin).to(BF16)

    return run


def written_out(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """RMSNorm as models write it, in float32."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * weight


def _gather(rows: int, width: int) -> Call:
    x, order = random(rows, width), torch.randperm(rows, device="cuda")
    return lambda: x.index_select(0, order)


def _add_rows(rows: int, width: int) -> Call:
    x, order, out = random(rows, width), torch.randperm(rows, device="cuda"), random(rows, width)
    return lambda: out.index_add_(0, order, x)


def losses(record: Recorder) -> None:
    """Cross-entropy in float32 from 16-bit logits, forward and backward, with the memory over the logits; AdamW."""
    for rows, vocab in ((8192, 32000), (8192, 131072), (2048, 262144)):
        logits, target = random(rows, vocab).requires_grad_(), torch.randint(vocab, (rows,), device="cuda")

        def both(logits: torch.Tensor = logits, target: torch.Tensor = target) -> None:
            functional.cross_entropy(logits.float(), target).backward()
            logits.grad = None

        args, n = {"rows": rows, "vocab": vocab}, float(rows * vocab)
        record.measure("cross_entropy_both", "bf16", args, lambda both=both: [both], moved=26.0 * n, graph=False)
        record.write(peak("cross_entropy_both", args, both))
        del logits, both
    for count in (10**8, 10**9):
        record.measure("adamw_fused", "fp32", {"elements": count}, lambda count=count: [_adamw(count)],
                       moved=28.0 * count, graph=False)  # fmt: skip


def peak(name: str, args: dict[str, Any], run: Call) -> dict[str, Any]:
    """A row whose `bytes` is the memory allocated at most over what was allocated before."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    found = torch.cuda.max_memory_allocated() - before
    words = " ".join(f"{k}={v}" for k, v in args.items())
    return {"name": name, "args": words, "how": "peak_memory", "bytes": float(found)}


def _adamw(count: int) -> Call:
    weights = [torch.zeros(count // 10, device="cuda", requires_grad=True) for _ in range(10)]
    for each in weights:
        each.grad = torch.randn_like(each)
    optimizer = torch.optim.AdamW(weights, fused=True)
    return optimizer.step


def sampling(record: Recorder) -> None:
    """From logits to a token."""
    for vocab in (128256, 262144):
        for rows in (1, 16, 64, 256):
            logits = torch.randn(rows, vocab, device="cuda")
            for name, run in (
                ("argmax", lambda x=logits: x.argmax(-1)),
                ("softmax_multinomial", lambda x=logits: torch.multinomial(x.softmax(-1), 1)),
                ("topk_50", lambda x=logits: x.topk(50)),
                ("sort_cumsum", lambda x=logits: x.sort(-1, descending=True)[0].softmax(-1).cumsum(-1)),
            ):
                record.measure(name, "fp32", {"rows": rows, "vocab": vocab}, lambda run=run: [run],
                               moved=4.0 * rows * vocab, graph=False, least_s=0.03)  # fmt: skip


def experts(record: Recorder) -> None:
    """What biases and clamped gates of experts add (16 experts of 4,096 rows, width 2,880), by autograd."""
    count, rows, width = 16, 4096, 2880
    x = random(count * rows, width).requires_grad_()
    bias = [random(width).requires_grad_() for _ in range(count)]
    probabilities = torch.rand(count * rows, 1, device="cuda").requires_grad_()
    dout = random(count * rows, width)

    def biased() -> None:
        parts = zip(x.split(rows), bias, probabilities.split(rows), strict=True)
        out = torch.cat([t + b * p for t, b, p in parts]).to(BF16)
        torch.autograd.grad(out, (x, probabilities, *bias), dout)

    wide, dwide, dhalf = random(65536, 5760).requires_grad_(), random(65536, 5760), random(65536, 2880)

    def clamped() -> None:
        up, gate = wide.chunk(2, -1)
        out = torch.cat((up.clamp(-7.0, 7.0), gate.clamp(max=7.0)), -1)
        torch.autograd.grad(out, wide, dwide)

    swiglu = torch.compile(lambda y: functional.silu(y[:, :2880]) * y[:, 2880:])

    def gated() -> None:
        torch.autograd.grad(swiglu(wide), wide, dhalf)

    for name, run, moved in (("expert_bias_both", biased, 4.0 * x.numel()), ("clamp_cat_both", clamped, 0.0),
                             ("swiglu_compiled_both", gated, 8.0 * wide.numel())):  # fmt: skip
        record.measure(name, "bf16", {"experts": count, "rows": rows, "width": width}, lambda run=run: [run],
                       moved=moved, graph=False)  # fmt: skip


def eager_layer(record: Recorder) -> None:
    """Memory that one and two layers of a Llama keep under autograd with nothing fused (b 2, s 4096, width 4096)."""
    b, s, d, wide = 2, 4096, 4096, 14336

    def layer(x: torch.Tensor, w: dict[str, torch.Tensor]) -> torch.Tensor:
        """Hidden states (b, s, d) after one layer with the weights `w`, every operation a kernel of its own."""
        y = written_out(x, w["norm1"])
        q, k, v = (functional.linear(y, w[name]).view(b, s, -1, 128).transpose(1, 2) for name in "qkv")
        out = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + functional.linear(out.transpose(1, 2).reshape(b, s, d), w["o"])
        y = written_out(x, w["norm2"])
        return x + functional.linear(
            functional.silu(functional.linear(y, w["gate"])) * functional.linear(y, w["up"]), w["down"]
        )

    shapes = {"norm1": (d,), "q": (d, d), "k": (1024, d), "v": (1024, d), "o": (d, d), "norm2": (d,),
              "gate": (wide, d), "up": (wide, d), "down": (d, wide)}  # fmt: skip
    for count in (1, 2):
        weights = [{k: (random(*shape) * 0.02).requires_grad_() for k, shape in shapes.items()} for _ in range(count)]
        for each in weights:
            for value in each.values():
                value.grad = torch.zeros_like(value)

        def both(weights: list[dict[str, torch.Tensor]] = weights) -> None:
            x = random(b, s, d)
            for w in weights:
                x = layer(x, w)
            x.sum().backward()

        both()
        record.write(peak("eager_layers_both", {"layers": count, "b": b, "s": s, "d": d, "ff": wide}, both))
        record.measure("eager_layers_both", "bf16", {"layers": count, "b": b, "s": s, "d": d, "ff": wide},
                       lambda both=both: [both], graph=False)  # fmt: skip
        del weights, both


def fused(record: Recorder) -> None:
    """What the compiler makes of a norm, a gate, a rotation, and a quantisation by rows."""

    def by_rows(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        largest = x.abs().amax(-1, keepdim=True).float().clamp(min=1e-12)
        return (x * (448.0 / largest)).to(E4M3), largest / 448.0

    weight = random(4096)
    functions: dict[str, tuple[Callable[[torch.Tensor], Any], float]] = {
        "rms_norm_compiled": (lambda x: written_out(x, weight), 4.0),
        "quantise_rows_compiled": (by_rows, 3.0),
        "gate_compiled": (lambda x: functional.silu(x[:, :2048]) * x[:, 2048:], 3.0),
        "add_norm_compiled": (lambda x: written_out(x + x.flip(0), weight), 6.0),
    }
    for name, (function, moved) in functions.items():
        compiled = torch.compile(function, dynamic=False)
        for rows in (1024, 8192, 65536):
            record.measure(name, "bf16", {"rows": rows, "width": 4096},
                           lambda f=compiled, rows=rows: rotated(lambda: _on(f, rows, 4096), 8192.0 * rows),
                           moved=moved * rows * 4096, least_s=0.05)  # fmt: skip
