"""The form of a JSON document: which kinds of value and which keys stand at each of its places."""

from __future__ import annotations

from collections import defaultdict

KINDS: dict[type, str] = {
    bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "record", type(None): "null",
}  # fmt: skip


class Form:
    """The forms of several documents of one verb, laid over each other."""

    def __init__(self) -> None:
        self.kinds: dict[str, set[str]] = defaultdict(set)
        self.keys: dict[str, set[frozenset[str]]] = defaultdict(set)

    def add(self, document: object) -> None:
        """One more document. AssertionError for what is no plain JSON type (a tuple, a number of numpy)."""
        self._walk(document, "")

    def _walk(self, value: object, place: str) -> None:
        assert type(value) in KINDS, f"{place} holds a {type(value)}"
        self.kinds[place].add(KINDS[type(value)])
        if isinstance(value, dict):
            assert all(type(key) is str for key in value), f"{place} has keys that are no words: {list(value)[:3]}"
            self.keys[place].add(frozenset(value))
            for key, each in value.items():
                self._walk(each, f"{place}.{key}" if place else key)
        if isinstance(value, list):
            for each in value:
                self._walk(each, f"{place}[]")

    def mixed(self) -> dict[str, set[str]]:
        """Places that hold values of two kinds; null stands beside any."""
        return {place: kinds for place, kinds in self.kinds.items() if len(kinds - {"null"}) > 1}

    def loose(self) -> dict[str, set[str]]:
        """Keys that stand in some of the records of a place and not in others, by place."""
        found = {place: frozenset.union(*sets) - frozenset.intersection(*sets) for place, sets in self.keys.items()}
        return {place: set(keys) for place, keys in found.items() if keys}
