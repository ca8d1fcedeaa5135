"""The formula of each term of a step, from the code: kernels and collectives called with SymPy symbols.

docs/step.md is written from this table, and `hwmodel explain` takes its leaves from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from hwmodel.ops import Num
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
from hwmodel.predict.optimism import added_by_search, search_factor_of
from hwmodel.report.explain.symbols import record, symbol
from hwmodel.specs import Layout, Stack
from hwmodel.specs.kernels import AttentionConstants, GemmConstants, MemoryConstants, Network


class KernelTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A term of the step, or a kind of kernel in it: what it counts, the code that says it, its formula on symbols
    where the code is plain arithmetic, and where the form is from."""

    name: str
    what: str
    function: Callable[..., object]
    symbolic: Callable[[], Num] | None
    source: str
    note: str = ""  # what the formula on symbols is, where it is not that of the whole term


def names(*words: str) -> tuple[Num, ...]:
    """Positive symbols."""
    return tuple(map(symbol, words))


def called(function: Callable[..., Num], *words: str, **known: Num | msgspec.Struct) -> Num:
    """What a function gives for symbols in the order of its parameters, and for what is known by name."""
    return function(*names(*words), **known)


def gemm() -> Num:
    """One product, by the sizes that its time goes by."""
    return called(kernels.sized_gemm_s, "area", "wave_area", "k", "moved_bytes", c=record(GemmConstants))


def grouped() -> Num:
    """Products of several experts in one launch."""
    return called(kernels.sized_group_s, "rows", "n", "k", "experts", "moved_bytes", c=record(GemmConstants))


def _attention() -> Num:
    """Every token sees all before it: no window, nothing cached."""
    sizes = {name: symbol(name) for name in ("n_heads", "n_kv_heads", "head_dim", "v_head_dim")}
    seq_len, c = symbol("seq_len"), record(AttentionConstants)
    lengths = {"q_len": seq_len, "kv_len": seq_len, "window_tokens": seq_len}
    return called(kernels.attention_forward_s, "sequences", **lengths, **sizes, c=c)


def moved() -> Num:
    """What only moves bytes."""
    return kernels.memory_bound_s(symbol("size_bytes"), record(MemoryConstants))


def cast() -> Num:
    """Operands cast into the format of their product."""
    return kernels.cast_s(symbol("elements"), record(GemmConstants))


def scan() -> Num:
    """Recurrences and convolutions."""
    return kernels.scan_s(symbol("flop"), record(GemmConstants))


def _attention_back() -> Num:
    return kernels.backward_s(symbol("attention_forward_s"), record(AttentionConstants))


def _loss() -> Num:
    size = called(formulas.logits_bytes, "tokens", "vocab", "tp", "bytes_of_an_element")
    return kernels.memory_bound_s(size, record(MemoryConstants))


def _recompute() -> Num:
    modules = [name for name in Layout.__struct_fields__ if name.startswith("recompute_")]
    layout = Layout(**(dict.fromkeys(modules, 0.0) | {"recompute_layers": symbol("recompute_layers")}))
    again = recomputed.recomputed(layout, record(layer.LayerTimes))
    return formulas.at_level(again.products_s, symbol("level"), again.bytes_s)


def gather() -> Num:
    """What tensor-parallel ranks gather, or scatter."""
    return collectives.gather_s(symbol("size_bytes"), record(collectives.Group), record(Network))


def exchange() -> Num:
    """What ranks send to each other, each an equal part."""
    return collectives.exchange_s(symbol("size_bytes"), record(collectives.Exchange), record(Network))


def _tensor_exposed() -> Num:
    return called(formulas.tensor_exposed_s, "exchange_s", "slower", "pairs", "tp_overlap")


def _ring() -> Num:
    return called(formulas.ring_exposed_s, "ring_s", "attention_s", "cp_overlap")


def _traffic() -> Num:
    return called(formulas.traffic_exposed_s, "exchanges_s", "compute_s", "ep_overlap", "dp_floor")


