"""Predictions of measured runs by the product's own path, against what was measured: errors, coverage, baselines.

Whole files of runs, with sources left out. What ships is written by `calibrate`, a single fit belongs to `fit`.
"""

__all__ = ["board", "cells", "files", "folds", "measured", "searched", "serving", "show", "whole_runs"]
