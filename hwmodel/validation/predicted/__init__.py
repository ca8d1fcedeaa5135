"""Rows of measured runs predicted at given constants, and how far off that is.

Nothing is fitted here, and no file of runs is gone through: that is `fit` and `board`.
"""

__all__ = [
    "predict_training",
    "ranking",
    "records",
    "score",
    "serving_baseline",
    "serving_bench",
    "serving_predict",
    "targets",
    "training",
]
