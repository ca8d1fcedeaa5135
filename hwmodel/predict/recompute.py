"""What the backward pass computes again, and what waits in host memory: the words of the options as fields of a layout.

The one table between `--recompute`, `--offload` and the physics. Modules are named as Megatron-Core names them
(`--recompute-modules`; NVIDIA/Megatron-LM, megatron/core/transformer/transformer_config.py).
"""

from __future__ import annotations

import re

from hwmodel.errors import InputError, unknown
from hwmodel.specs import Layout
from hwmodel.specs.stack import Stack

Mode = tuple[tuple[str, float], ...]  # fields of Layout with their values; those left out are zero

MODULES = {
    "layernorm": "recompute_norms",
    "moe_act": "recompute_activation",
    "core_attn": "recompute_attention",
    "mla_up_proj": "recompute_up_projections",
    "mlp": "recompute_mlp",
    "shared_experts": "recompute_shared_experts",
    "moe": "recompute_experts",
}
LAYERS = "recompute_layers"
OFFLOADS = {"activations": "offload_activations", "optimizer": "offload_optimizer"}
NONE = "none"
ALONE = (NONE, "selective", "full")  # words that no other stands beside
ANY = "any"  # of --offload: every way is searched
EVERY_OFFLOAD = (NONE, *OFFLOADS, ",".join(OFFLOADS))
# What a search tries, from nothing to every layer; mixtures also their experts (with what is cheap beside them).
SEARCHED = (NONE, "selective", "25%", "50%", "75%", "full")
SEARCHED_OF_MIXTURES = (NONE, "selective", "layernorm,moe", "50%", "full")
# Where attention expands a latent, its expansion frees most for the time it takes, with norms and the activations of
# experts beside it (NVIDIA, Megatron-Bridge: activation recomputation).
SEARCHED_OF_LATENT = (*SEARCHED_OF_MIXTURES, "mla_up_proj", "layernorm,moe_act,mla_up_proj")
PRODUCTS = "recompute_products"  # of operator policies; no word of its own
FIELDS = (LAYERS, PRODUCTS, *MODULES.values())


def recompute_mode(word: str, stack: Stack) -> Mode:
    """What a word of `--recompute` means under a stack: `none`, `selective`, `full`, `NN%` of the layers, or modules.

    Selective recomputation drops the scores of unfused attention (arXiv 2205.05198); beside fused attention, which
    keeps none, norms and activations, and the share of the products that the stack's operator policy computes again.
    Raises InputError for another word.
    """
    name = word.strip().lower()
    if name == NONE:
        return ()
    if name == "full":
        return ((LAYERS, 1.0),)
    if name == "selective":
        return _selective(stack)
    share = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", name)
    if share is not None and 0.0 < float(share.group(1)) < 100.0:
        return ((LAYERS, float(share.group(1)) / 100.0),)
    modules = [m for m in re.split(r"[\s,+]+", name) if m]
    strange = next((m for m in modules if m not in MODULES), "" if modules else word)
    if strange in ALONE:
        raise InputError(
            f"--recompute {word}: {strange!r} stands by itself; give it alone, or modules together, like "
            "layernorm,moe_act"
        )
    if strange or not modules:
        known = (NONE, "selective", "full", "50% (of the layers)", *MODULES)
        raise unknown("recompute mode", strange or word, known, "--recompute")
    return tuple(sorted({(MODULES[m], 1.0) for m in modules}))


def _selective(stack: Stack) -> Mode:
    if float(stack.attention_generation) < 0.5:
        return (("recompute_attention", 1.0),)
    fields = {"recompute_activation": 1.0, "recompute_norms": 1.0}
    if float(stack.selective_products) > 0:
        fields[PRODUCTS] = float(stack.selective_products)
    return tuple(sorted(fields.items()))


def recompute_word(layout: Layout, stack: Stack) -> str:
    """The word of `--recompute` that a layout's fields stand for."""
    fields: Mode = tuple(sorted((f, v) for f in FIELDS if (v := float(getattr(layout, f))) > 0))
    if not fields:
        return NONE
    if fields == _selective(stack):
        return "selective"
    given = dict(fields)
    share = given.get(LAYERS, 0.0)
    if share >= 1.0:
        return "full"
    modules = [module for module, field in MODULES.items() if field in given]
    return ",".join(modules) if modules else f"{100.0 * share:.4g}%"


def offload_words(word: str | None) -> tuple[str, ...]:
    """The words of `--offload` that are searched: every one for `any`, nothing on the host where none is given.

    Raises InputError for another word.
    """
    if word is not None and word.strip().lower() == ANY:
        return EVERY_OFFLOAD
    offload_mode(word or NONE)
    return (word or NONE,)


def offload_mode(word: str) -> Mode:
    """What a word of `--offload` means: `none`, `activations`, `optimizer`, or both with a comma between them.

    Raises InputError for another word.
    """
    names = [n for n in re.split(r"[\s,+]+", word.strip().lower()) if n]
    strange = next((n for n in names if n not in (*OFFLOADS, NONE)), "" if names else word)
    if strange or not names or (NONE in names and len(names) > 1):
        raise unknown("offload", strange or word, (NONE, *OFFLOADS, ANY), "--offload")
    return tuple(sorted((OFFLOADS[n], 1.0) for n in set(names) - {NONE}))


def offload_word(layout: Layout) -> str:
    """The word of `--offload` that a layout's fields stand for."""
    return ",".join(n for n, field in OFFLOADS.items() if float(getattr(layout, field)) > 0) or NONE


def combined(modes: tuple[Mode, ...], offloads: tuple[Mode, ...]) -> tuple[Mode, ...]:
    """Every mode with every way to offload, each once and in order."""
    every = [tuple(sorted((*a, *b))) for a in modes for b in offloads]
    return tuple(dict.fromkeys(every))
