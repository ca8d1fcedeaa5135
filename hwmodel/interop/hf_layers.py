"""One decoder layer of a Hugging Face config as the fields of a `Block`: attention, mixers and feed-forward."""

from __future__ import annotations

from typing import Any

from hwmodel.interop.hf_config import Config
from hwmodel.interop.hf_families import Family

Fields = dict[str, float]


def add(fields: Fields, **more: float) -> Fields:
    """Sum fields of the same name, keep the others."""
    for key, value in more.items():
        fields[key] = fields.get(key, 0.0) + value
    return fields


def heads(c: Config) -> int:
    return c.number("num_attention_heads", "n_head", "n_heads", "num_heads", high=10_000)


def width(c: Config) -> int:
    return c.number("hidden_size", "n_embd", "d_model", high=1_000_000)


def kv_heads(c: Config, model_type: str) -> int:
    """Key and value heads; absent or null means as many as query heads (Falcon and StarCoder: one)."""
    n = heads(c)
    if model_type == "falcon":
        if c.flag("new_decoder_architecture"):
            return c.number("num_kv_heads", default=n)
        return 1 if c.flag("multi_query", True) else n
    if model_type == "gpt_bigcode":
        return 1 if c.flag("multi_query", True) else n
    if model_type == "mpt":
        inner = c.raw("attn_config")
        return int(inner.get("kv_n_heads") or n) if isinstance(inner, dict) else n
    found = c.number("num_key_value_heads", default=n)
    if n % found and "kv_lora_rank" not in c.data:
        raise c.fail(f"num_key_value_heads {found} does not divide num_attention_heads {n}")
    return found


def head_width(c: Config) -> int:
    """Stated, else the model width over the heads."""
    stated = c.raw("head_dim", "attention_head_dim")
    if stated is not None:
        return c.check(stated, "head_dim", 1, 100_000)
    d, n = width(c), heads(c)
    if d % n:
        raise c.fail(f"hidden_size {d} is not a multiple of num_attention_heads {n}, and no head_dim is stated")
    return d // n


def _norms_and_biases(c: Config, family: Family, fields: Fields) -> Fields:
    q, k = fields["n_heads"] * fields["head_dim"], fields["n_kv_heads"] * fields["head_dim"]
    v = fields["n_kv_heads"] * (fields.get("v_head_dim") or fields["head_dim"])
    biased = family.bias == "qkv" or (family.bias == "config" and c.flag("attention_bias"))
    biased = biased or (family.bias == "config" and (c.flag("qkv_bias") or c.flag("bias")))
    if biased:
        add(fields, extra_params=q + k + v)
        if family.bias == "config" and not c.flag("qkv_bias"):
            add(fields, extra_params=width(c))
    if family.qk_norm == "full":
        add(fields, extra_params=q + k)
    return fields


def latent_attention(c: Config) -> Fields:
    """Multi-head latent attention (DeepSeek): ranks, and the indexer where the model selects its tokens."""
    nope, rope = c.number("qk_nope_head_dim"), c.number("qk_rope_head_dim")
    rank = c.count("q_lora_rank")
    fields: Fields = {
        "n_heads": heads(c), "n_kv_heads": heads(c), "head_dim": nope + rope, "v_head_dim": c.number("v_head_dim"),
        "rope_dim": rope, "kv_lora_rank": c.number("kv_lora_rank"), "q_lora_rank": rank,
    }  # fmt: skip
    if c.raw("index_topk") is not None:
        n, dim = c.number("index_n_heads"), c.number("index_head_dim")
        fields["select_tokens"] = c.number("index_topk")
        add(fields, mixer_params=rank * n * dim + width(c) * (dim + n), extra_params=2 * dim)
    return fields


def compressed_attention(c: Config, ratio: int) -> Fields:
    """DeepSeek-V4: one shared key-value head, grouped output, and a compressor of the distant context.

    The local window beside the compressed entries is counted with the entries that a query selects.
    """
    d, dim, rank, window = width(c), head_width(c), c.number("q_lora_rank"), c.number("sliding_window")
    fields: Fields = {
        "n_heads": heads(c), "n_kv_heads": 1, "head_dim": dim, "shared_kv": 1, "q_lora_rank": rank,
        "o_lora_rank": c.number("o_lora_rank"), "o_groups": c.number("o_groups"),
        "extra_params": dim + heads(c),
    }  # fmt: skip
    if ratio == 0:
        fields["window_tokens"] = window
        return fields
    fields["kv_compression"] = ratio
    selects = ratio < 128
    copies = 2 if selects else 1
    add(fields, mixer_params=2 * copies * d * dim, extra_params=copies * ratio * dim + dim)
    if selects:
        n, inner = c.number("index_n_heads"), c.number("index_head_dim")
        fields["select_tokens"] = c.number("index_topk") + window
        add(fields, mixer_params=4 * d * inner + rank * n * inner + d * n, extra_params=2 * ratio * inner + inner)
    return fields


