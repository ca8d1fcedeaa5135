"""Widespread claims and published test points recomputed.

Each claim with the figures that speak on it. Texts are only searched for claims; no figure is written down that is not
computed.
"""

__all__ = ["check", "law_points", "phrases", "values"]
