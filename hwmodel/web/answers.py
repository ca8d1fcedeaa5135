"""Answers of the worker processes: a question to the function that the command line calls, the result as bytes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import msgspec

from hwmodel.answers import finite
from hwmodel.api import views
from hwmodel.errors import HwModelError, InputError
from hwmodel.plain import JsonValue
from hwmodel.solve.question.options import is_budget
from hwmodel.web.question import Question, read_json, read_question

if TYPE_CHECKING:
    from hwmodel.api.options import CompareOptions, PlanOptions, TrainOptions
    from hwmodel.solve.plan.answer import Plan
    from hwmodel.solve.plan.compare_values import Comparison
    from hwmodel.solve.question.options import ServeQuestion
    from hwmodel.solve.serve.ask import Served
    from hwmodel.solve.stages.given import BesideFile
    from hwmodel.solve.stages.solver import BudgetPlan
    from hwmodel.solve.train import TrainResult

Found: TypeAlias = "Plan | BudgetPlan | Comparison | Served | TrainResult"
STATUS = {0: 200, 1: 500, 2: 400, 3: 422, 4: 500}  # exit code -> HTTP status
MEANING = {0: "answered", 1: "internal error", 2: "bad input", 3: "infeasible", 4: "invalid catalog"}
INTERNAL = "internal error: the same question on the command line with HWMODEL_DEBUG=1 shows where"
JSON, MARKDOWN, ZIP = "application/json", "text/markdown; charset=utf-8", "application/zip"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is asked: a verb, the form of the answer (json, report or launch), and the body as it came."""

    verb: str
    form: str
    body: bytes


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back over HTTP. `exit_code` is that of the command line, None where the request itself was refused."""

    status: int
    body: bytes
    media: str = JSON
    exit_code: int | None = None


def refusal(status: int, message: str, meaning: str, exit_code: int | None = None) -> Reply:
    """An error as one line, with what its exit code means on the command line."""
    body = {"error": {"message": message, "meaning": meaning, "exit_code": exit_code}}
    return Reply(status=status, body=json.dumps(body, ensure_ascii=False).encode(), exit_code=exit_code)


def failed(error: HwModelError) -> Reply:
    """The refusal of an error of ours."""
    code = error.exit_code
    return refusal(STATUS[code], str(error), MEANING[code], code)


def reply(job: Job) -> Reply:
    """The answer, or the line that says why there is none; never a traceback."""
    try:
        return FORMS[job.form](job.verb, read_json(job.body))
    except HwModelError as error:
        return failed(error)
    except MemoryError:
        return refusal(422, "the question takes more memory than a request may: narrow it", "over the limit")
    except Exception:  # a fault of ours: no word of it may leave, for it may hold more than the question
        return refusal(STATUS[1], INTERNAL, MEANING[1], 1)


def solve(verb: str, question: Question) -> Found:
    """The result that the command line prints."""
    return SOLVERS[verb](question)


# `read_question` has let through the options of the verb and no other: the keys of what is cast to here.
def _plan(question: Question) -> Plan | BudgetPlan:
    """A plan; of several pools, or of accelerators bought, a budget."""
    question = {name: value for name, value in question.items() if name != "own" or value}
    if is_budget(question.get("gpus"), question.get("own")):
        from hwmodel.solve.stages.solver import one_stage

        return one_stage(**cast("BesideFile", question))
    from hwmodel.solve.plan.solver import plan

    return plan(**cast("PlanOptions", question))


def _train(question: Question) -> TrainResult:
    from hwmodel.solve.train import train

    return train(**cast("TrainOptions", question))


def _serve(question: Question) -> Served:
    from hwmodel.solve.serve.ask import serve

    if "model" not in question:
        raise InputError("say which model is served: model, like llama-3.1-70b")
    given = {name: value for name, value in question.items() if name != "model"}
    return serve(model=str(question["model"]), **cast("ServeQuestion[str]", given))


def _compare(question: Question) -> Plan | Comparison:
    """Formats side by side, or a plan for every combination of the options that are lists."""
    from hwmodel.solve.plan.compare import compare
    from hwmodel.solve.plan.compare_values import compare_values, separated

    lists, rest = separated(cast("CompareOptions", question))
    if not lists or set(lists) == {"precision"}:
        return compare(**cast("PlanOptions", question))
    return compare_values(lists, **rest)


SOLVERS: Mapping[str, Callable[[Question], Found]] = {
    "plan": _plan, "train": _train, "serve": _serve, "compare": _compare,
}  # fmt: skip


def as_json(verb: str, given: Mapping[str, JsonValue]) -> Reply:
    """The JSON of the command line's `--format json`. A layout that does not fit is shown and says so with 3."""
    found = solve(verb, read_question(verb, given)).to_dict()
    code = 3 if found.get("fits") is False else 0
    return Reply(status=200, body=json.dumps(finite(found), ensure_ascii=False).encode(), exit_code=code)


def as_report(verb: str, given: Mapping[str, JsonValue]) -> Reply:
    """The Markdown of the command line."""
    found = solve(verb, read_question(verb, given))
    return Reply(status=200, body=_markdown(found).encode(), media=MARKDOWN, exit_code=0)


def _markdown(found: Found) -> str:
    """The report of a result: a comparison of formats is a plan too, with more in it."""
    from hwmodel import report
    from hwmodel.report.plan import plan_markdown
    from hwmodel.solve.plan.answer import FormatPlan, Plan

    if isinstance(found, FormatPlan):
        return report.compare_markdown(found)
    if isinstance(found, Plan):
        return plan_markdown(found)
    join = JOINS.get(type(found).__name__)
    if join is not None:
        join()
    return found.to_markdown()


# The API's own functions would read a model's file; a request must not, so the solver is called and only read alike.
JOINS = {
    "BudgetPlan": views.join_budget, "Comparison": views.join_plan, "Served": views.join_serve,
    "TrainResult": views.join_train,
}  # fmt: skip


class LaunchBody(NamedTuple):
    """The body of a request for launch files: the question as it came, and the targets as `export --to` names them."""

    question: Mapping[str, JsonValue]
    targets: str


def launch_body(given: Mapping[str, JsonValue]) -> LaunchBody:
    """The two things that a request for launch files says. Raises InputError for anything else."""
    question, targets = given.get("question"), given.get("targets")
    if not isinstance(question, dict) or not isinstance(targets, str) or len(given) != 2:
        raise InputError('say the question and the targets: {"question": {...}, "targets": "megatron,slurm"}')
    return LaunchBody(question=question, targets=targets)


def as_launch(verb: str, given: Mapping[str, JsonValue]) -> Reply:
    """The launch files of `hwmodel export` in a ZIP."""
    from hwmodel.interop.export import launch_files, names_asked

    body = launch_body(given)
    asked = names_asked(body.targets)
    found = solve(verb, read_question(verb, body.question)).to_dict()
    written = launch_files(found, asked, "the answer")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**written.files, "START.txt": written.start + "\n"}.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return Reply(status=200, body=held.getvalue(), media=ZIP, exit_code=0)


FORMS: Mapping[str, Callable[[str, Mapping[str, JsonValue]], Reply]] = {
    "json": as_json, "report": as_report, "launch": as_launch,
}  # fmt: skip
