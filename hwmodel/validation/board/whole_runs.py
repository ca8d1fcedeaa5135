"""Whole published training runs: accelerator-hours and days as `plan` answers them for the size, tokens and fleet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir
from hwmodel.errors import HwModelError
from hwmodel.physics.machine import format_peak
from hwmodel.physics.shape import flop_per_token, parameters
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.solve.plan.prepared import Prepared
from hwmodel.solve.plan.solver import prepare, setting_of
from hwmodel.solve.question.options import PlanOptions
from hwmodel.solve.run.answers import answer
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import Band
from hwmodel.solve.run.solved import Solved
from hwmodel.specs.economics import WholeRunConstants
from hwmodel.specs.hardware import Part
from hwmodel.specs.intervals import Z80
from hwmodel.units import SECONDS_PER_DAY
from hwmodel.validation.fit.whole_fit import YEAR, Steady, constants
from hwmodel.validation.predicted.records import PREDICTED, REFUSED, RowPrediction
from hwmodel.validation.rows.machines import Resolver, recipe_name
from hwmodel.validation.rows.tables import CellError, Row, measured, positive, read_table, text
from hwmodel.validation.rows.training_rows import shape_of

METRICS = ("gpu_hours", "days")
DENSE_SHARE = 0.9  # active over total parameters above which a run counts as dense
NO_FLEET = "n_gpus is blank, so days cannot be told from accelerator-hours"


def usual_fleet(params: float) -> int:
    """Where the fleet is not stated, one that a run of the size usually has: a power of two near 2 a 100M."""
    return int(2.0 ** round(math.log2(min(max(params / 5e7, 8.0), 16384.0))))


def question_of(row: Row, resolver: Resolver) -> PlanOptions:
    """The options of `plan` that describe the run. Raises CellError for what is blank, InputError for unknown names."""
    params, tokens = positive(row, "params_total"), positive(row, "tokens")
    if params is None or tokens is None:
        raise CellError("params_total or tokens is blank")
    if not text(row, "gpu"):
        raise CellError("gpu is blank")
    part = resolver.part(text(row, "gpu"))
    fleet = positive(row, "n_gpus")
    question: PlanOptions = {
        "gpus": f"{round(fleet) if fleet else usual_fleet(params)}x{part.id}",
        "tokens": tokens,
    }
    if (year := positive(row, "year")) is not None:
        question["year"] = year
    if text(row, "precision"):
        question["precision"] = resolver.recipe(text(row, "precision"), part).id
    elif recipe_name("", part) != "bf16":
        question["precision"] = recipe_name("", part)
    named = _named(text(row, "model"), params, resolver)
    if named is not None:
        stated = bool(text(row, "precision"))
        return {**question, **({} if stated else _released(named, part, resolver)), "model": named}
    active = positive(row, "params_active") or params
    if active < DENSE_SHARE * params:
        sizes = {"params_total": repr(params), "params_active": repr(active), "ffn_kind": "swiglu"}
        shape, _ = shape_of(sizes)
        return {**question, "shape": msgspec.structs.replace(shape, name="the mixture")}
    return {**question, "params": params}


def _released(model: str, part: Part, resolver: Resolver) -> PlanOptions:
    """The 8-bit recipe in which the public configuration of a model releases its weights, where the part has it:
    engineers who train in it release in it (DeepSeek-V3, arXiv 2412.19437); narrower releases are quantised later."""
    entry = resolver.catalog.trained(model)
    recipe = entry.released_in if entry is not None else ""
    if not recipe.startswith("fp8") or not part.peak_dense_flop_per_s.get("fp8"):
        return {}
    return {"precision": recipe}


SAME_SIZE = 0.05  # by which the parameters of a model of the catalog may differ from those that the row states


def _named(name: str, params: float, resolver: Resolver) -> str | None:
    """The id of the catalog's model of that name and size; None where there is none. A whole run has no columns of a
    shape, so its name may say which architecture it is, and nothing else."""
    try:
        entry = resolver.catalog.model_entry(name)
        found = float(parameters(resolver.catalog.model(entry.id)).total)
    except HwModelError:
        return None
    return str(entry.id) if abs(found / params - 1.0) <= SAME_SIZE else None


def _solved(row: Row, resolver: Resolver, catalogs: Sequence[Path]) -> Solved:
    """The run as `plan` solves it. Raises HwModelError for what cannot be read or does not fit."""
    asked: PlanOptions = {**question_of(row, resolver), "catalogs": catalogs}
    setting = setting_of(**asked)
    found: Prepared = prepare(setting)
    if found.solved is None:
        raise CellError("no accelerators")
    return found.solved


class WholeRun(msgspec.Struct, frozen=True, kw_only=True):
    """A row as `plan` solves it, or why it cannot."""

    row: Row
    solved: Solved | None
    reason: str = ""


def solve_rows(rows: list[Row], resolver: Resolver, catalogs: Sequence[Path] = ()) -> list[WholeRun]:
    """Every row as `plan` solves it."""
    out = []
    for row in rows:
        try:
            out.append(WholeRun(row=row, solved=_solved(row, resolver, catalogs)))
        except (CellError, HwModelError) as error:
            out.append(WholeRun(row=row, solved=None, reason=str(error)))
    return out


# What a table says of tokens that it took from a data set.
COUNTED_ONCE = "may be unique data"


def tokens_of_data(row: Row) -> bool:
    """Whether a row's own note doubts that its tokens are those trained on."""
    return COUNTED_ONCE in text(row, "notes").lower()


