"""The formula of each part of memory, in training and in serving, from the code called with SymPy symbols.

docs/step.md is written from these tables beside those of seconds.
"""

from __future__ import annotations

from hwmodel.ops import Num
from hwmodel.physics import formulas, memory, serving_formulas, serving_memory
from hwmodel.report.explain.kernels import called, table
from hwmodel.report.explain.symbols import symbol


def _of_states(each: str) -> Num:
    """Bytes of a state that ZeRO may divide."""
    shared = called(formulas.shared_params, "dense_params", "dense_ranks", "expert_params", "expert_ranks")
    return symbol(each) * shared


def _weights() -> Num:
    return _of_states("weight_bytes")


def _gradients() -> Num:
    return _of_states("gradient_bytes")


def _optimizer() -> Num:
    return _of_states("master_and_moment_bytes") * (1 - symbol("offload_optimizer"))


def _activations() -> Num:
    return called(
        formulas.activations_bytes, "tokens", "saved_bytes", "layers_alive", "work_bytes", "activation_overhead"
    )


def _logits() -> Num:
    return called(formulas.logits_bytes, "tokens", "vocab", "tp", "bytes_of_an_element")


def _reserve() -> Num:
    return called(formulas.reserve_bytes, "context_bytes", "fragmentation", "held_bytes")


def _pool() -> Num:
    return called(
        serving_formulas.usual_pool_bytes,
        "hbm_bytes",
        "memory_fraction",
        "weights_bytes",
        "reserve_bytes",
        "free_fraction",
    )


def _cache() -> Num:
    sizes = called(serving_formulas.cached_elements, "kv_heads_of_a_rank", "key_and_value_width", "kv_compression")
    return symbol("kv_bytes") * sizes * called(serving_formulas.kept_share, "window_tokens", "context")


def _sequences() -> Num:
    return called(
        serving_formulas.sequences_alive,
        "kv_pool_bytes",
        "kv_bytes_per_token",
        "tokens_of_a_request",
        "state_bytes_per_sequence",
    )


MEMORY_TERMS = table(
    ("weights_bytes", "weights of a stage on one rank; ZeRO 3 divides them", memory.memory_by_stage, _weights,
     "arXiv 1910.02054"),
    ("gradients_bytes", "their gradients, of what is trained; ZeRO 2 divides them", memory.memory_by_stage, _gradients,
     "arXiv 1910.02054"),
    ("optimizer_bytes", "master weights and moments; ZeRO 1 divides them", memory.memory_by_stage, _optimizer,
     "arXiv 1910.02054"),
    ("activations_bytes", "what the layers of all micro-batches alive save for the backward pass, and what one needs "
     "while it computes", memory.layer_activations, _activations, "arXiv 2205.05198; overhead fitted on runs"),
    ("logits_bytes", "logits on the stage that holds the head", formulas.logits_bytes, _logits, "fitted on runs"),
    ("buffers_bytes", "gathered weights, flat copies of parameters, and the whole input that sequence-parallel ranks "
     "gather", memory.memory_by_stage, None, "docs/model.md"),
    ("reserve_bytes", "context, communicators and fragmentation", formulas.reserve_bytes, _reserve, "fitted on runs"),
    notes={},
)  # fmt: skip

SERVED_MEMORY_TERMS = table(
    ("weights_bytes", "weights of the fullest stage; experts over the ranks that hold them",
     serving_memory.weights_bytes, None, "docs/serving.md"),
    ("reserve_bytes", "what an engine keeps for activations, graphs and communicators", serving_memory.memory, None,
     "docs/serving.md"),
    ("kv_pool_bytes", "what is left for the cache under an engine's usual settings; the least for models that nearly "
     "fill the memory", serving_memory.pool_bytes, _pool, "docs/serving.md"),
    ("kv_bytes_per_token", "cache of one layer a token, plain keys and values; a latent is its rank and its rotary "
     "part on every rank", serving_memory.kv_bytes_per_token, _cache, "docs/serving.md"),
    ("state_bytes_per_sequence", "constant state of linear mixers, four bytes an element",
     serving_memory.state_bytes_per_sequence, None, "docs/serving.md"),
    ("sequences", "requests that the cache of one accelerator holds at once", serving_memory.sequences_that_fit,
     _sequences, "docs/serving.md"),
    notes={},
)  # fmt: skip
