"""Overlays in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Overlay = Callable[..., Path]


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    """Write files of an overlay: `overlay(accelerators="- id: ...", sources="...")` returns its folder."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / ("sources.yaml" if name == "sources" else f"{name.replace('__', '/')}/own.yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write
