"""One training layout predicted: the terms of its step, its memory by stage, its utilisation, and what lies near it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Unpack

import msgspec

from hwmodel.answers import Shown
from hwmodel.errors import InputError, unknown
from hwmodel.physics.schedule import micro_batches
from hwmodel.physics.shape import flop_per_token, parameters
from hwmodel.predict.given_layout import check_given
from hwmodel.predict.layouts import SEARCHED
from hwmodel.predict.optimism import SPLITS, longer, open_share, search_factor
from hwmodel.predict.recompute import NONE
from hwmodel.predict.search import choice, runners_up
from hwmodel.predict.states import adapter_fraction, with_states
from hwmodel.predict.training import (
    TRAINABLE,
    TrainingPrediction,
    TrainingRun,
    default_batch_seqs,
    predict_training,
    search_run,
)
from hwmodel.predict.uncertainty import is_mixture, step_shares
from hwmodel.solve.plan.citations import training_sources
from hwmodel.solve.plan.solver import setting_of
from hwmodel.solve.question.options import Quantity, QuestionOptions, RunQuestion, TrainOptions
from hwmodel.solve.question.request import Request
from hwmodel.solve.question.setting import Fleeted, fleeted, run_like, step_doubt
from hwmodel.solve.question.values import quantity
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.billing import utilisation
from hwmodel.solve.run.sizing import Sized
from hwmodel.solve.run.solved import sized_shape
from hwmodel.solve.train_answer import (
    NearLayout,
    TrainAnswer,
    TrainNames,
    TrainRequest,
    Utilisation,
    binding,
    memory_parts,
    train_layout,
)
from hwmodel.specs import Layout, MemoryTerms, Shape, StepTerms, Workload
from hwmodel.specs.accuracy import Like
from hwmodel.specs.intervals import Ends
from hwmodel.specs.layout import RARE
from hwmodel.units import parse_count

GIB = 2.0**30
ADAPTERS_BELOW = 0.5  # trainable share below which weights are frozen (as the physics has it)


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """Another layout of the same fleet and batch."""

    layout: Layout
    tokens_per_s: Band
    peak_memory_bytes: Band


class TrainResult(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """What `train` predicts. Times in seconds of one step; `low`/`high` is the 80 % interval of the step."""

    __repr__ = Shown.__repr__

    setting: Fleeted
    prediction: TrainingPrediction
    doubt: Ends  # of the 80 % interval of a step
    flop_convention: str
    mfu: float
    near: tuple[Near, ...]
    searched: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def like(self) -> Like | None:
        """Measured runs like this one, and how right they were predicted."""
        return run_like(self.setting, self.shape)

    @property
    def shape(self) -> Shape:
        return self.prediction.run.shape

    @property
    def layout(self) -> Layout:
        return self.prediction.layout

    @property
    def workload(self) -> Workload:
        return self.prediction.run.workload

    @property
    def accelerators(self) -> int:
        return int(self.prediction.run.accelerators)

    @property
    def step(self) -> StepTerms:
        return self.prediction.step

    @property
    def memory(self) -> dict[str, MemoryTerms]:
        return self.prediction.memory

    @property
    def fullest(self) -> str:
        return self.prediction.fullest

    @property
    def fits(self) -> bool:
        return self.prediction.fits

    @property
    def step_s(self) -> float:
        return self.prediction.step_s

    @property
    def tokens_per_s(self) -> float:
        return self.prediction.tokens_per_s

    @property
    def answer(self) -> TrainAnswer:
        """The prediction as it is saved and shown."""
        one, r, stack = self.prediction, self.setting.request, self.setting.stack
        held, mfu = one.footprint, Band.around(self.mfu, self.doubt.flipped)
        return TrainAnswer(
            request=TrainRequest(
                options=[list(pair) for pair in r.asked], seq_len=r.seq_len,
                trainable_fraction=float(self.workload.trainable_fraction),
            ),
            resolved=self._resolved(),
            layout=train_layout(self.layout, self.workload, stack),
            accelerators=self.accelerators,
            idle_accelerators=0,
            step_s=Band.around(one.step_s, self.doubt),
            tokens_per_s=Band.around(one.tokens_per_s, self.doubt.flipped),
            tokens_per_s_per_accelerator=Band.around(one.tokens_per_s_per_accelerator, self.doubt.flipped),
            step={name: float(getattr(self.step, name)) * one.level for name in StepTerms.__struct_fields__},
            binds=binding(self.step),
            mfu=Utilisation(**msgspec.structs.asdict(mfu), convention=self.flop_convention),
            memory={stage: memory_parts(terms) for stage, terms in self.memory.items()},
            peak_memory_bytes=Band.around(held.peak_bytes, held.doubt),
            allocated_memory_bytes=Band.around(held.allocated_bytes, held.doubt),
            reserved_memory_bytes=Band.around(held.reserved_bytes, held.doubt),
            fullest_stage=self.fullest,
            fits=self.fits,
            fits_probability=one.fits_probability,
            near=[
                NearLayout(
                    layout=train_layout(near.layout, self.workload, stack), tokens_per_s=near.tokens_per_s,
                    peak_memory_bytes=near.peak_memory_bytes,
                )
                for near in self.near
            ],
            searched=list(self.searched),
            like=self.like,
            warnings=list(self.warnings),
            sources=training_sources(self.setting),
        )  # fmt: skip

    def contents(self) -> TrainAnswer:
        """The answer, in base SI units."""
        return self.answer

    def _resolved(self) -> TrainNames:
        """What the names of the question stood for."""
        s = self.setting
        return TrainNames(
            accelerator=s.part.id,
            system=s.system.id,
            model=s.request.model if s.request.model and s.request.shape is None else self.shape.name,
            params=float(parameters(self.shape).total),
            precision=s.precision.id,
            stack=s.stack.id,
            catalog_version=s.catalog.version,
            constants_from=s.machine.provenance,
        )


def _shape(setting: Fleeted, r: Request) -> Shape:
    """The shape of the model named, else one of the size asked."""
    shape = setting.shape()
    if shape is not None:
        return shape
    assert r.params is not None
    sized = Sized(params=r.params, tokens=1.0, loss=None, solved={})
    return sized_shape(sized, None, timed=True).shape


def train(
    *,
    task: str = "pretrain",
    sequence_parallel: bool | None = None,
    rank: Quantity | None = None,
    base: str | None = None,
    searched: str | None = None,
    **given: Unpack[RunQuestion],
) -> TrainResult:
    """Predict one training layout; settings that are not given are chosen as the fastest that fit.

    Options are those of `plan` that describe a run (gpus, model or params, precision, seq_len, global_batch, tp, cp,
    pp, vpp, ep, micro_batch, zero, recompute, stack, measured ...); `task` is pretrain, sft or lora;
    `sequence_parallel` follows the stack unless it is given; `rank` and `base` (nf4, int8, bf16) are those of the
    adapters and of the frozen weights of a lora; `searched` names the layout settings ("tp,pp,micro_batch") whose given
    values came out of a search, like a plan's: its optimism is added as to a layout left blank. InputError for layouts
    that cannot be, InfeasibleError where nothing divides.
    """
    _check_taken(given)
    if task not in TRAINABLE:
        raise InputError(f"--task {task!r} is none of {', '.join(TRAINABLE)}")
    if task != "lora" and (rank is not None or base is not None):
        raise InputError("--rank and --base describe adapters on frozen weights: add --task lora")
    if not any(given.get(name) for name in ("model", "params", "shape")):
        raise InputError("say what is trained: --model (`hwmodel catalog list models`) or --params, like 70B")
    setting = setting_of(**given)
    r = setting.request
    if r.gpus is None:
        raise InputError("say on what it is trained: --gpus, like 1024xH100")
    fleet = fleeted(setting)
    if base is not None:
        fleet = msgspec.structs.replace(fleet, precision=with_states(fleet.precision, None, None, base))
    width = quantity(rank, parse_count, "--rank")
    share = TRAINABLE[task] if width is None else adapter_fraction(_shape(fleet, r), width)
    run, warnings = _run(fleet, r, r.gpus, share, sequence_parallel)
    run = msgspec.structs.replace(run, searched=_names_searched(searched, r))
    return _result(fleet, r, predict_training(run, setting.level), warnings)


def _check_taken(given: Iterable[str]) -> None:
    """Raises InputError for an option that other verbs take and the step of a layout has no use for."""
    takes = TrainOptions.__optional_keys__
    for name in given:
        if name not in takes:
            if name in QuestionOptions.__optional_keys__:
                raise InputError(f"train takes no {name}: it predicts the step of one layout; plan and compare take it")
            raise unknown("option", name, takes, "train")


def _names_searched(text: str | None, r: Request) -> tuple[str, ...]:
    """The layout settings named as found by a search. Raises InputError for others, and for those not given."""
    names = tuple(name.strip().replace("-", "_") for name in text.split(",")) if text is not None else ()
    for name in names:
        if name not in SPLITS:
            raise InputError(f"--searched {name!r} is none of {', '.join(SPLITS)}")
        if name not in r.layout:
            raise InputError(f"--searched {name}: no --{name.replace('_', '-')} is given; one left blank is searched")
    return names


def _run(
    setting: Fleeted, r: Request, gpus: int, trainable: float, sequence_parallel: bool | None
) -> tuple[TrainingRun, list[str]]:
    """The run that the options describe, and what is to be said of it."""
    shape, batch = _shape(setting, r), r.global_batch_seqs
    warnings = [*setting.notes, *check_given(shape, gpus, r.layout, batch)]
    fixed: dict[str, float | tuple[float, ...]] = {**r.layout}
    if sequence_parallel is not None:
        fixed["sequence_parallel"] = float(sequence_parallel)
    if batch is None:
        batch = default_batch_seqs(gpus, r.seq_len, fixed)
        warnings.append(f"global batch not given: {batch:g} sequences ({batch * r.seq_len / 1e6:.1f}M tokens)")
    run = TrainingRun(
        shape=shape, machine=setting.machine, precision=setting.precision, stack=setting.stack,
        accelerators=float(gpus), seq_len=float(r.seq_len), global_batch_seqs=batch, fixed=fixed,
        again=r.again, offload=r.offloads, schedules=r.schedules, trainable_fraction=trainable,
    )  # fmt: skip
    return run, warnings


def _leaner(layout: Layout, over: float) -> str:
    """What would make a layout fit: other sizes while replicas are left to trade, else more accelerators."""
    if float(layout.dp) > 1.0:
        return "raise --tp, --pp, --zero or --recompute, or lower --micro-batch"
    return f"take at least about {math.ceil(float(layout.accelerators) * over)} accelerators or a smaller model"


def _doubts(one: TrainingPrediction) -> list[str]:
    """What is wrong with a layout: it does not fit, hardly fits, or its batch does not divide."""
    capacity, size = float(one.run.machine.hbm_bytes), one.peak_bytes
    said = []
    if not one.fits:
        said.append(
            f"does not fit: the {one.fullest} stage needs {size / GIB:.1f} GiB of {capacity / GIB:.1f}; "
            + _leaner(one.layout, size / capacity)
        )
    elif one.tight:
        chance = f"fits with a probability of {100.0 * one.fits_probability:.0f} %"
        said.append(f"tight: {size / GIB:.1f} GiB of {capacity / GIB:.1f}, {chance}")
    m = float(micro_batches(one.layout, one.run.workload))
    if abs(m - round(m)) > 1e-9:
        said.append(f"{m:.2f} micro-batches a pipeline: the batch does not divide; read as an average")
    return said


def _searched(shape: Shape, r: Request) -> tuple[str, ...]:
    """Settings that the search chose."""
    left = (*(() if is_mixture(shape) else RARE), "schedule")
    names = [("recompute" if name == "mode" else name) for name in SEARCHED if name not in left]
    return tuple(name for name in names if name not in r.layout and not (name == "recompute" and r.again))


def _near(setting: Fleeted, run: TrainingRun, level: float) -> tuple[Near, ...]:
    """The fastest layouts of the same fleet and batch, were the layout free."""
    free = msgspec.structs.replace(run, fixed={}, again=(), offload=(NONE,), schedules=())
    found = search_run(free)
    if int(found.best[0]) < 0:
        return ()
    alike = found.search_factor / search_factor(run.policy)  # no optimism in one of two layouts that stand side by side
    chosen = [
        choice(found, row, run.machine, run.precision, run.stack)
        for row in (int(found.best[0]), *runners_up(found, 0, 3))
    ]
    return tuple(
        Near(
            layout=one.layout,
            tokens_per_s=Band.around(one.tokens_per_s * alike / level, _doubt(setting, run, one.step).flipped),
            peak_memory_bytes=Band.around(one.footprint.peak_bytes, one.footprint.doubt),
        )
        for one in chosen
    )


def _doubt(setting: Fleeted, run: TrainingRun, terms: StepTerms) -> Ends:
    """Ends of the 80 % interval of a step of the run."""
    return step_doubt(setting, setting.precision, is_mixture(run.shape), run.accelerators, step_shares(terms))


def frozen(run: TrainingRun) -> bool:
    """Whether weights get no gradient."""
    return run.trainable_fraction < ADAPTERS_BELOW


def counted_flop_per_token(run: TrainingRun, r: Request) -> float:
    """FLOP a token that MFU counts, in the convention of the request: 4 of 6 where weights get no gradient."""
    per_token = float(flop_per_token(run.shape, run.seq_len, r.flop_convention))
    return per_token * 4.0 / 6.0 if frozen(run) else per_token


def _result(setting: Fleeted, r: Request, one: TrainingPrediction, warnings: list[str]) -> TrainResult:
    run, convention = one.run, r.flop_convention
    if frozen(run):
        convention = "4nd" if convention == "6nd" else f"4/6 of {convention}"
        warnings = [*warnings, "MFU counts 4 N FLOPs a token: frozen weights have no gradient"]
    if open_share(run.policy) == 0.0:
        than = f"{100 * longer():.0f} % longer"
        warnings = [
            *warnings,
            f"layout taken as given: one that a search chose (`plan` prints --searched) takes {than}",
        ]
    peak = float(run.machine.gemm.peak_flop_per_s)
    return TrainResult(
        setting=setting,
        prediction=one,
        doubt=_doubt(setting, run, one.step),
        flop_convention=convention,
        mfu=float(utilisation(one.tokens_per_s, counted_flop_per_token(run, r), run.accelerators, peak)),
        near=_near(setting, run, one.level),
        searched=_searched(run.shape, r),
        warnings=tuple(warnings + _doubts(one)),
    )
