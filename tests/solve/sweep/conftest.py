"""Folders of sweeps, compared to the byte."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from hwmodel.predict import compiler
from hwmodel.solve.sweep import fronts, tree

COMPILES = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler on this machine")
SMALL: dict[str, Any] = {
    "base": {"precision": "bf16"},
    "axes": {"gpus": ["64xH100", "128xH100", "64xV100"], "params": "1B..40B log 6", "tokens": ["200B", "1T"]},
}


def bytes_of(folder: Path) -> dict[str, str]:
    """Every file of a folder with the digest of its bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of SMALL, swept in this process at one go."""
    import hwmodel as hm

    folder = tmp_path_factory.mktemp("undisturbed") / "sweep"
    hm.sweep(SMALL, folder)
    return bytes_of(folder)


@pytest.fixture(params=["numpy", pytest.param("compiled", marks=COMPILES)])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Fronts found by either text."""
    library = None
    if request.param == "compiled":
        assert tree.readied()
        library = tree.compiled()
    monkeypatch.setattr(fronts, "compiled", lambda: library)
    return str(request.param)