def _transfer() -> Num:
    return symbol("transfer_s") * called(formulas.transfers, "micro_batches", "vpp", "pp", "pp_overlap")


def _data() -> Num:
    return called(formulas.exposed_s, "volume_s", "window_s", "dp_floor", "times")


def _optimizer() -> Num:
    return called(formulas.optimizer_s, "owned_params", "bytes_per_param", "on_device", c=record(MemoryConstants))


def _offload() -> Num:
    saved = ("offload_activations", "micro_batches", "saved_bytes", "host_link_bytes_per_s", "compute_s")
    states = ("offload_optimizer", "owned_params", "bytes_per_param", "host_link_bytes_per_s", "host_adam_params_per_s")
    return called(formulas.activations_wait_s, *saved) + called(formulas.host_optimizer_s, *states)


def _launches() -> Num:
    return called(formulas.host_s, "launches", "host_op_s", "host_tensor", "tp", "pipeline")


def _host() -> Num:
    return called(formulas.launch_wait_s, "device_s", "host_s", "host_mixed")


def _jitter() -> Num:
    return symbol("all_before_s") * called(formulas.slowest, "jitter", "domains")


def _search() -> Num:
    return added_by_search(symbol("all_before_s"), called(search_factor_of, "optimism", "open_share"))


def _bubble() -> Num:
    pp, vpp, m, whole, backward, weights = names("pp", "vpp", "micro_batches", "stage_s", "backward_s", "weights_s")
    idle = schedule.bubble_s(record(Layout, pp=pp, vpp=vpp, schedule=0.0), m, whole, backward, weights)
    return symbol("bubble") * idle


def _contention() -> Num:
    (domains,) = names("domains")
    return layer_communication.slower_network(domains, record(Stack, id="", title="", unconfirmed=()))


def table(
    *rows: tuple[str, str, Callable[..., object], Callable[[], Num] | None, str], notes: Mapping[str, str]
) -> tuple[KernelTerm, ...]:
    """Rows of name, what it counts, code, formula on symbols, source; with a note what a formula is, by name."""
    return tuple(
        KernelTerm(name=name, what=what, function=function, symbolic=symbolic, source=source, note=notes.get(name, ""))
        for name, what, function, symbolic, source in rows
    )


