"""Launch files of trainers in: command lines and configurations read into a question.

A file of a tool a reader. Nothing is answered here, and what a setting costs is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from hwmodel.catalog.reading import text_of
from hwmodel.errors import InputError
from hwmodel.interop.launch_in import bridge, hf_trainer, maxtext, megatron, torchtitan
from hwmodel.interop.launch_in.record import Read
from hwmodel.specs import Shape

__all__ = ["Read", "model_of_file", "question", "read_launch"]

MAX_BYTES = 4_000_000
SCRIPTS = (".sh", ".sbatch", ".slurm", ".bash", "")


class Reader(msgspec.Struct, frozen=True):
    """A format: the suffixes of its files, whether a text is of it, and how it is read."""

    suffixes: tuple[str, ...]
    reads: Callable[[str], bool]
    read: Callable[[str, Path], Read]


READERS = (
    Reader(SCRIPTS, megatron.reads, megatron.read),
    Reader((".toml",), torchtitan.reads, torchtitan.read_toml),
    Reader((".yml", ".yaml"), maxtext.reads, maxtext.read),
    Reader(SCRIPTS, hf_trainer.reads_script, hf_trainer.read_script_of_trainer),
    Reader((".json",), hf_trainer.reads_deepspeed, hf_trainer.read_deepspeed),
    Reader((".yml", ".yaml"), hf_trainer.reads_accelerate, hf_trainer.read_accelerate),
)


def read_launch(path: Path) -> Read:
    """A launch file as a question; FILE.py:NAME names one configuration of several.

    InputError for a file that is none, or that holds what cannot be predicted.
    """
    path, function = _split(path)
    text = text_of(path, most=MAX_BYTES)
    if path.suffix == ".py" and torchtitan.reads(text):
        return torchtitan.read_python(text, path, function)
    if path.suffix == ".py" and bridge.reads(text):
        return bridge.read(text, path, function)
    for reader in READERS:
        if path.suffix in reader.suffixes and reader.reads(text):
            return reader.read(text, path)
    raise InputError(
        f"{path}: no launch file that hwmodel reads: scripts of Megatron-LM or transformers' trainer, torchtitan TOML, "
        "Python of torchtitan or Megatron-Bridge, YAML of MaxText or Accelerate, DeepSpeed JSON"
    )


def _split(path: Path) -> tuple[Path, str]:
    """The file and the function of FILE.py:NAME."""
    name, colon, function = path.name.rpartition(":")
    if colon and name.endswith(".py") and not path.exists():
        return path.with_name(name), function
    return path, ""


def model_of_file(path: Path) -> Shape:
    """The model of a config.json or of a launch file that describes one. InputError where it describes none."""
    if path.suffix == ".json" or path.is_dir():
        from hwmodel.interop.huggingface import read_config

        return read_config(path).shape
    shape = read_launch(path).shape
    if shape is None:
        raise InputError(f"{path}: does not describe its model; name it with --model")
    return shape
