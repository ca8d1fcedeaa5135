"""How a fit is written: its figures to five digits, as YAML below a line that says what wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hwmodel.catalog.writing import write_whole


def write_document(path: Path, header: str, plain: dict[str, Any]) -> dict[str, Any]:
    """Write the plain content of a fit, and give it as written. Raises InputError where the file cannot be written."""
    written: dict[str, Any] = _rounded(plain)
    write_whole(path, f"# {header}\n" + yaml.safe_dump(written, sort_keys=False, width=110))
    return written


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
