"""What a config.json says and nobody read: refused by name where it may change the model's shape.

A key counts as read when any reader asked for it. What is off (null, false, zero, empty) cannot change anything; the
keys of `hf_ignored` change no dimension and say why.
"""

from __future__ import annotations

import re
from typing import Any

from hwmodel.interop.hf_config import Config
from hwmodel.interop.hf_ignored import ASSUMED, IGNORED, IGNORED_ENDINGS, NOTED

# Words of keys about kinds of layers, intervals, experts, sharing, caches, per-layer inputs, mixers and widths.
_STRUCTURE = re.compile(
    r"layer|interval|freq|period|pattern|every|expert|moe|shar|cache|kv|mixer|ssm|mamba|conv|recurr|state|rank|lora|"
    r"latent|loop|cycle|stream|hyper|hc_|block|att|window|router|mlp|ffn|gat(e|ing)|group|linear|memor|depth|top_?k|"
    r"index|sparse|head|dim|width|size|hidden|embed|bias|norm|^num_|^n_|ple_|ngram|tokens_per"
)


def _empty(value: Any) -> bool:
    return value is None or value is False or value == 0 or value in ("", [], {})


def unread(c: Config) -> list[str]:
    """Keys that say something and that neither a reader nor the table of ignored keys accounts for."""
    inner = [key for opened in c.inner.values() for key in unread(opened)]
    return inner + [
        key
        for key, value in c.data.items()
        if key not in c.seen and key not in IGNORED and key not in NOTED and key not in ASSUMED and not _empty(value)
        and not key.startswith("_") and not key.endswith(IGNORED_ENDINGS)
        and (isinstance(value, (list, dict)) or _STRUCTURE.search(key.lower()))
    ]  # fmt: skip


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
    left = unread(c)
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
