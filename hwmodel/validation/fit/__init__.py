"""Constants fitted on measured rows: their priors, what is minimised, and intervals from scatter.

No file of runs is gone through and none is written: that is `board` and `calibrate`.
"""

__all__ = [
    "cast_fit",
    "document",
    "interval_document",
    "interval_fit",
    "memory_fit",
    "pair_residuals",
    "quantised_fit",
    "rl_fit",
    "run_fit",
    "run_parameters",
    "serving_fit",
    "whole_fit",
]
