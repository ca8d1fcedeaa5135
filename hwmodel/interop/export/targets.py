"""The targets of `export`: their writers, and the folder that takes the files whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import msgspec

from hwmodel.errors import InputError, unknown
from hwmodel.interop.export.answer import training_launch
from hwmodel.interop.export.launch import Serving, Training, Written
from hwmodel.plain import JsonValue
from hwmodel.solve.saved import SavedEngine, SavedFleet, SavedRun, SavedService, saved


class LaunchTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A target: the module that writes it and what it launches. A `wrapper` starts the file of another target."""

    module: str
    training: bool = False
    serving: bool = False
    wrapper: bool = False


TARGETS: dict[str, LaunchTarget] = {
    "megatron": LaunchTarget(module="megatron", training=True),
    "megatron-bridge": LaunchTarget(module="megatron_bridge", training=True),
    "torchtitan": LaunchTarget(module="torchtitan", training=True),
    "maxtext": LaunchTarget(module="maxtext", training=True),
    "deepspeed": LaunchTarget(module="deepspeed", training=True),
    "accelerate": LaunchTarget(module="accelerate", training=True),
    "vllm": LaunchTarget(module="vllm", serving=True),
    "sglang": LaunchTarget(module="sglang", serving=True),
    "trtllm": LaunchTarget(module="trtllm", serving=True),
    "k8s": LaunchTarget(module="k8s", serving=True, wrapper=True),
    "slurm": LaunchTarget(module="slurm", training=True, wrapper=True),
    "skypilot": LaunchTarget(module="skypilot", training=True, wrapper=True),
}
GENERIC = "generic"  # an engine's usual behaviour, which is no program
FIRST = {"training": "megatron", "serving": "vllm"}  # what a wrapper starts where no other target is named


def names_asked(text: str) -> tuple[str, ...]:
    """Targets of `megatron,slurm`. InputError for an unknown one, with the nearest."""
    asked = tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    for name in asked:
        if name not in TARGETS:
            raise unknown("target", name, TARGETS, "--to")
    if not asked:
        raise InputError(f"--to names no target; choose from {', '.join(TARGETS)}")
    return asked


def launch_files(data: Mapping[str, JsonValue], asked: tuple[str, ...], where: str) -> Written:
    """The files of an answer's JSON for all targets asked; the start is that of the last one."""
    answer = saved(data, where)
    kind = "serving" if isinstance(answer, (SavedEngine, SavedFleet)) else "training"
    for name in asked:
        if not getattr(TARGETS[name], kind):
            fitting = [n for n, t in TARGETS.items() if getattr(t, kind)]
            raise InputError(
                f"{name} launches no {kind}, and {where} is an answer of it; choose from {', '.join(fitting)}"
            )
    launch = _launch(answer, where)
    written = Written(files={}, start="")
    for name in sorted(asked, key=lambda n: TARGETS[n].wrapper):
        if TARGETS[name].wrapper and not written.files:
            written = _merged(written, _write(_started(launch, kind), launch, written))
        written = _merged(written, _write(name, launch, written))
    return written


def _launch(answer: SavedRun | SavedService, where: str) -> Training | Serving:
    if isinstance(answer, (SavedEngine, SavedFleet)):
        launch: Serving = import_module("hwmodel.interop.export.serving_answer").serving_launch(answer)
        return launch
    training = training_launch(answer, where)
    assert training.accumulation  # refuses a batch that no trainer would accept
    return training


def _started(launch: Training | Serving, kind: str) -> str:
    """What a wrapper starts where no other target is named. InputError for an engine that no target writes for."""
    if not isinstance(launch, Serving) or launch.engine == GENERIC:
        return FIRST[kind]
    if launch.engine not in TARGETS:
        engines = [name for name, target in TARGETS.items() if target.serving and not target.wrapper]
        raise InputError(
            f"no target writes for the engine {launch.engine} of this answer; name what is started instead, like "
            f"--to {engines[0]},k8s ({', '.join(engines)})"
        )
    return launch.engine


def _write(name: str, launch: Training | Serving, so_far: Written) -> Written:
    """The files of one target; a wrapper is told what it starts."""
    target = TARGETS[name]
    writer: Callable[..., Written] = import_module(f"hwmodel.interop.export.{target.module}").write
    return writer(launch, so_far) if target.wrapper else writer(launch)


def _merged(one: Written, other: Written) -> Written:
    return Written(files=one.files | other.files, start=other.start, unexpressed=(*one.unexpressed, *other.unexpressed))


def check_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Raise InputError before anything is written for a folder that holds other files, or that is none."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is a file; name a folder")
    if not folder.is_dir():
        return
    others = sorted(p.name for p in folder.iterdir() if p.name not in {name.split("/")[0] for name in files})
    if others:
        raise InputError(f"--out {folder}: holds other files ({', '.join(others[:3])}); name a new or an empty folder")
