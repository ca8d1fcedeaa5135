"""Names as people type them, and what they mean: an id or an alias, exactly, or nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from hwmodel.errors import UnknownNameError

SHOWN = 10  # names that a refusal lists


def fold(name: str) -> str:
    """The form in which names are compared: lower case; `-`, `_` and space are one, and count only between digits.

    `Llama 3.1_8B`, `llama-3.1-8b` and `LLaMA3.1-8B` are one name; `llama-2-7b` and `llama-27b` are two.
    """
    folded = ""
    for word in re.split(r"[-_\s]+", name.strip().lower()):
        folded += "-" + word if folded[-1:].isdigit() and word[:1].isdigit() else word
    return folded


def plain(name: str) -> str:
    """Lower case, `-` for `_` and space: the form of names that may differ by a `-` alone (`us-east1`, `us-east-1`)."""
    return "-".join(re.split(r"[-_\s]+", name.strip().lower()))


def resolve(kind: str, given: str, names: Mapping[str, str], where: str = "") -> str:
    """The id that `given` is, or is an alias of. `names` maps folded ids and aliases to ids.

    Raises InputError with the members of a family that `given` may mean, else with the nearest names.
    """
    found = names.get(fold(given))
    if found is None:
        raise not_exact(kind, given, names, where, fold(given))
    return found


def not_exact(
    kind: str, given: str, names: Mapping[str, str], where: str, key: str, hint: str = "",
    titles: Mapping[str, str] | None = None,
) -> UnknownNameError:  # fmt: skip
    """The refusal of a name that is no id or alias: what it may mean, or what is spelled most like it.

    `key` is the name in the form of those in `names`; `hint` says what may be named where nothing is near, `titles`
    what ids mean where they do not say it themselves.
    """
    place = f" in {where}" if where else ""

    def shown(name: str) -> str:
        """An id, with what it means where it does not say so."""
        return f"{titles[name]} ({name})" if titles and name in titles else name

    family = members(key, names)
    if len(family) > 1:
        listed = ", ".join(map(shown, family[:SHOWN])) + (", ..." if len(family) > SHOWN else "")
        return UnknownNameError(f"{kind} {given!r}{place} could be {listed}; name one of them")
    near = list(dict.fromkeys([*family, *nearest(key, names, 3, CUTOFF if titles is None else CLOSE)]))[:4]
    what = f"nearest: {', '.join(map(shown, near))}" if near else hint or f"known: {_some(names.values())}"
    return UnknownNameError(f"unknown {kind} {given!r}{place}; {what}")


def _some(ids: Iterable[str]) -> str:
    known = sorted(set(ids))
    return ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")


def members(key: str, names: Mapping[str, str]) -> list[str]:
    """Ids with a name that `key` begins, or that has it as one of its words."""
    if len(key) < 2:
        return []
    begun = {i for n, i in names.items() if n.startswith(key)}
    return sorted(begun or {i for i in names.values() if key in i.lower().split("-")})


WHOLE = 4  # letters from which a name inside another is more than chance
CUTOFF, CLOSE = 0.5, 0.75  # likeness from which a name is near: among few names, among hundreds of places


def nearest(key: str, names: Mapping[str, str], count: int = 3, cutoff: float = CUTOFF) -> list[str]:
    """Ids whose names are spelled most like `key`, or stand whole in it; the longest of those (`kimi-k2` of
    `kimi-k2-instruct`) before the others."""
    close = difflib.get_close_matches(key, names, n=count, cutoff=cutoff)
    inside = sorted((n for n in names if len(n) >= 3 and n in key), key=len, reverse=True)[:count]
    whole = [n for n in inside[:1] if len(n) >= WHOLE]
    return list(dict.fromkeys(names[n] for n in (*whole, *close, *inside)))[:count]


def read_as(given: str | None, record_id: str, title: str = "") -> list[str]:
    """The line that says what a name was taken for; none where the name is the id itself."""
    if not given or given.strip().lower() == record_id.lower():
        return []
    named = f"{title} ({record_id})" if title and title.lower() != record_id.lower() else record_id
    return [f"{given.strip()} read as {named}"]
