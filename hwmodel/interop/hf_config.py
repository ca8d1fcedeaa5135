"""A config.json that a stranger wrote: bounded size, checked numbers, keys that differ by family."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hwmodel.errors import InputError

MAX_BYTES = 2_000_000
MAX_DEPTH = 40
MAX_LAYERS = 2_000
MAX_WIDTH = 10_000_000


def config_path(path: Path) -> Path:
    """The file itself, or config.json in the folder."""
    place = path / "config.json" if path.is_dir() else path
    if not place.is_file():
        raise InputError(f"{place}: no such file; name a Hugging Face config.json or a folder that holds one")
    return place


def _depth(text: str) -> int:
    """Deepest nesting of brackets outside strings."""
    depth = deepest = 0
    quoted = escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = char == "\\", char != '"'
        elif char == '"':
            quoted = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def load_json(path: Path) -> dict[str, Any]:
    """The mapping in a config.json. `Infinity` is read (some files hold it); InputError for everything else."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path}: {size} bytes; a config.json has at most {MAX_BYTES}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error
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
    """Typed access to the keys of one (possibly nested) config. Every refusal names the file and the key."""

    def __init__(self, data: dict[str, Any], path: Path) -> None:
        self.data = data
        self.path = path

    def fail(self, message: str) -> InputError:
        return InputError(f"{self.path}: {message}")

    def raw(self, *keys: str) -> Any:
        """The first of the aliases that is present and not null."""
        return next((self.data[k] for k in keys if self.data.get(k) is not None), None)

    def _key(self, keys: Iterable[str]) -> str:
        return next((k for k in keys if self.data.get(k) is not None), next(iter(keys)))

    def check(self, value: Any, key: str, low: float = 1, high: float = MAX_WIDTH) -> int:
        """A whole number within bounds."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(f"{key}: expected a number, got {str(value)[:40]!r}")
        if not math.isfinite(value) or value != int(value):
            raise self.fail(f"{key}: {value} is not a whole number")
        if not low <= value <= high:
            raise self.fail(f"{key}: {value} lies outside {low:g} to {high:g}")
        return int(value)

    def number(self, *keys: str, default: int | None = None, low: float = 1, high: float = MAX_WIDTH) -> int:
        """A whole number under the first alias present; without a default it must be there."""
        value = self.raw(*keys)
        if value is None:
            if default is None:
                raise self.fail(f"no {' or '.join(keys)}: not a decoder's config.json, or a truncated one")
            return default
        return self.check(value, self._key(keys), low, high)

    def count(self, *keys: str, default: int = 0) -> int:
        """A whole number that may be zero or absent."""
        return self.number(*keys, default=default, low=0)

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.fail(f"{key}: expected true or false, got {str(value)[:40]!r}")
        return value

    def layers(self) -> int:
        return self.number("num_hidden_layers", "n_layer", "n_layers", high=MAX_LAYERS)

    def per_layer(self, key: str, layers: int) -> list[Any] | None:
        """A list with an entry for every layer; entries beyond (prediction layers) are left out."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not layers <= len(value) <= layers + 8:
            got = len(value) if isinstance(value, list) else type(value).__name__
            raise self.fail(f"{key}: expected a list of {layers} entries, got {got}")
        return value[:layers]
