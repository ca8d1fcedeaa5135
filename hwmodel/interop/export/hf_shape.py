"""A shape as a Hugging Face config.json, for trainers that build their model from one."""

from __future__ import annotations

from pathlib import Path

from hwmodel.errors import InputError
from hwmodel.interop.huggingface import from_dict
from hwmodel.interop.tools.parts_of_shape import Layers, layers_of, same_shape
from hwmodel.plain import Fields
from hwmodel.specs import Shape

# model_type -> the class of its layers, which a trainer wraps one by one.
LAYER_CLASSES = {
    "llama": "LlamaDecoderLayer", "mistral": "MistralDecoderLayer",
    "qwen2": "Qwen2DecoderLayer", "qwen3": "Qwen3DecoderLayer",
    "qwen3_moe": "Qwen3MoeDecoderLayer", "mixtral": "MixtralDecoderLayer", "deepseek_v2": "DeepseekV2DecoderLayer",
    "deepseek_v3": "DeepseekV3DecoderLayer", "gpt2": "GPT2Block",
}  # fmt: skip


def hf_config(shape: Shape, target: str, max_tokens: int) -> Fields:
    """The config.json of a shape; what it says is read back and compared. InputError where no family is like it."""
    found = layers_of(shape, target)
    for kind in _kinds(shape, found):
        data = _common(shape, found, max_tokens) | {"model_type": kind} | _family(kind, shape, found)
        if same_shape(from_dict(data, Path("config.json")).shape, shape):
            return data
    raise InputError(f"{target}: no Hugging Face family is like {shape.name}; choose another --to or another model")


def _kinds(shape: Shape, found: Layers) -> tuple[str, ...]:
    """Families that may be like the shape, the likeliest first."""
    if found.attention.kv_lora_rank:
        return ("deepseek_v3", "deepseek_v2")
    if found.mixture is not None:
        return ("qwen3_moe",) if found.qk_norm else ("mixtral",)
    if shape.learned_positions:
        return ("gpt2",)
    if found.window_tokens:
        return ("mistral",)
    return ("qwen3",) if found.qk_norm else ("qwen2", "llama")


def _common(shape: Shape, found: Layers, max_tokens: int) -> Fields:
    block = found.attention
    depth = sum(float(b.count) for b in (found.dense, found.mixture) if b is not None)
    return {
        "hidden_size": int(shape.d_model), "num_hidden_layers": int(depth), "num_attention_heads": int(block.n_heads),
        "num_key_value_heads": int(block.n_kv_heads), "head_dim": int(block.head_dim), "vocab_size": int(shape.vocab),
        "intermediate_size": int((found.dense or block).d_ff), "tie_word_embeddings": bool(shape.tied),
        "max_position_embeddings": max(max_tokens, int(shape.max_seq_len)), "attention_bias": False,
    }  # fmt: skip


def _family(kind: str, shape: Shape, found: Layers) -> Fields:
    """What a family says otherwise, or besides."""
    block = found.mixture
    if kind == "gpt2":
        return {
            "n_embd": int(shape.d_model), "n_layer": int(found.attention.count), "n_head": int(found.attention.n_heads),
            "n_inner": int(found.attention.d_ff), "n_positions": int(shape.learned_positions),
        }  # fmt: skip
    if kind == "mistral" and not found.full_every:
        return {"sliding_window": found.window_tokens}
    if kind == "mixtral" and block is not None:
        return {"num_local_experts": int(block.n_experts), "num_experts_per_tok": int(block.top_k),
                "intermediate_size": int(block.d_ff)}  # fmt: skip
    if kind == "qwen3_moe" and block is not None:
        return {"num_experts": int(block.n_experts), "num_experts_per_tok": int(block.top_k),
                "moe_intermediate_size": int(block.d_ff), "decoder_sparse_step": 1, "mlp_only_layers": []}  # fmt: skip
    if kind.startswith("deepseek") and block is not None:
        return _deepseek(found)
    return {}


def _deepseek(found: Layers) -> Fields:
    block = found.mixture
    assert block is not None
    # Twice as many groups as a token may use, as the config.json of DeepSeek-V3 has it (n_group 8, topk_group 4).
    grouped = block.top_groups != float("inf")
    return {
        "q_lora_rank": int(block.q_lora_rank) or None, "kv_lora_rank": int(block.kv_lora_rank),
        "qk_nope_head_dim": int(block.head_dim - block.rope_dim), "qk_rope_head_dim": int(block.rope_dim),
        "v_head_dim": int(block.v_head_dim), "n_routed_experts": int(block.n_experts),
        "num_experts_per_tok": int(block.top_k), "moe_intermediate_size": int(block.d_ff),
        "n_shared_experts": int(float(block.d_ff_shared) // float(block.d_ff)),
        "first_k_dense_replace": int(found.dense.count) if found.dense is not None else 0,
        **({"topk_group": int(block.top_groups), "n_group": 2 * int(block.top_groups)} if grouped else {}),
    }  # fmt: skip
