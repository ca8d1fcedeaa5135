"""A shape in the settings of MaxText, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from hwmodel.errors import InputError
from hwmodel.interop.tools.parts_of_shape import Layers, layers_of
from hwmodel.plain import Fields, JsonValue, listed
from hwmodel.specs import Block, Shape

Settings = Fields
# Decoder blocks whose layers have norms on queries and keys, or biases on their projections.
GATED = ["silu", "linear"]


def shape_settings(shape: Shape) -> Settings:
    """Settings that describe a shape. InputError for one that no decoder block of MaxText is."""
    found = layers_of(shape, "maxtext")
    block = found.attention
    kinds = [each for each in (found.dense, found.mixture) if each is not None]
    out: Settings = {
        "decoder_block": _decoder(shape, found),
        "base_emb_dim": int(shape.d_model),
        "base_num_query_heads": int(block.n_heads),
        "base_num_kv_heads": int(block.n_kv_heads),
        "base_num_decoder_layers": int(sum(float(each.count) for each in kinds)),
        "base_mlp_dim": int((found.dense or block).d_ff),
        "mlp_activations": GATED if block.gated else ["gelu"],
        "vocab_size": int(shape.vocab),
        "logits_via_embedding": bool(shape.tied),
    }
    if block.kv_lora_rank:
        out |= {
            "attention_type": "mla", "q_lora_rank": int(block.q_lora_rank), "kv_lora_rank": int(block.kv_lora_rank),
            "qk_nope_head_dim": int(block.head_dim - block.rope_dim), "qk_rope_head_dim": int(block.rope_dim),
            "v_head_dim": int(block.v_head_dim or block.head_dim),
        }  # fmt: skip
    else:
        out["head_dim"] = int(block.head_dim)
    if found.qk_norm:
        out["use_qk_norm"] = True
    if "qkv_bias" in found.extras:
        out["attention_bias"] = True
    if shape.learned_positions:
        out["trainable_position_size"] = int(shape.learned_positions)
    return out | (_experts(shape, found) if found.mixture is not None else {})


def _decoder(shape: Shape, found: Layers) -> str:
    """The decoder block whose layers are those of the shape."""
    block, extras = found.attention, found.extras
    plain = not (shape.bias or shape.norm_bias or shape.learned_positions or found.window_tokens) and block.gated > 0
    if shape.bias and shape.norm_bias and shape.learned_positions and not block.gated and shape.tied and not extras:
        return "gpt3"
    if plain and block.kv_lora_rank and found.mixture is not None and extras <= {"expert_bias"}:
        return "deepseek"
    if plain and not block.kv_lora_rank and found.dense is None and not block.d_ff_shared and not extras:
        return "qwen3_moe" if found.qk_norm else "mixtral"
    if plain and not block.kv_lora_rank and found.mixture is None:
        if extras == {"qkv_bias"} and not found.qk_norm:
            return "qwen2"
        if not extras:
            return "qwen3" if found.qk_norm else "llama2"
    raise InputError(f"maxtext has no decoder block like the layers of {shape.name}; choose another --to or model")


def _experts(shape: Shape, found: Layers) -> Settings:
    block = found.mixture
    assert block is not None
    shared = float(block.d_ff_shared) / float(block.d_ff)
    if shared != int(shared):
        raise InputError(f"maxtext counts shared experts as wide as the others; those of {shape.name} are not")
    return {
        "num_experts": int(block.n_experts), "num_experts_per_tok": int(block.top_k),
        "base_moe_mlp_dim": int(block.d_ff),
        **({"first_num_dense_layers": int(found.dense.count)} if found.dense is not None else {}),
        **({"shared_experts": int(shared)} if shared else {}),
        **({"routed_bias": True} if "expert_bias" in found.extras else {}),
        **({"topk_routing_group": int(block.top_groups)} if block.top_groups != float("inf") else {}),
    }  # fmt: skip


def settings_shape(s: Mapping[str, JsonValue], path: Path) -> Shape | None:
    """The shape that settings describe; None where they do not (a model is named instead)."""
    if "base_emb_dim" not in s or "base_num_decoder_layers" not in s:
        return None

    def number(name: str, default: float = 0.0) -> float:
        value = s.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"{path}: {name} {value!r} is no number")
        return float(value)

    decoder = str(s.get("decoder_block", "llama2"))
    gpt = decoder == "gpt3"
    attention = _attention(s, number)
    depth, dense = number("base_num_decoder_layers"), number("first_num_dense_layers")
    blocks = [Block(count=depth, d_ff=number("base_mlp_dim"), **attention)]
    if number("num_experts", 1.0) > 1.0:
        first = [Block(count=dense, d_ff=number("base_mlp_dim"), **attention)] if dense else []
        width = number("base_moe_mlp_dim") if number("base_moe_mlp_dim", -1.0) > 0 else number("base_mlp_dim")
        groups = number("topk_routing_group", -1.0)
        blocks = [*first, Block(
            count=depth - dense, d_ff=width, n_experts=number("num_experts"), top_k=number("num_experts_per_tok", 1.0),
            d_ff_shared=number("shared_experts") * width, top_groups=groups if groups > 0 else float("inf"),
            **(attention | {"extra_params": attention["extra_params"] + (
                number("num_experts") if s.get("routed_bias") else 0.0)}),
        )]  # fmt: skip
    return Shape(
        name=path.stem, d_model=number("base_emb_dim"), vocab=number("vocab_size", 32000.0), blocks=tuple(blocks),
        tied=float(bool(s.get("logits_via_embedding", False))), bias=float(gpt), norm_bias=float(gpt),
        qk_norm=float(bool(s.get("use_qk_norm", False))),
        learned_positions=max(0.0, number("trainable_position_size", -1.0)),
    )  # fmt: skip


def _attention(s: Mapping[str, JsonValue], number: Callable[..., float]) -> dict[str, float]:
    gated = float("linear" in listed(s.get("mlp_activations", GATED)))
    heads, kv = number("base_num_query_heads"), number("base_num_kv_heads")
    if s.get("attention_type") == "mla":
        return {
            "n_heads": heads, "n_kv_heads": heads, "gated": gated, "extra_params": 0.0,
            "head_dim": number("qk_nope_head_dim", 128.0) + number("qk_rope_head_dim", 64.0),
            "v_head_dim": number("v_head_dim", 128.0), "rope_dim": number("qk_rope_head_dim", 64.0),
            "kv_lora_rank": number("kv_lora_rank", 512.0), "q_lora_rank": number("q_lora_rank"),
        }  # fmt: skip
    head_dim = number("head_dim", 128.0)
    bias = (heads + 2.0 * kv) * head_dim if s.get("attention_bias") else 0.0
    return {"n_heads": heads, "n_kv_heads": kv, "head_dim": head_dim, "gated": gated, "extra_params": bias}
