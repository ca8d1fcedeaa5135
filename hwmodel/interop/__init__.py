"""Other tools' files: Hugging Face configurations in, tables of runs in. Names are imported when first used.

Here belong their names, fields and dialects. No physics, no search and no words of reports: what is read becomes a
question, and an answer becomes a file.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwmodel.interop.huggingface import Imported, read_config

_HOMES = {"Imported": "huggingface", "read_config": "huggingface"}

__all__ = [
    "Imported",
    "fit_runs",
    "frames",
    "job_logs",
    "loss_runs",
    "model_check",
    "model_files",
    "price_ledgers",
    "read_config",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hwmodel.interop' has no attribute {name!r}")
    return getattr(import_module(f"hwmodel.interop.{_HOMES[name]}"), name)
