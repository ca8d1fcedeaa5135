"""Results for people: Markdown by template, figures, CSV and text. Names are imported when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwmodel.report.compare import compare_csv, compare_markdown, compare_text
    from hwmodel.report.figures import compare_figures, figure_files, plan_figures
    from hwmodel.report.plan import plan_csv, plan_markdown, plan_text
    from hwmodel.report.values import values_csv, values_markdown, values_text

_HOMES = {
    "compare_csv": "compare",
    "compare_figures": "figures",
    "compare_markdown": "compare",
    "compare_text": "compare",
    "plan_csv": "plan",
    "plan_figures": "figures",
    "plan_markdown": "plan",
    "plan_text": "plan",
    "figure_files": "figures",
    "values_csv": "values",
    "values_markdown": "values",
    "values_text": "values",
}

__all__ = [
    "compare_csv",
    "compare_figures",
    "compare_markdown",
    "compare_text",
    "figure_files",
    "plan_csv",
    "plan_figures",
    "plan_markdown",
    "plan_text",
    "values_csv",
    "values_markdown",
    "values_text",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hwmodel.report' has no attribute {name!r}")
    return getattr(import_module(f"hwmodel.report.{_HOMES[name]}"), name)
