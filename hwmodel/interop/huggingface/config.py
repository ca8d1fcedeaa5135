"""A config.json that a stranger wrote: bounded size, checked numbers, keys that differ by family."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path

from hwmodel.catalog.reading import text_of
from hwmodel.errors import InputError
from hwmodel.plain import JsonObject, JsonValue

MAX_BYTES = 32_000_000  # quantised checkpoints list every layer that they leave alone
MAX_DEPTH = 40
MAX_LAYERS = 2_000
MAX_WIDTH = 10_000_000


def config_path(path: Path) -> Path:
    """The file itself, or config.json in the folder."""
    place = path / "config.json" if path.is_dir() else path
    if not place.exists():
        raise InputError(f"{place}: no such file; name a Hugging Face config.json or a folder that holds one")
    return place


def _depth(text: str) -> int:
    """Deepest nesting of brackets outside strings."""
    brackets = re.findall(r"[\[\]{}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.DOTALL))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)


def load_json(path: Path) -> JsonObject:
    """The mapping in a config.json. `Infinity` is read (some files hold it); InputError for everything else."""
    text = text_of(path, most=MAX_BYTES)
    if _depth(text) > MAX_DEPTH:
        raise InputError(f"{path}: nested deeper than {MAX_DEPTH} levels")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON that can be read: {str(error)[:80]}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: not a config.json: expected one object of keys")
    return data


class Config:
    """Typed access to the keys of one (possibly nested) config. Every refusal names the file and the key.

    `seen` collects the keys that anybody asked for, so that the guard can tell which ones nobody read; `inner` the
    objects that somebody opened.
    """

    def __init__(self, data: Mapping[str, JsonValue], path: Path, like: Config | None = None) -> None:
        self.data = data
        self.path = path
        self.seen: set[str] = set() if like is None else like.seen
        self.inner: dict[str, Config] = {} if like is None else like.inner

    def fail(self, message: str) -> InputError:
        return InputError(f"{self.path}: {message}")

    def raw(self, *keys: str) -> JsonValue:
        """The first of the aliases that is present and not null."""
        self.seen.update(keys)
        return next((self.data[k] for k in keys if self.data.get(k) is not None), None)

    def has(self, *keys: str) -> bool:
        """Whether one of the aliases is present and not null."""
        return self.raw(*keys) is not None

    def nested(self, key: str) -> Config | None:
        """The config under a key, or None."""
        found = self.raw(key)
        if not isinstance(found, dict):
            return None
        return self.inner.setdefault(key, Config(found, self.path))

    def changed(self, more: Mapping[str, JsonValue]) -> Config:
        """This config with some keys replaced, for one of its layers."""
        return Config({**self.data, **more}, self.path, self)

    def _key(self, keys: Iterable[str]) -> str:
        return next((k for k in keys if self.data.get(k) is not None), next(iter(keys)))

    def check(self, value: JsonValue, key: str, low: float = 1, high: float = MAX_WIDTH) -> int:
        """A whole number within bounds."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(f"{key}: expected a number, got {str(value)[:40]!r}")
        if isinstance(value, float) and (not math.isfinite(value) or value != int(value)):
            raise self.fail(f"{key}: {str(value)[:40]} is not a whole number")
        if not low <= value <= high:
            raise self.fail(f"{key}: {str(value)[:40]} lies outside {low:g} to {high:g}")
        return int(value)

    def missing(self, *keys: str) -> InputError:
        """The refusal of a file that lacks a key: no decoder's where it has none of a decoder's keys."""
        names = " or ".join(keys)
        if keys[0].endswith(("_type", "_types")):
            return self.fail(f"no {names}: the file does not say what each layer is; add the key")
        if any(
            key.startswith(("num_", "n_", "hidden_", "vocab", "intermediate", "d_model", "head")) for key in self.data
        ):
            return self.fail(f"no {names}: the file does not say how large the model is; add the key")
        return self.fail(f"no {names}: not a decoder's config.json, or a truncated one")

    def number(self, *keys: str, default: int | None = None, low: float = 1, high: float = MAX_WIDTH) -> int:
        """A whole number under the first alias present; without a default it must be there."""
        value = self.raw(*keys)
        if value is None:
            if default is None:
                raise self.missing(*keys)
            return default
        return self.check(value, self._key(keys), low, high)

    def count(self, *keys: str, default: int = 0, high: float = MAX_WIDTH) -> int:
        """A whole number that may be zero or absent."""
        return self.number(*keys, default=default, low=0, high=high)

    def factor(self, key: str, default: float, low: float = 0.0, high: float = 64.0) -> float:
        """A positive factor."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low < value < high:
            raise self.fail(f"{key}: expected a factor, got {str(value)[:40]!r}")
        return float(value)

    def flag(self, *keys: str, default: bool = False) -> bool:
        """The first of the aliases that is present, as true or false."""
        value = self.raw(*keys)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.fail(f"{self._key(keys)}: expected true or false, got {str(value)[:40]!r}")
        return value

    def layers(self) -> int:
        """Number of layers, also where only a list of them says it."""
        listed = self.data.get("layers_block_type")
        default = len(listed) if isinstance(listed, list) and listed else None
        return self.number(
            "num_hidden_layers",
            "n_layer",
            "n_layers",
            "num_layers",
            "num_blocks",
            "num_transformer_layers",
            default=default,
            high=MAX_LAYERS,
        )

    def per_layer(self, key: str, layers: int) -> list[JsonValue] | None:
        """A list with an entry for every layer; entries beyond (prediction layers) are left out."""
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, list) or not layers <= len(value) <= layers + 8:
            got = len(value) if isinstance(value, list) else type(value).__name__
            raise self.fail(f"{key}: expected a list of {layers} entries, got {got}")
        return value[:layers]

    def indices(self, key: str, layers: int, first: int = 0) -> set[int] | None:
        """The layers that a list (or a comma-separated text) names, counted from `first` in the file."""
        value = self.raw(key)
        if isinstance(value, str):
            value = [int(x) for x in value.split(",") if x.strip().isdigit()]
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.fail(f"{key}: expected a list of layers")
        return {self.check(x, key, first, layers + first + 7) - first for x in value}
