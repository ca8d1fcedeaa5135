"""The question as asked: what is given in SI numbers, contradictions named, names resolved against the catalog.

No size, layout or cost is solved here.
"""

__all__ = [
    "choices",
    "contradictions",
    "deadline",
    "measured",
    "options",
    "parse",
    "rates",
    "request",
    "setting",
    "task_families",
    "typed",
    "values",
]
