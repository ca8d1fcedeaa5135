"""The layers of a Hugging Face config as the fields of blocks, each with how often a token passes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from hwmodel.interop.huggingface import attention
from hwmodel.interop.huggingface import mixers as mixer
from hwmodel.interop.huggingface import networks as network
from hwmodel.interop.huggingface.config import Config
from hwmodel.interop.huggingface.families import Family
from hwmodel.interop.huggingface.fields import Fields, add, head_width, heads, merged, width
from hwmodel.interop.huggingface.kinds import (
    BOTH,
    CONV,
    CROSS,
    DENSE,
    FULL,
    INDEXED,
    LINEAR,
    LRU,
    NONE,
    ROUTED,
    SLIDING,
    Kind,
    kinds,
)
from hwmodel.interop.huggingface.special import PARTS, hyper_connections, passes, shared_by


class Layer(NamedTuple):
    """One layer: its fields, how often a token passes it, and how many layers share its weights."""

    fields: Fields
    passes: float = 1.0
    reuse: float = 1.0


# Heads that a file may state for every layer, under the key that they then stand for.
LISTED_HEADS = {"num_attention_heads_per_layer": "num_attention_heads", "num_query_heads": "num_attention_heads",
                "num_kv_heads": "num_key_value_heads"}  # fmt: skip


def views(c: Config) -> list[Config]:
    """The config as each layer sees it, with what the file states for that layer alone."""
    n = c.layers()
    own = c.raw("per_layer_config")
    lists = {key: c.per_layer(name, n) for name, key in LISTED_HEADS.items() if isinstance(c.data.get(name), list)}
    if own is None and not lists:
        return [c] * n
    if own is not None and not isinstance(own, dict):
        raise c.fail("per_layer_config: expected an object of layers")
    stated = {int(k): v for k, v in (own or {}).items() if str(k).isdigit() and isinstance(v, dict)}
    out = []
    for i in range(n):
        more = dict(stated.get(i, {}))
        more |= {key: values[i] for key, values in lists.items() if values is not None}
        out.append(c.changed(more) if more else c)
    return out


def _mixer(c: Config, family: Family, kind: str, i: int, what: Kind) -> Fields:
    if what.mixer in (FULL, INDEXED, SLIDING):
        return attention.softmax(c, family, kind, i, what.mixer, borrows=what.borrows)
    if what.mixer == CROSS:
        return attention.crossed(c, family, kind)
    if what.mixer == BOTH:
        return merged(attention.softmax(c, family, kind, i, FULL), mixer.linear(c, family, kind))
    if what.mixer == LINEAR:
        return mixer.linear(c, family, kind)
    if what.mixer == CONV:
        return mixer.conv(c)
    return mixer.linear_recurrence(c) if what.mixer == LRU else {}


def _network(c: Config, family: Family, kind: str, i: int, what: Kind, n_experts: int) -> Fields:
    if what.network == ROUTED:
        return network.experts(c, family, kind, n_experts, i)
    return network.dense(c, family, i, borrows=what.borrows) if what.network == DENSE else {}


def _norms(c: Config, family: Family, what: Kind) -> Fields:
    """Norm vectors of a layer beyond one for its mixer and one for its network."""
    both = what.mixer != NONE and what.network != NONE
    count = family.norms if c.flag("use_sandwich_norm", default=True) else min(family.norms, 2)
    more = count - 2 if both else (count + 1) // 2 - 1
    return {"extra_params": float(more * width(c) * (1 + family.norm_bias))}


def _layer(c: Config, family: Family, kind: str, i: int, what: Kind, n_experts: int) -> Fields:
    fields = merged(
        _mixer(c, family, kind, i, what), _network(c, family, kind, i, what, n_experts), _norms(c, family, what)
    )
    part = PARTS.get(kind)
    return merged(fields, part(c, i, what, fields)) if part else fields


def _uniform(c: Config, kind: str, family: Family) -> Iterator[Layer]:
    """Layers of a mixer and a network each, or of one of them."""
    n_experts = network.n_experts(c, kind)
    made: dict[Any, Fields] = {}
    each = views(c)
    varies = any(isinstance(v, list) for k, v in c.data.items() if "layer" not in k) or kind.startswith("inkling2")
    for i, what in enumerate(kinds(c, kind, family, n_experts)):
        key = (what, id(each[i]), i if varies else -1)
        if key not in made:
            made[key] = _layer(each[i], family, kind, i, what, n_experts)
        often = passes(c, kind, i)
        yield Layer(made[key], often, often * shared_by(c, kind, i))


def _compressed(c: Config, kind: str, family: Family, ratios: list[int]) -> Iterator[Layer]:
    """Layers of DeepSeek-V4: compressed attention and experts."""
    n_experts = network.n_experts(c, kind)
    c.per_layer("mlp_layer_types", c.layers())
    for i, ratio in enumerate(ratios):
        what = Kind(FULL, ROUTED)
        fields = merged(attention.compressed(c, ratio), network.experts(c, family, kind, n_experts, i))
        yield Layer(merged(fields, hyper_connections(c, i, what, fields)))


def _nas_part(c: Config, place: Config) -> int | None:
    """1 where a part is one linear product, 0 where it is absent, None where it is whole."""
    if place.flag("replace_with_linear"):
        return 1
    return 0 if place.flag("no_op") else None


def nas_layer(c: Config, block: Any) -> Fields:
    """One layer of a searched architecture (`block_configs`): attention and network each present, linear or absent."""
    if not isinstance(block, dict) or not all(isinstance(block.get(k), dict) for k in ("attention", "ffn")):
        raise c.fail("block_configs: expected {attention: {...}, ffn: {...}} for every layer")
    inner, ffn = Config(block["attention"], c.path), Config(block["ffn"], c.path)
    d, n = width(c), heads(c)
    fields: Fields = {}
    linear = 0
    for place, part in ((inner, _nas_part(c, inner)), (ffn, _nas_part(c, ffn))):
        if part is not None:
            linear += part
        elif place is inner:
            group = inner.number("n_heads_in_group", high=n)
            fields |= {"n_heads": n, "n_kv_heads": n // group, "head_dim": head_width(c)}
        else:
            mult = ffn.factor("ffn_mult", 0.0)
            if not mult:
                raise c.fail("block_configs: a network without ffn_mult")
            fields |= {"d_ff": -(-int(2 * mult * d / 3) // 256) * 256}
    return add(fields, mixer_params=linear * d * d) if linear else fields


def _twofold(c: Config, kind: str, family: Family) -> Iterator[Layer]:
    """LongCat-Flash: two attentions and two dense networks a layer, and experts beside, some of which do nothing."""
    n = network.n_experts(c, kind)
    idle = c.count("zero_expert_num")
    dense = c.number("ffn_hidden_size", "intermediate_size")
    plain = c.changed({"ffn_hidden_size": dense})
    for i in range(c.layers()):
        core = attention.softmax(c, family, kind, i, FULL)
        routed = network.experts(c, family, kind, n, i)
        routed["top_k"] = routed["top_k"] * n / (n + idle)
        yield Layer(merged(core, routed, {"d_ff_shared": dense, "mixer_params": idle * width(c)}))
        yield Layer(merged(core, network.dense(plain, family, i)))


def _shared_attention(c: Config, kind: str, family: Family) -> Iterator[Layer]:
    """Zamba: state-space layers, and a transformer block that many of them share, fed with the embedding too."""
    named = c.indices("hybrid_layer_ids", c.layers())
    if family.listed and named is None and not c.has("layers_block_type"):
        raise c.missing("layers_block_type")
    found = kinds(c, kind, family, 0)
    listed = c.has("layers_block_type") or named is None
    attends = [layer_kind.mixer in (BOTH, FULL) for layer_kind in found]
    places = [i for i in range(len(found)) if (attends[i] if listed else i in (named or ()))]
    d, n = width(c), heads(c)
    blocks = c.number("num_mem_blocks", default=1, high=max(len(places), 1))
    doubled = c.changed({"head_dim": c.number("attention_head_dim", default=2 * d // n)})
    core = attention.grouped(doubled, kind, local=False)
    projected = core["head_dim"] * (core["n_heads"] + 2 * core["n_kv_heads"])
    ffn = network.dense(c, family, 0)
    c.raw("kv_channels", "num_query_groups", "attention_hidden_size")  # restate the doubled input
    projection: Fields = {"mixer_params": d * d}
    if kind == "zamba2":
        rank = c.count("adapter_rank") if c.flag("use_shared_mlp_lora", default=True) else 0
        add(projection, mixer_params=rank * (d + 2 * ffn["d_ff"]))
        if c.flag("use_shared_attention_adapter"):
            add(projection, mixer_params=3 * rank * (2 * d + core["n_heads"] * core["head_dim"]))
    biases = c.flag("add_bias_linear") * ((1 + family.gated) * ffn["d_ff"] + d)
    block = merged(core, ffn, {"mixer_params": d * projected, "extra_params": d + biases})
    for i in range(len(found)):
        scan = mixer.linear(c, family, kind)
        if i in places:
            yield Layer(block, 1.0, len(places) / blocks)
        yield Layer(merged(scan, projection) if i in places else scan)


def layers(c: Config, kind: str, family: Family) -> Iterator[Layer]:
    """Every layer of the model, in order."""
    blocks = c.per_layer("block_configs", c.layers())
    if blocks is not None:
        return (Layer(nas_layer(c, block)) for block in blocks)
    if kind == "longcat_flash":
        return _twofold(c, kind, family)
    if kind in ("zamba", "zamba2"):
        return _shared_attention(c, kind, family)
    ratios = attention.compression_ratios(c) if kind == "deepseek_v4" else None
    return _uniform(c, kind, family) if ratios is None else _compressed(c, kind, family, ratios)
