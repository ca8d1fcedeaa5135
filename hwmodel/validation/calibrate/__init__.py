"""Constants refitted and written: whole files of runs through `board` and `fit`, residuals of what is left out, and the
calibration files that ship. A single fit belongs to `fit`."""
