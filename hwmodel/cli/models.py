"""`--model` as a name of the catalog, a Hugging Face config.json (or its folder), or a launch file with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwmodel.cli.output import note


def with_model_file(given: dict[str, Any], *, quiet: bool = False) -> dict[str, Any]:
    """The options with `shape` added where `model` names a file or folder. Raises InputError for a file amiss."""
    model = given.get("model")
    if not model or given.get("shape") is not None or not (str(model).endswith(".json") or Path(str(model)).exists()):
        return given
    path = Path(str(model))
    if path.is_file() and path.suffix != ".json":
        from hwmodel.interop.launch_in import model_of_file

        return {**given, "shape": model_of_file(path)}
    from hwmodel.interop.huggingface import read_config

    found = read_config(Path(str(model)))
    for line in found.notes:
        note(f"note: {model}: {line}", quiet=quiet)
    return {**given, "shape": found.shape}