def _billed_by(solved: Solved, c: WholeRunConstants) -> Solved:
    """The run as other whole-run constants bill it."""
    fleet = Fleet(msgspec.structs.replace(solved.fleet.setting, whole_run=c), solved.fleet.accelerators)
    found = answer(fleet, solved.sized, solved.at, solved.choice, solved.doubt)
    return msgspec.structs.replace(solved, fleet=fleet, answer=found)


def predict_rows(
    rows: list[Row], resolver: Resolver, catalogs: Sequence[Path] = (), leave_out_source: bool = False
) -> list[RowPrediction]:
    """Accelerator-hours and days of each run, with the intervals that `plan` prints.

    With `leave_out_source` the factor of each run is that of the runs of the other sources, these rows' and shipped.
    """
    runs = left_out_runs(rows, resolver, catalogs) if leave_out_source else solve_rows(rows, resolver, catalogs)
    out: list[RowPrediction] = []
    for run in runs if leave_out_source else list(map(_with_repeats, runs)):
        out += _predictions(run.row, run.solved, run.reason)
    return _headlines(out)


def left_out_runs(rows: list[Row], resolver: Resolver, catalogs: Sequence[Path] = ()) -> list[WholeRun]:
    """Every run billed by the factor of the runs of the other sources."""
    runs = solve_rows(rows, resolver, catalogs)
    fits: dict[str, WholeRunConstants] = {}
    steady = fitting_side(runs, resolver, catalogs)
    out = []
    for run in runs:
        source = text(run.row, "source")
        if run.solved is not None and source not in fits:
            fits[source] = constants([one for one in steady if one.source != source])
        billed = run if run.solved is None else _of(run, _billed_by(run.solved, fits[source]))
        out.append(_with_repeats(billed))
    return out


def _of(run: WholeRun, solved: Solved) -> WholeRun:
    return msgspec.structs.replace(run, solved=solved)


def _with_repeats(run: WholeRun) -> WholeRun:
    """A run whose tokens may be those of its data has the spread of runs that may repeat them."""
    if run.solved is None or not tokens_of_data(run.row):
        return run
    return _of(run, _billed_by(run.solved, msgspec.structs.replace(run.solved.fleet.setting.whole_run, repeated=1.0)))


def runs_file() -> Path:
    """The shipped whole runs."""
    return calibrations_dir().parent / "runs" / "whole.csv"


def fitting_side(runs: Sequence[WholeRun], resolver: Resolver, catalogs: Sequence[Path]) -> list[Steady]:
    """What a fit may use: these runs, and the shipped ones that are not among them."""
    ids = {text(run.row, "id") for run in runs}
    shipped = [row for row in read_table(runs_file())[1] if text(row, "id") not in ids]
    return steady_runs([*runs, *solve_rows(shipped, resolver, catalogs)])


