"""The verbs: plan, compare, train, serve, sweep, fit, validate, and the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast, overload

from hwmodel.api import views
from hwmodel.api.options import (
    AccuracyOptions,
    CompareOptions,
    FitOptions,
    PlanOptions,
    ServeOptions,
    TrainOptions,
    ValidateOptions,
)
from hwmodel.errors import InputError
from hwmodel.plain import JsonValue, listed

if TYPE_CHECKING:
    from pandas import DataFrame

    from hwmodel.answers import Answer
    from hwmodel.catalog import Catalog
    from hwmodel.report.explain import Explanation
    from hwmodel.solve.accuracy import Accuracy
    from hwmodel.solve.law.fit import Fitted
    from hwmodel.solve.plan.answer import Plan
    from hwmodel.solve.plan.compare_values import Comparison
    from hwmodel.solve.question.options import ServeQuestion
    from hwmodel.solve.serve.ask import Served
    from hwmodel.solve.stages.given import BesideFile
    from hwmodel.solve.stages.solver import BudgetPlan
    from hwmodel.solve.sweep.run import Progress, Sweep
    from hwmodel.solve.train import TrainResult
    from hwmodel.validation.board.board import Board


Asked = TypeVar("Asked", PlanOptions, CompareOptions, TrainOptions, ServeOptions)


@overload
def plan(*, own: Literal[True], **given: Unpack[PlanOptions]) -> BudgetPlan: ...
@overload
def plan(*, own: Literal[False] = False, **given: Unpack[PlanOptions]) -> Plan: ...
def plan(*, own: bool = False, **given: Unpack[PlanOptions]) -> Plan | BudgetPlan:
    """What to train on a fleet, in which layout, for how long, at what cost, and how sure.

    Given are those of `hwmodel plan`. Several pools (`gpus="512xH100+256xB200"`) and accelerators bought (`own`) are
    answered as a budget, as there: what `budget` gives, whatever a type checker says of the pools. Raises InputError
    for what cannot be read and InfeasibleError, with the binding constraint and a remedy, where nothing answers.
    """
    from hwmodel.solve.question.options import is_budget

    own = _yes_or_no("own", own)
    if is_budget(given.get("gpus"), own):
        return budget(own=own, **given)
    from hwmodel.solve.plan.solver import plan as solve

    views.join_plan()
    return solve(**_plain(given, given.get("model")))


def compare(**given: Unpack[CompareOptions]) -> Plan | Comparison:
    """One run in several formats (a plan whose `precisions` are those), or several values of options side by side.

    `precision="bf16,fp8"` alone compares formats; lists of anything else (`gpus=["512xH100", "256xB200"]`) make a plan
    for each combination.
    """
    from hwmodel.solve.plan.compare import compare as formats
    from hwmodel.solve.plan.compare_values import compare_values, separated
    from hwmodel.solve.question.options import without

    views.join_plan()
    asked = _plain(given, given.get("model"))
    lists, rest = separated(asked)
    if lists and set(lists) != {"precision"}:
        return compare_values(lists, **rest)
    question, named = without(rest, "precision"), _joined(asked.get("precision", ""))
    if named:
        question["precision"] = named
    return formats(**question)


def budget(
    source: str | Path | Mapping[str, JsonValue] | None = None, *, own: bool = False, **given: Unpack[PlanOptions]
) -> BudgetPlan:
    """A budget of stages: a plan file (YAML), or a mapping of the same keys; options stand for the shared ones.

    Without a file it is one run as the options say, on each of several pools (`gpus="512xH100+1024xA100"`), or on
    accelerators bought (`own`), as `hwmodel plan` answers them.

    Raises InputError for what cannot be read (file, line, nearest key), InfeasibleError where a stage has no answer.
    """
    from hwmodel.solve.stages.solver import budget as solve
    from hwmodel.solve.stages.solver import one_stage

    views.join_budget()
    bought = {"own": True} if _yes_or_no("own", own) else {}
    asked = cast("BesideFile", {**_plain(given, given.get("model")), **bought})
    _check_source(source, "a budget", '{"gpus": "512xH100", "stages": [...]}')
    return one_stage(**asked) if source is None else solve(source, **asked)


def train(**given: Unpack[TrainOptions]) -> TrainResult:
    """Step time, its terms and the memory of one training layout; blanks are chosen as the fastest that fit."""
    from hwmodel.solve.train import train as solve

    views.join_train()
    return solve(**_plain(given, given.get("model")))


def serve(model: str, **given: Unpack[ServeOptions]) -> Served:
    """A serving fleet for a `demand` ("200 req/s"), or one configuration predicted at a `concurrency`."""
    from hwmodel.solve.serve.ask import serve as solve

    views.join_serve()
    if not isinstance(model, str):
        raise InputError(f"model is the name of one, like llama-3.1-70b, not {model!r:.40}")
    asked = _plain(given, model, "parts")
    joined = {name: _joined(names) for name in ("parts", "precision") if (names := asked.get(name)) is not None}
    return solve(model=model, **cast("ServeQuestion[str]", {**asked, **joined}))


def fit(runs: str | Path | DataFrame, **given: Unpack[FitOptions]) -> Fitted:
    """A law fitted to runs with columns N, D and loss (or C and loss): a CSV file or a pandas frame."""
    from hwmodel import laws
    from hwmodel.catalog import load_catalog as load
    from hwmodel.interop.fit_runs import fit_runs
    from hwmodel.interop.frames import with_file
    from hwmodel.interop.loss_runs import read_runs

    views.join_fit()
    table = with_file(
        runs,
        lambda path: read_runs(
            path, given.get("columns"), given.get("where"), units=given.get("units"),
            convention=given.get("convention"), skip_bad=given.get("skip_bad", False),
            all_rows=given.get("all_rows", False),
        ),
    )  # fmt: skip
    law = given.get("base")
    base = None if law is None else laws.additive_terms(load().law(law))
    draws, seed = given.get("bootstraps", 4000), given.get("seed", 42)
    return fit_runs(table, given.get("form", "auto"), base=base, bootstraps=draws, seed=seed)


def validate(runs: str | Path | DataFrame, **given: Unpack[ValidateOptions]) -> Board:
    """Measured runs predicted and scored: a CSV file, a pandas frame, or shipped runs by name (`training`)."""
    from hwmodel.interop.frames import with_file
    from hwmodel.validation.board.files import validate_file

    views.join_validate()
    hold, folds, seed = given.get("leave_out", ""), given.get("folds", 0), given.get("seed", 0)
    measured, folders = given.get("measured"), tuple(given.get("catalogs", ()))
    return with_file(
        runs, lambda path: validate_file(path, hold, folds, seed, measured and Path(measured), None, folders)
    )


def accuracy(**given: Unpack[AccuracyOptions]) -> Accuracy:
    """How right predictions were on measured runs like yours: `accuracy(part="b200", model="moe", kind="serving")`."""
    from hwmodel.solve.accuracy import accuracy as look_up

    views.join_accuracy()
    return look_up(**given)


def sweep(
    space: str | Path | Mapping[str, JsonValue],
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    dask: str | None = None,
    executor: Any = None,
    shard: str | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Sweep:
    """Every point of a space of questions (a YAML file, or a mapping of the same keys) answered into the folder `out`,
    which lives as long as the result where none is named.

    Runs here, on `workers` processes, on the cluster `dask` (tcp://host:8786), or on an `executor` (one of
    `concurrent.futures`, or a client of Dask); `shard="3/16"` takes a part of the work, for as many processes as share
    the folder. `progress` is told of each shard, `say` the address of a dashboard. Raises InputError for what cannot be
    read, and for a folder that holds another sweep, or this one without `resume`.
    """
    from hwmodel.solve.sweep.run import sweep as solve

    views.join_sweep()
    _check_source(space, "a space", '{"base": {...}, "axes": {...}}')
    asked = dict(space) if isinstance(space, Mapping) else space
    return solve(asked, out, workers=workers, dask=dask, executor=executor, shard=shard, resume=resume,
                 progress=progress, say=say or (lambda line: None))  # fmt: skip


def explain(answer: Answer | Mapping[str, JsonValue] | str | Path, name: str) -> Explanation:
    """Where a number of an answer comes from: its terms with formula, value, unit and source.

    `answer`: what `plan`, `compare`, `train`, `serve` or `budget` gave, its mapping, or the file that it was saved in.
    Raises InputError, with the nearest names, for a number that it does not have.
    """
    from hwmodel.report.explain import explain as walk
    from hwmodel.solve.saved import read_document

    views.join_explain()
    if isinstance(answer, (str, Path)):
        return walk(read_document(Path(answer)), name, str(answer))
    if not isinstance(answer, Mapping) and not hasattr(answer, "to_dict"):
        raise InputError(f"answer is what a verb gave, its mapping or the file of it, not {answer!r:.40}")
    return walk(answer if isinstance(answer, Mapping) else answer.to_dict(), name)


def load_catalog(overlays: Sequence[Path] = ()) -> Catalog:
    """The sourced facts, with overlays over them; `to_frame("accelerators")` shows a kind of records."""
    from hwmodel.catalog import load_catalog as load

    views.join_catalog()
    return load(tuple(overlays))


def _plain(given: Asked, model: object, *several: str) -> Asked:
    """Options under their own names, without those that are None, numpy's scalars as numbers, a model's file read into
    its shape; `several`: those of the verb that may be spelled for one of them, beside the catalogs."""
    from hwmodel.interop.model_files import model_file
    from hwmodel.solve.question.options import own_name

    asked: dict[str, Any] = {}
    for written, value in given.items():
        name = own_name(written, ("catalogs", *several))
        if name != written and given.get(name) is not None:
            raise InputError(f"{name} and {written} are one option: give one of them")
        if value is not None:
            asked[name] = _number(value)
    empty = next((name for name in LISTS if isinstance(some := asked.get(name), (list, tuple)) and not some), None)
    if empty is not None:
        raise InputError(f"{empty} is an empty list")
    found = None if "shape" in asked else model_file(model)
    return cast("Asked", asked if found is None else {**asked, "shape": found.shape})


def _yes_or_no(name: str, value: object) -> bool:
    """A switch; None says no. Raises InputError for what is neither."""
    if value is not None and not isinstance(value, bool):
        raise InputError(f"{name} is True or False, not {value!r:.40}")
    return bool(value)


def _check_source(source: object, what: str, like: str) -> None:
    """Raises InputError for what is neither a file's path nor a mapping of its keys; None stands for none."""
    if source is not None and not isinstance(source, (str, Path, Mapping)):
        raise InputError(f"{what} is the path of its file or a mapping of its keys, like {like}, not {source!r:.40}")


def _joined(names: object) -> str:
    """Names as they are typed, with commas."""
    return ",".join(map(str, listed(names)))


LISTS = ("gpus", "system", "params", "model", "seq_len", "precision", "time", "budget", "flops", "tokens", "law")


def _number(value: Any) -> Any:
    """A scalar of numpy or pandas as Python's own."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
