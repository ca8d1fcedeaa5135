"""`--model` as a name of the catalog, a Hugging Face config.json (or its folder), or a launch file with a model."""

from __future__ import annotations

from hwmodel.cli.output import note
from hwmodel.plain import Given


def with_model_file(given: Given, *, quiet: bool = False) -> Given:
    """The options with `shape` added where `model` names a file or folder. Raises InputError for a file amiss."""
    from hwmodel.interop.model_files import with_shape

    asked, notes = with_shape(given)
    for line in notes:
        note(f"note: {given['model']}: {line}", quiet=quiet)
    return asked
