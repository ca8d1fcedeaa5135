"""What a reader makes of a launch file: the options of a question, and what it passed over."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import cast

import msgspec

from hwmodel.catalog.yamlfile import parse_yaml
from hwmodel.errors import CatalogError, InputError, unknown
from hwmodel.interop.tools.names import ToolNames
from hwmodel.interop.tools.settings import OPTION, SETTINGS
from hwmodel.plain import JsonObject
from hwmodel.solve.question.options import TrainOptions
from hwmodel.specs import Shape

_FACT = re.compile(r"^\s*(?:#|//)\s*hwmodel: (\w+) = (.*?)(?:  \(.*\))?$", re.M)


# What stands for a precision where a file switches no format on, or leaves it to another file's arguments.
FP32, LEFT_OPEN = "fp32", "auto"


class FileOptions(TrainOptions, total=False):
    """What a launch file says of its run, as options of `train`, and two counts that become some.

    `accelerators` are those that its launcher starts; `batch_per_replica` the sequences of a step on each
    data-parallel replica. What the file does not say is not there.
    """

    accelerators: int
    batch_per_replica: int


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A launch file as a question.

    `shape` is the model where the file describes one.
    `passed_over` names settings that change nothing predicted; `notes` say what was read otherwise than it stands.
    """

    tool: str
    path: Path
    options: FileOptions
    shape: Shape | None = None
    sequence_parallel: bool = True
    steps: int | None = None
    passed_over: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def facts(text: str) -> dict[str, str]:
    """Lines `# hwmodel: name = value` of a file that hwmodel wrote: what the tool itself has no setting for.

    InputError for a name that no such line holds.
    """
    said: dict[str, str] = dict(_FACT.findall(text))
    for name in said:
        if OPTION.get(name, name) not in NOTED and name not in NOT_OPTIONS:
            if name in SETTINGS:
                raise InputError(f"# hwmodel: {name}: follows from the accelerators and tp x cp x pp; remove the line")
            raise unknown("fact", name, (*NOTED, *NOT_OPTIONS), "# hwmodel:")
    return said


def sort_names(found: Iterable[str], read: Container[str], names: ToolNames, path: Path) -> tuple[list[str], list[str]]:
    """Names that change nothing, and notes on those that bear a little on what is predicted and are not.

    InputError for a name that nobody knows: it may change everything.
    """
    passed, notes = [], []
    for name in found:
        if name in read:
            continue
        if name in names.noted:
            notes.append(f"{name}: {names.noted[name]}; not predicted")
        elif names.ignores(name):
            passed.append(name)
        else:
            raise unfit(name, names, path)
    return passed, notes


def unfit(name: str, names: ToolNames, path: Path) -> InputError:
    """The refusal of a name that no reader knows, with the nearest that one does."""
    said = str(unknown("setting", name, names.names, str(path)))
    return InputError(f"{said}; remove it if nothing depends on it (names of {names.verified_against})")


# Options that a comment may hold: the hardware, the model's name, and what a tool has no setting for.
NOTED = frozenset(
    ("gpus", "system", "model", "stack", "searched", "nic_gbit_s", "flop_convention", "optimizer", "gradient_dtype",
     "offload", "schedule",
     *(OPTION.get(name, name) for name, one in SETTINGS.items() if name != "sequence_parallel" and not one.derived))
)  # fmt: skip
NOT_OPTIONS = ("catalog", "sequence_parallel")  # what else a comment may hold


def yaml_settings(text: str, path: Path) -> JsonObject:
    """The settings of a YAML file. InputError where it holds none or cannot be read."""
    try:
        data = parse_yaml(text, path)
    except CatalogError as error:
        raise InputError(str(error)) from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: no settings")
    return data


def with_facts(options: FileOptions, said: Mapping[str, str]) -> FileOptions:
    """The options, those that the file could only say in a comment taken from there."""
    noted: dict[str, str | tuple[Path, ...]] = {}
    for name, value in said.items():
        option = OPTION.get(name, name)
        if option in NOTED:
            noted[option] = value
        elif name == "catalog":
            noted["catalogs"] = (Path(value),)
    return options | cast("FileOptions", noted)  # NOTED names options
