"""What the names of a constraint stand for, and the constraint with its times and texts as the columns have them: `45d`
beside a column of days is 45, `'B200'` beside the part is its id."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hwmodel.errors import unknown
from hwmodel.solve.sweep.answers import ALWAYS, STATUSES, known_columns
from hwmodel.solve.sweep.grammar import WORDS, Node, unreadable

if TYPE_CHECKING:
    from hwmodel.catalog import Catalog

SECONDS = {"s": 1.0, "h": 3600.0, "day": 86400.0}  # of the units of columns of time


class KnownName(msgspec.Struct, frozen=True, kw_only=True):
    """A name: of a column of texts or of numbers. A text beside it is one of `values`, or what `read` makes of it."""

    text: bool = False
    unit: str = ""
    values: tuple[str, ...] = ()  # none where they are not known beforehand
    read: Callable[[str], str] | None = None


Known = Mapping[str, KnownName]


class ConstraintMeaning:
    """A constraint against the names that it may ask for."""

    def __init__(self, text: str, known: Known) -> None:
        self.text, self.known = text, known

    def of(self, node: Node) -> Node:
        """A condition with its times and texts as the columns have them. InputError for what does not compare."""
        if node.kind in WORDS:
            return msgspec.structs.replace(node, parts=tuple(map(self.of, node.parts)))
        words = [self._is_text(part) for part in node.parts]
        if all(words):
            if node.kind not in ("==", "!=", "in"):
                raise unreadable(self.text, f"texts are alike or not: == or != instead of {node.kind}")
            return self._beside(node, self._spelled)
        if any(words):
            raise unreadable(self.text, self._unlike(node))
        return self._beside(node, self._counted)

    def _beside(self, node: Node, how: Callable[[Node, Collection[Node]], Node]) -> Node:
        """A comparison, each side read by what stands beside it."""
        return msgspec.structs.replace(node, parts=tuple(how(part, node.parts) for part in node.parts))

    def _is_text(self, node: Node) -> bool:
        """Whether a value is a text. InputError for arithmetic with texts."""
        if node.kind == "name":
            return self.known[node.value].text
        if any(map(self._is_text, node.parts)):
            raise unreadable(self.text, "texts and numbers do not compare: arithmetic takes numbers alone")
        return node.kind == "text"

    def _unlike(self, node: Node) -> str:
        """What to write instead of a text beside a number."""
        name = next((part.value for part in node.parts if part.kind == "name" and self._is_text(part)), None)
        if name is None:
            return "texts and numbers do not compare"
        values = self.known[name].values
        like = f"{name} == '{values[0]}'" if values else f"{name} == '...'"
        return f"texts and numbers do not compare: {name} is a text, like {like}"

    def _spelled(self, node: Node, beside: Collection[Node]) -> Node:
        """A text as the column beside it spells it. InputError for one that it never has."""
        if node.kind != "text":
            return node
        for name in (part.value for part in beside if part.kind == "name"):
            one = self.known[name]
            if one.values and node.value not in one.values:
                raise unknown(f"value of {name}", node.value, one.values, f"where {self.text!r}")
            if one.read is not None:
                return Node("text", one.read(node.value))
        return node

    def _counted(self, node: Node, beside: Collection[Node]) -> Node:
        """A time in the unit of the column beside it. InputError where none is beside it, or another unit."""
        if node.kind != "time":
            if any(part.kind == "time" for part in _inside(node)):
                raise unreadable(self.text, "a time stands alone beside a column of time, like elapsed_days < 60d")
            return node
        units = {self.known[part.value].unit if part.kind == "name" else "" for part in beside if part.kind != "time"}
        if len(units) != 1 or not units & SECONDS.keys():
            raise unreadable(self.text, "a time stands alone beside a column of time, like elapsed_days < 60d")
        return Node("number", node.value / SECONDS[units.pop()])


def _inside(node: Node) -> list[Node]:
    return [one for part in node.parts for one in (part, *_inside(part))]


def names_of(ask: str, axes: Known, catalogs: tuple[Path, ...] | None) -> dict[str, KnownName]:
    """Every name that rows of a kind of question may have: what is always there, every answer, and the axes.

    `catalogs`: the folders in which names of parts are looked up; None where they differ between points.
    """
    known: dict[str, KnownName] = dict.fromkeys(ALWAYS[1:], KnownName(text=True))
    known |= {ALWAYS[0]: KnownName(), "status": KnownName(text=True, values=STATUSES)}
    read = {} if catalogs is None else _readings(catalogs)
    for name, column in known_columns(ask).items():
        known[name] = KnownName(text=column.kind == "text", unit=column.unit, read=read.get(name))
    return {**known, **axes}


def _readings(catalogs: tuple[Path, ...]) -> dict[str, Callable[[str], str]]:
    """What makes the id that a column holds out of a name that somebody types."""

    @cache
    def catalog() -> Catalog:
        from hwmodel.catalog import load_catalog

        return load_catalog(catalogs)

    return {
        **dict.fromkeys(("accelerator", "part", "prefill_part"), lambda text: catalog().part(text).id),
        "system": lambda text: catalog().system(text).id,
        "precision": lambda text: catalog().serving_precision(text).id,
    }
