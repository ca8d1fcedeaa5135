"""Rows of measured steps of reinforcement learning: a row's cells -> the setting that predicts it."""

from __future__ import annotations

import re

import msgspec
import numpy as np

from hwmodel.catalog.engines import engine_in, serving_calibration
from hwmodel.catalog.stacks import build_stack, stack_id, training_calibration
from hwmodel.errors import HwModelError
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import weights_bytes
from hwmodel.predict.formats import formats_of
from hwmodel.predict.rl import RlSetting, lengths_of, rollout_worker, with_lengths
from hwmodel.predict.service import ServiceSetting, Worker
from hwmodel.predict.service.layouts import Sizes, column
from hwmodel.predict.service.search import fitting, numbers
from hwmodel.predict.training import TrainingRun
from hwmodel.specs.hardware import Part
from hwmodel.specs.rl import RlConstants
from hwmodel.specs.serving import ServingLayout, ServingLoad
from hwmodel.specs.shape import Shape
from hwmodel.validation.rows.machines import Resolver, recipe_name
from hwmodel.validation.rows.spelled import model_of
from hwmodel.validation.rows.tables import CellError, Row, measured, positive, text

# Prompts are not printed: NeMo-RL's printed rates count 95 to 130 tokens a rollout beside the response.
PROMPT_TOKENS = 110.0
# Steps that weights may lag where rows say "async" without a number: one, or where a rollout may go on under newer
# weights ("fully async", AReaL) the 4 of AReaL's guide (`max_head_offpolicyness`, inclusionai.github.io/AReaL).
ASYNC_LAG, FULLY_ASYNC_LAG = 1.0, 4.0
MOST_RANKS = 64.0  # of an engine whose layout nobody states
_LAYOUT_LIST = re.compile(r"\[TP,CP,EP,PP\]\s*=\s*(\d+),(\d+),(\d+),(\d+)(?!-)")
_LAYOUT_WORDS = re.compile(r"\b(TP|CP|EP|PP)(\d+)")
_POOLS = (
    re.compile(r"rollout (?P<rollout>\d+) \+ train (?P<train>\d+)"),
    re.compile(r"(?P<rollout>\d+) rollout ?: ?(?P<train>\d+) train"),
    re.compile(r"(?P<train>\d+) (?:train|policy) \+ (?P<rollout>\d+) rollout"),
    re.compile(r"(?P<rollout>\d+):(?P<train>\d+)"),
)


class RlRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a row states, names resolved."""

    shape: Shape
    part: Part
    setting: RlSetting
    length_stated: bool


def lag_of(words: str, framework: str = "") -> float:
    """Steps of staleness that a cell of pools names: a number, one for one-step schemes, none where synchronous."""
    low = words.lower()
    stale = re.search(r"staleness (\d*\.?\d+)", low)
    steps = re.search(r"(\d+)-step", low)
    if stale:
        return float(stale[1])
    if steps:
        return float(steps[1])
    if "one-step" in low:
        return 1.0
    if "async" not in low:
        return 0.0
    return FULLY_ASYNC_LAG if "fully" in low or "areal" in framework.lower() else ASYNC_LAG


def scored_passes(words: str) -> float:
    """Forward passes beside the update: old and reference policy in GRPO and PPO; DAPO and the like keep no reference
    (arXiv 2503.14476)."""
    return 2.0 if re.search(r"grpo|ppo", words, re.I) else 1.0


def pools_of(row: Row, accelerators: float) -> tuple[float, float]:
    """Accelerators that generate and that train; two pools whose sizes nobody states are halves."""
    words = text(row, "pools")
    if "split" not in words.lower():
        return accelerators, accelerators
    for cell in (words, text(row, "note")):
        for pattern in _POOLS:
            found = pattern.search(cell)
            if found:
                parts = float(found["rollout"]), float(found["train"])
                return accelerators * parts[0] / sum(parts), accelerators * parts[1] / sum(parts)
    return accelerators / 2.0, accelerators / 2.0


def layout_of(cell: str) -> dict[str, float | tuple[float, ...]]:
    """Parallel sizes of the training layout that a cell states."""
    listed = _LAYOUT_LIST.search(cell)
    if listed:
        return {name: float(size) for name, size in zip(("tp", "cp", "ep", "pp"), listed.groups())}
    return {name.lower(): float(size) for name, size in _LAYOUT_WORDS.findall(cell)}


def _count(row: Row, name: str) -> float:
    value = positive(row, name)
    if value is None:
        raise CellError(f"{name} is blank")
    return value


def mean_length(row: Row, shape: Shape, share: float) -> tuple[float, bool]:
    """Mean response [tokens] and whether it is stated; else a share of the limit, or of the model's own context where
    that is shorter: responses do not grow beyond what the model was trained on because the limit lets them."""
    stated, limit = positive(row, "response_len_mean"), positive(row, "response_len_limit")
    if stated is not None:
        return stated, True
    if limit is None:
        raise CellError("response_len_mean and response_len_limit are blank")
    return share * min(limit, float(shape.max_seq_len) or limit), False


def _engine(row: Row) -> str:
    return engine_in(text(row, "engine"))


def _training(row: Row, shape: Shape, resolver: Resolver, part: Part, size: float, batch: float) -> TrainingRun:
    calibration = training_calibration()
    words = " ".join((text(row, "engine"), text(row, "framework")))
    name = stack_id(words, None, calibration, part.family)
    recipe = resolver.recipe(text(row, "train_precision"), part)
    system = resolver.catalog.default_system(part)
    return TrainingRun(
        shape=shape, machine=machine(part, system, recipe, resolver.calibration), precision=recipe,
        stack=build_stack(name, part.family, None, calibration), accelerators=size, seq_len=0.0,
        global_batch_seqs=batch, fixed=layout_of(text(row, "train_layout")),
    )  # fmt: skip


def _rollouts(row: Row, shape: Shape, resolver: Resolver, part: Part) -> ServiceSetting:
    recipe = resolver.catalog.serving_precision(recipe_name(text(row, "train_precision"), part))
    system = resolver.catalog.default_system(part)
    worker = Worker(
        machine=machine(part, system, recipe, resolver.calibration), formats=formats_of(shape, recipe),
        engine=engine_of(serving_calibration(), _engine(row), 0.0, part.family, recipe.id), layout=ServingLayout(),
    )  # fmt: skip
    return ServiceSetting(shape=shape, worker=worker, load=ServingLoad(prompt_tokens=PROMPT_TOKENS, output_tokens=1.0))


def _updates(row: Row, count: float) -> float:
    stated = re.search(r"train GBS (\d+)", text(row, "note"))
    return count / float(stated[1]) if stated else 1.0


def read_row(row: Row, resolver: Resolver, c: RlConstants) -> RlRow:
    """The setting of a row. Raises CellError or HwModelError for what is blank or cannot be."""
    accelerators, prompts, samples = (_count(row, name) for name in ("gpus", "prompts_per_step", "samples_per_prompt"))
    shape = model_of(resolver.catalog, text(row, "model"))
    part = row_part(row, resolver)
    mean, stated = mean_length(row, shape, c.length_share)
    count = prompts * samples
    lengths = lengths_of(mean, positive(row, "response_len_limit"), c.length_log_sd, count)
    generating, training = pools_of(row, accelerators)
    updates = _updates(row, count)
    run = _training(row, shape, resolver, part, training, count / updates)
    rollouts = with_lengths(_rollouts(row, shape, resolver, part), PROMPT_TOKENS, lengths)
    worker = rollout_worker(rollouts, generating, count, positive(row, "rollout_tp"))
    setting = RlSetting(
        rollouts=worker, rollout_accelerators=generating,
        training=msgspec.structs.replace(run, seq_len=float(round(lengths.mean + PROMPT_TOKENS))),
        prompts=prompts, samples=samples, lengths=lengths, colocated="split" not in text(row, "pools").lower(),
        lag=lag_of(text(row, "pools"), text(row, "framework")), updates=updates,
        scored_passes=scored_passes(text(row, "engine")),
    )  # fmt: skip
    return RlRow(shape=shape, part=part, setting=setting, length_stated=stated)


def sync_bytes(row: Row, resolver: Resolver) -> float:
    """Weights that enter one accelerator of an engine [bytes]: of the stated `rollout_tp`, else of the smallest layout
    that holds the model. Raises CellError or HwModelError for what cannot be."""
    shape, part = model_of(resolver.catalog, text(row, "model")), row_part(row, resolver)
    one = _rollouts(row, shape, resolver, part)
    tried = fitting(one, MOST_RANKS, Sizes(tp=positive(row, "rollout_tp")))
    if not len(column(tried.tp)):
        raise CellError(f"{shape.name} does not fit an engine on {part.id}")
    layout = numbers(tried, int(np.argmin(column(tried.accelerators))))
    return float(weights_bytes(shape, one.worker.formats, layout))


def row_part(row: Row, resolver: Resolver) -> Part:
    """The part that a cell names, remarks in brackets left out."""
    return resolver.part(re.sub(r"\(.*?\)", "", text(row, "part")).strip())


def try_row(row: Row, resolver: Resolver, c: RlConstants) -> tuple[RlRow | None, str]:
    """The setting of a row, or why there is none."""
    try:
        return read_row(row, resolver, c), ""
    except (CellError, HwModelError) as error:
        return None, str(error)


def seconds(row: Row, name: str) -> float | None:
    """A measured time: a number above zero, or the middle of a printed range; None where the cell holds neither."""
    cell = text(row, name)
    low, dash, high = cell.partition("-")
    ends = [measured({name: part.strip()}, name) for part in ((low, high) if dash and low and high else (cell,))]
    stated = [end for end in ends if end is not None]
    return sum(stated) / len(stated) if len(stated) == len(ends) else None
