"""A scaling law as published: its form by name, its constants, and what they may be used for."""

from __future__ import annotations

from typing import Any

import msgspec


class LawSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One law or one variant of it (`chinchilla_2022/approach1`).

    `form` names a function of `hwmodel.laws`; `params_convention` is total | non_embedding | active | flop_per_token;
    `covariance` belongs to `covariance_of` (names of constants, natural logs where the name starts with `log_`).
    """

    id: str
    title: str
    form: str
    source: str
    status: str  # primary | secondary | derived | unconfirmed
    constants: dict[str, float] = {}
    params_convention: str = "total"
    loss_unit: str = "nats_per_token"  # or none: the law gives an allocation but no loss
    family: str = "pretraining"
    fit_params: tuple[float, float] | None = None
    fit_tokens: tuple[float, float] | None = None
    fit_flop: tuple[float, float] | None = None
    covariance_of: tuple[str, ...] = ()
    covariance_mean: tuple[float, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    caveats: str = ""
    test_points: tuple[dict[str, Any], ...] = ()
    refusal: str = ""  # why it does not evaluate, when its constants are unpublished or unconfirmed
