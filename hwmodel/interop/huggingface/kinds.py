"""Which mixer and which feed-forward network every layer of a Hugging Face config has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hwmodel.interop.huggingface.config import Config
from hwmodel.interop.huggingface.families import Family
from hwmodel.plain import JsonValue

FULL, SLIDING, LINEAR, CONV, LRU, NONE = "full", "sliding", "linear", "conv", "lru", "none"
INDEXED, CROSS = "indexed", "to pictures"
BOTH = "attention and mixer"
DENSE, ROUTED = "dense", "routed"

# The words of files for a layer's mixer; a word that is not here is a layer that is not modelled.
MIXER_WORDS: dict[str, str] = {
    **dict.fromkeys(("full_attention", "attention", "global", "global_attention", "*"), FULL),
    **dict.fromkeys(("indexed_attention", "deepseek_sparse_attention"), INDEXED),
    **dict.fromkeys(("sliding_attention", "chunked_attention", "local", "local_attention", "swa"), SLIDING),
    **dict.fromkeys(("linear_attention", "mamba", "mamba2", "M", "gated_delta_net", "kda", "lightning"), LINEAR),
    **dict.fromkeys(("conv", "short_conv"), CONV),
    **dict.fromkeys(("recurrent", "rglru"), LRU),
}
NETWORK_WORDS: dict[str, str] = {
    **dict.fromkeys(("dense", "mlp", "-"), DENSE),
    **dict.fromkeys(("sparse", "moe", "hash_moe", "E"), ROUTED),
}
# What "hybrid" means differs by family: a window or not, or a shared attention block before the mixer.
HYBRID: dict[str, dict[str, str]] = {
    "inkling_text": {"hybrid": FULL, "hybrid_sliding": SLIDING},
    "inkling2_text": {"hybrid": FULL, "hybrid_sliding": SLIDING},
    "inkling2_loop_text": {"hybrid": FULL, "hybrid_sliding": SLIDING},
    "zaya": {"hybrid": FULL},
    "zamba": {"hybrid": BOTH},
    "zamba2": {"hybrid": BOTH},
}
LAYER_LISTS = ("layer_types", "layers_block_type", "layer_block_type", "attention_layers", "block_types")


class Kind(NamedTuple):
    """Mixer and network of one layer; `borrows` where it reads the cache of an earlier layer."""

    mixer: str
    network: str
    borrows: bool = False


def every(n: int, step: int, there: str, else_: str, offset: int = 0) -> list[str]:
    """`there` in every `step`-th layer (the last of each group, or the one at `offset` of it where given)."""
    at = offset if offset >= 0 else step - 1
    return [there if i % step == at else else_ for i in range(n)]


def _words(c: Config, kind: str, key: str, values: list[JsonValue], known: dict[str, str]) -> list[str]:
    words = known | HYBRID.get(kind, {})
    for value in values:
        if not isinstance(value, str) or value not in words:
            raise c.fail(f"{key}: {str(value)[:40]!r} is no kind of layer that is modelled (known: {', '.join(words)})")
    return [words[str(value)] for value in values]


def _listed(c: Config, kind: str, n: int) -> tuple[str, list[JsonValue]] | None:
    """The list that names every layer's kind, under the key it has."""
    for key in LAYER_LISTS:
        value = c.raw(key)
        if isinstance(value, list) and value:
            if key == "block_types":  # one period, repeated
                value = [value[i % len(value)] for i in range(n)]
            if not n <= len(value) <= n + 8:
                raise c.fail(f"{key}: expected a list of {n} entries, got {len(value)}")
            return key, value[:n]
    pattern = c.raw("hybrid_override_pattern")
    if isinstance(pattern, str):
        if len(pattern) != n:
            raise c.fail(f"hybrid_override_pattern: {len(pattern)} layers, but num_hidden_layers is {n}")
        return "hybrid_override_pattern", list(pattern)
    return None


