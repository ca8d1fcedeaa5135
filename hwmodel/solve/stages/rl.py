"""The stage of reinforcement learning: steps of rollouts by the serving model and updates by the training model."""

from __future__ import annotations

from msgspec.structs import replace

from hwmodel.catalog.calibrations import kernel_calibration, rl_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.errors import InputError, unknown
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import format_peak, machine
from hwmodel.physics.shape import parameters, shape_for_params
from hwmodel.predict.formats import formats_of
from hwmodel.predict.rl import (
    RlSetting,
    lengths_from_histogram,
    lengths_of,
    phases,
    rl_ends,
    rollout_worker,
    step_terms,
    with_lengths,
)
from hwmodel.predict.service import ServiceSetting, Worker
from hwmodel.predict.training import TrainingRun
from hwmodel.solve.question.options import PlanOptions, without
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.billing import Rated, bill
from hwmodel.solve.run.details import RlDetail
from hwmodel.solve.run.lines import StageLine, added, of_bill, of_hours
from hwmodel.solve.stages.file import Stage
from hwmodel.solve.stages.frame import Frame, duration_s, needs, number, rate, usd
from hwmodel.solve.stages.given import StageKeys
from hwmodel.specs import Shape
from hwmodel.specs.rl import ResponseLengths, RlTerms
from hwmodel.specs.serving import ServingLayout, ServingLoad

PROMPT_TOKENS = 110.0  # of mathematics problems: NeMo-RL's printed rates count 95 to 130 beside the response
SPLIT_LAG = 1.0  # two pools without a stated lag work one step apart: they would wait for each other else


def reinforcement(frame: Frame, stage: Stage, fleet: str) -> StageLine:
    """Steps times their seconds, with failures; the rollouts' pool beside it where they have one of their own.

    Raises InputError for what it lacks.
    """
    own = stage.own
    shared = {**frame.file.options, **stage.options}
    if not any(name in shared for name in ("model", "params")):
        needs(stage, "model")
    needs(stage, "steps", "prompts", "samples_per_prompt")
    setting = frame.setting(_run_options(frame.options(stage, fleet)))
    shape = _shape(setting)
    rollouts = _rollout_setting(frame, stage, setting)
    count = number(own["prompts"], "prompts") * number(own["samples_per_prompt"], "samples_per_prompt")
    lengths = _lengths(own, count)
    one = _step(stage, setting, rollouts, shape, lengths)
    terms = step_terms(phases(one), rl_calibration(), _verifier_s(own))
    return _line(stage, setting, rollouts, one, terms, shape)


def _run_options(options: PlanOptions) -> PlanOptions:
    """The options without those that size a run of tokens: the steps of the stage do."""
    return without(options, "tokens", "time", "budget", "flops", "loss", "loss_like")


def _shape(setting: Fleeted) -> Shape:
    found = setting.shape()
    return found if found is not None else shape_for_params(float(setting.request.params or 0.0))


def _rollout_setting(frame: Frame, stage: Stage, setting: Fleeted) -> Fleeted | None:
    """The setting of the pool that generates; None where one pool does both."""
    text = stage.own.get("rollout_gpus")
    if text is None:
        return None
    words = f"{text}x{setting.part.id}" if str(text).isdecimal() else str(text)
    return frame.setting(without(_run_options(frame.options(stage, words)), "system", "precision"))


def _lengths(own: StageKeys, count: float) -> ResponseLengths:
    """The histogram as given, or what a mean and a limit stand for. Raises InputError for neither or both."""
    given = own.get("lengths")
    if given is not None:
        if "response_tokens" in own or "response_limit" in own:
            raise InputError("lengths says how long responses are: drop response_tokens and response_limit")
        if not isinstance(given, dict):
            raise InputError("lengths maps tokens to shares, like {500: 50%, 2000: 40%, 8000: 10%}")
        return lengths_from_histogram([(number(t, "lengths"), _weight(w)) for t, w in given.items()])
    if "response_tokens" not in own:
        raise InputError(
            "needs response_tokens (with response_limit) or lengths to be computed, or enter its gpu_hours"
        )
    limit = number(own["response_limit"], "response_limit") if "response_limit" in own else None
    mean = number(own["response_tokens"], "response_tokens")
    return lengths_of(mean, limit, rl_calibration().length_log_sd, count)


def _weight(value: object) -> float:
    text = str(value).strip()
    return rate(text.removesuffix("%"), "a share of lengths")


def _verifier_s(own: StageKeys) -> float:
    return duration_s(own["verifier_time"], "verifier_time") if "verifier_time" in own else 0.0


def _worker(setting: Fleeted, shape: Shape, engine: str) -> ServiceSetting:
    recipe = setting.serving_precision()
    known = serving_calibration().engines
    if engine not in known:
        raise unknown("engine", engine, known)
    w = Worker(
        machine=machine(setting.part, setting.system, recipe, kernel_calibration()), formats=formats_of(shape, recipe),
        engine=engine_of(serving_calibration(), engine, 0.0, setting.part.family, recipe.id), layout=ServingLayout(),
    )  # fmt: skip
    return ServiceSetting(shape=shape, worker=w, load=ServingLoad(prompt_tokens=PROMPT_TOKENS, output_tokens=1.0))


