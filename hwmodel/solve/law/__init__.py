"""Questions to one scaling law: optimum, evaluation, disagreement, and fits of own runs as a law.

No fleet and no demand: a law answers alone, by the arithmetic of `hwmodel.laws`.
"""

__all__ = ["answers", "fit", "gain", "values"]