def hyper_connections(c: Config, fields: Fields) -> Fields:
    """Parallel residual streams (DeepSeek-V4): two mixing matrices a layer."""
    streams = c.count("hc_mult")
    if streams:
        rows = (2 + streams) * streams
        add(fields, mixer_params=2 * rows * streams * width(c), extra_params=2 * (rows + 3))
    return fields


def softmax_attention(c: Config, family: Family, model_type: str, local: bool) -> Fields:
    """Multi-head, grouped or multi-query attention, full or within a window."""
    if c.raw("kv_lora_rank") is not None:
        return _norms_and_latent_biases(c, latent_attention(c))
    n, kv, dim = heads(c), kv_heads(c, model_type), head_width(c)
    v_dim = c.count("v_head_dim")
    if local and c.raw("swa_num_key_value_heads") is not None:
        n, kv = c.number("swa_num_attention_heads", default=n), c.number("swa_num_key_value_heads")
        dim, v_dim = c.number("swa_head_dim", default=dim), c.count("swa_v_head_dim", default=v_dim)
    fields: Fields = {"n_heads": n, "n_kv_heads": kv, "head_dim": dim}
    if v_dim and v_dim != dim:
        fields["v_head_dim"] = v_dim
    if not local and c.raw("global_head_dim") is not None:
        fields["head_dim"] = c.number("global_head_dim")
        fields["n_kv_heads"] = c.number("num_global_key_value_heads", default=kv)
        fields["v_from_k"] = float(c.flag("attention_k_eq_v"))
    if local:
        fields["window_tokens"] = c.number("sliding_window", "attention_chunk_size")
    if family.output_gate and c.flag("attn_output_gate", True):
        add(fields, mixer_params=width(c) * n * fields["head_dim"])
    if family.sinks and (local or model_type != "mimo_v2_flash"):
        add(fields, extra_params=n)
    return _norms_and_biases(c, family, fields)


def _norms_and_latent_biases(c: Config, fields: Fields) -> Fields:
    if c.flag("attention_bias"):
        add(fields, extra_params=fields["q_lora_rank"] + fields["kv_lora_rank"] + fields["rope_dim"] + width(c))
    return fields


def delta_net(c: Config) -> Fields:
    """Gated delta-rule linear attention (Qwen3-Next, Qwen3.5): a matrix state a value head, no cache.

    Scan FLOPs a token and value head of state K x V: decay, recall, update and read, 7 K V; the convolution beside.
    """
    k_heads, v_heads = c.number("linear_num_key_heads"), c.number("linear_num_value_heads")
    k_dim, v_dim = c.number("linear_key_head_dim"), c.number("linear_value_head_dim")
    kernel = c.number("linear_conv_kernel_dim", default=4)
    keys, values = k_heads * k_dim, v_heads * v_dim
    channels = 2 * keys + values
    return {
        "mixer_params": width(c) * (channels + values + 2 * v_heads) + values * width(c),
        "mixer_flop_per_token": 7 * v_heads * k_dim * v_dim + 2 * kernel * channels,
        "mixer_state_elements": v_heads * k_dim * v_dim + channels * (kernel - 1),
        "extra_params": channels * kernel + 2 * v_heads + v_dim,
    }


def mamba2(c: Config) -> Fields:
    """Mamba-2 state-space mixer (Nemotron-H).

    Scan FLOPs a token and head of state P x S: decay, input and read, 5 P S; the convolution beside.
    """
    n, dim = c.number("mamba_num_heads"), c.number("mamba_head_dim")
    groups, state = c.number("n_groups"), c.number("ssm_state_size")
    kernel = c.number("conv_kernel", default=4)
    inner = n * dim
    channels = inner + 2 * groups * state
    d = width(c)
    bias = channels if c.flag("use_conv_bias", True) else 0
    if c.flag("use_bias") or c.flag("mamba_proj_bias"):
        bias += inner + channels + n + d
    return {
        "mixer_params": d * (inner + channels + n) + inner * d,
        "mixer_flop_per_token": 5 * inner * state + 2 * kernel * channels,
        "mixer_state_elements": inner * state + channels * (kernel - 1),
        "extra_params": channels * kernel + bias + 3 * n + inner,
    }


