"""`--model` as a name of the catalog, or as a Hugging Face config.json (a file, or the folder that holds it)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwmodel.cli.output import note


def with_model_file(given: dict[str, Any], *, quiet: bool = False) -> dict[str, Any]:
    """The options with `shape` added where `model` names a file or folder. Raises InputError for a file amiss."""
    model = given.get("model")
    if not model or not (str(model).endswith(".json") or Path(str(model)).exists()):
        return given
    from hwmodel.interop.huggingface import read_config

    found = read_config(Path(str(model)))
    for line in found.notes:
        note(f"note: {model}: {line}", quiet=quiet)
    return {**given, "shape": found.shape}
