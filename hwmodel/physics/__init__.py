"""Seconds, bytes and FLOPs of training and serving, from kernels and collectives up to a step and its queue.

Each formula once, for numbers, columns and symbols alike. No search, no file and no price: layouts are given.
"""

__all__ = [
    "collectives",
    "columns",
    "data_parallel",
    "engine",
    "formulas",
    "intervals",
    "kernels",
    "layer",
    "layer_communication",
    "machine",
    "matrix",
    "memory",
    "micro_batch",
    "recomputed",
    "schedule",
    "serving",
    "serving_formulas",
    "serving_launches",
    "serving_memory",
    "serving_products",
    "serving_queue",
    "serving_step",
    "shape",
    "stages",
    "training",
]
