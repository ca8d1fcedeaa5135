"""Results for people: Markdown by template, figures, CSV and text."""

from hwmodel.report.compare import compare_csv, compare_markdown, compare_text
from hwmodel.report.figures import plan_figures, save_figures
from hwmodel.report.plan import plan_csv, plan_markdown, plan_text
from hwmodel.report.values import values_csv, values_markdown, values_text

__all__ = [
    "compare_csv",
    "compare_markdown",
    "compare_text",
    "plan_csv",
    "plan_figures",
    "plan_markdown",
    "plan_text",
    "save_figures",
    "values_csv",
    "values_markdown",
    "values_text",
]
