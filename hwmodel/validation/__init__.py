"""What was measured against what is predicted: rows, their predictions, fits, boards, refits; kernels and claims.

Predictions are those of `hwmodel.predict`: no physics and no search of its own. Each folder stands on the ones before
it: rows, predicted, fit, board, calibrate.
"""
