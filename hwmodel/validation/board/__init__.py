"""Predictions of measured runs by the product's own path, against what was measured: errors, coverage, baselines."""
