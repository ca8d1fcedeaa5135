"""A saved answer of `plan` or `train` as a training launch."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import cast

import msgspec

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.interop.export.launch import Header, Training
from hwmodel.interop.huggingface import read_config
from hwmodel.interop.tools.settings import checked
from hwmodel.physics.shape import parameters, shape_for_params
from hwmodel.predict.optimism import SPLITS
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.records import BuiltShape
from hwmodel.solve.run.result import RunAnswer, value_of
from hwmodel.solve.saved import SavedRun
from hwmodel.solve.train_answer import TrainAnswer
from hwmodel.specs import Block, Shape
from hwmodel.units import format_bytes, format_count, format_duration, format_fraction, parse_count

# Options of a question that bear on the prediction and that no trainer's file has a place for.
FACTS = ("--nic-gbit-s", "--flop-convention", "--catalog", "--measured", "--optimizer", "--gradient-dtype")


def training_launch(run: SavedRun, where: str) -> Training:
    """The launch of an answer of `plan` or `train`.

    InputError without a layout, InfeasibleError where it does not fit.
    """
    names = run.resolved
    if run.layout is None or names.accelerator is None or names.system is None:
        raise InputError(f"{where}: the answer has no fleet and no layout; ask with --gpus, like --gpus 512xH100")
    if isinstance(run, TrainAnswer) and not run.fits:
        raise InfeasibleError(f"{where}: the layout does not fit its accelerators; a launch would run out of memory")
    options = _options(run)
    catalog = load_catalog(tuple(Path(value) for name, value in options if name == "--catalog"))
    shape = answer_shape(run, catalog, where)
    settings = checked(msgspec.structs.asdict(run.layout), where)
    settings |= {"precision": names.precision, "seq_len": float(_seq_len(run))}
    used = run.layout.tp * run.layout.cp * run.layout.pp * run.layout.dp
    part, system = catalog.part(names.accelerator), catalog.system(names.system)
    fraction = run.request.trainable_fraction if isinstance(run, TrainAnswer) else 1.0
    return Training(
        model=shape.name, shape=shape, part=part, system=system, accelerators=int(used), settings=settings,
        steps=int(run.batch.steps) if isinstance(run, Plan) and run.batch else None, days=_days(run, "elapsed_days"),
        trainable_fraction=fraction,
        header=Header(
            command=_command(run), answer=tuple(_summary(run, int(used), part.id)),
            facts=(
                ("gpus", f"{int(used)}x{part.id}"), ("model", shape.name), ("system", system.id),
                ("stack", names.stack),
                *((name.lstrip("-").replace("-", "_"), value) for name, value in options if name in FACTS),
                *_searched(run),
                *((("trainable_fraction", f"{fraction:g}"),) if fraction != 1.0 else ()),
            ),
        ),
    )  # fmt: skip


def _options(run: SavedRun) -> list[tuple[str, str]]:
    """The question: each option with its value as typed."""
    return [(name, value) for name, value in run.request.options]


def _days(run: SavedRun, field: str) -> float | None:
    """A time of a plan in days; None where it has none."""
    found = getattr(run.answer, field) if isinstance(run, Plan) else None
    return value_of(found) if found else None


def _searched(run: SavedRun) -> list[tuple[str, str]]:
    """The settings that a search chose: its optimism is in the predicted step, and where the file is read back."""
    if not (run.step or {}).get("search_s"):
        return []
    options = dict(_options(run))
    named = options.get("--searched", "")
    found = [name for name in SPLITS if f"--{name.replace('_', '-')}" not in options or name in named]
    return [("searched", ",".join(found))]


def _command(run: SavedRun) -> str:
    """The command that made the answer."""
    name = "plan" if isinstance(run, Plan) else "train"
    return " ".join(["hwmodel", name, *(f"{option} {shlex.quote(value)}" for option, value in _options(run))])


def _seq_len(run: SavedRun) -> int:
    """Tokens of a sequence: as typed, or as the plan took it."""
    typed = dict(_options(run)).get("--seq-len")
    if typed:
        return int(parse_count(typed, "--seq-len"))
    if isinstance(run, TrainAnswer):
        return run.request.seq_len
    return int(cast("float", run.request.given.get("seq_len") or run.request.defaults["seq_len"]))


def answer_shape(run: SavedRun, catalog: Catalog, where: str) -> Shape:
    """The exact shape behind an answer: that of the catalog, of a config.json, or the one built for a size.

    InputError where it cannot be had again, or where its parameters are not those of the answer.
    """
    typed = dict(_options(run))
    model = typed.get("--model")
    if model is not None:
        shape = _model_shape(model, catalog)
    elif isinstance(run, Plan) and run.shape is not None:
        shape = _dense_shape(run.shape)
    else:
        shape = shape_for_params(parse_count(typed["--params"], "--params"))
    total, expected = float(parameters(shape).total), _params(run)
    if abs(total - expected) > 0.5:
        raise InputError(
            f"{where}: its model has {format_count(expected, 6)} parameters, {model or shape.name} now has "
            f"{format_count(total, 6)}; save the answer again"
        )
    return shape


def _params(run: SavedRun) -> float:
    """Parameters of the model."""
    if isinstance(run, TrainAnswer):
        return run.resolved.params
    return value_of(run.answer.params) if run.shape is None else run.shape.params


def _model_shape(model: str, catalog: Catalog) -> Shape:
    """The shape of a name of the catalog, or of a file that holds a model."""
    if model.endswith(".json") or Path(model).exists():
        from hwmodel.interop.launch_in import model_of_file

        return model_of_file(Path(model))
    return catalog.model(model)


def _dense_shape(built: BuiltShape) -> Shape:
    """The dense shape that the summary of an answer describes; tied where its parameters say so."""
    block = Block(
        count=built.layers, n_heads=built.n_heads, n_kv_heads=built.n_kv_heads, head_dim=built.head_dim,
        v_head_dim=built.head_dim, d_ff=built.d_ff,
    )  # fmt: skip
    plain = Shape(name=built.name, d_model=built.d_model, vocab=built.vocab, blocks=(block,))
    tied = Shape(name=plain.name, d_model=plain.d_model, vocab=plain.vocab, blocks=plain.blocks, tied=1.0)
    fits = [s for s in (plain, tied) if abs(float(parameters(s).total) - built.params) < 0.5]
    return fits[0] if fits else plain


def _summary(run: SavedRun, used: int, part: str) -> list[str]:
    """The answer in two lines: what and where, and how fast and how full."""
    figures: RunAnswer | TrainAnswer = run.answer if isinstance(run, Plan) else run
    step_s = (run.step or {}).get("total_s", 0.0) if isinstance(run, Plan) else run.step_s.value
    mfu = run.mfu.value if isinstance(run, TrainAnswer) else value_of(run.answer.mfu)
    peak = figures.peak_memory_bytes.value if figures.peak_memory_bytes else 0.0
    tokens = f" on {format_count(value_of(run.answer.tokens))} tokens" if isinstance(run, Plan) else ""
    train_days = _days(run, "train_days")
    days = f", {format_duration(86400 * train_days)} of training" if train_days else ""
    return [
        f"Answer: {run.resolved.model or 'a model'} ({format_count(_params(run))} parameters){tokens} "
        f"on {used} x {part}{days}",
        f"Predicted: {format_duration(step_s)} a step, {format_count(value_of(figures.tokens_per_s))} tokens/s, "
        f"MFU {format_fraction(mfu)}, peak memory {format_bytes(peak)} an accelerator",
    ]


def config_shape(path: Path) -> Shape:
    """The shape of a Hugging Face config.json."""
    return read_config(path).shape
