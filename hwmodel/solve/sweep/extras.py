"""The packages of the extra `sweep`, imported when first used; a missing one is a line that names it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hwmodel.errors import InputError


def extra(module: str, package: str) -> Any:
    """A module of the extra. Raises InputError where its package is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"sweep needs {package}: pip install 'hwmodel[sweep]'") from error
