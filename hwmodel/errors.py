"""The errors that reach a user, on one screen.

HwModelError                 exit 1   something went wrong inside
├── InputError               exit 2   the question cannot be read: what, where, nearest valid choice, how to mend it
│   └── UnknownNameError     exit 2   a name that no catalog or table has
├── InfeasibleError          exit 3   the question has no answer: the binding constraint, the smallest change that helps
└── CatalogError             exit 4   a catalog record is invalid: file, place, why
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HwModelError(Exception):
    """Base of all errors with a message fit for a user."""

    exit_code = 1


class InputError(HwModelError):
    """The input cannot be read or contradicts itself."""

    exit_code = 2


class UnknownNameError(InputError):
    """A name that no catalog or table has."""


class InfeasibleError(HwModelError):
    """No plan satisfies the question; the message names the binding constraint and what would help."""

    exit_code = 3

    def __init__(self, message: str, *, binding: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.binding = binding
        self.remedy = remedy


class CatalogError(HwModelError):
    """A catalog or overlay record is invalid."""

    exit_code = 4


def unknown(kind: str, given: str, known: Iterable[str], where: str = "") -> UnknownNameError:
    """An UnknownNameError for a name that is not in a catalog, with the nearest names that are."""
    names = sorted(set(known))
    lowered = {name.lower(): name for name in names}
    near = [lowered[n] for n in difflib.get_close_matches(given.lower(), lowered, n=3, cutoff=0.5)]
    place = f" in {where}" if where else ""
    some = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    hint = f"nearest: {', '.join(near)}" if near else f"known: {some}"
    return UnknownNameError(f"unknown {kind} {given!r}{place}; {hint}")
