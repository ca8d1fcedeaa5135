"""How sure a bill is: joint draws of everything uncertain in a run, the chances of its limits, and what drives it.

What the bill is belongs to `run`; which plan is drawn is not known here.
"""

__all__ = ["beats", "draws", "limits", "risk"]
