"""How each kind of answer reads: reports lent to the records of `solve` and `validation` by the verb that makes them.

Reports are imported when one of them is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hwmodel.answers import Views
from hwmodel.api.sheet import Sheet
from hwmodel.plain import JsonObject, Rows

if TYPE_CHECKING:
    from hwmodel.report.fit_text import Described


def join_sheets() -> None:
    """The views of what laws, prices and catalogs answer."""
    Sheet.views = _views(
        lambda found: found.title, lambda found: found.render("md"),
        lambda found, columns: found.render("text", columns), lambda found: found.render("csv"),
        {"rows": lambda found: found.figures or found.rows},
    )  # fmt: skip


def join_plan() -> None:
    """The views of `plan` and `compare`."""
    from hwmodel.solve.plan.answer import Plan
    from hwmodel.solve.plan.compare_values import Comparison

    Plan.views = _views(
        _plan_line, _plan_markdown, _plan_text, _report("plan", "plan_csv"), PLAN_TABLES, html=_plan_html
    )  # fmt: skip
    Comparison.views = _views(
        lambda found: f"{found.option}, {len(found.plans)} plans",
        _report("values", "values_markdown"), _report("cards", "values_card"), _report("values", "values_csv"),
        {"rows": lambda found: [_flat_answer(row) for row in found.to_dict()["rows"]]},
    )  # fmt: skip


def join_train() -> None:
    """The views of `train`."""
    from hwmodel.solve.train import TrainResult

    TrainResult.views = _views(
        _train_line, _report("train_report", "train_markdown"), _report("cards", "train_card"),
        _report("train_report", "train_csv"), TRAIN_TABLES,
    )  # fmt: skip


def join_serve() -> None:
    """The views of `serve`."""
    from hwmodel.solve.serve.ask import Served

    Served.views = _views(
        _served_line, _served("md"), _report("serving_card", "serve_card"), _served("csv"), SERVED_TABLES
    )


def join_budget() -> None:
    """The views of a budget of stages."""
    from hwmodel.solve.stages.solver import BudgetPlan

    BudgetPlan.views = _views(
        lambda found: f"{len(found.stages)} lines", _report("budget", "budget_markdown"),
        _report("budget", "budget_card"), _report("budget", "budget_csv"),
        {"lines": _list("budget", "lines"), "cash_flow": _list("budget", "cash_flow")},
        html=_report("budget", "budget_html"),
    )  # fmt: skip


def join_fit() -> None:
    """The views of `fit`."""
    from hwmodel.solve.law.fit import Fitted

    Fitted.views = _views(
        lambda found: f"{found.form}, {len(found.columns)} columns", _fitted("md"),
        lambda found, columns: _fitted("text", columns)(found), _fitted("csv"),
        {"quantities": lambda found: _described(found).rows},
        lambda found: _fit_document(found),
    )  # fmt: skip


def join_validate() -> None:
    """The views of `validate`."""
    from hwmodel.validation.board.board import Board

    Board.views = _views(
        lambda found: f"{found.kind}, {len(found.rows)} predictions", _board("as_markdown"),
        _board_text, _board("as_csv"),
        {"rows": lambda found: found.to_dict()["rows"], "sources": _source_rows},
    )  # fmt: skip


def join_accuracy() -> None:
    """The views of `accuracy`."""
    from hwmodel.solve.accuracy import Accuracy

    Accuracy.views = _views(
        lambda found: f"{len(found.kinds)} kinds of runs, {sum(one.n for one in found.kinds)} in all",
        lambda found: _report("accuracy", "accuracy_text")(found, "md"),
        lambda found, columns: _report("accuracy", "accuracy_text")(found, "text", columns),
        lambda found: _report("accuracy", "accuracy_text")(found, "csv"),
        {"kinds": _list("kinds"), "sources": _list("by_source")},
    )  # fmt: skip


def join_sweep() -> None:
    """The views of `sweep`; its rows make their own frame."""
    from hwmodel.report.sweep import best_rows, sweep_line, sweep_report
    from hwmodel.report.sweep_page import sweep_html
    from hwmodel.solve.sweep.run import Sweep

    Sweep.views = _views(
        lambda found: sweep_line(found.summary, found.folder), lambda found: sweep_report(found.finished, found.folder),
        lambda found, columns: sweep_report(found.finished, found.folder, "text", wide=columns),
        lambda found: sweep_report(found.finished, found.folder, "csv"),
        {"rows": lambda found: found.to_table().to_pylist(), "best": lambda found: best_rows(found.finished),
         "pareto": lambda found: found.finished.pareto.rows},
        html=lambda found: sweep_html(found.finished, found.folder),
    )  # fmt: skip


def join_explain() -> None:
    """The views of `explain`."""
    from hwmodel.report import explain
    from hwmodel.report.explain import Explanation

    Explanation.views = _views(
        explain.explained_line, explain.explained_markdown, explain.explained_text, explain.explained_csv,
        {"terms": lambda found: [{k: v for k, v in one.items() if k not in ("inputs", "sources")}
                                 for one in found.to_dict()["terms"]]},
        html=explain.explained_html,
    )  # fmt: skip


def join_catalog() -> None:
    """The frames of a catalog."""
    from hwmodel.catalog import Catalog

    Catalog.frame_of = staticmethod(_catalog_frame)


def _views(
    line: Callable[[Any], str],
    markdown: Callable[[Any], str],
    text: Callable[[Any, int], str],
    csv: Callable[[Any], str],
    tables: dict[str, Callable[[Any], Rows]],
    document: Callable[[Any], JsonObject] | None = None,
    html: Callable[[Any], str] | None = None,
) -> Views:
    page = html or (lambda found: _page(markdown(found)))
    return Views(
        line=line, markdown=markdown, text=text, csv=csv, html=page, tables=tables, frame=_frame, document=document
    )  # fmt: skip


def _page(markdown: str) -> str:
    """A report as one HTML file."""
    from hwmodel.report.html import page_of_markdown

    return page_of_markdown(markdown)


def _plan_html(found: Any) -> str:
    """The report of a plan, or of its formats side by side, with its figures."""
    from pathlib import Path

    from hwmodel import report
    from hwmodel.report.plan import plan_html

    if _compares(found):
        return report.compare_html(found, report.pictures(report.compare_figures(found, Path("report"))), "en")
    return plan_html(found, report.pictures(report.plan_figures(found, Path("report"), "svg")), "en")


def _frame(rows: Rows) -> Any:
    from hwmodel.interop.frames import frame

    return frame(rows)


def _catalog_frame(catalog: Any, kind: str) -> Any:
    from hwmodel.report.catalog_pages import rows_of

    return _frame(rows_of(catalog, kind))


def _report(module: str, name: str) -> Callable[..., str]:
    """A function of the report layer, imported when it is called."""

    def show(*given: Any) -> str:
        """The report of an answer."""
        from importlib import import_module

        shown: str = getattr(import_module(f"hwmodel.report.{module}"), name)(*given)
        return shown

    return show


def _plan_line(found: Any) -> str:
    from hwmodel.report.cards import plan_headline

    return plan_headline(found)


def _compares(found: Any) -> bool:
    """Whether several formats were asked for side by side; every plan on a part with few bits has rows of them."""
    from hwmodel.solve.plan.answer import FormatPlan

    return isinstance(found, FormatPlan)


def _plan_markdown(found: Any) -> str:
    from hwmodel import report
    from hwmodel.report.plan import plan_markdown

    return report.compare_markdown(found) if _compares(found) else plan_markdown(found)


def _plan_text(found: Any, columns: int) -> str:
    from hwmodel import report

    return report.compare_card(found, columns) if _compares(found) else report.plan_card(found, columns)


def _terms(name: str) -> Callable[[Any], Rows]:
    """A mapping of an answer's document as rows."""

    def rows(found: Any) -> Rows:
        """A row a term."""
        return [{"term": term, "value": value} for term, value in (found.to_dict()[name] or {}).items()]

    return rows


