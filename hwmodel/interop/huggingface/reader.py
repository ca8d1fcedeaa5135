"""Read a Hugging Face `config.json` (offline, file or folder) into a `Shape`.

Only dimensions are read. Prediction layers beyond the last (multi-token heads) and encoders of other modalities are
left out, and the result says so. What is no decoder is refused with its kind, and so is a key that nobody reads and
that may change the shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from hwmodel.errors import InputError
from hwmodel.interop.huggingface import guard
from hwmodel.interop.huggingface.config import Config, config_path, load_json
from hwmodel.interop.huggingface.families import FAMILIES, OF_ONE_FAMILY, SAME_AS, Family, guessed, stated
from hwmodel.interop.huggingface.fields import Fields, width
from hwmodel.interop.huggingface.kinds import LAYER_LISTS
from hwmodel.interop.huggingface.layers import Layer, layers
from hwmodel.interop.huggingface.others import DIFFUSERS, NOT_DECODERS, NOT_MODELLED
from hwmodel.interop.huggingface.special import lookups, outside
from hwmodel.plain import JsonValue
from hwmodel.specs.shape import Block, Shape

NEEDED = (
    ("hidden_size", "n_embd", "d_model"),
    ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    ("vocab_size", "n_vocab"),
)
ONLY = "hwmodel plans decoder-only language models"
INNER = ("text_config", "llm_config", "language_config", "thinker_config", "language_model")
# Keys of BERT and its kin that no decoder of an unknown type has.
ENCODER_KEYS = ("type_vocab_size", "attention_probs_dropout_prob", "position_embedding_type", "mask_token_id")
ENCODER_CLASSES = ("ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
MTP = ("num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers", "mtp_transformer_layers", "num_mtp_heads")


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """A shape read from a config.json, and what was left out or assumed."""

    shape: Shape
    model_type: str
    notes: tuple[str, ...] = ()


def _refuse_others(c: Config) -> None:
    """Say what the file is, where it is no decoder-only language model."""
    kind = str(c.data.get("model_type", ""))
    cls = str(c.data.get("_class_name", ""))
    if kind in NOT_DECODERS:
        raise c.fail(f"{kind} is {NOT_DECODERS[kind]}: not modelled; {ONLY}")
    if kind in NOT_MODELLED:
        raise c.fail(f"{kind} {NOT_MODELLED[kind]}: not modelled")
    if cls and any(word in cls for word in DIFFUSERS):
        raise c.fail(f"{cls} is a part of a diffusion model: not modelled; {ONLY}")
    if c.data.get("is_encoder_decoder") is True:
        raise c.fail(f"{kind or 'the model'} is an encoder-decoder: not modelled; {ONLY}")


def _refuse_encoders(c: Config, kind: str) -> None:
    """An unknown type that looks like BERT is no decoder."""
    classes = c.data.get("architectures")
    named = [x for x in classes if str(x).endswith(ENCODER_CLASSES)] if isinstance(classes, list) else []
    keys = [k for k in ENCODER_KEYS if k in c.data and not c.has("rms_norm_eps")]
    if named or (keys and not c.flag("is_decoder")):
        raise c.fail(f"{kind} looks like an encoder ({(named or keys)[0]}): not modelled; {ONLY}")


def _family(outer: Config, c: Config, notes: list[str]) -> tuple[str, Family]:
    kind = c.raw("model_type") or outer.raw("model_type")
    if kind is None and "n_layers" in c.data and "expansion_ratio" in c.data:
        kind = "mpt"
    if not isinstance(kind, str) or not kind:
        raise c.fail("no model_type: not a Hugging Face config.json, or a truncated one")
    kind = SAME_AS.get(kind, kind)
    if kind in FAMILIES:
        return kind, stated(c, FAMILIES[kind])
    for aliases in NEEDED:
        if not c.has(*aliases):
            raise c.missing(*aliases)
    _refuse_encoders(c, kind)
    foreign = next((key for key in OF_ONE_FAMILY if c.data.get(key)), None)
    if foreign is not None:
        raise c.fail(f"model_type {kind!r} is not known and has {foreign!r}, which no known family explains")
    family = guessed(c)
    networks = "gated networks" if family.gated else "networks of two matrices"
    notes.append(f"model_type {kind!r} is not known: read as a plain decoder with {networks}")
    listed = any(key in c.data for key in LAYER_LISTS) or c.has("sliding_window_pattern", "max_window_layers")
    if c.has("sliding_window") and not listed and c.flag("use_sliding_window", default=True):
        notes.append("sliding_window without a list of layers: every layer is read as attending within it")
    if not c.has("tie_word_embeddings") and not outer.has("tie_word_embeddings"):
        notes.append("no tie_word_embeddings: the head is counted apart from the embedding")
    return kind, family


def language_model(outer: Config) -> Config:
    """The config of the language model inside that of a model of several modalities."""
    for key in INNER:
        inner = outer.nested(key)
        if inner is not None:
            return language_model(inner)
    return outer


def _block(layer: Layer, count: float) -> Block:
    fields = {k: float(v) for k, v in layer.fields.items() if v or k == "gated"}
    return Block(count=count, reuse=float(layer.reuse), **fields)


def _grouped(found: list[Layer]) -> tuple[Block, ...]:
    """Equal layers as one block with a count, in the order of their first."""
    counts: dict[tuple[object, ...], float] = {}
    first: dict[tuple[object, ...], Layer] = {}
    for layer in found:
        key = (layer.reuse, *sorted((k, float(v)) for k, v in layer.fields.items() if v or k == "gated"))
        counts[key] = counts.get(key, 0.0) + layer.passes
        first.setdefault(key, layer)
    return tuple(_block(first[key], count) for key, count in counts.items())


def _drafter(outer: Config, d: float) -> float:
    """A drafter reads the states of the model that it serves, and gives back its own: two products and one."""
    return 3.0 * d * outer.count("backbone_hidden_size")


def _extra(outer: Config, c: Config, kind: str, family: Family, vocab: int) -> float:
    """Parameters outside the layers that no other field counts."""
    d = width(c)
    both = 1 + family.norm_bias
    head_bias = family.head_bias or c.flag("lm_head_bias") or (kind == "ernie4_5_moe" and c.flag("use_bias"))
    extra = float(vocab if head_bias else 0)
    extra += d * both * (family.embedding_norm + family.final_norm - 1)
    head = c.number("unpadded_vocab_size", default=vocab)
    return extra + outside(c, kind, vocab) + (head - vocab) * d + _drafter(outer, d)


def _context(c: Config) -> int:
    return c.number(
        "max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "model_max_length", "context_length",
        "max_context_length", default=0, low=0, high=1e12,
    )  # fmt: skip


def _notes(outer: Config, c: Config) -> list[str]:
    notes = []
    if c.has(*MTP) and c.raw(*MTP) != 0:
        notes.append("multi-token prediction layers are left out")
    if outer is not c:
        notes.append("the language model only: encoders of other modalities are left out")
    return notes + guard.notes(c)


def _tied(outer: Config, c: Config, family: Family) -> bool:
    """Whether the head shares the embedding: as the file says (either place may), else as the family does."""
    keys = ("tie_word_embeddings", "use_embedding_sharing", "tie_embedding", "share_input_output_layers")
    stated = [place.flag(*keys) for place in (outer, c) if place.has(*keys)]
    return any(stated) if stated else family.tied


def _vocabulary(c: Config) -> int:
    """Rows of the embedding, as wide as the model."""
    narrow = c.number("word_embed_proj_dim", default=width(c))
    if narrow != width(c):
        raise c.fail(
            f"word_embed_proj_dim {narrow} is not hidden_size {width(c)}: a factored embedding is not modelled"
        )
    return c.number("vocab_size", "n_vocab")


def _positions(c: Config, family: Family) -> int:
    if not family.learned_positions:
        return 0
    return c.number("n_positions", "max_position_embeddings") + family.position_offset


def _shape(outer: Config, c: Config, kind: str, family: Family, name: str) -> Shape:
    vocab = _vocabulary(c)
    return Shape(
        name=name,
        d_model=float(width(c)),
        vocab=float(vocab),
        blocks=_grouped(list(layers(c, kind, family))),
        tied=float(_tied(outer, c, family)),
        bias=float(family.bias == "all" and c.flag("use_bias", "enable_bias", default=True)),
        norm_bias=float(family.norm_bias),
        learned_positions=float(_positions(c, family)),
        lookup_params=float(lookups(c)),
        extra_params=_extra(outer, c, kind, family, vocab),
        max_seq_len=float(_context(c)),
    )


def from_dict(data: Mapping[str, JsonValue], path: Path, name: str = "") -> Imported:
    """The shape in a parsed config. InputError names the file and the key at fault."""
    outer = Config(data, path)
    _refuse_others(outer)
    c = language_model(outer)
    if c is not outer:
        _refuse_others(c)
    notes = _notes(outer, c)
    kind, family = _family(outer, c, notes)
    try:
        shape = _shape(outer, c, kind, family, name or path.stem)
    except (OverflowError, ZeroDivisionError, RecursionError) as error:
        raise InputError(f"{path}: dimensions that no model has ({error})") from error
    guard.check(c, kind, known=kind in FAMILIES)
    said = tuple(dict.fromkeys([*notes, *guard.passed_over(c)]))
    return Imported(shape=msgspec.structs.replace(shape, notes=said), model_type=kind, notes=said)


def read_config(path: Path | str, name: str = "") -> Imported:
    """The shape in a config.json, or in the config.json of a folder."""
    place = config_path(Path(path))
    folder = place.parent.name if place.name == "config.json" else ""
    return from_dict(load_json(place), place, name or folder or place.stem)


__all__ = ["Fields", "Imported", "from_dict", "language_model", "read_config"]
