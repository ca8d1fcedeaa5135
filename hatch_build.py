"""Puts the catalogs into the wheel (what may be passed on, with its parsed form beside it), and the manual pages."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KEPT_OUT = ("compiled", "__pycache__")


class CatalogHook(BuildHookInterface[Any]):
    """Stages `catalogs/` and compiles it; refuses tables whose source may not be passed on."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the compiled catalogs to a wheel; an editable install reads those of the checkout."""
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
            build_data["shared_data"].update(self._manual())
        finally:
            sys.path.remove(str(root))
        build_data["force_include"][str(staged)] = "hwmodel/catalogs"

    def _manual(self) -> dict[str, str]:
        """Manual pages written from the commands, and where they are installed."""
        from hwmodel.cli.man import pages

        folder = self.stage / "man"
        folder.mkdir()
        for name, text in pages().items():
            (folder / name).write_text(text, encoding="utf-8")
        return {str(path): f"share/man/man1/{path.name}" for path in folder.iterdir()}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            shutil.rmtree(self.stage, ignore_errors=True)
