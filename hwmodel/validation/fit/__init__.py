"""Constants fitted on measured rows: their priors, what is minimised, and intervals from scatter.

No file of runs is gone through and none is written: that is `board` and `calibrate`.
"""
