"""Stages that are training runs: pre-training and its phases, fine-tuning, preference, distillation, ablations."""

from __future__ import annotations

from typing import Literal, TypeAlias, Unpack

from msgspec.structs import asdict

from hwmodel.errors import InputError
from hwmodel.physics.shape import parameters
from hwmodel.predict.rl.phases import FORWARD_SHARE, forward_s
from hwmodel.predict.training import TrainingRun, default_batch_seqs, predict_training
from hwmodel.predict.uncertainty import is_mixture, step_shares
from hwmodel.solve.plan.solver import prepare
from hwmodel.solve.question.options import PlanOptions, without
from hwmodel.solve.question.setting import step_doubt
from hwmodel.solve.run.answers import rated
from hwmodel.solve.run.billing import bill
from hwmodel.solve.run.details import AblationDetail, RepeatedDetail, RunDetail, StudentDetail
from hwmodel.solve.run.lines import StageLine, joined, of_bill, of_hours, times
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.stages.file import Stage
from hwmodel.solve.stages.frame import Frame, needs, number
from hwmodel.solve.stages.given import RepeatedRun
from hwmodel.specs import Shape
from hwmodel.specs.intervals import CERTAIN

Count: TypeAlias = Literal["examples", "pairs"]
Each: TypeAlias = Literal["example_tokens", "pair_tokens"]
PREFERENCE_FACTOR = 1.0 + FORWARD_SHARE  # a frozen reference scores every token beside the update (arXiv 2305.18290)
SIZED_BY = ("params", "model", "tokens", "flops", "time", "budget", "loss", "loss_like")


def trained(frame: Frame, stage: Stage, fleet: str, **more: Unpack[PlanOptions]) -> StageLine:
    """One training run as `plan` answers it."""
    return _run(frame, frame.options(stage, fleet, **more), stage.name, stage.kind)


def _run(frame: Frame, options: PlanOptions, name: str, kind: str) -> StageLine:
    setting = frame.setting(options)
    solved = prepare(setting).solved
    assert solved is not None
    rate = value_of(solved.answer.tokens_per_s)
    doubt = CERTAIN if setting.request.mfu is not None else solved.doubt
    found = bill(solved.fleet.setting, rated(solved.fleet, solved.sized, solved.at, rate, doubt))
    detail = RunDetail(
        params=solved.answer.params.value, tokens=solved.answer.tokens.value, mfu=found.mfu,
        loss_nats=solved.answer.loss_nats, seq_len=setting.request.seq_len, train_flop=solved.answer.train_flop,
    )  # fmt: skip
    return of_bill(found, solved.fleet.setting, solved.fleet.accelerators, stage=name, kind=kind, detail=detail)


def pretraining(frame: Frame, stage: Stage, fleet: str) -> StageLine:
    """A phase of pre-training, or its context extension: any question that `plan` answers."""
    given = {**frame.file.options, **stage.options}
    if not any(name in given for name in SIZED_BY):
        raise InputError(f"needs what to train: {', '.join(SIZED_BY[:3])}, time or budget; or enter its gpu_hours")
    if stage.kind == "context":
        needs(stage, "seq_len", "tokens")
    return trained(frame, stage, fleet)


def fine_tuning(frame: Frame, stage: Stage, fleet: str) -> StageLine:
    """Supervised fine-tuning of all weights: its tokens, or examples x their tokens x epochs."""
    return trained(frame, stage, fleet, **_tokens(frame, stage, "examples", "example_tokens"))


def preference(frame: Frame, stage: Stage, fleet: str) -> StageLine:
    """Preference optimisation: pairs x their tokens x epochs; the frozen reference scores every token once more."""
    line = trained(frame, stage, fleet, **_tokens(frame, stage, "pairs", "pair_tokens"))
    return times(line, PREFERENCE_FACTOR, note="a third of the update more for the frozen reference's forward pass")


def _tokens(frame: Frame, stage: Stage, count: Count, each: Each) -> PlanOptions:
    """The tokens of a set, and its mean sequence where none is given. Raises InputError where neither is stated."""
    _needs_model(frame, stage)
    if "tokens" in stage.options:
        return {}
    needs(stage, count, each)
    mean = number(stage.own[each], each)
    tokens = number(stage.own[count], count) * mean * number(stage.own.get("epochs", 1), "epochs")
    shared = {**frame.file.options, **stage.options}
    found: PlanOptions = {"tokens": tokens}
    if "seq_len" not in shared:
        found["seq_len"] = max(round(mean), 1)
    return found


