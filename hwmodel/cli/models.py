"""`--model` as a name of the catalog, a Hugging Face config.json (or its folder), or a launch file with a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hwmodel.cli.output import note

if TYPE_CHECKING:
    from hwmodel.solve.question.options import CompareOptions, PlanOptions, TrainOptions

Asked = TypeVar("Asked", "PlanOptions", "CompareOptions", "TrainOptions")


def with_model_file(given: Asked, *, quiet: bool = False) -> Asked:
    """The options with `shape` added where `model` names a file or folder. Raises InputError for a file amiss."""
    from hwmodel.interop.model_files import model_file

    found = None if "shape" in given else model_file(given.get("model"))
    if found is None:
        return given
    for line in found.notes:
        note(f"note: {given['model']}: {line}", quiet=quiet)
    return given | {"shape": found.shape}
