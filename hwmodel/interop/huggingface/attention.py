"""Attention of one layer of a Hugging Face config as the fields of a `Block`."""

from __future__ import annotations

from hwmodel.interop.huggingface.config import Config
from hwmodel.interop.huggingface.families import Family
from hwmodel.interop.huggingface.fields import Fields, add, head_width, heads, width
from hwmodel.interop.huggingface.kinds import INDEX_KEYS, INDEXED, SLIDING

WINDOW = ("sliding_window", "attention_chunk_size", "sliding_window_size", "attention_window_size", "window_size",
          "local_attention")  # fmt: skip


def window(c: Config) -> int:
    """Tokens that a layer within a window attends to."""
    if not c.has(*WINDOW):
        raise c.fail("some layers attend within a window, but no sliding_window says how wide; add the key")
    return c.number(*WINDOW)


def kv_heads(c: Config, kind: str) -> int:
    """Key and value heads; absent or null means as many as query heads (Falcon and StarCoder: one)."""
    n = heads(c)
    if kind == "falcon":
        if c.flag("new_decoder_architecture"):
            return c.number("num_kv_heads", "n_head_kv", default=n)
        c.raw("num_kv_heads", "n_head_kv")  # only the newer layout reads them
        return 1 if c.flag("multi_query", default=True) else n
    if kind == "gpt_bigcode":
        c.raw("num_key_value_heads")
        return 1 if c.flag("multi_query", default=True) else n
    if kind in ("mpt", "dbrx"):
        inner = c.nested("attn_config")
        if inner is not None and inner.raw("attn_type") == "multiquery_attention":
            return 1
        c.raw("num_key_value_heads")
        return n if inner is None else inner.number("kv_n_heads", default=n, high=n)
    found = c.number("num_key_value_heads", "num_query_groups", default=n)
    if n % found and not c.has("kv_lora_rank"):
        raise c.fail(f"num_key_value_heads {found} does not divide num_attention_heads {n}")
    return found


def biases(c: Config, family: Family, query: float, key_value: float) -> float:
    """Biases of the projections around attention."""
    if family.bias == "all":
        # Counted with all products; attention alone may say that it has none.
        return 0.0 if c.flag("attention_bias", default=True) else -(query + key_value + width(c))
    if family.bias == "networks":
        c.flag("attention_bias")  # says nothing of these
        return 0.0
    if family.bias != "config":
        return (query + key_value) * c.flag("attention_bias", "qkv_bias", default=family.bias == "qkv")
    everywhere = c.flag("bias") or c.flag("use_bias")
    inner = c.flag("attention_bias", "qkv_bias", "use_qkv_bias", "attn_bias") or everywhere
    named = c.flag("attention_bias", "attn_bias") and family.out_bias
    outer = c.flag("attention_out_bias", default=named or (everywhere and not c.flag("qkv_bias")))
    return inner * (query + key_value) + outer * width(c)


# Kinds whose queries and keys are normed over all heads together (modeling_olmo2.py, modeling_olmoe.py,
# modeling_minimax_m2.py).
WHOLE_NORM = ("olmo2", "olmo3", "flex_olmo", "olmoe", "olmo_hybrid", "minimax_m2")


def norms(c: Config, family: Family, fields: Fields) -> float:
    """Scale vectors of normed queries and keys."""
    keys = ("use_qk_norm", "qk_norm", "qk_layernorm", "normalize_qk_projections")
    stated = c.flag(*keys, default=not family.qk_norm_key)
    if family.qk_norm == "none" or not stated:
        return 0.0
    head = fields["head_dim"]
    own = 0.0 if fields.get("borrows_kv") else 1.0
    if family.qk_norm == "full":
        return head * (fields["n_heads"] + own * fields["n_kv_heads"])
    return (1.0 + family.norm_bias) * head * (1.0 + own)


def gate(c: Config, family: Family, fields: Fields) -> float:
    """Parameters of the gate on what attention gives, a channel or a head."""
    gated = family.output_gate != "none"
    if not c.flag("attn_output_gate", "use_attention_gate", "mla_use_output_gate", default=gated):
        return 0.0
    gating = c.raw("gating")
    by_head = family.output_gate == "head" if gating is None else gating in (True, "per-head")
    each = 1.0 if by_head else fields.get("v_head_dim") or fields["head_dim"]
    return 0.0 if gating is False else width(c) * fields["n_heads"] * each


