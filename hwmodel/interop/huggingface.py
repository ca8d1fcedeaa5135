"""Read a Hugging Face `config.json` (offline, file or folder) into a `Shape`.

Only dimensions are read. Prediction layers beyond the last (multi-token heads) and encoders of other modalities are
left out, and the result says so. What is no decoder is refused with its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from hwmodel.errors import InputError
from hwmodel.interop import hf_layers as layer
from hwmodel.interop.hf_config import Config, config_path, load_json
from hwmodel.interop.hf_families import DIFFUSERS, FAMILIES, NOT_DECODERS, PLAIN, Family
from hwmodel.specs.shape import Block, Shape

UNREADABLE = ("mamba", "ssm", "rwkv", "linear_", "state_size", "encoder_layers")
NEEDED = (("hidden_size", "n_embd", "d_model"), ("num_attention_heads", "n_head", "n_heads"), ("vocab_size",))
PATTERN = {"M": "mamba", "-": "mlp", "*": "attention", "E": "moe"}


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """A shape read from a config.json, and what was left out or assumed."""

    shape: Shape
    model_type: str
    notes: tuple[str, ...] = ()


def _refuse_others(c: Config) -> None:
    """Say what the file is, where it is no decoder-only language model."""
    only = "hwmodel plans decoder-only language models"
    kind = str(c.data.get("model_type", ""))
    cls = str(c.data.get("_class_name", ""))
    if kind in NOT_DECODERS:
        raise c.fail(f"{kind} is {NOT_DECODERS[kind]}: not modelled; {only}")
    if cls and any(word in cls for word in DIFFUSERS):
        raise c.fail(f"{cls} is a part of a diffusion model: not modelled; {only}")
    if c.data.get("is_encoder_decoder") is True:
        raise c.fail(f"{kind or 'the model'} is an encoder-decoder: not modelled; {only}")


def _family(c: Config, notes: list[str]) -> tuple[str, Family]:
    kind = c.data.get("model_type")
    if kind is None and "n_layers" in c.data and "expansion_ratio" in c.data:
        kind = "mpt"
    if not isinstance(kind, str) or not kind:
        raise c.fail("no model_type: not a Hugging Face config.json, or a truncated one")
    if kind in FAMILIES:
        return kind, FAMILIES[kind]
    strange = [k for k in c.data if any(k.startswith(word) or word in k for word in UNREADABLE)]
    if strange:
        raise c.fail(f"model_type {kind!r} is not known and has {strange[0]!r}, which no known family explains")
    for aliases in NEEDED:
        if c.raw(*aliases) is None:
            raise c.fail(f"model_type {kind!r} is not known and has no {aliases[0]}: not a decoder's config.json")
    notes.append(f"model_type {kind!r} is not known: read as a plain decoder with gated networks")
    return kind, PLAIN


def _local(c: Config, kind: str, family: Family) -> list[bool]:
    """Which layers attend within a window or chunk only."""
    n = c.layers()
    types = c.per_layer("layer_types", n)
    if types is not None:
        return [t in ("sliding_attention", "chunked_attention") for t in types]
    pattern = c.per_layer("hybrid_layer_pattern", n)
    if pattern is not None:
        return [p == 1 for p in pattern]
    if kind == "llama4_text":
        every = c.number("no_rope_layer_interval", default=4)
        return [c.raw("attention_chunk_size") is not None and (i + 1) % every != 0 for i in range(n)]
    if c.raw("sliding_window") is None or not c.flag("use_sliding_window", True):
        return [False] * n
    every = c.number("sliding_window_pattern", default=family.window_every or 1, high=n)
    if family.window_every or every > 1:
        return [(i + 1) % every != 0 for i in range(n)]
    start = c.count("max_window_layers") if "use_sliding_window" in c.data else 0
    return [i >= start for i in range(n)]


def _routed(c: Config, n_experts: int) -> list[bool]:
    """Which layers hold experts."""
    n = c.layers()
    if not n_experts:
        return [False] * n
    freq = c.data.get("moe_layer_freq")
    if isinstance(freq, list):
        return [x == 1 for x in c.per_layer("moe_layer_freq", n) or []]
    step = c.number("moe_layer_freq", "decoder_sparse_step", "interleave_moe_layer_step", default=1, high=n)
    first = c.count("first_k_dense_replace")
    dense = c.data.get("mlp_only_layers") or []
    if not isinstance(dense, list):
        raise c.fail("mlp_only_layers: expected a list of layers")
    deep = "first_k_dense_replace" in c.data
    return [i >= first and ((i if deep else i + 1) % step == 0) and i not in dense for i in range(n)]


def _mixers(c: Config, kind: str, family: Family) -> list[layer.Fields]:
    """Attention or mixer of every layer."""
    local = _local(c, kind, family)
    ratios = c.per_layer("compress_ratios", len(local))
    if ratios is not None:
        checked = [c.check(r, "compress_ratios", 0, 4096) for r in ratios]
        return [layer.hyper_connections(c, layer.compressed_attention(c, r)) for r in checked]
    types = c.per_layer("layer_types", len(local)) or [""] * len(local)
    made: dict[tuple[bool, bool], layer.Fields] = {}
    out = []
    for is_local, name in zip(local, types, strict=True):
        linear = name == "linear_attention"
        if (is_local, linear) not in made:
            made[is_local, linear] = (
                layer.delta_net(c) if linear else layer.softmax_attention(c, family, kind, is_local)
            )
        out.append(made[is_local, linear])
    return out


def _uniform(c: Config, kind: str, family: Family) -> list[layer.Fields]:
    """Layers of a mixer and a feed-forward network each."""
    n_experts = c.count("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
    if kind == "gemma4_text" and not c.flag("enable_moe_block"):
        n_experts = 0
    dense = None if n_experts else layer.dense_ffn(c, family, kind)
    moe = layer.moe_ffn(c, family, kind, n_experts) if n_experts else None
    extra = (family.norms - 2) * layer.width(c) * (1 + family.norm_bias)
    out = []
    for mixer, routed in zip(_mixers(c, kind, family), _routed(c, n_experts), strict=True):
        if not routed and dense is None:
            dense = layer.dense_ffn(c, family, kind)
        ffn = moe if routed else dense
        assert ffn is not None
        out.append(layer.merged(mixer, ffn, {"extra_params": extra} if extra else {}))
    return out


def _hybrid(c: Config, kind: str, family: Family) -> list[layer.Fields]:
    """Layers of a mixer or a network alone (Nemotron-H), one norm each."""
    pattern = c.raw("hybrid_override_pattern")
    names = c.raw("layers_block_type")
    n = c.layers()
    kinds: list[str]
    if isinstance(pattern, str):
        if set(pattern) - set(PATTERN):
            raise c.fail(f"hybrid_override_pattern: {sorted(set(pattern) - set(PATTERN))[0]!r} is no kind of layer")
        kinds = [PATTERN[x] for x in pattern]
    elif isinstance(names, list):
        kinds = [str(x) for x in names]
    else:
        raise c.fail("no hybrid_override_pattern: not a complete config.json")
    if len(kinds) != n:
        raise c.fail(f"num_hidden_layers {n} but the pattern of layers has {len(kinds)}")
    makers: dict[str, Callable[[], layer.Fields]] = {
        "mamba": lambda: layer.mamba2(c),
        "attention": lambda: layer.softmax_attention(c, family, kind, False),
        "mlp": lambda: layer.dense_ffn(c, family, kind),
        "moe": lambda: layer.moe_ffn(c, family, kind, c.number("n_routed_experts")),
    }
    unknown = set(kinds) - set(makers)
    if unknown:
        raise c.fail(f"layers_block_type: {sorted(unknown)[0]!r} is no kind of layer")
    made = {name: makers[name]() for name in set(kinds)}
    return [made[name] for name in kinds]


def _grouped(layers: list[layer.Fields]) -> tuple[Block, ...]:
    """Equal layers as one block with a count, in the order of their first."""
    counts: dict[tuple[tuple[str, float], ...], int] = {}
    for fields in layers:
        key = tuple(sorted((k, float(v)) for k, v in fields.items() if v or k == "gated"))
        counts[key] = counts.get(key, 0) + 1
    return tuple(Block(count=float(n), **dict(key)) for key, n in counts.items())


def _layers(c: Config, kind: str, family: Family) -> list[layer.Fields]:
    if kind == "nemotron_h":
        return _hybrid(c, kind, family)
    blocks = c.data.get("block_configs")
    if blocks is not None:
        return [layer.nas_layer(c, b) for b in c.per_layer("block_configs", c.layers()) or []]
    return _uniform(c, kind, family)


def _extra(c: Config, family: Family, vocab: int) -> float:
    """Parameters outside the layers that no other field counts."""
    d = layer.width(c)
    extra = float(vocab if family.head_bias else 0)
    if family.embedding_norm:
        extra += d * (1 + family.norm_bias)
    streams = c.count("hc_mult")
    if streams:
        extra += streams * streams * d + streams + 1
    return extra


def _context(c: Config) -> int:
    return c.number("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", default=0, low=0, high=1e12)


def _notes(outer: Config, c: Config) -> list[str]:
    notes = []
    if c.raw("num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers", "mtp_transformer_layers"):
        notes.append("multi-token prediction layers are left out")
    if outer is not c:
        notes.append("the language model only: encoders of other modalities are left out")
    return notes


def from_dict(data: dict[str, object], path: Path, name: str = "") -> Imported:
    """The shape in a parsed config. InputError names the file and the key at fault."""
    outer = Config(data, path)
    _refuse_others(outer)
    inner = outer.data.get("text_config", outer.data.get("llm_config"))
    c = Config(inner, path) if isinstance(inner, dict) else outer
    if c is not outer:
        _refuse_others(c)
    notes = _notes(outer, c)
    kind, family = _family(c, notes)
    vocab = c.number("vocab_size", "n_vocab")
    positions = 0
    if family.learned_positions:
        positions = c.number("n_positions", "max_position_embeddings") + family.position_offset
    tied_key = next((k for k in (c, outer) if "tie_word_embeddings" in k.data), None)
    tied = tied_key.flag("tie_word_embeddings", family.tied) if tied_key else family.tied
    try:
        blocks = _grouped(_layers(c, kind, family))
    except (OverflowError, ZeroDivisionError, RecursionError) as error:
        raise InputError(f"{path}: dimensions that no model has ({error})") from error
    shape = Shape(
        name=name or path.stem,
        d_model=float(layer.width(c)),
        vocab=float(vocab),
        blocks=blocks,
        tied=float(tied),
        bias=float(family.bias == "all"),
        norm_bias=float(family.norm_bias),
        qk_norm=float(family.qk_norm == "head"),
        learned_positions=float(positions),
        extra_params=_extra(c, family, vocab),
        max_seq_len=float(_context(c)),
    )
    return Imported(shape=shape, model_type=kind, notes=tuple(notes))


def read_config(path: Path | str, name: str = "") -> Imported:
    """The shape in a config.json, or in the config.json of a folder."""
    place = config_path(Path(path))
    folder = place.parent.name if place.name == "config.json" else ""
    return from_dict(load_json(place), place, name or folder or place.stem)
