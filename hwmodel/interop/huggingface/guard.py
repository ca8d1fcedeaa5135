"""What a config.json says and nobody read: refused by name where it may change the model's shape.

A key counts as read when any reader asked for it. What is off (null, false, zero, empty) cannot change anything; the
keys of `ignored` change no dimension and say why.
"""

from __future__ import annotations

import re
from typing import Any

from hwmodel.interop.huggingface.config import Config
from hwmodel.interop.huggingface.ignored import ASSUMED, IGNORED, IGNORED_ENDINGS, NOTED

# Words of keys about kinds of layers, intervals, experts, sharing, caches, per-layer inputs and mixers.
_KINDS = re.compile(
    r"layer|interval|freq|period|pattern|every|expert|moe|shar|cache|kv|mixer|ssm|mamba|conv|recurr|rank|lora|latent|"
    r"loop|cycle|stream|hyper|hc_|sparse|memor|depth|ple_|ngram|index|swa_|linear_"
)
# Words of keys about widths, counts and parts: of a type that nobody knows they may be its own.
_WIDTHS = re.compile(
    r"state|block|att|window|router|mlp|ffn|gat(e|ing)|group|linear|top_?k|index|head|dim|width|size|hidden|embed|bias|"
    r"norm|^num_|^n_|tokens_per"
)
# Keys that matter only where a switch of the file is on.
_SWITCHES: dict[str, tuple[str, ...]] = {
    "use_cla": ("cla_share_factor",),
    "use_mtp": ("num_mtp_modules",),
    "hidden_size_per_layer_input": ("vocab_size_per_layer_input",),
}


def _empty(value: Any) -> bool:
    return value is None or value is False or value == 0 or value in ("", [], {})


def _left(c: Config) -> list[str]:
    """Keys that say something and that neither a reader nor the tables account for; those of opened objects first."""
    off = {key for switch, keys in _SWITCHES.items() if switch in c.data and not c.data[switch] for key in keys}
    known = c.seen | IGNORED.keys() | NOTED.keys() | ASSUMED.keys() | off
    inner = [key for opened in c.inner.values() for key in _left(opened)]
    return inner + [
        key
        for key, value in c.data.items()
        if key not in known and not _empty(value) and not key.startswith("_") and not key.endswith(IGNORED_ENDINGS)
    ]


def _strange(key: str, value: Any, *, known: bool) -> bool:
    if isinstance(value, list) or _KINDS.search(key.lower()):
        return True
    if isinstance(value, dict) and any(isinstance(v, list) or _KINDS.search(str(k).lower()) for k, v in value.items()):
        return True
    return not known and (isinstance(value, dict) or _WIDTHS.search(key.lower()) is not None)


def unread(c: Config, *, known: bool = False) -> list[str]:
    """Unread keys that may change the shape: of a known type its reader is held against its class, so that only lists
    and keys about kinds of layers, experts, sharing and caches can; of an unknown one all that sounds like a width."""
    return [key for key in _left(c) if _strange(key, _value(c, key), known=known)]


def _value(c: Config, key: str) -> Any:
    """What stands under a key, in the file or in an object that somebody opened."""
    return next((place.data[key] for place in (c, *c.inner.values()) if key in place.data), None)


def _assumed(c: Config, kind: str) -> None:
    """Refuse a file that says other than what every reader assumes."""
    for key, value in ASSUMED.items():
        for place in (c, *c.inner.values()):
            if key not in place.seen and place.data.get(key) not in (None, value):
                stated = str(place.data[key])[:40]
                raise c.fail(f"{key}: {stated!r}, but {kind!r} is read as if it were {value!r}: not modelled")


def check(c: Config, kind: str, *, known: bool) -> None:
    """Refuse a file that says what nobody reads; InputError names the key, its value and how to mend."""
    _assumed(c, kind)
    left = unread(c, known=known)
    if not left:
        return
    key = left[0]
    others = f" (also {', '.join(left[1:4])})" if len(left) > 1 else ""
    unknown = "" if known else f"model_type {kind!r} is not known, and "
    raise c.fail(
        f"{unknown}{key}: {str(_value(c, key))[:60]!r} may change its shape and is not understood{others}; "
        f"take the key out if it does not, or give the dimensions as a model of an overlay (--catalog DIR)"
    )


def notes(c: Config) -> list[str]:
    """What the file has beside the language model, left out and said."""
    found = {NOTED[key] for key, value in c.data.items() if key in NOTED and not _empty(value)}
    return sorted(found)


def passed_over(c: Config) -> list[str]:
    """A note of the keys about widths and parts that a known type's reader did not need."""
    left = [key for key in _left(c) if isinstance(_value(c, key), dict) or _WIDTHS.search(key.lower())]
    more = f" and {len(left) - 6} more" if len(left) > 6 else ""
    return [f"keys that no reader of this type uses: {', '.join(left[:6])}{more}"] if left else []
