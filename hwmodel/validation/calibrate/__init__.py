"""Constants refitted and written: residuals of what is left out, intervals, and the calibration files that ship.

A single fit belongs to `fit`, predictions of whole files to `board`; nothing here is asked at run time.
"""

__all__ = ["interval_calibrate", "pair_folds", "serving_calibrate", "training"]
