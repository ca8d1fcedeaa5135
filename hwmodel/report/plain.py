"""Results as JSON text."""

from __future__ import annotations

import json
import math


def json_text(data: object, *, sort_keys: bool = False) -> str:
    """Indented JSON with null for what is not finite."""
    return json.dumps(finite(data), indent=2, ensure_ascii=False, sort_keys=sort_keys)


def finite(data: object) -> object:
    """Plain data with None for what is not finite."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    return data
