"""What quantising a trained model costs: fitted constants, published rows, and facts of released models."""

from __future__ import annotations

import msgspec


class QuantisedConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Constants of `laws.quantised`, fitted by `hwmodel calibrate --quantised`. Nats are a token, at the reference size
    and tokens a parameter; a slope is natural log a bit; `log_sd` is the scatter of one recipe of one source."""

    weight4_nats: float
    weight_slope: float
    activation8_nats: float
    activation_slope: float
    float8_factor: float
    cache8_nats: float
    cache_slope: float
    power_of_two_factor: float
    mixture_factor: float
    tokens_exponent: float
    size_exponent: float
    small_exponent: float
    log_sd: float
    mixture_log_sd: float
    score_lost_per_nat: float
    score_log_sd: float
    fitted_on: str = ""
    code_version: str = ""


class QuantisedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One published measurement of a quantised model. Bits count an element with its scales, the cache a mean of keys
    and values; `why_not_counted` is empty for rows that vote."""

    source: str
    model: str
    recipe: str
    method: str
    metric: str
    weight_bits: float
    activation_bits: float
    cache_bits: float
    params: float | None = None
    active_params: float | None = None
    train_tokens: float | None = None
    nats_per_token: float | None = None
    recovery: float | None = None  # benchmark score over that of the baseline
    why_not_counted: str = ""

    @property
    def mixture(self) -> bool:
        return self.active_params is not None and self.params is not None and self.active_params < 0.9 * self.params

    @property
    def float8(self) -> bool:
        """Activations in 8-bit floats."""
        return self.activation_bits == 8.0 and "fp8" in self.recipe

    @property
    def float4(self) -> bool:
        """Activations in 4-bit floats."""
        return self.activation_bits == 4.0 and self.recipe.startswith(("nvfp4", "mxfp4"))

    @property
    def power_of_two(self) -> bool:
        """Blocks that share a scale of exponent bits alone (OCP MX)."""
        return self.recipe.startswith("mx")


class TrainedModel(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that a named model was trained on, and the serving recipe that it was released in (empty: 16 bits)."""

    model: str
    tokens: float | None = None
    released_in: str = ""
    source: str = ""
    locator: str = ""
    status: str = "secondary"