def _from_indices(n: int, chosen: Iterable[int], there: str, else_: str) -> list[str]:
    marked = set(chosen)
    return [there if i in marked else else_ for i in range(n)]


def _by_list_of_ints(c: Config, n: int) -> list[str] | None:
    """MiniMax-01 (1 full, 0 linear) and MiMo (1 window, 0 full)."""
    types = c.per_layer("attn_type_list", n)
    if types is not None:
        return [FULL if c.check(t, "attn_type_list", 0, 1) == 1 else LINEAR for t in types]
    pattern = c.per_layer("hybrid_layer_pattern", n)
    if pattern is not None:
        return [SLIDING if c.check(p, "hybrid_layer_pattern", 0, 1) == 1 else FULL for p in pattern]
    return None


def _by_named_layers(c: Config, kind: str, n: int) -> list[str] | None:
    """Files that name the layers that attend, or those that do not."""
    inner = c.nested("linear_attn_config")
    if inner is not None:
        full = inner.indices("full_attn_layers", n, 1)
        linear = inner.indices("kda_layers", n, 1)
        if full is not None and linear is None:
            linear = set(range(n)) - full
        if full is None or linear is None or full & linear or len(full | linear) != n:
            raise c.fail("linear_attn_config: expected full_attn_layers and kda_layers to name every layer once")
        return _from_indices(n, full, FULL, LINEAR)
    for key, else_ in (("full_attn_idxs", CONV), ("attn_layer_indices", LINEAR)):
        chosen = c.indices(key, n)
        if chosen is not None:
            return _from_indices(n, chosen, FULL, BOTH if kind == "falcon_h1" else else_)
    local = c.indices("local_layer_ids", n)
    return None if local is None else _from_indices(n, local, SLIDING, FULL)


def _by_period(c: Config, kind: str, n: int) -> list[str] | None:
    """Files that state how often a layer attends in full."""
    if c.has("attn_layer_period"):
        period, offset = c.number("attn_layer_period"), c.count("attn_layer_offset")
        if kind == "zamba":  # two layers and a shared block stand before the pattern
            return [LINEAR, LINEAR, FULL][:n] + every(max(n - 3, 0), period, FULL, LINEAR, offset)
        return every(n, period, FULL, LINEAR, offset)
    for key in ("full_attention_interval", "layer_group_size"):
        if c.has(key):
            return every(n, c.number(key), FULL, LINEAR, -1)
    if c.has("global_attn_every_n_layers"):
        return every(n, c.number("global_attn_every_n_layers"), FULL, SLIDING, -1)
    return None


def _by_window(c: Config, kind: str, family: Family, n: int) -> list[str]:
    """Full attention but for a window: everywhere, in all but every n-th layer, or from some layer on."""
    if kind == "llama4_text":
        return every(n, c.number("no_rope_layer_interval", default=4), FULL, SLIDING, -1) if (
            c.has("attention_chunk_size")) else [FULL] * n  # fmt: skip
    c.seen.update(("max_window_layers", "sliding_window_pattern"))
    if not c.has(*WINDOWS) or not c.flag("use_sliding_window", default=True):
        return [FULL] * n
    if family.listed:
        raise c.missing("layer_types")
    pattern = c.raw("sliding_window_pattern")
    if isinstance(pattern, str) and pattern and set(pattern) <= {"L", "G"}:
        return [SLIDING if pattern[i % len(pattern)] == "L" else FULL for i in range(n)]
    step = c.number("sliding_window_pattern", default=family.window_every or 1)
    if family.window_every or step > 1:
        found = every(n, step, FULL, SLIDING, family.window_offset)
        full = (0 if family.first_full else None, n - 1 if family.last_full else None)
        return [FULL if i in full else mixer for i, mixer in enumerate(found)]
    start = c.count("max_window_layers") if "use_sliding_window" in c.data or kind == "dots1" else 0
    return [SLIDING if i >= start else FULL for i in range(n)]


