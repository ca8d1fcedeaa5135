"""Names as people type them, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

from hwmodel.errors import InputError, unknown

VENDOR_WORDS = ("nvidia-", "amd-", "intel-", "google-", "aws-", "amazon-", "huawei-", "instinct-", "tesla-")


def normalise(name: str) -> str:
    """Lower case, `_` and space as `-`; the form in which ids and aliases are compared."""
    return "-".join(name.strip().lower().replace("_", " ").replace("-", " ").split())


def resolve(kind: str, given: str, names: Mapping[str, str], where: str = "") -> str:
    """The id that `given` means: exact, then without vendor words, then as the only name that starts so.

    Raises InputError naming the nearest known names, or all candidates of an ambiguous beginning.
    """
    key = normalise(given)
    if key in names:
        return names[key]
    bare = key
    for word in VENDOR_WORDS * 2:
        bare = bare.removeprefix(word)
        if bare in names:
            return names[bare]
    starts = sorted({names[n] for n in names if len(bare) >= 3 and n.startswith(bare)})
    if len(starts) == 1:
        return starts[0]
    if starts:
        place = f" in {where}" if where else ""
        raise InputError(f"{kind} {given!r}{place} could be {', '.join(starts[:8])}; name one of them")
    raise unknown(kind, given, names, where)
