"""A row of a file of measured runs as a setting that `hwmodel.predict` answers: cells, names, machines, shapes.

What was measured is read as such and never as a setting; nothing is predicted here.
"""

__all__ = ["machines", "rl_rows", "serving_rows", "spelled", "tables", "throughput_rows", "training_rows"]
