"""Puts the catalogs into the wheel: what may be passed on, with its parsed form beside it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KEPT_OUT = ("compiled", "__pycache__")


class CatalogHook(BuildHookInterface):  # type: ignore[type-arg]
    """Stages `catalogs/` and compiles it; refuses tables whose source may not be passed on."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        self.stage = Path(tempfile.mkdtemp(prefix="hwmodel-catalogs-"))
        staged = self.stage / "catalogs"
        shutil.copytree(root / "catalogs", staged, ignore=shutil.ignore_patterns(*KEPT_OUT))
        sys.path.insert(0, str(root))
        try:
            from hwmodel.catalog.ship import compile_into

            compile_into(staged)
        finally:
            sys.path.remove(str(root))
        build_data["force_include"][str(staged)] = "hwmodel/catalogs"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            shutil.rmtree(self.stage, ignore_errors=True)
