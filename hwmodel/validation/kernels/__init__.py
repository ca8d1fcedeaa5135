"""Constants of kernels and collectives fitted on measured tables.

Whole runs never enter: what a stack or an engine adds is fitted in `fit`.
"""

__all__ = ["fit"]