def _step(
    stage: Stage, setting: Fleeted, rollouts: Fleeted | None, shape: Shape, lengths: ResponseLengths
) -> RlSetting:
    """One step as the physics takes it."""
    own, r = stage.own, setting.request
    prompts, samples = number(own["prompts"], "prompts"), number(own["samples_per_prompt"], "samples_per_prompt")
    prompt = number(own["prompt_tokens"], "prompt_tokens") if "prompt_tokens" in own else PROMPT_TOKENS
    pool = float((rollouts or setting).request.gpus or 1)
    engine = _worker(rollouts or setting, shape, str(own.get("engine", "vllm")))
    tp = number(own["rollout_tp"], "rollout_tp") if "rollout_tp" in own else None
    worker = rollout_worker(with_lengths(engine, prompt, lengths), pool, prompts * samples, tp)
    updates = number(own.get("updates", 1), "updates")
    run = TrainingRun(
        shape=shape, machine=setting.machine, precision=setting.precision, stack=setting.stack,
        accelerators=float(r.gpus or 1), seq_len=float(round(lengths.mean + prompt)),
        global_batch_seqs=float(max(round(prompts * samples / updates), 1)), fixed=dict(r.layout), again=r.again,
        offload=r.offloads, schedules=r.schedules,
    )  # fmt: skip
    lag = own.get("lag")
    return RlSetting(
        rollouts=worker, rollout_accelerators=pool, training=run, prompts=prompts, samples=samples, lengths=lengths,
        colocated=rollouts is None, lag=(SPLIT_LAG if rollouts is not None else 0.0) if lag is None else _lag(lag),
        updates=updates, scored_passes=_passes(own), verifier_s=_verifier_s(own),
    )  # fmt: skip


def _lag(value: object) -> float:
    return 0.0 if str(value).strip() in ("0", "0.0") else rate(str(value), "lag")


def _passes(own: StageKeys) -> float:
    value = own.get("scored_passes", 2)
    return 0.0 if str(value) == "0" else number(value, "scored_passes")


def _line(
    stage: Stage, setting: Fleeted, rollouts: Fleeted | None, one: RlSetting, terms: RlTerms, shape: Shape
) -> StageLine:
    """Steps as billed: the pool that trains through failures, the pool that generates as long as it runs."""
    own, steps = stage.own, number(stage.own["steps"], "steps")
    rollout_count = one.count * steps
    tokens = one.count * (one.lengths.mean + float(one.rollouts.load.prompt_tokens))
    precision = one.training.precision
    active, params = float(parameters(shape).active), float(parameters(shape).total)
    run = Rated(
        accelerators=one.training.accelerators, used=one.training.accelerators, params=params,
        tokens=tokens * steps, six_nd_per_token=6.0 * active,
        mfu_flop_per_token=6.0 * active, tokens_per_s=tokens / terms.total_s,
        doubt=rl_ends(terms, rl_calibration()),
        peak_flop_per_s=format_peak(setting.part, precision.gemm_format, precision.fallback_formats),
    )  # fmt: skip
    found = bill(setting, run)
    left = [] if "verifier_usd_per_rollout" in own else ["verifier"]
    detail = RlDetail(
        params=params, steps=steps, rollouts=rollout_count, tokens=tokens * steps, terms_s=terms,
        step_s=Band.around(terms.total_s, run.doubt), longest_response=one.lengths.longest,
        mean_response=one.lengths.mean, mfu=found.mfu, lag=one.lag, pools="one" if one.colocated else "two",
    )  # fmt: skip
    line = of_bill(found, setting, one.training.accelerators, stage=stage.name, kind=stage.kind, detail=detail,
                   not_counted=tuple(left))  # fmt: skip
    if rollouts is not None:
        line, detail = _with_pool(line, detail, rollouts, one.rollout_accelerators)
    if left:
        return line
    each = usd(own["verifier_usd_per_rollout"], "verifier_usd_per_rollout")
    return _judged(line, detail, rollout_count * each)


def _with_pool(line: StageLine, detail: RlDetail, rollouts: Fleeted, accelerators: float) -> tuple[StageLine, RlDetail]:
    """The line with the hours of the pool that generates, which runs as long."""
    assert line.elapsed_days is not None
    beside = of_hours(line.elapsed_days.scaled(24.0 * accelerators), rollouts, accelerators,
                      stage=line.stage, kind=line.kind)  # fmt: skip
    bands = {name: added([b for one in (line, beside) if (b := getattr(one, name)) is not None])
             for name in ("gpu_hours", "cost_usd", "energy_mwh", "co2e_t")}  # fmt: skip
    safe = (
        None
        if line.safe_cost_usd is None or beside.safe_cost_usd is None
        else line.safe_cost_usd + beside.safe_cost_usd
    )
    detail = replace(
        detail, rollout_accelerators=int(accelerators), rollout_part=rollouts.part.id,
        rollout_gpu_hours=beside.gpu_hours,
    )  # fmt: skip
    return replace(line, **bands, safe_cost_usd=safe, detail=detail), detail


def _judged(line: StageLine, detail: RlDetail, money: float) -> StageLine:
    """The line with what judging its rollouts costs."""
    detail = replace(detail, verifier_usd=money)
    if line.cost_usd is None:
        return replace(line, detail=detail)
    cost = line.cost_usd
    shifted = type(cost)(cost.value + money, cost.low + money, cost.high + money)
    safe = None if line.safe_cost_usd is None else line.safe_cost_usd + money
    return replace(line, cost_usd=shifted, safe_cost_usd=safe, detail=detail)
