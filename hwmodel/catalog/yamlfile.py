"""Reading YAML that a stranger wrote: bounded size and depth, no tags, no aliases, no key twice, lines in errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwmodel.catalog.reading import text_of
from hwmodel.errors import CatalogError
from hwmodel.plain import JsonValue

MAX_BYTES = 4_000_000
MAX_DEPTH = 24


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The text of a catalog file; CatalogError when it is missing, too large or not UTF-8."""
    return text_of(path, most=max_bytes, fault=CatalogError)


def _loader() -> Any:
    """The C loader where there is one."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _guard(text: str, path: Path) -> None:
    """Walk the events once: refuse what the safe loader would accept but a catalog has no use for."""
    import yaml

    stack: list[tuple[set[str] | None, bool]] = []  # keys seen (None: a sequence), and whether a key comes next

    def child(line: int, scalar: str | None) -> None:
        """Take the next key or value of a mapping; `scalar` is None for what is no plain text."""
        keys, key_next = stack[-1] if stack else (None, False)
        if keys is None:
            return
        if key_next:
            if scalar is None:
                raise CatalogError(f"{path}:{line}: a mapping key is not plain text")
            if scalar in keys:
                raise CatalogError(f"{path}:{line}: key {scalar!r} stands twice")
            keys.add(scalar)
        stack[-1] = (keys, not key_next)

    events: Any = yaml.parse(text, Loader=_loader())
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise CatalogError(f"{path}:{line}: anchors and aliases (& and *) are not read; write the value out")
        if getattr(event, "tag", None):
            raise CatalogError(f"{path}:{line}: YAML tag {event.tag!r} is not read")
        if isinstance(event, yaml.ScalarEvent):
            child(line, event.value)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            child(line, None)
            stack.append((set(), True) if isinstance(event, yaml.MappingStartEvent) else (None, False))
            if len(stack) > MAX_DEPTH:
                raise CatalogError(f"{path}:{line}: nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            stack.pop()


def parse_yaml(text: str, path: Path) -> JsonValue:
    """The data of a YAML text; CatalogError with file and line for anything else."""
    import yaml

    try:
        _guard(text, path)
        data: JsonValue = yaml.load(text, Loader=_loader())
        return data
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise CatalogError(f"{place}: not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise CatalogError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except (RecursionError, ValueError) as error:
        raise CatalogError(f"{path}: not YAML that can be read: {error}") from error


def line_of(path: Path, keys: Sequence[str | int]) -> int | None:
    """The line of the node at `keys` (read again only when an error must say where it is); None in a pipe."""
    import yaml

    if not path.is_file():
        return None
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_loader())
    except (OSError, yaml.YAMLError, RecursionError):
        return None
    line = None
    for key in keys:
        line = node.start_mark.line + 1 if node is not None else line
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(key)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line