TERMS = table(
    ("gemm_s", "matrix products: area with ragged edges over the chip, or bytes", kernels.gemm_s, gemm,
     "docs/kernels.md: aiconfigurator-core 0.12.0 kernel tables, shapes held out"),
    ("gemm_s (experts)", "products of the experts of a rank in one launch, at `grouped` of plain ones "
     "whatever the level of the stack",
     kernels.grouped_gemm_s, grouped, "the same tables; `grouped` fitted on runs"),
    ("attention_s", "fused causal attention, forward, of whole sequences without a window",
     kernels.attention_forward_s, _attention, "arXiv 2307.08691 section 3.1; docs/kernels.md"),
    ("attention_s (backward)", "five products instead of two", kernels.attention_backward_s, _attention_back,
     "arXiv 2307.08691 section 3.1"),
    ("attention_s (linear mixers)", "recurrences and convolutions", kernels.scan_s, scan,
     "efficiency unconfirmed"),
    ("memory_bound_s", "norms, residuals, activation, rotary embedding, permutation; gradient accumulation",
     kernels.memory_bound_s, moved, "docs/kernels.md; passes fitted on runs"),
    ("cast_s", "scaling and casting operands of narrow products", kernels.cast_s, cast,
     "catalogs/calibrations/casts.yaml: fitted on published pairs of speed"),
    ("logits_s", "products of the logits, as gemm_s, and bytes of the loss, on the stage that holds "
     "them", layer.loss_s, _loss, "fp32 logits written, read twice, their gradient in 16 bits"),
    ("recompute_s", "what the backward pass computes again, by module",
     recomputed.recomputed, _recompute, "arXiv 2205.05198; Megatron-Core --recompute-modules"),
    ("tp_s", "all-gathers and reduce-scatters of tensor parallelism",
     collectives.gather_s, gather, "docs/kernels.md; arXiv 2205.05198 section 4"),
    ("tp_s (exposed)", "what a layer waits for of them: `pairs` for attention and network, less what products hide",
     layer_communication.tensor_parallel, _tensor_exposed, "tp_overlap fitted on runs"),
    ("cp_s", "keys and values round the context-parallel ring, under attention",
     layer_communication.context_parallel, _ring, "arXiv 2310.01889"),
    ("ep_s", "dispatch and combine of experts: a token once to each domain that holds one of its experts",
     layer_communication.expert_parallel, exchange, "arXiv 2412.19437 section 3.2"),
    ("ep_s (exposed)", "what a layer waits for of them where another micro-batch is at hand to compute meanwhile",
     micro_batch.expert_traffic_s, _traffic, "arXiv 2412.19437 section 3.2.1"),
    ("pp_bubble_s", "what the schedule leaves idle: (pp - 1) / vpp micro-batches of the mean stage under 1F1B, "
     "`bubble` times over",
     schedule.bubble_s, _bubble, "arXiv 2104.04473 section 2.2; arXiv 2401.10241; arXiv 2412.19437 table 2"),
    ("pp_transfer_s", "activations and gradients between stages", training.transfer_s, _transfer,
     "arXiv 2104.04473 section 4.1"),
    ("dp_exposed_s", "gradients and weights over data-parallel ranks, less what the backward pass hides; ZeRO 3 "
     "gathers layer by layer, a latency and a ramp each; between domains all is slowed by contention",
     data_parallel.data_parallel, _data, "arXiv 1910.02054; arXiv 2304.11277"),
    ("dp_exposed_s (between domains)", "how much slower the network is between so many domains",
     layer_communication.slower_network, _contention, "contention fitted on runs"),
    ("optimizer_s", "every state of the parameters owned, read and written once", formulas.optimizer_s, _optimizer,
     "arXiv 1910.02054"),
    ("offload_s", "what waits in host memory", training.offload_s, _offload, "arXiv 2101.06840"),
    ("host_s", "launches that the device waits for, a layer: the longer of both, and a part of the shorter; "
     "`step_s` of the stack once a step",
     micro_batch.host_adds_s, _host, "form chosen on runs; constants fitted"),
    ("host_s (launches)", "seconds in which the host launches the kernels of a layer", formulas.host_s, _launches,
     "the same"),
    ("jitter_s", "`jitter` of all before, each doubling of the scale-up domains up to `jitter_nodes`",
     training.jitter, _jitter, "fitted on runs"),
    ("search_s", "what runs whose layout was searched are slower than predicted", added_by_search, _search,
     "catalogs/calibrations/searched.yaml"),
    notes={
        "logits_s": "the formula is that of the loss", "recompute_s": "the formula is that of whole layers",
        "tp_s": "the formula is that of one of them", "dp_exposed_s": "the formula is that of one domain",
    },
)  # fmt: skip

# Where the constants of a term's formula stand: a field of the machine, or the stack.
KERNELS = {
    "gemm_s": "gemm", "gemm_s (experts)": "gemm", "attention_s": "attention", "attention_s (backward)": "attention",
    "attention_s (linear mixers)": "gemm", "memory_bound_s": "memory", "cast_s": "gemm", "logits_s": "memory",
    "tp_s": "network", "ep_s": "network", "dp_exposed_s": "stack", "optimizer_s": "memory", "host_s": "stack",
}  # fmt: skip
# The same of a pass of an engine; what an engine adds was fitted with it.
SERVED_KERNELS = {
    "experts_s": "gemm", "attention_s": "attention", "memory_bound_s": "memory", "logits_s": "gemm",
    "ep_s": "network", "pp_s": "network",
}  # fmt: skip
