"""The formula of each term of a serving pass, from the code: kernels and collectives called with SymPy symbols.

docs/step.md is written from this table beside that of a training step.
"""

from __future__ import annotations

from hwmodel.ops import Num
from hwmodel.physics import collectives, kernels, serving_formulas, serving_launches, serving_step
from hwmodel.report.explain.kernels import called, cast, exchange, gemm, grouped, moved, scan, table
from hwmodel.report.explain.symbols import record, symbol
from hwmodel.specs.kernels import AttentionConstants, Network


def _cores() -> Num:
    sizes = ("sequences", "context", "n_heads", "n_kv_heads", "head_dim", "v_head_dim", "kv_bytes")
    return called(kernels.attention_decode_s, *sizes, c=record(AttentionConstants))


def _latent() -> Num:
    sizes = ("sequences", "context", "n_heads", "kv_lora_rank", "rope_dim", "kv_bytes")
    return called(kernels.mla_decode_s, *sizes, c=record(AttentionConstants))


def _paced() -> Num:
    level = called(serving_formulas.kernel_level, "engine_level", "kind_level", "peak_share")
    return serving_formulas.paced_s(symbol("kernels_s"), symbol("pace"), level)


def _moved() -> Num:
    return serving_formulas.paced_s(moved(), symbol("pace"), symbol("engine_level"))


def _logits() -> Num:
    return symbol("engine_level") * gemm()


def _sum() -> Num:
    """Inside a domain, by the kernels of engines."""
    return symbol("all_reduce_s") + called(serving_formulas.last_rank_s, "collective_s", "ranks")


def _hop() -> Num:
    net = record(Network, mesh=0.0, torus=0.0)
    hop = collectives.point_to_point_s(symbol("size_bytes"), 0.0, net)
    return serving_formulas.handed_s(symbol("pp"), hop)


def _gaps() -> Num:
    return called(serving_formulas.gaps_s, "kernel_s", "kernels")


def _host() -> Num:
    return called(serving_formulas.host_s, "step_s", "sequence_s", "sequences")


PASS_TERMS = table(
    ("gemm_s", "the dense products of all layers, each as in training and with its cast, in captured graphs without a "
     "launch of their own", serving_step.pass_terms, _paced,
     "docs/serving.md: levels fitted on published servers; never below the peaks"),
    ("gemm_s (one product)", "as in training", kernels.gemm_s, gemm, "docs/kernels.md"),
    ("gemm_s (one cast)", "what enters a narrow product", kernels.cast_s, cast, "docs/kernels.md"),
    ("experts_s", "the products of the busiest rank's experts, at the level of the dense ones", kernels.grouped_gemm_s,
     grouped, "docs/kernels.md; experts touched: docs/serving.md"),
    ("attention_s", "one new token of each sequence over its cache; prompts as in training", kernels.attention_decode_s,
     _cores, "docs/kernels.md"),
    ("attention_s (latent)", "latent attention in its absorbed form", kernels.mla_decode_s, _latent,
     "docs/kernels.md; arXiv 2405.04434 section 2.1"),
    ("attention_s (linear mixers)", "recurrences and convolutions, or the bytes of their state", kernels.scan_s, scan,
     "efficiency unconfirmed"),
    ("memory_bound_s", "norms, rotary embedding, cache writes, activation and shuffles of experts",
     serving_step.elementwise_bytes, _moved, "docs/kernels.md"),
    ("logits_s", "the product of the logits", serving_step.pass_terms, _logits, "docs/kernels.md"),
    ("tp_s", "two sums a layer over the tensor-parallel ranks, and the wait for the last rank", serving_step.sum_s,
     _sum, "docs/kernels.md; collective_s fitted on published servers"),
    ("ep_s", "tokens to their experts and back under attention-data parallelism: the cheaper of an exchange of copies "
     "and a gather of all tokens", serving_step.exchange_s, exchange, "docs/kernels.md"),
    ("pp_s", "the pass handed from stage to stage", serving_step.hops_s, _hop,
     "docs/kernels.md"),
    ("kernel_gap_s", "gaps between the kernels of captured graphs", serving_launches.kernels, _gaps,
     "kernels counted in the sources of vLLM, SGLang and TensorRT-LLM; kernel_s fitted on published servers"),
    ("host_s", "scheduling and sampling", serving_formulas.host_s, _host, "fitted on published servers"),
    notes={
        "gemm_s": "the formula is that of all kernels of a kind", "ep_s": "the formula is that of the exchange",
        "pp_s": "the formula is that of stages in one scale-up domain",
    },
)  # fmt: skip
