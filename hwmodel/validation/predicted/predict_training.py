"""From the physics' outcome of training rows to predictions with intervals, in the units of the measured columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.intervals import around
from hwmodel.predict.training import TrainingPrediction
from hwmodel.predict.uncertainty import TrainingTraits, blanks, is_mixture, step_ends, step_shares
from hwmodel.specs.intervals import Ends, IntervalConstants
from hwmodel.specs.training_calibration import Known, TrainingCalibration
from hwmodel.validation.predicted.records import PREDICTED, REFUSED, RowPrediction
from hwmodel.validation.predicted.score import is_time
from hwmodel.validation.predicted.training import PreparedRows, model_flop_per_token, predicted, stacks_of
from hwmodel.validation.rows.tables import Row, measured, text
from hwmodel.validation.rows.training_rows import METRICS, TrainingCase

CONVENTIONS = {"causal": "causal", "full": "full", "hardware": "megatron-2021"}

Cluster = tuple[str, float, str, str, float]


def cluster_of(part_id: str, row: Row) -> Cluster | None:
    """What tells one measured cluster and its software from another without a name of a source: part, node, network,
    framework, year. None where the row does not say what network or software it is."""
    node, year = measured(row, "accel_per_node") or 0.0, measured(row, "year") or 0.0
    network, framework = text(row, "interconnect").lower(), text(row, "framework").lower()
    return (part_id, node, network, framework, year) if network and framework else None


class FittedRows(msgspec.Struct, kw_only=True):
    """What the rows of a fit covered, and the sources and clusters that they are from."""

    known: Known
    sources: frozenset[str] = frozenset()
    clusters: frozenset[Cluster] = frozenset()


def fitted_on(prepared: PreparedRows, use: NDArray[np.bool_]) -> FittedRows:
    """What the rows in `use` cover."""
    places = [int(place) for place in np.flatnonzero(use) if prepared.cases[place] is not None]
    traits = [traits_of(prepared, place) for place in places]
    cases = [case for place in places if (case := prepared.cases[place]) is not None]
    return FittedRows(
        known=Known(
            stacks=frozenset(row_traits.stack for row_traits in traits),
            families=frozenset(row_traits.family for row_traits in traits),
            parts=frozenset(row_traits.part for row_traits in traits),
            formats=frozenset(row_traits.format_key for row_traits in traits),
            kinds=frozenset(row_traits.kind_key for row_traits in traits),
            accelerators=max((case.n_accel for case in cases), default=1.0),
        ),
        sources=frozenset(case.source for case in cases),
    )


def traits_of(
    prepared: PreparedRows, place: int, fitted: FittedRows | None = None, level: bool = False
) -> TrainingTraits:
    """What of row `place` decides how familiar it is to a fit."""
    case, run = prepared.cases[place], prepared.runs[place]
    assert case is not None
    assert run is not None
    cluster = cluster_of(prepared.parts[place], prepared.rows[place])
    seen = fitted is not None and (case.source in fitted.sources or cluster in fitted.clusters)
    name, family, _ = prepared.stack_keys[prepared.row_stack[place]]
    return TrainingTraits(
        part=prepared.parts[place], family=family, stack=name, number_format=prepared.formats[place],
        mixture=is_mixture(case.shape), accelerators=case.n_accel,
        blanks=blanks(frozenset(run.fixed), batch=case.global_batch is not None, shape=case.shape_complete),
        domain=float(run.machine.network.domain), seen=seen, level=level,
    )  # fmt: skip


def rate_to(metric: str, case: TrainingCase, prepared: PreparedRows, place: int, rate: float) -> float | None:
    """Tokens per second and accelerator as the metric; None where the metric cannot be told from them."""
    run = prepared.runs[place]
    assert run is not None
    if metric == "tokens_per_s_per_accel":
        return rate
    if metric == "step_time_s":
        return run.global_batch_seqs * run.seq_len / (rate * case.n_accel)
    if metric == "time_to_train_min":
        needed = prepared.tokens_to_target[place]
        return None if not needed else needed / (rate * case.n_accel) / 60.0
    if metric == "reported_tflops_per_accel":
        name = CONVENTIONS.get(case.convention)
        return None if name is None else rate * model_flop_per_token(case, name) / 1e12
    return None


def _asked(case: TrainingCase) -> list[str]:
    """Measured quantities that can be predicted. FLOP rates only in a named convention, and where nothing else is."""
    found = [name for name in METRICS if name in case.measured]
    if case.convention not in CONVENTIONS or len(found) > 1:
        found = [name for name in found if name != "reported_tflops_per_accel"]
    return found


def _baseline_unit(metric: str, case: TrainingCase, prepared: PreparedRows, place: int) -> float | None:
    """The metric at a utilisation of one (causal convention, dense peak of the row's format)."""
    if metric == "peak_mem_gb":
        return None
    run = prepared.runs[place]
    assert run is not None
    rate = float(run.machine.gemm.peak_flop_per_s) / model_flop_per_token(case, "causal")
    return rate_to(metric, case, prepared, place, rate)


def _refusals(row: Row, reason: str) -> list[RowPrediction]:
    out = []
    names = [name for name in METRICS if measured(row, name) is not None and name != "reported_tflops_per_accel"]
    for number, metric in enumerate(names or ["tokens_per_s_per_accel"]):
        value = measured(row, metric)
        if value is None:
            continue
        out.append(
            RowPrediction(
                id=text(row, "id"), source=text(row, "source"), group=f"{text(row, 'source')} | {text(row, 'model')}",
                model=text(row, "model"), part=text(row, "accelerator"), engine=text(row, "framework"), metric=metric,
                measured=value, predicted=None, low=None, high=None, status=REFUSED, reason=reason,
                headline=number == 0, scored=text(row, "score").lower() != "no",
            )
        )  # fmt: skip
    return out


def predictions(
    prepared: PreparedRows,
    calibration: TrainingCalibration,
    fitted: FittedRows,
    widths: IntervalConstants | None,
    shifts: Sequence[float] | None = None,
    places: Sequence[int] | NDArray[np.intp] | None = None,
) -> list[RowPrediction]:
    """Predictions for the rows (or those in `places`). `shifts` are log corrections of seconds from measured rows."""
    out: list[RowPrediction] = []
    wanted = [int(place) for place in (range(len(prepared.rows)) if places is None else places)]
    for place, one in zip(wanted, predicted(prepared, stacks_of(prepared, calibration), wanted)):
        if one is None or not math.isfinite(one.step_s):
            out += _refusals(prepared.rows[place], prepared.reasons[place] or "no finite prediction")
            continue
        shift = shifts[place] if shifts is not None else 0.0
        doubt = step_ends(traits_of(prepared, place, fitted, shift != 0.0), step_shares(one.step), fitted.known, widths)
        out += _row(prepared, place, msgspec.structs.replace(one, level=math.exp(shift)), doubt)
    return out


def _value(prepared: PreparedRows, place: int, metric: str, one: TrainingPrediction) -> float | None:
    """The prediction in the unit of a measured column."""
    case = prepared.cases[place]
    assert case is not None
    if metric == "step_time_s":
        return one.step_s
    if metric == "peak_mem_gb":
        return memory_value(prepared, place, one)
    return rate_to(metric, case, prepared, place, one.tokens_per_s_per_accelerator)


def memory_value(prepared: PreparedRows, place: int, one: TrainingPrediction) -> float:
    """Peak memory in the unit of the row."""
    case = prepared.cases[place]
    assert case is not None
    return _memory_bytes(case, one) / case.memory_unit_bytes


def _memory_bytes(case: TrainingCase, one: TrainingPrediction) -> float:
    """Peak memory of the kind that the row measured: as it says, else as its stack's logs print it."""
    held = one.footprint
    kinds = {
        "allocated": float(held.allocated_bytes), "reserved": float(held.reserved_bytes), "device": one.peak_bytes,
    }  # fmt: skip
    return kinds[case.memory_kind or ("reserved" if float(one.run.stack.logs_reserved) > 0 else "allocated")]


def _row(prepared: PreparedRows, place: int, prediction: TrainingPrediction, doubt: Ends) -> list[RowPrediction]:
    case = prepared.cases[place]
    assert case is not None
    out = []
    for number, metric in enumerate(_asked(case)):
        value = _value(prepared, place, metric, prediction)
        ends = prediction.footprint.doubt if "mem" in metric else doubt if is_time(metric) else doubt.flipped
        low, high = (None, None) if value is None else around(value, ends)
        reason = "" if value is not None else "the tokens that the benchmark's target needs are not known"
        out.append(
            RowPrediction(
                id=case.id, source=case.source, group=f"{case.source} | {case.model}", model=case.model,
                part=prepared.parts[place], engine=case.engine, metric=metric, measured=case.measured[metric],
                predicted=value, low=low, high=high,
                status=PREDICTED if value is not None else REFUSED, reason=reason,
                baseline_key=f"{prepared.parts[place]}|{prepared.formats[place]}",
                baseline_unit=_baseline_unit(metric, case, prepared, place), headline=number == 0, scored=case.scored,
                family=prepared.families[place], software=prepared.stack_keys[prepared.row_stack[place]][0],
                mixture=is_mixture(case.shape),
            )
        )  # fmt: skip
    return out