# Kinds whose gate comes out of a product that has the biases of the queries (modeling_qwen3_next.py: one product for
# both; modeling_hrm_text.py).
BIASED_GATES = ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text", "hrm_text")


def gate_biases(c: Config, kind: str, fields: Fields) -> float:
    """Biases of the gate on what attention gives."""
    return kind in BIASED_GATES and c.flag("attention_bias") and fields["n_heads"] * fields["head_dim"]


def indexer(c: Config, fields: Fields, rank: float) -> None:
    """The indexer that selects the tokens a query attends to: its projections and how many it selects."""
    n, dim = c.number("index_n_heads"), c.number("index_head_dim")
    source = rank or width(c)
    fields |= {"index_heads": n, "index_dim": dim}
    add(fields, mixer_params=source * n * dim + width(c) * (dim + n), extra_params=2 * dim)


def latent(c: Config, layer: int, *, indexed: bool) -> Fields:
    """Multi-head latent attention (DeepSeek): ranks, and the indexer where the model selects its tokens."""
    nope, rope = c.number("qk_nope_head_dim"), c.number("qk_rope_head_dim")
    rank = c.count("q_lora_rank")
    fields: Fields = {
        "n_heads": heads(c), "n_kv_heads": heads(c), "head_dim": nope + rope, "v_head_dim": c.number("v_head_dim"),
        "rope_dim": rope, "kv_lora_rank": c.number("kv_lora_rank"), "q_lora_rank": rank,
    }  # fmt: skip
    c.raw("head_dim", "num_key_value_heads", "qk_head_dim")  # other names of what the ranks say
    kinds = c.per_layer("indexer_types", c.layers())
    if kinds is not None:
        c.raw(
            "index_topk_freq", "index_skip_topk_offset", "index_topk_pattern"
        )  # the schedule that the list spells out
    if indexed:
        fields["select_tokens"] = c.number("index_topk")
        if kinds is None or kinds[layer] != "shared":  # shared: the selection of the layer before is taken
            indexer(c, fields, rank)
    if c.flag("attention_bias"):
        add(fields, extra_params=rank + fields["kv_lora_rank"] + rope + width(c))
    return fields


SELECTED_BELOW = 128  # tokens an entry from which on all entries are attended to


def compressed(c: Config, ratio: int) -> Fields:
    """DeepSeek-V4: one shared key-value head, grouped output, and a compressor of the distant context.

    The local window beside the compressed entries is counted with the entries that a query selects.
    """
    d, dim, rank, near = width(c), head_width(c), c.number("q_lora_rank"), c.number("sliding_window")
    fields: Fields = {
        "n_heads": heads(c), "n_kv_heads": 1, "head_dim": dim, "shared_kv": 1, "q_lora_rank": rank,
        "o_lora_rank": c.number("o_lora_rank"), "o_groups": c.number("o_groups"),
        "extra_params": dim + heads(c),
    }  # fmt: skip
    c.raw("num_key_value_heads", "qk_rope_head_dim")
    if ratio == 0:
        fields["window_tokens"] = near
        return fields
    fields["kv_compression"] = ratio
    selects = ratio < SELECTED_BELOW
    copies = 2 if selects else 1
    add(fields, mixer_params=2 * copies * d * dim, extra_params=copies * ratio * dim + dim)
    if selects:
        n, inner = c.number("index_n_heads"), c.number("index_head_dim")
        fields |= {"select_tokens": c.number("index_topk") + near, "index_heads": n, "index_dim": inner}
        add(fields, mixer_params=4 * d * inner + rank * n * inner + d * n, extra_params=2 * ratio * inner + inner)
    return fields


RATIOS = {"compressed_sparse_attention": 4, "heavily_compressed_attention": 128, "sliding_attention": 0}


