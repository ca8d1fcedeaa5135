"""A shape in the settings of Megatron-Core, under the flags of its command line."""

from __future__ import annotations

from hwmodel.interop.tools.parts_of_shape import Layers, layers_of
from hwmodel.plain import Fields
from hwmodel.specs import Shape

Flags = Fields


def shape_flags(shape: Shape, target: str, tp: int) -> Flags:
    """Flags and values (None: a switch) that describe a shape. InputError where Megatron-Core has none."""
    found = layers_of(shape, target, frozenset({"expert_latent_dim"}))
    kinds = [block for block in (found.dense, found.mixture) if block is not None]
    width = int((found.dense or kinds[0]).d_ff)
    flags: Flags = {
        "--num-layers": int(sum(float(block.count) for block in kinds)),
        "--hidden-size": int(shape.d_model),
        "--ffn-hidden-size": width,
        "--num-attention-heads": int(found.attention.n_heads),
        "--normalization": "LayerNorm" if shape.norm_bias else "RMSNorm",
        "--vocab-size": int(shape.vocab),
        "--make-vocab-size-divisible-by": vocab_divisor(int(shape.vocab), tp),
    }
    flags |= _attention(found)
    flags |= _switches(shape, found)
    if shape.learned_positions:
        flags |= {
            "--position-embedding-type": "learned_absolute",
            "--max-position-embeddings": int(shape.learned_positions),
        }
    else:
        flags |= {"--position-embedding-type": "rope"}
    if found.mixture is not None:
        flags |= _experts(found)
    return flags


def vocab_divisor(vocab: int, tp: int) -> int:
    """The largest padding unit, at most the tool's own 128, that leaves the vocabulary as it is on `tp` ranks."""
    return next((unit for unit in (128, 64, 32, 16, 8, 4, 2) if vocab % (unit * tp) == 0), 1)


def _attention(found: Layers) -> Flags:
    block = found.attention
    if block.kv_lora_rank:
        out: Flags = {
            "--multi-latent-attention": None, "--kv-lora-rank": int(block.kv_lora_rank),
            "--qk-head-dim": int(block.head_dim - block.rope_dim), "--qk-pos-emb-head-dim": int(block.rope_dim),
            "--v-head-dim": int(block.v_head_dim or block.head_dim),
        }  # fmt: skip
        return out | ({"--q-lora-rank": int(block.q_lora_rank)} if block.q_lora_rank else {})
    out = {"--kv-channels": int(block.head_dim)}
    if block.n_kv_heads != block.n_heads:
        out |= {"--group-query-attention": None, "--num-query-groups": int(block.n_kv_heads)}
    if found.window_tokens:
        # The window of Megatron-Core counts the tokens to the left of a query's own.
        out |= {"--window-size": f"{found.window_tokens - 1},0"}
        out |= {"--window-attn-skip-freq": found.full_every} if found.full_every else {}
    return out


def _switches(shape: Shape, found: Layers) -> Flags:
    wanted = {
        "--swiglu": found.attention.gated > 0,
        "--untie-embeddings-and-output-weights": not shape.tied,
        "--disable-bias-linear": not shape.bias,
        "--qk-layernorm": found.qk_norm,
        "--add-qkv-bias": "qkv_bias" in found.extras,
    }
    switches: Flags = {flag: None for flag, on in wanted.items() if on}
    return switches | ({"--softmax-type": "learnable"} if "sinks" in found.extras else {})


def _experts(found: Layers) -> Flags:
    block = found.mixture
    assert block is not None
    out: Flags = {
        "--num-experts": int(block.n_experts), "--moe-router-topk": int(block.top_k),
        "--moe-ffn-hidden-size": int(block.d_ff), "--moe-grouped-gemm": None, "--moe-token-dispatcher-type": "alltoall",
    }  # fmt: skip
    if found.dense is not None:
        out |= {"--moe-layer-freq": f"([0]*{int(found.dense.count)}+[1]*{int(block.count)})"}
    if block.expert_latent_dim:
        out |= {"--moe-latent-size": int(block.expert_latent_dim)}
    if block.d_ff_shared:
        out |= {"--moe-shared-expert-intermediate-size": int(block.d_ff_shared)}
    if "expert_bias" in found.extras:
        out |= {"--moe-router-enable-expert-bias": None, "--moe-router-score-function": "sigmoid"}
    if block.top_groups != float("inf"):
        out |= {"--moe-router-group-topk": int(block.top_groups), "--moe-router-num-groups": "${MOE_GROUPS}"}
    return out
