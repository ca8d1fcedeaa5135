"""A saved answer (`--format json`) of `plan` or `train` as a training launch. Keys are those of the JSON contract."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.catalog.reading import text_of
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.interop.export.launch import Header, Training
from hwmodel.interop.huggingface import read_config
from hwmodel.interop.tools.settings import checked
from hwmodel.physics.shape import parameters, shape_for_params
from hwmodel.plain import Document
from hwmodel.predict.optimism import SPLITS
from hwmodel.specs import Block, Shape
from hwmodel.units import format_bytes, format_count, format_duration, format_fraction, parse_count

# Options of a question that bear on the prediction and that no trainer's file has a place for.
FACTS = ("--nic-gbit-s", "--flop-convention", "--catalog", "--measured", "--optimizer", "--gradient-dtype")


def read_answer(path: Path) -> Document:
    """The JSON of an answer. InputError for what is none."""
    text = text_of(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); save an answer with --format json --out {path}") from error
    if not isinstance(data, dict) or "resolved" not in data:
        raise InputError(f"{path}: not a saved answer; write one with `hwmodel plan|train|serve ... --format json`")
    return data


def is_serving(data: Mapping[str, Any]) -> bool:
    """Whether the answer is one of `serve`."""
    return "replicas" in (data.get("answer") or {}) or "pareto" in data or "clients" in (data.get("answer") or {})


def training_launch(data: Mapping[str, Any], where: str) -> Training:
    """The launch of an answer of `plan` or `train`.

    InputError without a layout, InfeasibleError where it does not fit.
    """
    layout = data.get("layout")
    if not isinstance(layout, dict):
        raise InputError(f"{where}: the answer has no fleet and no layout; ask with --gpus, like --gpus 512xH100")
    if data.get("fits") is False:
        raise InfeasibleError(f"{where}: the layout does not fit its accelerators; a launch would run out of memory")
    if "request" not in data or "options" not in data["request"]:
        raise InputError(f"{where}: the answer does not hold its question; save it again with this version")
    options = [(str(name), str(value)) for name, value in data["request"]["options"]]
    catalog = load_catalog(tuple(Path(value) for name, value in options if name == "--catalog"))
    resolved = data["resolved"]
    shape = answer_shape(data, options, catalog, where)
    settings = checked(layout, where)
    settings |= {"precision": str(resolved["precision"]), "seq_len": float(_seq_len(data, options))}
    used = int(settings["tp"]) * int(settings["cp"]) * int(settings["pp"]) * int(settings["dp"])
    part, system = catalog.part(resolved["accelerator"]), catalog.system(resolved["system"])
    elapsed = (data.get("answer") or {}).get("elapsed_days")
    fraction = float(data["request"].get("trainable_fraction", 1.0))
    return Training(
        model=shape.name, shape=shape, part=part, system=system, accelerators=used, settings=settings,
        steps=int(data["batch"]["steps"]) if data.get("batch") else None, days=_value(elapsed) if elapsed else None,
        trainable_fraction=fraction,
        header=Header(
            command=command_of(data, options), answer=tuple(_summary(data, used, part.id)),
            facts=(
                ("gpus", f"{used}x{part.id}"), ("model", shape.name), ("system", system.id),
                ("stack", str(resolved["stack"])),
                *((name.lstrip("-").replace("-", "_"), value) for name, value in options if name in FACTS),
                *_searched(data, options),
                *((("trainable_fraction", f"{fraction:g}"),) if fraction != 1.0 else ()),
            ),
        ),
    )  # fmt: skip


def _searched(data: Mapping[str, Any], options: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The settings that a search chose: its optimism is in the predicted step, and where the file is read back."""
    if not (data.get("step") or {}).get("search_s"):
        return []
    stated, named = {name for name, _ in options}, dict(options).get("--searched", "")
    found = [name for name in SPLITS if f"--{name.replace('_', '-')}" not in stated or name in named]
    return [("searched", ",".join(found))]


