"""The rest of a budget: stages from ablations to serving on pools of accelerators, what each takes, and when it is
paid.

A plan file says it; `solver.budget` answers it. A single run is that of `plan`, and is not computed again here.
"""

__all__ = ["given", "keys", "limits", "own", "solver", "total"]
