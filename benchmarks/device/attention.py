"""Attention: whole sequences forward and backward by two libraries, windows, and one new token a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from measure import Call, Recorder, sets
from products import random
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

BACKENDS = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
# batch, sequence, heads, key heads, head size
TRAINED = (
    (4, 4096, 64, 8, 64), (1, 8192, 32, 8, 128), (4, 4096, 32, 8, 128), (8, 2048, 12, 12, 128), (1, 32768, 12, 12, 128),
    (16, 1024, 32, 8, 128), (8, 2048, 32, 8, 128), (2, 8192, 32, 8, 128), (1, 16384, 32, 8, 128),
    (8, 2048, 32, 32, 64), (2, 8192, 32, 32, 64), (4, 4096, 16, 16, 256), (4, 4096, 32, 32, 128), (1, 4096, 8, 1, 128),
    (1, 65536, 8, 1, 128),
)  # fmt: skip


def inputs(b: int, s: int, h: int, g: int, d: int, gradients: bool) -> tuple[torch.Tensor, ...]:
    """Queries, keys and values (batch, heads, sequence, size)."""
    made = (random(b, heads, s, d) for heads in (h, g, g))
    return tuple(each.requires_grad_(gradients) for each in made)


def attend(backend: str, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = True) -> torch.Tensor:
    """One call of a library's kernel."""
    with sdpa_kernel(BACKENDS[backend]):
        return functional.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=q.shape[1] != k.shape[1])


def forward(backend: str, b: int, s: int, h: int, g: int, d: int) -> Sequence[Call]:
    """The forward pass."""
    each = [inputs(b, s, h, g, d, False) for _ in range(min(4, sets(2.0 * b * s * (h + 2 * g) * d)))]
    return [lambda x=x: attend(backend, *x) for x in each]


def backward(backend: str, b: int, s: int, h: int, g: int, d: int) -> Sequence[Call]:
    """The backward pass alone: its forward is done beforehand."""
    x = inputs(b, s, h, g, d, True)
    out = attend(backend, *x)
    dout = torch.randn_like(out)
    return [lambda: torch.autograd.grad(out, x, dout, retain_graph=True)]


def whole_sequences(record: Recorder) -> None:
    """Causal attention of training and of prompts."""
    for b, s, h, g, d in TRAINED:
        args = {"b": b, "s": s, "h": h, "g": g, "d": d}
        flop = 2.0 * b * h * s * s * d  # half of the scores
        moved = 2.0 * b * s * d * (2 * h + 2 * g)
        for backend in BACKENDS:
            record.measure(f"attention_forward_{backend}", "bf16", args,
                           lambda a=(backend, b, s, h, g, d): forward(*a), flop=flop, moved=moved)  # fmt: skip
            record.measure(f"attention_backward_{backend}", "bf16", args,
                           lambda a=(backend, b, s, h, g, d): backward(*a), flop=2.5 * flop, moved=2.0 * moved,
                           graph=False)  # fmt: skip


def one_token(b: int, h: int, g: int, d: int, tokens: int, packed: bool) -> Sequence[Call]:
    """One new token a sequence; packed, the queries that share a key head are rows of one query."""
    each = []
    for _ in range(min(4, sets(4.0 * b * g * tokens * d))):
        q = random(b, g, h // g, d) if packed else random(b, h, 1, d)
        each.append((q, random(b, g, tokens, d), random(b, g, tokens, d)))
    return [lambda x=x: attend("flash", *x, causal=False) for x in each]


def new_tokens(record: Recorder) -> None:
    """Decoding over caches of 1,024 to 131,072 tokens."""
    for packed in (True, False):
        for b in (1, 4, 16, 64, 256):
            for tokens in (1024, 8192, 32768, 131072):
                if b * tokens > 2**23:
                    continue
                args = {"b": b, "s": tokens, "h": 64, "g": 8, "d": 128, "packed": int(packed)}
                moved = 4.0 * b * 8 * tokens * 128
                record.measure("attention_decode_flash", "bf16", args,
                               lambda a=(b, 64, 8, 128, tokens, packed): one_token(*a),
                               flop=4.0 * b * 64 * tokens * 128, moved=moved, least_s=0.08)  # fmt: skip


def flexible(record: Recorder) -> None:
    """FlexAttention, compiled: causal as torchtitan runs it, and with a sliding window of 128."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    compiled = torch.compile(flex_attention)
    for window, (b, s, h, g, d) in (
        (0, (4, 4096, 32, 8, 128)),
        (0, (1, 8192, 32, 8, 128)),
        (128, (4, 4096, 64, 8, 64)),
    ):

        def seen(_b: Any, _h: Any, q: Any, k: Any, window: int = window) -> Any:
            return (q >= k) & (q - k < window) if window else q >= k

        mask = create_block_mask(seen, None, None, s, s, device="cuda")
        args = {"b": b, "s": s, "h": h, "g": g, "d": d, "window": window}
        keys = s / 2.0 if not window else float(window)
        flop = 4.0 * b * h * s * keys * d

        def once(x: tuple[torch.Tensor, ...], mask: Any = mask) -> torch.Tensor:
            out: torch.Tensor = compiled(*x, block_mask=mask, enable_gqa=True)
            return out

        def run(grad: bool, a: tuple[int, ...] = (b, s, h, g, d), once: Any = once) -> Sequence[Call]:
            """The call to time: the forward pass, or with `grad` the gradients of one forward pass kept."""
            x = inputs(*a, grad)
            out = once(x)
            if not grad:
                return [lambda: once(x)]
            dout = torch.randn_like(out)
            return [lambda: torch.autograd.grad(out, x, dout, retain_graph=True)]

        for name, grad in (("forward", False), ("backward", True)):
            record.measure(f"attention_{name}_flex", "bf16", args, lambda grad=grad, run=run: run(grad),
                           flop=flop * (2.5 if grad else 1.0), graph=False)  # fmt: skip