def _needs_model(frame: Frame, stage: Stage) -> None:
    if not any(name in {**frame.file.options, **stage.options} for name in ("model", "params")):
        needs(stage, "model")


def distillation(frame: Frame, stage: Stage, fleet: str) -> StageLine:
    """A student trained on its tokens, each scored by the teacher's forward pass; the loss that it reaches is open."""
    needs(stage, "teacher", "tokens")
    _needs_model(frame, stage)
    line = trained(frame, stage, fleet)
    run = _run_of(line)
    scored = _scored(frame, stage, fleet, run.tokens)
    hours = scored.gpu_hours
    assert hours is not None
    return joined(
        [line, scored],
        detail=StudentDetail(**asdict(run), teacher=str(stage.own["teacher"]), teacher_gpu_hours=hours),
        not_counted=("gain of the student",),
        note="what the student gains, `hwmodel plan --distill` says for pre-training (busbridge_distill_2025)",
    )


def _scored(frame: Frame, stage: Stage, fleet: str, tokens: float) -> StageLine:
    """Hours of a forward pass of the teacher over all tokens."""
    options = without(frame.options(stage, fleet), "params", "model", "tokens")
    setting = frame.setting({**options, "model": stage.own["teacher"], "tokens": "1T"})
    r, shape = setting.request, setting.shape()
    assert isinstance(shape, Shape)
    fleet_size = float(r.gpus or 1)
    run = TrainingRun(
        shape=shape, machine=setting.machine, precision=setting.precision, stack=setting.stack,
        accelerators=fleet_size, seq_len=float(r.seq_len),
        global_batch_seqs=r.global_batch_seqs or default_batch_seqs(fleet_size, r.seq_len, {}),
    )  # fmt: skip
    found = predict_training(run)
    seconds = forward_s(found.step) * tokens / (run.global_batch_seqs * run.seq_len)
    doubt = step_doubt(setting, setting.precision, is_mixture(shape), fleet_size, step_shares(found.step))
    hours = Band.around(seconds * fleet_size / 3600.0, doubt)
    mfu = (
        2.0
        * float(parameters(shape).active)
        * tokens
        / (seconds * fleet_size * float(run.machine.gemm.peak_flop_per_s))
    )
    return of_hours(hours, setting, fleet_size, mfu, stage=stage.name, kind=stage.kind)


def ablations(frame: Frame, stage: Stage, fleet: str) -> StageLine:
    """Runs as listed, each as `plan` answers it, `count` times."""
    runs = stage.own.get("runs")
    if not isinstance(runs, list) or not runs or not all(isinstance(one, dict) for one in runs):
        raise InputError("runs is a list of runs, like `- {params: 1B, tokens: 100B, count: 20}`")
    made = [_ablation(frame, stage, fleet, one) for one in runs]
    found = [detail for _, detail in made]
    detail = AblationDetail(runs=found, count=sum(one.count for one in found))
    return joined([line for line, _ in made], detail=detail)


def _ablation(frame: Frame, stage: Stage, fleet: str, run: RepeatedRun) -> tuple[StageLine, RepeatedDetail]:
    count = number(run.get("count", 1), "count")
    if not any(name in run for name in SIZED_BY):
        raise InputError(
            f"a run needs {', '.join(SIZED_BY[:3])} or flops, like {{params: 1B, tokens: 100B, count: 20}}"
        )
    own = without(run, "count", "gpus")
    line = _run(frame, frame.options(stage, str(run.get("gpus", fleet)), **own), stage.name, stage.kind)
    detail = RepeatedDetail(**asdict(_run_of(line)), count=count)
    return times(line, count, detail=detail), detail


def _run_of(line: StageLine) -> RunDetail:
    """What the line of a training run rests on."""
    assert isinstance(line.detail, RunDetail)
    return line.detail


__all__ = ["ablations", "distillation", "fine_tuning", "preference", "pretraining", "trained"]
