"""The formula of each term of a step, from the code: kernels and collectives called with SymPy symbols.

docs/step.md is written from this table, and `hwmodel explain` takes its leaves from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hwmodel.physics import (
    collectives,
    data_parallel,
    formulas,
    kernels,
    layer,
    layer_communication,
    micro_batch,
    recomputed,
    schedule,
    training,
)
from hwmodel.report.explain.symbols import record, symbol
from hwmodel.specs import Layout, Stack
from hwmodel.specs.kernels import AttentionConstants, GemmConstants, MemoryConstants, Network


class KernelTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A term of the step, or a kind of kernel in it: what it counts, the code that says it, its formula on symbols
    where the code is plain arithmetic, and where the form is from."""

    name: str
    what: str
    function: Any
    symbolic: Callable[[], Any] | None
    source: str


def names(*words: str) -> tuple[Any, ...]:
    """Positive symbols."""
    return tuple(map(symbol, words))


def _gemm() -> Any:
    k, area, wave, moved = names("k", "area", "wave_area", "moved_bytes")
    c = record(GemmConstants)
    return c.launch_s + kernels.product_s(area, wave, k, moved, c.efficiency, c)


def _grouped() -> Any:
    rows, n, k, experts = names("rows", "n", "k", "experts")
    c = record(GemmConstants)
    area = experts * (rows + c.group_edge) * (n + c.edge_n)
    moved = symbol("moved_bytes")
    return c.group_launch_s + kernels.product_s(area, 0.0, k, moved, c.efficiency * c.group_efficiency, c)


def _memory() -> Any:
    (size,) = names("size_bytes")
    return kernels.memory_bound_s(size, record(MemoryConstants))


def _cast() -> Any:
    (elements,) = names("elements")
    return kernels.cast_s(elements, record(GemmConstants))


def _scan() -> Any:
    (flop,) = names("flop")
    return kernels.scan_s(flop, record(GemmConstants))


def _attention_back() -> Any:
    (forward,) = names("attention_forward_s")
    c = record(AttentionConstants)
    return forward * (2.5 / c.backward_efficiency)


def _gather() -> Any:
    (size,) = names("size_bytes")
    return collectives.gather_s(size, record(collectives.Group), record(Network))


def _host() -> Any:
    device, launches, tp = names("device_s", "launches", "tp")
    stack = record(Stack, id="", title="", unconfirmed=())
    layout = record(Layout, pp=1.0, tp=tp)
    return micro_batch.host_adds_s(device, launches, layout, stack)


def _bubble() -> Any:
    pp, vpp, m, whole, backward, weights = names("pp", "vpp", "micro_batches", "stage_s", "backward_s", "weights_s")
    return schedule.bubble_s(record(Layout, pp=pp, vpp=vpp, schedule=0.0), m, whole, backward, weights)


def _contention() -> Any:
    (domains,) = names("domains")
    return layer_communication.slower_network(domains, record(Stack, id="", title="", unconfirmed=()))


TERMS: tuple[KernelTerm, ...] = tuple(
    KernelTerm(name=name, what=what, function=function, symbolic=symbolic, source=source)
    for name, what, function, symbolic, source in (
        ("gemm_s", "matrix products: area with ragged edges over the chip, or bytes", kernels.gemm_s, _gemm,
         "docs/kernels.md: aiconfigurator-core 0.12.0 kernel tables, shapes held out"),
        ("gemm_s (experts)", "products of the experts of a rank in one launch, at `grouped` of plain ones "
         "whatever the level of the stack",
         kernels.grouped_gemm_s, _grouped, "the same tables; `grouped` fitted on runs"),
        ("attention_s", "fused causal attention, forward; the backward pass has 2.5 times its FLOPs",
         kernels.attention_forward_s, None, "arXiv 2307.08691 section 3.1; docs/kernels.md"),
        ("attention_s (backward)", "five products instead of two", kernels.attention_backward_s, _attention_back,
         "arXiv 2307.08691 section 3.1"),
        ("attention_s (linear mixers)", "recurrences and convolutions", kernels.scan_s, _scan,
         "efficiency unconfirmed"),
        ("memory_bound_s", "norms, residuals, activation, rotary embedding, permutation; gradient accumulation",
         kernels.memory_bound_s, _memory, "docs/kernels.md; passes fitted on runs"),
        ("cast_s", "scaling and casting operands of narrow products", kernels.cast_s, _cast,
         "catalogs/calibrations/casts.yaml: fitted on published pairs of speed"),
        ("logits_s", "products of the logits and bytes of the loss, on the stage that holds them", layer.head_s, None,
         "as gemm_s"),
        ("recompute_s", "what the backward pass computes again, by module", recomputed.recomputed, None,
         "arXiv 2205.05198; Megatron-Core --recompute-modules"),
        ("tp_s", "all-gathers and reduce-scatters of tensor parallelism, less what products hide",
         collectives.gather_s, _gather, "docs/kernels.md; arXiv 2205.05198 section 4"),
        ("cp_s", "keys and values round the context-parallel ring, under attention",
         layer_communication.context_parallel, None,
         "arXiv 2310.01889"),
        ("ep_s", "dispatch and combine of experts: a token once to each domain that holds one of its experts",
         layer_communication.expert_parallel, None, "arXiv 2412.19437 section 3.2"),
        ("pp_bubble_s", "what the schedule leaves idle: (pp - 1) / vpp micro-batches of the mean stage under 1F1B",
         schedule.bubble_s, _bubble, "arXiv 2104.04473 section 2.2; arXiv 2401.10241; arXiv 2412.19437 table 2"),
        ("pp_transfer_s", "activations and gradients between stages", training.transfer_s, None,
         "arXiv 2104.04473 section 4.1"),
        ("dp_exposed_s", "gradients and weights over data-parallel ranks, less what the backward pass hides; ZeRO 3 "
         "gathers layer by layer, a latency and a ramp each; between domains all is slowed by the factor below",
         data_parallel.data_parallel, _contention, "arXiv 1910.02054; arXiv 2304.11277"),
        ("optimizer_s", "every state of the parameters owned, read and written once", formulas.optimizer_s, None,
         "arXiv 1910.02054"),
        ("offload_s", "what waits in host memory", training.offload_s, None, "arXiv 2101.06840"),
        ("host_s", "launches that the device waits for: the longer of both, and a part of the shorter",
         micro_batch.host_adds_s, _host, "form chosen on runs; constants fitted"),
        ("jitter_s", "`jitter` of all before, each doubling of the scale-up domains up to `jitter_nodes`",
         training.step, None, "fitted on runs"),
        ("search_s", "what runs whose layout was searched are slower than predicted", None, None,
         "catalogs/calibrations/searched.yaml"),
    )
)  # fmt: skip

# Where the constants of a term's formula stand: a field of the machine, or the stack.
KERNELS = {
    "gemm_s": "gemm", "gemm_s (experts)": "gemm", "attention_s (backward)": "attention",
    "attention_s (linear mixers)": "gemm", "memory_bound_s": "memory", "cast_s": "gemm", "tp_s": "network",
    "dp_exposed_s": "stack", "host_s": "stack",
}  # fmt: skip
