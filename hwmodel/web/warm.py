"""Makes a process ready to answer: what every question loads is loaded by asking one of each kind."""

from __future__ import annotations

from hwmodel.errors import HwModelError
from hwmodel.web.answers import solve
from hwmodel.web.fields import VERBS

_done: list[bool] = []


def up() -> None:
    """Ask each verb its first question, once in a process and those forked from it."""
    if _done:
        return
    for verb in VERBS.values():
        try:
            solve(verb.name, verb.start)
        except HwModelError:
            continue  # a catalog of the user's own may refuse it; the question will say why when it is asked
    _done.append(True)