def _list(*path: str) -> Callable[[Any], Rows]:
    """A list in an answer's document."""

    def rows(found: Any) -> Rows:
        """The list itself; empty where the answer has none."""
        place = found.to_dict()
        for key in path:
            place = (place or {}).get(key)
        return place or []

    return rows


def _answer_rows(found: Any) -> Rows:
    """Quantity, value and band of an answer's numbers."""
    rows = []
    for name, value in found.to_dict()["answer"].items():
        if isinstance(value, dict) and "value" in value:
            rows.append({"quantity": name, **value})
        elif isinstance(value, (int, float)):
            rows.append({"quantity": name, "value": value, "low": value, "high": value})
    return rows


def _flat_answer(row: JsonObject) -> JsonObject:
    """A row of a comparison with its answer's numbers beside the option."""
    answer = row["answer"]
    assert isinstance(answer, dict)
    numbers = {name: value for name, value in answer.items() if name != "quantiles"}
    return {**{name: value for name, value in row.items() if name != "answer"}, **numbers}


PLAN_TABLES: dict[str, Callable[[Any], Rows]] = {
    "answer": _answer_rows,
    "layouts": _list("alternatives", "layouts"),
    "sizes": _list("curves", "size"),
    "fleets": _list("curves", "accelerators"),
    "laws": _list("laws"),
    "precisions": _list("precisions"),
    "demand": _list("objectives", "demand_curve"),
    "serving_formats": _list("serving_formats"),
    "money": _list("money", "ways"),
    "step": _terms("step"),
    "memory": _terms("memory"),
    "sources": _list("sources"),
}
TRAIN_TABLES: dict[str, Callable[[Any], Rows]] = {
    "step": _terms("step"),
    "memory": lambda found: [{"stage": stage, **terms} for stage, terms in found.to_dict()["memory"].items()],
    "near": _list("near"),
    "sources": _list("sources"),
}
SERVED_TABLES: dict[str, Callable[[Any], Rows]] = {
    "rows": lambda found: _served_rows(found),
    "fixed": _list("fixed"),
    "step": _terms("step"),
    "sources": _list("sources"),
}


