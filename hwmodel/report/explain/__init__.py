"""Where a number of an answer comes from: its terms with formula, value, unit and source.

The formulas are the product's own functions, run on SymPy symbols; the same functions run on the values that the
answer states, and a formula is shown only where it gives the answer's own number. No formula is written a second
time.
"""

from hwmodel.report.explain.text import (
    explained_csv,
    explained_html,
    explained_line,
    explained_markdown,
    explained_text,
)
from hwmodel.report.explain.walk import Explanation, Term, explain

__all__ = [
    "Explanation",
    "Term",
    "explain",
    "explained_csv",
    "explained_html",
    "explained_line",
    "explained_markdown",
    "explained_text",
]