def steady_runs(runs: Sequence[WholeRun]) -> list[Steady]:
    """The pre-training runs that print hours (or days of a stated fleet), as the fit of the factor takes them."""
    out = []
    for run in runs:
        solved = run.solved
        hours = measured_hours(run.row)
        if solved is None or hours is None or not _counts(run.row):
            continue
        plain = msgspec.structs.replace(solved.fleet.setting.whole_run, log_factor=0.0, per_year=0.0, per_doubling=0.0)
        predicted = _answered(_billed_by(solved, plain), "gpu_hours").value
        out.append(
            Steady(
                id=text(run.row, "id"), source=text(run.row, "source"), log_ratio=math.log(hours / predicted),
                accelerators=float(solved.fleet.accelerators), year=positive(run.row, "year") or YEAR,
                step_log_sd=float(solved.doubt.half_width) / Z80, flop=solved.answer.train_flop,
                repeated=tokens_of_data(run.row),
            )
        )  # fmt: skip
    return out


def measured_hours(row: Row) -> float | None:
    """Accelerator-hours as printed, or days times the stated fleet."""
    hours, days, fleet = measured(row, "gpu_hours"), measured(row, "days"), positive(row, "n_gpus")
    if hours is not None:
        return hours
    return None if days is None or fleet is None else 24.0 * days * fleet


def _counts(row: Row) -> bool:
    return text(row, "kind") in ("", "pretrain")


def _without_fleet(row: Row) -> bool:
    """Whether the number of accelerators is blank; one that cannot be read is the reason of the whole row."""
    try:
        return positive(row, "n_gpus") is None
    except CellError:
        return False


def _predictions(row: Row, solved: Solved | None, reason: str) -> list[RowPrediction]:
    found = []
    for metric in METRICS:
        value = measured(row, metric)
        if value is None:
            continue
        if metric == "days" and _without_fleet(row):
            found.append(_row(row, metric, value, None, NO_FLEET))
        else:
            found.append(_row(row, metric, value, solved, reason))
    return found


def _answered(solved: Solved, metric: str) -> Band:
    value = solved.answer.gpu_hours if metric == "gpu_hours" else solved.answer.elapsed_days
    assert isinstance(value, Band)
    return value


def _baseline_unit(solved: Solved, metric: str) -> float:
    """Hours or days at a utilisation of one (causal convention, dense peak of the format)."""
    setting = solved.fleet.setting
    peak = format_peak(setting.part, setting.precision.gemm_format, setting.precision.fallback_formats)
    flop = float(flop_per_token(solved.at.shape, float(setting.request.seq_len), "causal"))
    hours = solved.sized.d * flop / peak / 3600.0
    return hours if metric == "gpu_hours" else hours * 3600.0 / (SECONDS_PER_DAY * solved.fleet.accelerators)


def _row(row: Row, metric: str, value: float, solved: Solved | None, reason: str) -> RowPrediction:
    band = None if solved is None else _answered(solved, metric)
    part = text(row, "gpu") if solved is None else solved.fleet.setting.part.id
    return RowPrediction(
        id=text(row, "id"), source=text(row, "source"), group=text(row, "source"), model=text(row, "model"), part=part,
        engine="", metric=metric, measured=value,
        predicted=None if band is None else band.value,
        low=None if band is None else band.low,
        high=None if band is None else band.high,
        status=REFUSED if band is None else PREDICTED, reason=reason if band is None else "",
        baseline_key=f"{part}|whole", baseline_unit=None if solved is None else _baseline_unit(solved, metric),
        headline=metric == METRICS[0], scored=_counts(row),
        family="" if solved is None else solved.fleet.setting.part.family,
        software="" if solved is None else solved.fleet.setting.stack.id,
        mixture=solved is not None and is_mixture(solved.at.shape),
    )  # fmt: skip


def _headlines(rows: list[RowPrediction]) -> list[RowPrediction]:
    """One headline a run: accelerator-hours where they are printed, else days."""
    with_hours = {row.id for row in rows if row.metric == "gpu_hours"}
    return [
        msgspec.structs.replace(row, headline=row.metric == "gpu_hours" or row.id not in with_hours) for row in rows
    ]