def compression_ratios(c: Config) -> list[int] | None:
    """Tokens that share a cache entry in every layer of DeepSeek-V4, in either spelling; None where nothing shares."""
    n = c.layers()
    stated = c.per_layer("compress_ratios", n)
    if stated is not None:
        return [c.check(r, "compress_ratios", 0, 4096) for r in stated]
    rates = c.raw("compress_rates")
    if not isinstance(rates, dict):
        return None
    known = {**RATIOS, **{str(k): c.check(v, f"compress_rates.{k}", 0, 4096) for k, v in rates.items()}}
    words = c.per_layer("layer_types", n)
    if words is None or any(not isinstance(w, str) or w not in known for w in words):
        raise c.fail("layer_types: a kind of layer that compress_rates does not name")
    found = [known[str(w)] for w in words]
    if all(ratio == 0 or ratio >= SELECTED_BELOW for ratio in found):
        c.seen.update(INDEX_KEYS)
    return found


def grouped(c: Config, kind: str, local: bool) -> Fields:
    """Heads and widths of multi-head, grouped or multi-query attention."""
    n, kv, dim = heads(c), kv_heads(c, kind), head_width(c)
    v_dim = c.count("v_head_dim")
    if local and c.has("swa_num_key_value_heads"):
        n, kv = c.number("swa_num_attention_heads", default=n), c.number("swa_num_key_value_heads")
        dim, v_dim = c.number("swa_head_dim", default=dim), c.count("swa_v_head_dim", default=v_dim)
    elif local and kind == "mimo_v2_flash":
        kv *= 2  # twice the heads of full layers, where the file states none
    fields: Fields = {"n_heads": n, "n_kv_heads": kv, "head_dim": dim}
    if v_dim and v_dim != dim:
        fields["v_head_dim"] = v_dim
    wide = kind in ("gemma4_text", "gemma4_unified_text") and not c.has("per_layer_config")
    if not local and (wide or c.has("global_head_dim")):
        fields["head_dim"] = c.number("global_head_dim", default=512)
        fields["n_kv_heads"] = c.number("num_global_key_value_heads", default=kv)
    if not local and c.flag("attention_k_eq_v"):
        fields["v_from_k"] = 1.0
    return fields


def softmax(c: Config, family: Family, kind: str, layer: int, mixer: str, *, borrows: bool = False) -> Fields:
    """Softmax attention of one layer, full, indexed or within a window, with what hangs on it."""
    local = mixer == SLIDING
    if c.has("kv_lora_rank"):
        fields = latent(c, layer, indexed=mixer == INDEXED)
        if local:
            fields["window_tokens"] = window(c)
        return add(fields, mixer_params=gate(c, family, fields), extra_params=sinks(c, family, kind, fields, local))
    fields = grouped(c, kind, local)
    if local:
        fields["window_tokens"] = window(c)
    if borrows:
        fields["borrows_kv"] = 1.0
    keys = fields["n_kv_heads"] * (1.0 - fields.get("borrows_kv", 0.0))
    values = keys * (1.0 - fields.get("v_from_k", 0.0)) * (fields.get("v_head_dim") or fields["head_dim"])
    query = fields["n_heads"] * fields["head_dim"]
    extra = biases(c, family, query, keys * fields["head_dim"] + values) + norms(c, family, fields)
    extra += sinks(c, family, kind, fields, local) + gate_biases(c, kind, fields)
    if norms(c, family, fields) and (kind in WHOLE_NORM or c.raw("qk_norm_type") == "per_layer"):
        fields["whole_qk_norm"] = 1.0
    return add(fields, mixer_params=gate(c, family, fields), extra_params=extra)


def crossed(c: Config, family: Family, kind: str) -> Fields:
    """Attention to pictures: its products, norms and two gates; the pictures' keys are no cache of text."""
    fields = grouped(c, kind, local=False)
    query, keys = fields["n_heads"] * fields["head_dim"], fields["n_kv_heads"] * fields["head_dim"]
    return {"mixer_params": width(c) * (2 * query + 2 * keys), "extra_params": 2 * fields["head_dim"] + 2}


def sinks(c: Config, family: Family, kind: str, fields: Fields, local: bool) -> float:
    """Learned logits that take up what a head attends to nowhere."""
    return fields["n_heads"] if family.sinks and (local or kind != "mimo_v2_flash") else 0.0
