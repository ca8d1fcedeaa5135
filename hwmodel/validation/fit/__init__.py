"""Constants fitted on measured runs, their priors and intervals, and the calibration files that they are written to."""
