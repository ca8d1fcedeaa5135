"""A model by a file: a Hugging Face config.json (or its folder), or a launch file with a model in it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hwmodel.specs import Shape


class ModelFile(NamedTuple):
    """The model that a file describes, and what is to be said of how it was read."""

    shape: Shape
    notes: tuple[str, ...]


def model_file(model: object) -> ModelFile | None:
    """The model of the file or folder that an option `model` names; None where it names none.

    Raises InputError for a file amiss.
    """
    if not isinstance(model, (str, Path)) or not str(model):
        return None
    path = Path(model)
    if not (str(model).endswith(".json") or path.exists()):
        return None
    if path.is_file() and path.suffix != ".json":
        from hwmodel.interop.launch_in import model_of_file

        return ModelFile(shape=model_of_file(path), notes=())
    from hwmodel.interop.huggingface import read_config

    found = read_config(path)
    return ModelFile(shape=found.shape, notes=found.notes)
