"""From the physics' outcome of training rows to predictions with intervals, in the units of the measured columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.stacks import TrainingCalibration
from hwmodel.physics.intervals import log_half_width
from hwmodel.specs.intervals import Familiarity, IntervalConstants
from hwmodel.validation.records import PREDICTED, REFUSED, RowPrediction
from hwmodel.validation.tables import Row, measured, text
from hwmodel.validation.training import Outcome, Prepared, model_flop_per_token, outcome, stacks_of
from hwmodel.validation.training_rows import METRICS, Case

MEMORY_HALF_WIDTH = 0.30  # natural logs; of the memory model over rows of sources left out
CONVENTIONS = {"causal": "causal", "full": "full", "hardware": "megatron"}
GIB = 2.0**30


Cluster = tuple[str, float, str, str, float]


def cluster_of(part_id: str, row: Row) -> Cluster:
    """What tells one measured cluster and its software from another without a name of a source: part, node, network,
    framework, year."""
    node, year = measured(row, "accel_per_node") or 0.0, measured(row, "year") or 0.0
    return (part_id, node, text(row, "interconnect").lower(), text(row, "framework").lower(), year)


class Known(msgspec.Struct, kw_only=True):
    """What the rows of a fit covered: the yardstick of familiarity."""

    stacks: frozenset[str]
    families: frozenset[str]
    parts: frozenset[str]
    formats: frozenset[str]  # family|format
    kinds: frozenset[str]  # stack|dense or stack|moe
    accelerators: float
    sources: frozenset[str] = frozenset()
    clusters: frozenset[Cluster] = frozenset()


def kind_of(case: Case) -> str:
    """dense or moe."""
    return "moe" if any(block.n_experts > 0 for block in case.shape.blocks) else "dense"


def known_of(prepared: Prepared, use: NDArray[np.bool_]) -> Known:
    """What the rows in `use` cover."""
    stacks, families, parts, formats, kinds, most = set(), set(), set(), set(), set(), 1.0
    sources = {case.source for case in (prepared.cases[i] for i in np.flatnonzero(use)) if case is not None}
    for place in np.flatnonzero(use):
        case = prepared.cases[place]
        if case is None:
            continue
        name, family, _ = prepared.stack_keys[prepared.row_stack[place]]
        stacks.add(name)
        families.add(family)
        parts.add(prepared.parts[place])
        formats.add(f"{family}|{prepared.formats[place]}")
        kinds.add(f"{name}|{kind_of(case)}")
        most = max(most, case.n_accel)
    return Known(
        stacks=frozenset(stacks), families=frozenset(families), parts=frozenset(parts), formats=frozenset(formats),
        kinds=frozenset(kinds), accelerators=most, sources=frozenset(sources),
    )  # fmt: skip


def familiarity(prepared: Prepared, place: int, known: Known, level: bool = False) -> Familiarity:
    """How far row `place` lies from what `known` covers."""
    case = prepared.cases[place]
    assert case is not None
    name, family, _ = prepared.stack_keys[prepared.row_stack[place]]
    blank = sum(value is None for value in (case.micro_batch, case.tp, case.pp, case.global_batch))
    blank += not case.shape_complete
    moe = kind_of(case)
    seen = case.source in known.sources or cluster_of(prepared.parts[place], prepared.rows[place]) in known.clusters
    return Familiarity(
        source=float(not seen),
        stack=float(name not in known.stacks),
        family=float(family not in known.families),
        part=float(prepared.parts[place] not in known.parts),
        number_format=float(f"{family}|{prepared.formats[place]}" not in known.formats),
        kind=float(moe == "moe") + 0.5 * float(f"{name}|{moe}" not in known.kinds and moe == "moe"),
        settings=min(1.0, blank / 2.0),
        scale=max(0.0, math.log(case.n_accel / known.accelerators)),
        level=float(level and not seen),
    )


def rate_to(metric: str, case: Case, prepared: Prepared, place: int, rate: float) -> float | None:
    """Tokens per second and accelerator as the metric; None where the metric cannot be told from them."""
    tokens = case.global_batch * case.seq_len if case.global_batch is not None else prepared.tokens[place]
    if metric == "tokens_per_s_per_accel":
        return rate
    if metric == "step_time_s":
        return tokens / (rate * case.n_accel)
    if metric == "time_to_train_min":
        needed = prepared.tokens_to_target[place]
        return None if not needed else needed / (rate * case.n_accel) / 60.0
    if metric == "reported_tflops_per_accel":
        name = CONVENTIONS.get(case.convention)
        return None if name is None else rate * model_flop_per_token(case, name) / 1e12
    return None


def _asked(case: Case) -> list[str]:
    """Measured quantities that can be predicted. FLOP rates only in a named convention, and where nothing else is."""
    found = [name for name in METRICS if name in case.measured]
    if case.convention not in CONVENTIONS or len(found) > 1:
        found = [name for name in found if name != "reported_tflops_per_accel"]
    return found


def _baseline_unit(metric: str, case: Case, prepared: Prepared, place: int) -> float | None:
    """The metric at a utilisation of one (causal convention, dense peak of the row's format)."""
    if metric == "peak_mem_gb":
        return None
    rate = prepared.peak_flop[place] / model_flop_per_token(case, "causal")
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
    prepared: Prepared,
    calibration: TrainingCalibration,
    known: Known,
    widths: IntervalConstants,
    shifts: Sequence[float] | None = None,
    places: NDArray[np.intp] | None = None,
    result: Outcome | None = None,
) -> list[RowPrediction]:
    """Predictions for the rows (or those in `places`). `shifts` are log corrections of seconds from measured rows."""
    result = result or outcome(prepared, stacks_of(prepared, calibration))
    out: list[RowPrediction] = []
    for place in range(len(prepared.rows)) if places is None else places:
        case = prepared.cases[place]
        seconds = float(result.sequence_s[place])
        if case is None or not math.isfinite(seconds):
            out += _refusals(prepared.rows[place], prepared.reasons[place] or "no finite prediction")
            continue
        shift = shifts[place] if shifts is not None else 0.0
        half = float(log_half_width(familiarity(prepared, int(place), known, shift != 0.0), widths))
        rate = case.seq_len / (seconds * math.exp(shift) * case.n_accel)
        out += _row(prepared, int(place), case, rate, float(result.allocated_bytes[place]), half)
    return out


