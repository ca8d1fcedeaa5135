"""Constants of kernels and collectives fitted on measured tables."""
