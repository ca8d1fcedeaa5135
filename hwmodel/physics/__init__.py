"""Seconds, bytes and FLOPs of training and serving, from kernels and collectives up to a step and its queue.

Each formula once, for numbers, columns and symbols alike. No search, no file and no price: layouts are given.
"""