# What matters only where some layer has a dense network.
DENSE_KEYS = ("intermediate_size", "intermediate_size_mlp", "dense_intermediate_size", "prefix_dense_intermediate_size")
# What matters only where some layer has experts.
EXPERT_KEYS = ("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size", "expert_intermediate_size",
               "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k_experts",
               "n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "shared_expert_intermediate_size",
               "moe_shared_expert_intermediate_size", "n_group", "num_expert_group", "topk_group",
               "moe_latent_size", "use_expert_bias")  # fmt: skip
# What says less than a list of every layer's kind, and what matters only where some layer has a window.
BEHIND_A_LIST = ("sliding_window_pattern", "full_attention_interval", "layer_group_size", "attn_layer_period",
                 "attn_layer_offset", "global_attn_every_n_layers", "max_window_layers", "full_attn_idxs",
                 "attn_layer_indices", "local_layer_ids", "use_sliding_window", "attention_chunk_size")  # fmt: skip
WINDOWS = ("sliding_window", "sliding_window_size", "attention_window_size", "window_size", "local_attention")
WINDOW_KEYS = ("sliding_window", "sliding_window_size", "window_size", "attention_window_size", "local_attention",
               "swa_head_dim", "swa_num_key_value_heads", "swa_num_attention_heads", "swa_v_head_dim")  # fmt: skip