def _train_line(found: Any) -> str:
    rate = found.tokens_per_s / found.accelerators
    fits = "" if found.fits else ", does not fit"
    return f"{found.accelerators:,} x {found.setting.part.id}, {rate:,.0f} tokens/s an accelerator{fits}"


def _served_line(found: Any) -> str:
    a = found.answer
    return f"{a.accelerators:,.0f} x {a.part} in {a.precision}"


def _served_rows(found: Any) -> Rows:
    from hwmodel.report.serve_tables import plain_rows

    return plain_rows(found.found)


def _served(form: str) -> Callable[[Any], str]:
    def show(found: Any) -> str:
        """The answer of `serve`."""
        from hwmodel.report.serve import served_text

        return served_text(found, form)

    return show


def _described(found: Any) -> Described:
    from hwmodel.report.fit_text import describe

    return describe(found)


def _fit_document(found: Any) -> JsonObject:
    from hwmodel.report.fit_text import fit_document

    return fit_document(_described(found))


def _fitted(form: str, columns: int | None = None) -> Callable[[Any], str]:
    def show(found: Any) -> str:
        """A fit in a form."""
        from hwmodel.report.sheets import render

        return render(_described(found).rows, _fit_document(found), form, columns=columns)

    return show


def _board(name: str) -> Callable[[Any], str]:
    def show(found: Any) -> str:
        """A board in a form."""
        from hwmodel.validation.board import show as forms

        shown: str = getattr(forms, name)(found)
        return shown

    return show


def _board_text(found: Any, columns: int) -> str:
    from hwmodel.report.blocks import text_of_markdown

    return text_of_markdown(_board("as_markdown")(found), columns)


def _source_rows(found: Any) -> Rows:
    """A row a source and measured quantity."""
    return [
        {"source": source, "metric": metric, **figures}
        for source, metrics in found.to_dict()["by_source"].items()
        for metric, figures in metrics.items()
    ]
