"""Stages that serve the model: evaluation, and its use after training."""

from __future__ import annotations

from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.physics.machine import machine
from hwmodel.physics.shape import shape_for_params
from hwmodel.predict.formats import formats_of
from hwmodel.predict.service import SATURATED, ServiceSetting, Worker, service_ends, traits_of
from hwmodel.predict.service.cost import DEFAULT_TPOT_S
from hwmodel.predict.service.intervals import THROUGHPUT, TPOT, at_rest
from hwmodel.solve.life.objective import prompt_and_output
from hwmodel.solve.question.options import without
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.details import ServedDetail
from hwmodel.solve.run.lines import StageLine, of_hours
from hwmodel.solve.run.result import Band
from hwmodel.solve.serve.choose import engine_for
from hwmodel.solve.serve.face import serving_accelerator_seconds_per_token
from hwmodel.solve.stages.file import Stage
from hwmodel.solve.stages.frame import Frame, needs, number
from hwmodel.specs import Shape
from hwmodel.specs.intervals import Ends
from hwmodel.specs.serving import ServingCost, ServingLayout, ServingLoad

ENGINE = "vllm"
LOOSE_TPOT_S = 1.0  # nobody waits for the answers of a benchmark


def evaluation(frame: Frame, stage: Stage, fleet: str) -> StageLine:
    """Questions answered by the serving model: questions x passes x their tokens."""
    needs(stage, "questions", "prompt_tokens", "output_tokens")
    own = stage.own
    prompt, output = number(own["prompt_tokens"], "prompt_tokens"), number(own["output_tokens"], "output_tokens")
    asked = number(own["questions"], "questions") * number(own.get("passes", 1), "passes")
    setting = _setting(frame, stage, fleet)
    return _served(stage, setting, asked * prompt, asked * output, (prompt, output), LOOSE_TPOT_S, one_answer=True)


def serving(frame: Frame, stage: Stage, fleet: str) -> StageLine:
    """The demand of `inference_tokens` or `serve`, each token at what the cheapest layout of the pool takes."""
    if not any(name in {**frame.file.options, **stage.options} for name in ("inference_tokens", "serve")):
        needs(stage, "inference_tokens")
    setting = _setting(frame, stage, fleet)
    r = setting.request
    assert r.inference_tokens is not None
    lengths = prompt_and_output(r.prompt_share)
    limit = DEFAULT_TPOT_S
    if r.service is not None:
        lengths, limit = (r.service.prompt_tokens, r.service.output_tokens), r.service.tpot_limit_s or limit
    prompts = r.inference_tokens * r.prompt_share
    return _served(stage, setting, prompts, r.inference_tokens - prompts, lengths, limit)


def _setting(frame: Frame, stage: Stage, fleet: str) -> Fleeted:
    options = without(frame.options(stage, fleet), "time", "budget", "flops", "tokens")
    if not any(name in options for name in ("model", "params")):
        needs(stage, "model")
    # The law gives the loss of a size on tokens that no stage of serving has.
    return frame.setting(
        {**options, "tokens": "1T"} if "inference_tokens" in options or "serve" in options else options
    )


def _served(
    stage: Stage, setting: Fleeted, prompts: float, outputs: float, lengths: tuple[float, float], limit_s: float,
    one_answer: bool = False,
) -> StageLine:  # fmt: skip
    """Accelerator-hours of prompt and output tokens at the cheapest layout and batch; with `one_answer` the pool is
    held no shorter than the tokens of one answer take, one after another, however many accelerators share the
    questions. Engines that start up are not counted."""
    found = setting.shape()
    shape: Shape = found if found is not None else shape_for_params(float(setting.request.params or 0.0))
    recipe = setting.serving_precision()
    on = machine(setting.part, setting.system, recipe, kernel_calibration())
    engine = engine_for(ENGINE, setting.part.family, recipe.id)
    count = float(setting.request.gpus or 1)
    cost = serving_accelerator_seconds_per_token(
        shape, on, recipe, *lengths, engine=engine, tpot_limit_s=limit_s, most=count
    )
    seconds = prompts * float(cost.prompt_accelerator_s) + outputs * float(cost.output_accelerator_s)
    if one_answer:
        seconds = max(seconds, count * lengths[1] * float(cost.tpot_s))
    worker = Worker(
        machine=on, formats=formats_of(shape, recipe), engine=engine, layout=ServingLayout(tp=float(cost.tp))
    )
    load = ServingLoad(prompt_tokens=lengths[0], output_tokens=lengths[1])
    service = ServiceSetting(shape=shape, worker=worker, load=load)
    doubts = _doubts(setting, service, cost, prompts / max(outputs, 1.0))
    detail = ServedDetail(
        prompt_tokens=prompts, output_tokens=outputs, precision=recipe.id, tp=float(cost.tp), batch=float(cost.batch),
        tpot_s=Band.around(float(cost.tpot_s), doubts[TPOT]), engine=ENGINE,
    )  # fmt: skip
    return of_hours(Band.around(seconds / 3600.0, doubts[THROUGHPUT]), setting, count, stage=stage.name,
                    kind=stage.kind, detail=detail)  # fmt: skip


def _doubts(setting: Fleeted, service: ServiceSetting, cost: ServingCost, prompts_per_output: float) -> dict[str, Ends]:
    """Ends of the intervals of a token's time, and of all seconds, of a saturated engine."""
    prefill, decode = prompts_per_output * float(cost.prompt_accelerator_s), float(cost.output_accelerator_s)
    terms = at_rest(
        service, running=float(cost.batch), tpot_s=float(cost.tpot_s), ttft_s=0.0, busy=prefill / (prefill + decode)
    )
    traits = traits_of(SATURATED, service, ENGINE, setting.part, made_up=setting.shape() is None, searched=True)
    return {name: service_ends(traits, service, terms, name) for name in (TPOT, THROUGHPUT)}