ATTENTION_KEYS = ("num_attention_heads", "num_key_value_heads", "head_dim", "v_head_dim", "attention_bias",
                  "kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "qk_head_dim")  # fmt: skip
# What matters only where some layer has a linear mixer.
LINEAR_KEYS = ("linear_conv_kernel_dim", "linear_head_dim", "linear_num_heads", "short_conv_kernel_size",
               "linear_key_head_dim", "linear_value_head_dim", "linear_num_key_heads", "linear_num_value_heads",
               "mamba_d_state", "mamba_d_conv", "mamba_expand", "mamba_n_groups", "mamba_n_heads",
               "mamba_d_head")  # fmt: skip
INDEX_KEYS = {"index_topk", "index_n_heads", "index_head_dim", "index_block_size", "index_topk_blocks",
              "index_local_blocks"}  # fmt: skip
ALL_ALIKE = {"falcon_h1": BOTH, "granitemoehybrid": LINEAR, "bamba": LINEAR, "mamba": LINEAR, "falcon_mamba": LINEAR,
             "mamba2": LINEAR, "xlstm": LINEAR, "rwkv": LINEAR}  # fmt: skip


def mixers(c: Config, kind: str, family: Family) -> list[str]:
    """The mixer of every layer; without a list of them, all attention is indexed where the file has an indexer."""
    found = _mixers(c, kind, family)
    if any(c.has(key) for key in LAYER_LISTS) or not c.has("index_topk"):
        return found
    return [INDEXED if mixer == FULL else mixer for mixer in found]


def _mixers(c: Config, kind: str, family: Family) -> list[str]:
    n = c.layers()
    crossed = c.indices("cross_attention_layers", n)
    if crossed:
        return _from_indices(n, crossed, CROSS, FULL)
    listed = _listed(c, kind, n)
    if listed is not None:
        c.seen.update(BEHIND_A_LIST)
        found = _words(c, kind, *listed, MIXER_WORDS)
        if SLIDING not in found:
            c.seen.update(WINDOW_KEYS)
        if not {LINEAR, BOTH} & set(found):
            c.seen.update(LINEAR_KEYS)
        if CONV not in found:
            c.seen.update(("conv_L_cache", "conv_bias"))
        if not {FULL, INDEXED, SLIDING, BOTH} & set(found):
            c.seen.update(ATTENTION_KEYS)
        if INDEXED not in found:
            c.seen.update(INDEX_KEYS)
        return found
    others = _by_list_of_ints(c, n) or _by_named_layers(c, kind, n) or _by_period(c, kind, n)
    if others is not None:
        return others
    if ALL_ALIKE.get(kind) == LINEAR:
        c.seen.update(ATTENTION_KEYS)
    if kind in ALL_ALIKE:
        return [ALL_ALIKE[kind]] * n
    if family.full_every:
        return every(n, family.full_every, FULL, LINEAR, -1)
    if kind == "minimax":
        return every(n, 2, LINEAR, FULL, -1)
    return _by_window(c, kind, family, n)


def _routed_from_keys(c: Config, n: int, dense_first: int) -> list[bool]:
    """Which layers hold experts, from the keys that count or name them."""
    keys = ("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index", "dense_mlp_idx")
    first = c.count(*keys, default=dense_first, high=n)
    last = c.number("moe_layer_end_index", default=n - 1, low=-1, high=n)
    step = c.number("moe_layer_freq", "decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval",
                    "expert_layer_period", default=1)  # fmt: skip
    # DeepSeek counts every `moe_layer_freq`-th layer from the first, all others the last of each group.
    offset = c.count("expert_layer_offset", default=0 if c.has("first_k_dense_replace") else step - 1)
    dense = c.indices("mlp_only_layers", n) or set()
    last = n - 1 if last < 0 else last
    return [first <= i <= last and i % step == offset % step and i not in dense for i in range(n)]


def networks(c: Config, n_experts: int, dense_first: int = 0) -> list[str]:
    """The feed-forward network of every layer."""
    n = c.layers()
    listed = c.per_layer("mlp_layer_types", n)
    if listed is not None:
        c.raw("moe_layer_freq")  # of the layers that the list names
        kinds = _words(c, "", "mlp_layer_types", listed, NETWORK_WORDS)
        return kinds if n_experts else [DENSE] * n
    if not n_experts:
        return [DENSE] * n
    frequency = c.raw("moe_layer_freq")
    if isinstance(frequency, list):
        return [ROUTED if x == 1 else DENSE for x in c.per_layer("moe_layer_freq", n) or []]
    named = c.indices("moe_layers_enum", n) or c.indices("moe_layers", n)
    if named:
        c.seen.add("interleave_moe_layer_step")
        return _from_indices(n, named, ROUTED, DENSE)
    return [ROUTED if routed else DENSE for routed in _routed_from_keys(c, n, dense_first)]


def _one_part(listed: tuple[str, list[JsonValue]] | None, kind: str) -> bool:
    """Whether the layers of a list are a mixer or a network alone."""
    return listed is not None and (kind == "nemotron_h" or any(word in NETWORK_WORDS for word in map(str, listed[1])))


def kinds(c: Config, kind: str, family: Family, n_experts: int) -> list[Kind]:
    """Mixer and network of every layer; the last `num_kv_shared_layers` read the cache of an earlier one."""
    n = c.layers()
    listed = _listed(c, kind, n)
    if kind == "nemotron_h" and listed is None:
        raise c.fail("no hybrid_override_pattern or layers_block_type: the file does not say what each layer is")
    if listed is not None and _one_part(listed, kind):
        words = _words(c, kind, *listed, MIXER_WORDS | NETWORK_WORDS)
        return [Kind(NONE, w) if w in (DENSE, ROUTED) else Kind(w, NONE) for w in words]
    if kind in ("mamba", "falcon_mamba", "mamba2"):
        return [Kind(LINEAR, NONE)] * n
    borrowed = c.count("num_kv_shared_layers")
    if borrowed > n:
        raise c.fail(f"num_kv_shared_layers: {borrowed}, but the model has {n} layers")
    found = networks(c, n_experts, family.dense_first)
    if DENSE not in found:
        c.seen.update(DENSE_KEYS)
    if ROUTED not in found:
        c.seen.update(EXPERT_KEYS)
    pairs = zip(mixers(c, kind, family), found, strict=True)
    return [Kind(mixer, network, i >= n - borrowed) for i, (mixer, network) in enumerate(pairs)]
