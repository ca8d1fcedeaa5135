"""How a fit is written: a record as YAML below a comment that says what wrote it, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec
import yaml

from hwmodel.catalog.writing import write_whole
from hwmodel.version import __version__

Content = TypeVar("Content", bound=msgspec.Struct)


def write_document(
    path: Path, header: str, content: Content, *, digits: int | None = None, width: int = 120, compact: bool = False
) -> Content:
    """Write the content of a fit below `header` (its comment, line ends included), numbers to so many significant
    digits where they are told, and give it as written. `compact`: in the order of the alphabet, small tables on one
    line. Raises InputError where the file cannot be written."""
    written = plain(content, digits)
    path.parent.mkdir(parents=True, exist_ok=True)
    flow = None if compact else False
    text = yaml.safe_dump(written, sort_keys=compact, default_flow_style=flow, width=width, allow_unicode=True)
    write_whole(path, header + text)
    return msgspec.convert(written, type(content))


def plain(value: object, digits: int | None = None) -> object:
    """Records, sets (in order) and sequences as YAML and JSON have them, floats to so many significant digits; a record
    of optional fields leaves out those that it does not hold."""
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        fields = {name: getattr(value, field) for field, name in names}
        optional = value.__struct_config__.omit_defaults
        return {name: plain(item, digits) for name, item in fields.items() if not (optional and item is None)}
    if isinstance(value, dict):
        return {key: plain(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, digits) for item in value]
    if isinstance(value, (set, frozenset)):
        return [plain(item, digits) for item in sorted(value)]
    return float(f"{value:.{digits}g}") if digits is not None and isinstance(value, float) else value


Constant: TypeAlias = float | str | dict[str, float | dict[str, float]]  # a number, a word, or a record of numbers


class LeftOut(msgspec.Struct, kw_only=True):
    """Constants fitted on rows of several sources, beside the log error of each row by a fit without its source."""

    code_version: str = __version__
    fitted_on: str
    constants: dict[str, Constant]
    left_out_log_errors: dict[str, float]


def write_left_out(path: Path, header: str, constants: msgspec.Struct, errors: dict[str, float]) -> None:
    """Write a record of constants, which says in `fitted_on` what it was fitted on, with the errors of each row."""
    fields = msgspec.structs.asdict(constants)
    fitted_on = str(fields.pop("fitted_on"))
    rounded = {name: round(error, 3) for name, error in errors.items()}
    write_document(path, header, LeftOut(fitted_on=fitted_on, constants=fields, left_out_log_errors=rounded))
