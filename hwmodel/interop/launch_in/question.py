"""What a launch file says, with what the user says beside it, as the options of a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar, cast

from hwmodel.errors import InputError
from hwmodel.interop.launch_in.record import FP32, LEFT_OPEN, FileOptions, Read
from hwmodel.interop.tools.parts_of_shape import same_shape
from hwmodel.solve.question.options import PlanOptions, TrainOptions
from hwmodel.solve.question.values import whole_of
from hwmodel.specs import Shape
from hwmodel.specs.layout import SCHEDULES
from hwmodel.units import parse_fleet

Asked = TypeVar("Asked", PlanOptions, TrainOptions)


def question(read: Read, given: Asked, models: Sequence[Shape]) -> Asked:
    """Options of `train` or `plan`: those of the file, overridden by those given.

    The model is one of `models` where the shape is its own, else the file itself. InputError where the file and the
    options together do not say on what, or which model, or where the file splits what this version cannot.
    """
    options = read.options.copy()
    options.setdefault("offload", "none")
    options.setdefault("schedule", SCHEDULES[0])
    # Of the settings that the file has, those that a search chose.
    kept = [name for name in options.pop("searched", "").split(",") if name in options]
    if kept:
        options["searched"] = ",".join(kept)
    per_replica = options.pop("batch_per_replica", None)
    fleet = _fleet(read, options.pop("accelerators", None), given.get("gpus"))
    if per_replica is not None and given.get("global_batch") is None:
        ranks = math.prod(whole_of(options.get(name, 1), f"--{name}") for name in ("tp", "cp", "pp"))
        replicas = max(1, parse_fleet(fleet)[0] // ranks)
        found = whole_of(per_replica, f"{read.path}: sequences a replica") * replicas
        _check_batch(read, options.get("global_batch"), found, replicas)
        options["global_batch"] = found
    options["gpus"], options["etp"] = fleet, whole_of(options.get("etp", 1), "--etp")
    if given.get("model") is None and given.get("params") is None:
        options |= _model(read, models)
    stated = {name: value for name, value in given.items() if value is not None and value != () and name != "gpus"}
    whole = {**options, **stated}
    _check_precision(read, str(whole.get("precision")))
    return cast("Asked", {name: str(value) if isinstance(value, int) else value for name, value in whole.items()})


def _check_shape(read: Read, shape: Shape) -> None:
    """Raise InputError for heads or experts that no trainer builds."""
    for block in shape.blocks:
        if block.n_kv_heads and float(block.n_heads) % float(block.n_kv_heads):
            raise InputError(f"{read.path}: {block.n_kv_heads:g} key-value heads do not divide {block.n_heads:g} heads")
        if block.n_experts and not 1 <= float(block.top_k) <= float(block.n_experts):
            raise InputError(f"{read.path}: a token cannot choose {block.top_k:g} of {block.n_experts:g} experts")


def _check_batch(read: Read, stated: object, found: int, replicas: int) -> None:
    """Raise InputError where the batch that a file states is not that of its replicas, at which trainers stop."""
    if stated is not None and whole_of(stated, f"{read.path}: the batch") != found:
        raise InputError(
            f"{read.path}: states a batch of {stated} sequences, and micro-batches times accumulation steps on "
            f"{replicas} replicas make {found}; mend one of them, or add --global-batch"
        )


def _check_precision(read: Read, found: str) -> None:
    """Raise InputError where the file does not say in which format products are, or in one without a recipe."""
    if found == FP32:
        raise InputError(
            f"{read.path}: switches neither BF16 nor FP16 on, so that products are FP32, which is not predicted; "
            "switch one on, or TF32, or add --precision"
        )
    if found == LEFT_OPEN:
        raise InputError(
            f"{read.path}: leaves the format to the trainer's arguments ('auto'); read the script that names it, or "
            "add --precision, like --precision bf16"
        )


def _fleet(read: Read, launched: int | None, given: str | None) -> str:
    """`512xH100`: the part from the options or from what hwmodel noted in the file, the count from either."""
    noted = read.options.get("gpus")
    if given is None:
        if noted is None:
            count = f"{launched}x" if launched else "512x"
            raise InputError(f"{read.path}: does not say on which accelerators; add --gpus, like --gpus {count}H100")
        return noted
    bare = not any(mark in given for mark in "x×*:") or not any(c.isdigit() for c in given[:1])
    if bare and ":" not in given:
        count_text = noted.partition("x")[0] if noted else str(launched or "")
        if not count_text:
            raise InputError(f"{read.path}: does not say how many accelerators; write --gpus 512x{given}")
        return f"{count_text}x{given}"
    return given


def _model(read: Read, models: Sequence[Shape]) -> FileOptions:
    """`model` and, where no known model has this shape, `shape`."""
    shape = read.shape
    if shape is not None:
        _check_shape(read, shape)
    named = read.options.get("model")
    if shape is None and named is not None:
        return {"model": named}
    if shape is None:
        raise InputError(f"{read.path}: does not describe its model; add --model (a name or a config.json)")
    known = sorted((one.name for one in models if same_shape(one, shape)), key=lambda name: (name != named, len(name)))
    if known:
        return {"model": known[0]}
    if not shape.vocab:
        raise InputError(
            f"{read.path}: does not say the vocabulary, and no model of the catalog is like it; add --model"
        )
    return {"model": str(read.path), "shape": shape}