def command_of(data: Mapping[str, Any], options: list[tuple[str, str]]) -> str:
    """The command that made the answer."""
    name = "plan" if "objectives" in data else "train"
    return " ".join(["hwmodel", name, *(f"{option} {shlex.quote(value)}" for option, value in options)])


def _seq_len(data: Mapping[str, Any], options: list[tuple[str, str]]) -> int:
    request = data["request"]
    typed = dict(options).get("--seq-len")
    given = (request.get("given") or {}).get("seq_len") or (request.get("defaults") or {}).get("seq_len")
    return int(parse_count(typed, "--seq-len")) if typed else int(given or request["seq_len"])


def answer_shape(data: Mapping[str, Any], options: list[tuple[str, str]], catalog: Catalog, where: str) -> Shape:
    """The exact shape behind an answer: that of the catalog, of a config.json, or the one built for a size.

    InputError where it cannot be had again, or where its parameters are not those of the answer.
    """
    typed = dict(options)
    summary = data.get("shape") or {}
    expected = float(summary.get("params") or data["resolved"]["params"])
    model = typed.get("--model")
    if model is not None:
        shape = _model_shape(model, catalog)
    elif summary:
        shape = _dense_shape(summary)
    else:
        shape = shape_for_params(parse_count(typed["--params"], "--params"))
    total = float(parameters(shape).total)
    if abs(total - expected) > 0.5:
        raise InputError(
            f"{where}: its model has {format_count(expected, 6)} parameters, {model or shape.name} now has "
            f"{format_count(total, 6)}; save the answer again"
        )
    return shape


def _model_shape(model: str, catalog: Catalog) -> Shape:
    """The shape of a name of the catalog, or of a file that holds a model."""
    if model.endswith(".json") or Path(model).exists():
        from hwmodel.interop.launch_in import model_of_file

        return model_of_file(Path(model))
    return catalog.model(model)


def _dense_shape(summary: Mapping[str, Any]) -> Shape:
    """The dense shape that the summary of an answer describes; tied where its parameters say so."""
    block = Block(
        count=float(summary["layers"]), n_heads=float(summary["n_heads"]), n_kv_heads=float(summary["n_kv_heads"]),
        head_dim=float(summary["head_dim"]), v_head_dim=float(summary["head_dim"]), d_ff=float(summary["d_ff"]),
    )  # fmt: skip
    plain = Shape(
        name=str(summary["name"]), d_model=float(summary["d_model"]), vocab=float(summary["vocab"]), blocks=(block,)
    )
    tied = Shape(name=plain.name, d_model=plain.d_model, vocab=plain.vocab, blocks=plain.blocks, tied=1.0)
    fits = [s for s in (plain, tied) if abs(float(parameters(s).total) - float(summary["params"])) < 0.5]
    return fits[0] if fits else plain


def _value(item: Any) -> float:
    return float(item["value"] if isinstance(item, dict) else item)


def _summary(data: Mapping[str, Any], used: int, part: str) -> list[str]:
    """The answer in two lines: what and where, and how fast and how full."""
    answer = data.get("answer") or {}
    params = float((data.get("shape") or {}).get("params") or data["resolved"]["params"])
    tokens = f" on {format_count(_value(answer['tokens']))} tokens" if answer.get("tokens") else ""
    rate = _value(answer.get("tokens_per_s") or data["tokens_per_s"])
    step = data["step"].get("total_s") or _value(data["step_s"])
    mfu = _value(answer.get("mfu") or data["mfu"])
    peak = float(answer.get("peak_memory_bytes") or data["peak_memory_bytes"])
    days = f", {format_duration(86400 * _value(answer['train_days']))} of training" if answer.get("train_days") else ""
    return [
        f"Answer: {data['resolved'].get('model') or 'a model'} ({format_count(params)} parameters){tokens} "
        f"on {used} x {part}{days}",
        f"Predicted: {format_duration(step)} a step, {format_count(rate)} tokens/s, MFU {format_fraction(mfu)}, "
        f"peak memory {format_bytes(peak)} an accelerator",
    ]


def config_shape(path: Path) -> Shape:
    """The shape of a Hugging Face config.json."""
    return read_config(path).shape
