"""The plan: `solver.plan` joins question, run and life, with what was considered beside it; `compare` varies it.

Words belong to `report`.
"""

__all__ = [
    "answer",
    "citations",
    "closing",
    "compare",
    "compare_values",
    "gain",
    "money",
    "objectives",
    "own_cost",
    "prepared",
    "sampled",
    "solver",
]
