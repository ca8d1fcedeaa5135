"""Serving questions: what a token costs, what a configuration gives, which fleet to choose."""

from hwmodel.solve.serving_columns import stack_shapes
from hwmodel.solve.serving_cost import (
    DEFAULT_OUTPUT_TOKENS,
    DEFAULT_PROMPT_TOKENS,
    cost_per_token,
    formats_of,
    serving_accelerator_seconds_per_token,
)

__all__ = [
    "DEFAULT_OUTPUT_TOKENS",
    "DEFAULT_PROMPT_TOKENS",
    "cost_per_token",
    "formats_of",
    "serving_accelerator_seconds_per_token",
    "stack_shapes",
]
