"""A sized run on a fleet: size and tokens closed, the fleet at work, the best layout as an answer with its intervals.

What demand, objectives or prices of other choices make of it belongs to `life` and `plan`.
"""

__all__ = [
    "answers",
    "band",
    "batch",
    "billing",
    "budget_records",
    "cash",
    "citing",
    "details",
    "fleet",
    "format_records",
    "lines",
    "pairs",
    "power",
    "records",
    "result",
    "sizing",
    "solved",
]
