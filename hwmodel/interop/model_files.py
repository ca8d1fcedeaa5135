"""A model by a file: a Hugging Face config.json (or its folder), or a launch file with a model in it."""

from __future__ import annotations

from pathlib import Path

from hwmodel.plain import Options


def with_shape(given: Options) -> tuple[dict[str, object], tuple[str, ...]]:
    """The options with `shape` added where `model` names a file or folder, and what is to be said of that file.

    Raises InputError for a file amiss.
    """
    model = given.get("model")
    if not isinstance(model, (str, Path)) or not str(model) or given.get("shape") is not None:
        return dict(given), ()
    path = Path(model)
    if not (str(model).endswith(".json") or path.exists()):
        return dict(given), ()
    if path.is_file() and path.suffix != ".json":
        from hwmodel.interop.launch_in import model_of_file

        return {**given, "shape": model_of_file(path)}, ()
    from hwmodel.interop.huggingface import read_config

    found = read_config(path)
    return {**given, "shape": found.shape}, found.notes
