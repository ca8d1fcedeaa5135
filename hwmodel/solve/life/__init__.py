"""A model over its whole life: training plus serving against loss, for a demand, by law, with experts and formats.

No text, and no single run: that is `run`.
"""

__all__ = [
    "demand",
    "distilled",
    "lifetime_budget",
    "mixture_loss",
    "mixtures",
    "objective",
    "samples",
    "served_loss",
    "serving_formats",
    "sparse",
    "whole_life",
]
