"""Writes docs/step.md: the formula of each term of a training step, taken from the code: `python docs/step.py`.

The functions of the physics are called with SymPy symbols where they are plain arithmetic; what they return is the
formula that stands on the page. `python docs/step.py --check` says whether the page is that of this code.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sympy

from hwmodel.physics import collectives, kernels, layer, training
from hwmodel.specs import Layout, Stack
from hwmodel.specs.kernels import AttentionConstants, GemmConstants, MemoryConstants, Network
from hwmodel.validation.fit.run_parameters import PARAMETERS

PAGE = Path(__file__).with_name("step.md")
SWITCHED_OFF = {"mesh": 0.0, "torus": 0.0, "in_switch": 0.0, "bus_sharing": 0.0, "pod": 1e9}


def names(*words: str) -> tuple[sympy.Symbol, ...]:
    """Positive symbols."""
    return tuple(sympy.Symbol(word, positive=True) for word in words)


def record(kind: Any, **fixed: Any) -> Any:
    """A record of constants whose fields are symbols of their own names, but for those that are fixed."""
    fields = {name: sympy.Symbol(name, positive=True) for name in kind.__struct_fields__}
    return kind(**(fields | fixed))


def formula(found: Any) -> str:
    """An expression as lines of code: what it repeats first, as a, b, c."""
    expression = sympy.sympify(found)
    whole = {
        number: sympy.Integer(int(number)) for number in expression.atoms(sympy.Float) if float(number).is_integer()
    }
    letters = (sympy.Symbol(letter) for letter in "abcdefgh")
    parts, (rest,) = sympy.cse(expression.xreplace(whole), symbols=letters)
    return "\n".join([*(f"{name} = {part}" for name, part in parts), f"seconds = {rest}"])


def _gemm() -> Any:
    k, area, wave, moved = names("k", "area", "wave_area", "moved_bytes")
    c = record(GemmConstants)
    return c.launch_s + kernels._product_s(area, wave, k, moved, c.efficiency, c)


def _grouped() -> Any:
    rows, n, k, experts = names("rows", "n", "k", "experts")
    c = record(GemmConstants)
    area = experts * (rows + c.group_edge) * (n + c.edge_n)
    moved = sympy.Symbol("moved_bytes", positive=True)
    return c.group_launch_s + kernels._product_s(area, 0.0, k, moved, c.efficiency * c.group_efficiency, c)


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
    size, inside, domains = names("size_bytes", "ranks_inside", "domains")
    net = record(Network, **SWITCHED_OFF)
    near = collectives._pass_s(
        size * (inside - 1.0) / inside, net.link_bytes_per_s * net.link_efficiency, net.link_ramp_s
    )
    far = size / inside * (domains - 1.0) / domains
    across = collectives._pass_s(far, net.nic_bytes_per_s * net.nic_efficiency, net.nic_ramp_s)
    latency = net.link_latency_s + net.link_rank_latency_s * (inside - 1.0)
    return latency + net.nic_latency_s + net.nic_rank_latency_s * collectives._log2(domains) + sympy.Max(near, across)


def _host() -> Any:
    device, launches, tp = names("device_s", "launches", "tp")
    stack = record(Stack, id="", title="", unconfirmed=())
    layout = record(Layout, pp=1.0, tp=tp)
    return training._host_s(device, launches, layout, stack)


def _contention() -> Any:
    (domains,) = names("domains")
    return layer.slower_network(domains, record(Stack, id="", title="", unconfirmed=()))


# Term, what it counts, the function that says it, its formula where it runs on symbols, where the form is from.
TERMS: tuple[tuple[str, str, Any, Callable[[], Any] | None, str], ...] = (
    ("gemm_s", "matrix products: area with ragged edges over the chip, or bytes", kernels.gemm_s, _gemm,
     "docs/kernels.md: aiconfigurator-core 0.12.0 kernel tables, shapes held out"),
    ("gemm_s (experts)", "products of the experts of a rank in one launch, at `grouped` of plain ones",
     kernels.grouped_gemm_s, _grouped, "the same tables; `grouped` fitted on runs"),
    ("attention_s", "fused causal attention, forward; the backward pass has 2.5 times its FLOPs",
     kernels.attention_forward_s, None, "arXiv 2307.08691 section 3.1; docs/kernels.md"),
    ("attention_s (backward)", "five products instead of two", kernels.attention_backward_s, _attention_back,
     "arXiv 2307.08691 section 3.1"),
    ("attention_s (linear mixers)", "recurrences and convolutions", kernels.scan_s, _scan, "efficiency unconfirmed"),
    ("memory_bound_s", "norms, residuals, activation, rotary embedding, permutation; gradient accumulation",
     kernels.memory_bound_s, _memory, "docs/kernels.md; passes fitted on runs"),
    ("cast_s", "scaling and casting operands of narrow products", kernels.cast_s, _cast,
     "catalogs/calibrations/casts.yaml: fitted on published pairs of speed"),
    ("logits_s", "head and loss, forward and backward, on the stage that holds them", layer.head_s, None, "as gemm_s"),
    ("recompute_s", "what the backward pass computes again, by module", training._recompute, None,
     "arXiv 2205.05198; Megatron-Core --recompute-modules"),
    ("tp_s", "all-gathers and reduce-scatters of tensor parallelism, less what products hide",
     collectives.all_gather_s, _gather, "docs/kernels.md; arXiv 2205.05198 section 4"),
    ("cp_s", "keys and values round the context-parallel ring, under attention", layer._context_parallel, None,
     "arXiv 2310.01889"),
    ("ep_s", "dispatch and combine of experts: a token once to each domain that holds one of its experts",
     layer._expert_parallel, None, "arXiv 2412.19437 section 3.2"),
    ("pp_bubble_s", "(pp - 1) / vpp micro-batches of the mean stage", training.step, None,
     "arXiv 2104.04473 section 2.2"),
    ("pp_transfer_s", "activations and gradients between stages", training._transfer_s, None,
     "arXiv 2104.04473 section 4.1"),
    ("dp_exposed_s", "gradients and weights over data-parallel ranks, less what the backward pass hides; ZeRO 3 "
     "gathers layer by layer, a latency and a ramp each; between domains all is slowed by the factor below",
     training._data_parallel_s, _contention, "arXiv 1910.02054; arXiv 2304.11277"),
    ("optimizer_s", "every state of the parameters owned, read and written once", training._optimizer_s, None,
     "arXiv 1910.02054"),
    ("offload_s", "what waits in host memory", training._offload_s, None, "arXiv 2101.06840"),
    ("host_s", "launches that the device waits for: the longer of both, and a part of the shorter",
     training._host_s, _host, "form chosen on runs; constants fitted"),
    ("jitter_s", "`jitter` of all before, each doubling of the scale-up domains up to `jitter_nodes`",
     training.step, None, "fitted on runs"),
    ("search_s", "what runs whose layout was searched are slower than predicted", None, None,
     "catalogs/calibrations/searched.yaml"),
)  # fmt: skip


def page() -> str:
    """The whole page."""
    out = [
        "# The training step, term by term\n",
        "Generated by `python docs/step.py` from the code; do not edit. Terms are exposed, disjoint seconds of one "
        "optimizer step; their sum is the step. Formulas are what the functions return for SymPy symbols; "
        "where a function chooses between cases it is named alone. Their constants are fields of "
        "`specs/kernels.py` and `specs/stack.py`, in SI units.\n",
    ]
    for term, what, function, symbolic, source in TERMS:
        out.append(f"## {term}\n\n{what[0].upper()}{what[1:]}.\n")
        if symbolic is not None:
            out.append(f"```\n{formula(symbolic())}\n```\n")
        if function is not None:
            module = inspect.getmodule(function)
            out.append(f"Code: `{module.__name__ if module else ''}.{function.__name__}`. Source: {source}.\n")
        else:
            out.append(f"Source: {source}.\n")
    out.append("## Constants fitted on runs\n\n| constant | prior | width | meaning |\n|---|--:|--:|---|")
    out += [f"| {p.name} | {p.prior:g} | {p.sigma:g} | {p.meaning} |" for p in PARAMETERS]
    out.append("\nValues, bounds and what each term is worth: accuracy.md. Assumed constants: model.md.\n")
    return "\n".join(out)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else 1)
    PAGE.write_text(page(), encoding="utf-8")
