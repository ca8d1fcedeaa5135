"""Results for people: Markdown, HTML, cards, CSV, figures. Names are imported when first used.

All words stand here, one a term (`words`), with their translations. Nothing is computed that an answer does not hold.
The report of a plan has a folder and a face of its own, `report.plan`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwmodel.report.budget import budget_card, budget_csv, budget_html, budget_markdown
    from hwmodel.report.cards import compare_card, plan_card, train_card, values_card
    from hwmodel.report.compare import compare_csv, compare_html, compare_markdown
    from hwmodel.report.figures import compare_figures, figure_files, pictures, plan_figures
    from hwmodel.report.serving_card import serve_card
    from hwmodel.report.values import values_csv, values_html, values_markdown

_HOMES = {
    "budget_card": "budget",
    "budget_csv": "budget",
    "budget_html": "budget",
    "budget_markdown": "budget",
    "pictures": "figures",
    "values_html": "values",
    "compare_html": "compare",
    "compare_card": "cards",
    "compare_csv": "compare",
    "compare_figures": "figures",
    "compare_markdown": "compare",
    "plan_figures": "figures",
    "plan_card": "cards",
    "serve_card": "serving_card",
    "train_card": "cards",
    "figure_files": "figures",
    "values_csv": "values",
    "values_markdown": "values",
    "values_card": "cards",
}

__all__ = [
    "accuracy",
    "blocks",
    "boxes",
    "budget_card",
    "budget_csv",
    "budget_html",
    "budget_markdown",
    "cards",
    "catalog_docs",
    "catalog_pages",
    "compare_card",
    "compare_csv",
    "compare_figures",
    "compare_html",
    "compare_markdown",
    "diff",
    "figure_files",
    "fit_figure",
    "fit_text",
    "html",
    "law",
    "law_docs",
    "likeness",
    "meanings",
    "phrases",
    "pictures",
    "plan_card",
    "plan_figures",
    "prices",
    "reliability_figure",
    "serve",
    "serve_card",
    "serve_tables",
    "sheets",
    "sweep",
    "sweep_figures",
    "sweep_page",
    "sweep_section",
    "tables",
    "topics",
    "train_card",
    "train_report",
    "values_card",
    "values_csv",
    "values_html",
    "values_markdown",
    "wide",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hwmodel.report' has no attribute {name!r}")
    return getattr(import_module(f"hwmodel.report.{_HOMES[name]}"), name)