def dense_ffn(c: Config, family: Family, model_type: str) -> Fields:
    """A dense feed-forward network; four times the model width where the config leaves it open."""
    d = width(c)
    stated = c.raw("intermediate_size_mlp", "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
    if stated is None:
        ratio = c.number("expansion_ratio", default=4, high=64)
        if model_type not in ("gpt2", "gptj", "bloom", "falcon", "mpt", "gpt_bigcode"):
            raise c.fail("no intermediate_size: not a decoder's config.json, or a truncated one")
        stated = ratio * d
    d_ff = c.check(stated, "intermediate_size")
    fields: Fields = {"d_ff": d_ff, "gated": float(family.gated)}
    biased = family.bias == "mlp" or (family.bias == "config" and (c.flag("mlp_bias") or c.flag("bias")))
    if biased:
        add(fields, extra_params=(1 + family.gated) * d_ff + d)
    return fields


def shared_width(c: Config, model_type: str, expert: int) -> int:
    """Summed width of the experts that every token passes."""
    if model_type == "llama4_text":
        return expert
    if model_type == "nemotron_h":
        return c.count("n_shared_experts") * c.count("moe_shared_expert_intermediate_size", default=expert)
    stated = c.raw("shared_expert_intermediate_size", "shared_intermediate_size")
    if stated is not None:
        return c.check(stated, "shared_expert_intermediate_size", 0)
    return c.count("n_shared_experts") * expert


def moe_ffn(c: Config, family: Family, model_type: str, n_experts: int) -> Fields:
    """Routed experts, shared experts and the router."""
    expert = c.number("moe_intermediate_size", "intermediate_size")
    fields: Fields = {
        "d_ff": expert, "gated": float(family.gated), "n_experts": n_experts,
        "top_k": c.number("num_experts_per_tok", "experts_per_token", "top_k_experts", "moe_topk", high=n_experts),
        "d_ff_shared": shared_width(c, model_type, expert),
    }  # fmt: skip
    if c.count("n_group") > 1:
        fields["top_groups"] = c.number("topk_group")
    latent = c.count("moe_latent_size")
    if latent:
        # Experts work in a narrower space: as wide as `latent` instead of the model, with a product in and one out.
        fields["d_ff"] = expert * latent / width(c)
        add(fields, d_ff_shared=latent)
    if family.router_bias:
        add(fields, extra_params=n_experts)
    if family.shared_gate and fields["d_ff_shared"]:
        add(fields, extra_params=width(c))
    if model_type == "gemma4_text":
        # The dense network runs beside the experts; three more norms, the router's scales.
        add(fields, d_ff_shared=c.number("intermediate_size"), extra_params=4 * width(c) + n_experts)
    return fields


def merged(*parts: Fields) -> Fields:
    """Attention or mixer with the feed-forward network of the same layer."""
    out: Fields = {}
    for part in parts:
        extra = out.get("extra_params", 0.0) + part.get("extra_params", 0.0)
        out |= part
        if extra:
            out["extra_params"] = extra
    return out


def nas_layer(c: Config, block: Any) -> Fields:
    """One layer of a searched architecture (`block_configs`): attention and network each present, linear or absent."""
    if not isinstance(block, dict) or not all(isinstance(block.get(k), dict) for k in ("attention", "ffn")):
        raise c.fail("block_configs: expected {attention: {...}, ffn: {...}} for every layer")
    attention, ffn = Config(block["attention"], c.path), Config(block["ffn"], c.path)
    d, n = width(c), heads(c)
    fields: Fields = {}
    linear = 0
    if attention.flag("replace_with_linear"):
        linear += 1
    elif not attention.flag("no_op"):
        group = attention.number("n_heads_in_group", high=n)
        fields |= {"n_heads": n, "n_kv_heads": n // group, "head_dim": head_width(c)}
    if ffn.flag("replace_with_linear"):
        linear += 1
    elif not ffn.flag("no_op"):
        mult = ffn.raw("ffn_mult")
        if isinstance(mult, bool) or not isinstance(mult, (int, float)) or not 0 < mult < 64:
            raise c.fail(f"ffn_mult: expected a factor, got {str(mult)[:40]!r}")
        fields |= {"d_ff": -(-int(2 * mult * d / 3) // 256) * 256}
    if linear:
        add(fields, mixer_params=linear * d * d)
    return fields
