"""How a fit is written: YAML below a comment that says what wrote it, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hwmodel.catalog.writing import write_whole
from hwmodel.plain import Document


def write_document(
    path: Path, header: str, plain: Document, *, digits: int | None = None, width: int = 120
) -> Document:
    """Write the plain content of a fit below `header` (its comment, line ends included), numbers to so many significant
    digits where they are told, and give it as written. Raises InputError where the file cannot be written."""
    written: Document = plain if digits is None else _rounded(plain, digits)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, header + yaml.safe_dump(written, sort_keys=False, width=width, allow_unicode=True))
    return written


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v, digits) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v, digits) for v in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