def _row(prepared: Prepared, place: int, case: Case, rate: float, peak: float, half: float) -> list[RowPrediction]:
    out = []
    for number, metric in enumerate(_asked(case)):
        width = half
        if metric == "peak_mem_gb":
            # Gibibytes, as allocators print, unless the row says plainly that it counts decimal ones.
            decimal = text(prepared.rows[place], "peak_mem_unit").lower() == "gb"
            value: float | None = peak / (1e9 if decimal else GIB)
            width = MEMORY_HALF_WIDTH
        else:
            value = rate_to(metric, case, prepared, place, rate)
        reason = "" if value is not None else "the tokens that the benchmark's target needs are not known"
        out.append(
            RowPrediction(
                id=case.id, source=case.source, group=f"{case.source} | {case.model}", model=case.model,
                part=prepared.parts[place], engine=case.engine, metric=metric, measured=case.measured[metric],
                predicted=value, low=None if value is None else value * math.exp(-width),
                high=None if value is None else value * math.exp(width),
                status=PREDICTED if value is not None else REFUSED, reason=reason,
                baseline_key=f"{prepared.parts[place]}|{prepared.formats[place]}",
                baseline_unit=_baseline_unit(metric, case, prepared, place), headline=number == 0, scored=case.scored,
                family=prepared.families[place],
            )
        )  # fmt: skip
    return out
