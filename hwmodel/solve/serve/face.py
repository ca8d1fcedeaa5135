"""Serving questions: what a token costs, what a configuration gives, which fleet to choose."""

from hwmodel.solve.serve.cost import (
    DEFAULT_OUTPUT_TOKENS,
    DEFAULT_PROMPT_TOKENS,
    serving_accelerator_seconds_per_token,
)

__all__ = ["DEFAULT_OUTPUT_TOKENS", "DEFAULT_PROMPT_TOKENS", "serving_accelerator_seconds_per_token"]
