"""Fit of the engine constants on measured serving runs: few, bounded, each with a prior, robust, deterministic."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.engines import engine_habits
from hwmodel.numerics import Problem, gauss_newton
from hwmodel.specs.serving_calibration import ServingCalibration
from hwmodel.validation.predicted.serving_predict import Questions

Column = NDArray[np.float64]
NAMED = ("trtllm", "sglang", "vllm")  # engines whose runs are fitted on


class ServingParameter(msgspec.Struct, frozen=True, kw_only=True):
    """One fitted constant: where it stands, its prior (natural-log width) and bounds, and what it means.

    `colour`: parameters of one colour touch disjoint rows, so that one evaluation gives all their derivatives.
    """

    place: str  # shared | engine:<id> | old:<id> | family:<id>
    field: str
    prior: float
    width: float
    low: float
    high: float
    meaning: str
    colour: str = ""

    @property
    def name(self) -> str:
        return f"{self.place}.{self.field}"


# Benchmark recipes of SGLang stream tokens in intervals, those of the others one by one (unconfirmed: prior only).
PRIORS = {("sglang", "stream_steps"): 10.0}


def _engine(field: str, prior: float, width: float, low: float, high: float, meaning: str) -> list[ServingParameter]:
    return [
        ServingParameter(place=f"engine:{e}", field=field, prior=PRIORS.get((e, field), prior), width=width, low=low,
                  high=high, meaning=meaning, colour=field)
        for e in NAMED
    ]  # fmt: skip


def _one(place: str, field: str, prior: float, width: float, low: float, high: float, meaning: str) -> ServingParameter:
    colour = {k: f"{k} {field}" for k in ("old", "family", "format")}.get(place.partition(":")[0], f"shared {field}")
    return ServingParameter(
        place=place, field=field, prior=prior, width=width, low=low, high=high, meaning=meaning, colour=colour
    )


PARAMETERS: tuple[ServingParameter, ...] = (
    *_engine("kernel_s", 4e-6, 0.4, 1e-6, 1.5e-5, "gap and tail of one kernel of a captured graph"),
    *_engine("prefill_kernel_s", 4e-5, 0.6, 2e-6, 5e-4, "host cost of one kernel before the first token"),
    *_engine("request_s", 2e-2, 0.7, 2e-3, 0.3, "tokenising, routing and streaming one request"),
    *_engine("stream_steps", 2.0, 0.8, 0.5, 40.0, "decode steps until the first token reaches the client"),
    *_engine("attention_level", 1.0, 0.15, 0.7, 2.0, "attention over the cache, in the engine over stand-alone"),
    _one("format:four-bit", "gemm_level", 0.8, 0.1, 0.5, 1.5, "products inside an engine over the tables' kernels"),
    _one("format:widened", "gemm_level", 1.0, 0.1, 0.5, 1.5, "products inside an engine over the tables' kernels"),
    _one("format:fp8", "gemm_level", 1.0, 0.1, 0.5, 1.5, "products inside an engine over the tables' kernels"),
    _one("shared", "collective_s", 5e-6, 0.5, 2e-7, 2.5e-5, "wait for the last of eight ranks in a collective"),
    _one("shared", "imbalance", 1.2, 0.12, 1.0, 2.0, "busiest expert-parallel rank over the mean"),
    _one("shared", "expert_host", 1.5, 0.3, 0.7, 4.0, "host cost of launching an expert kernel over that of others"),
    _one("shared", "prefill_stall", 1.1, 0.1, 0.7, 1.5, "prefill under a sustained mixed load over the kernels' own"),
    _one("shared", "burst", 1.0, 0.1, 0.3, 3.0, "prompts before the mean one of a first round over half of the others"),
    _one("shared", "step_s", 1e-4, 0.7, 1e-5, 2e-3, "scheduling and sampling one step"),
    _one("shared", "sequence_s", 6e-6, 0.5, 5e-7, 5e-5, "the same for each running sequence"),
    _one("shared", "limited_share", 0.92, 0.05, 0.6, 1.0, "rate under limits on slow requests over all that fits"),
    _one("shared", "drift", 1.0, 0.4, 0.05, 3.0, "yearly shrinking of host costs (natural log)"),
    _one("shared", "level", 0.93, 0.06, 0.8, 1.25, "kernels inside an engine over their stand-alone times"),
    _one("old:trtllm", "kernel_factor", 2.6, 0.4, 0.5, 8.0, "kernel gaps before 2025 (more kernels) over today's"),
    _one("old:vllm", "kernel_factor", 2.6, 0.4, 0.5, 8.0, "kernel gaps before 2025 (more kernels) over today's"),
    _one("old:trtllm", "prefill_kernel_s", 1e-5, 0.6, 1e-6, 1e-4, "host cost of a kernel of a compiled engine (2024)"),
    _one("old:trtllm", "sequence_s", 5e-6, 0.8, 2e-7, 2e-4, "cost of a running sequence before 2025"),
    _one("old:vllm", "sequence_s", 5e-5, 0.8, 2e-7, 2e-4, "cost of a running sequence before 2025"),
    *(
        _one(f"old:{e}", "kv_reread", 0.15, 0.8, 0.01, 1.0, "cache of grouped heads read again (exponent of the group)")
        for e in ("trtllm", "vllm")
    ),
    _one("family:cdna", "level", 1.4, 0.15, 0.8, 3.0, "kernels of engines not tuned for the part over tuned ones"),
    _one("family:cdna", "attention_factor", 1.4, 0.15, 0.5, 4.0, "the same of attention over the cache, on top"),
    _one("family:cdna", "kernel_factor", 1.9, 0.2, 0.7, 5.0, "kernel gap over that of the parts engines are tuned for"),
)  # fmt: skip

# Recipes that share one level: four-bit matrix units, and narrow weights widened on the way into wider ones.
KINDS = {
    "fp8": ("fp8", "fp8-kv16", "fp8-ffn", "fp8-block", "fp8-block-kv8", "mxfp8"),
    "four-bit": ("nvfp4", "mxfp4-a4", "mxfp4-a8"),
    "widened": ("mxfp4", "w4a16", "w8a16", "w8a16-kv8", "w4a8", "w4a8kv4"),
}
# Families whose engines compile a whole step into one program: no launches between kernels (unconfirmed, not fitted).
COMPILED = {"tpu": {"kernel_factor": 0.25}, "trainium": {"kernel_factor": 0.25}}
ITERATIONS = 12


def calibration_of(values: Column, known: dict[str, list[str]] | None = None) -> ServingCalibration:
    """The record that a vector of parameter values stands for; `generic` is the geometric mean of the named engines."""
    shared: dict[str, float] = {}
    engines: dict[str, dict[str, float]] = {engine.id: dict(engine.settings) for engine in engine_habits()}
    old: dict[str, dict[str, float]] = {}
    families: dict[str, dict[str, float]] = {f: dict(v) for f, v in COMPILED.items()}
    formats: dict[str, dict[str, float]] = {}
    for p, value in zip(PARAMETERS, values.tolist(), strict=True):
        kind, _, key = p.place.partition(":")
        table = {"engine": engines, "old": old, "family": families, "format": formats}.get(kind)
        (shared if table is None else table.setdefault(key, {}))[p.field] = value
    for field in dict.fromkeys(p.field for p in PARAMETERS if p.place.startswith("engine:")):
        engines["generic"][field] = float(np.exp(np.mean([np.log(engines[e][field]) for e in NAMED])))
    for kind, recipes in KINDS.items():
        formats |= dict.fromkeys(recipes, formats[kind])
    old["generic"] = {
        f: float(np.exp(np.mean([np.log(o[f]) for o in old.values()])))
        for f in ("kernel_factor", "sequence_s", "kv_reread")
    }
    return ServingCalibration(
        shared=shared,
        engines=engines,
        old=old,
        families=families,
        formats=formats,
        launch={engine.id: engine.launch for engine in engine_habits() if engine.launch},
        known=known or {},
    )


def fitted_alone(record: ServingCalibration) -> ServingCalibration:
    """What is written of a fit: without what engines document, which stands in a file of its own."""
    documented = {engine.id: engine.settings for engine in engine_habits()}
    engines = {
        name: {field: value for field, value in values.items() if field not in documented[name]}
        for name, values in record.engines.items()
    }
    return msgspec.structs.replace(record, engines=engines, launch={})


LONGEST = 0.7  # of one step, natural logs
TOLERANCE = 5e-4  # share of the loss that a round must gain


def defaults() -> Column:
    return np.array([p.prior for p in PARAMETERS])


def scales(questions: Questions) -> Column:
    """Width of the log error that each quantity is fitted to (robustly: twice that already counts half)."""
    table = {"tpot": 0.06, "ttft": 0.06, "request": 0.1}
    return np.array([table.get(asked.kind, 0.08) for _, asked in questions.keys])


def _errors(questions: Questions, measured: Column, use: NDArray[np.bool_], values: Column, scale: Column) -> Column:
    predicted = questions.answer(calibration_of(values))
    error = np.log(np.where(predicted > 0, predicted, 1e-12) / measured) / scale
    return np.asarray(np.clip(np.nan_to_num(error[use], posinf=50.0, neginf=-50.0), -50.0, 50.0))


def fit(questions: Questions, measured: Column, use: NDArray[np.bool_], iterations: int = ITERATIONS) -> Column:
    """Parameter values that fit the answers in `use`, from the defaults: damped Gauss-Newton under a Cauchy loss."""
    low = np.log([p.low for p in PARAMETERS])
    high = np.log([p.high for p in PARAMETERS])
    prior, width = np.log(defaults()), np.array([p.width for p in PARAMETERS])
    # A prior counts like a handful of rows, whatever the number of rows.
    strength = 4.0 / width
    scale = scales(questions)

    def error(at: Column) -> Column:
        return _errors(questions, measured, use, np.exp(at), scale)

    problem = Problem(
        errors=error, jacobian=lambda x, z: _jacobian(error, x, z, questions, use), prior=prior, pull=strength,
        weight=np.ones(int(use.sum())), low=low, high=high, longest=LONGEST,
    )  # fmt: skip
    return np.asarray(np.exp(gauss_newton(problem, iterations, TOLERANCE).x))


def _jacobian(
    error: Callable[[Column], Column],
    x: Column,
    z: Column,
    questions: Questions,
    use: NDArray[np.bool_],
    step: float = 0.02,
) -> Column:
    """Derivatives by colour: parameters that touch disjoint rows are moved together."""
    owner = _touched(questions)[:, use]
    out = np.zeros((len(z), len(PARAMETERS)))
    for colour in dict.fromkeys(p.colour for p in PARAMETERS):
        mine = [i for i, p in enumerate(PARAMETERS) if p.colour == colour]
        moved = x.copy()
        moved[mine] += step
        difference = (error(moved) - z) / step
        for i in mine:
            out[:, i] = np.where(owner[i], difference, 0.0)
    return out


def _touched(questions: Questions) -> NDArray[np.bool_]:
    """For each parameter, which answers it touches."""
    engine, old, kin = questions.engine, questions.old, questions.family
    rows = []
    for p in PARAMETERS:
        kind, _, key = p.place.partition(":")
        if kind == "engine":
            rows.append(engine == key)
        elif kind == "old":
            rows.append((engine == key) & old)
        elif kind == "format":
            rows.append(np.isin(questions.recipe, KINDS.get(key, (key,))))
        elif kind == "family":
            rows.append(kin == key)
        else:
            rows.append(np.ones(len(engine), dtype=bool))
    return np.stack(rows)


def error_by(values: Sequence[float]) -> float:
    """Median absolute relative error of log errors."""
    return float(np.median(np.abs(np.expm1(np.asarray(values)))))


__all__ = ["PARAMETERS", "calibration_of", "defaults", "error_by", "fit", "scales"]
