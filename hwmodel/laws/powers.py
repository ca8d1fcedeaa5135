"""One-factor power laws, with or without a floor, and exponents that were published without a prefactor."""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.laws.forms import Constants, Form, Outputs, by_name, form_of
from hwmodel.ops import Num


def power_floor(c: Constants, x: Num) -> Num:
    """L = L_inf + (x0 / x)^a or L_inf + k x^-a, x in units of `unit` (1 unless given)."""
    units = x / c.get("unit", 1.0)
    return c.get("L_inf", 0.0) + (c["k"] * units ** -c["a"] if "k" in c else (c["x0"] / units) ** c["a"])


def scaled_power(c: Constants, x: Num) -> Num:
    """y = k (x / unit)^a."""
    return c["k"] * (x / c.get("unit", 1.0)) ** c["a"]


def _one(law: Callable[[Constants, Num], Num], source: str, target: str) -> Callable[..., Outputs]:
    """The function of a form with one input and one output."""

    def evaluate(c: Constants, **inputs: Num) -> Outputs:
        """The law at its one input."""
        return {target: law(c, inputs[source])}

    return evaluate


def _exponent(c: Constants, compute_factor: Num) -> Outputs:
    """Growth of the optimal size (and of the tokens) when compute grows by a factor: only the exponent is known."""
    return {
        "params_factor": compute_factor ** c["a_params"],
        "tokens_factor": compute_factor ** (1.0 - c["a_params"]),
    }


def _vocabulary(c: Constants, params_factor: Num) -> Outputs:
    """Growth of the optimal vocabulary parameters when the other parameters grow by a factor."""
    return {"vocabulary_params_factor": params_factor ** c["a_vocabulary"]}


def _form(name: str, summary: str, law: Callable[[Constants, Num], Num], source: str, target: str) -> Form:
    """A form with one input and one output: a level of loss to compare, or a setting beside it."""
    constants = ("L_inf", "x0", "a") if law is power_floor else ("k", "a")
    return Form(
        name=name, summary=summary, needs=(source,), gives=(target,), evaluate=_one(law, source, target),
        constants=constants, acts="level" if target == "loss_nats" else "settings",
    )  # fmt: skip


FORMS = by_name(
    _form("power_of_params", "loss as a power of size above a floor", power_floor, "params", "loss_nats"),
    _form("power_of_tokens", "loss as a power of data above a floor", power_floor, "tokens", "loss_nats"),
    _form("power_of_flop", "loss as a power of compute above a floor", power_floor, "flop", "loss_nats"),
    _form("batch_of_flop", "batch as a power of compute", scaled_power, "flop", "batch_tokens"),
    _form("steps_of_flop", "steps as a power of compute", scaled_power, "flop", "steps"),
    _form("tokens_of_params", "least tokens as a power of size", scaled_power, "params", "tokens"),
    form_of(
        "exponent_ratio",
        "how optimal size and data grow with compute; no prefactor is known",
        _exponent,
        gives=("params_factor", "tokens_factor"),
    ),
    form_of(
        "vocabulary_ratio",
        "how the optimal vocabulary grows with size; no prefactor is known",
        _vocabulary,
        gives=("vocabulary_params_factor",),
        acts="vocabulary",
    ),
)
