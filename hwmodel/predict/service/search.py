"""Layouts that nobody stated: the candidates on so many accelerators, and the one that serves most."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel.ops import Num, floor, maximum
from hwmodel.predict.service.layouts import Sizes, column, layouts, rows_of
from hwmodel.predict.service.passes import room
from hwmodel.predict.service.regimes import serve
from hwmodel.predict.service.setting import ServiceSetting, on_layout
from hwmodel.specs.serving import ServingLayout

NODE = 8.0  # accelerators that are searched where nobody says how many there are


def replicas(accelerators: Num, layout: ServingLayout) -> Num:
    """Engine instances of a layout that share so many accelerators."""
    return maximum(floor(accelerators / layout.accelerators + 1e-9), 1.0)


def candidates(s: ServiceSetting, accelerators: float, given: Sizes | None = None) -> ServingLayout:
    """Layouts on at most `accelerators` that hold the model and one request; columns are empty where none does.

    Tensor parallelism alone, as engines do by default; stages, attention-data and expert parallelism only where they
    are given or nothing fits without.
    """
    given = given or Sizes()
    plain = Sizes(tp=given.tp, pp=given.pp or 1.0, dp=given.dp or 1.0, ep=given.ep or 1.0)
    found = fitting(s, accelerators, plain)
    return found if len(column(found.tp)) else fitting(s, accelerators, given)


def fitting(s: ServiceSetting, accelerators: float, given: Sizes | None = None) -> ServingLayout:
    """All layouts on at most `accelerators` that hold the model and one request."""
    tried = layouts(s.shape, float(s.worker.machine.network.domain), given)
    tried = rows_of(tried, column(tried.accelerators) <= accelerators)
    fits = column(room(on_layout(s, tried))) + 0.0 * column(tried.tp) >= 1.0
    return rows_of(tried, fits)


def shared(s: ServiceSetting, accelerators: Num, layout: ServingLayout) -> ServiceSetting:
    """The load of all `accelerators` shared out among the engine instances of a layout."""
    n = replicas(accelerators, layout)
    return msgspec.structs.replace(on_layout(s, layout), clients=s.clients / n, rate=s.rate / n)


def best_layout(s: ServiceSetting, regime: str, accelerators: float, tried: ServingLayout) -> ServingLayout | None:
    """The layout that answers most requests a second on all accelerators; None where there is none to try."""
    if not len(column(tried.tp)):
        return None
    terms = serve(shared(s, accelerators, tried), regime)
    total = column(terms.requests_per_s * replicas(accelerators, tried))
    return numbers(tried, int(np.argmax(total)))


def numbers(layout: ServingLayout, i: Any) -> ServingLayout:
    """One row of a layout of columns as plain numbers."""
    return ServingLayout(**{name: float(column(getattr(layout, name))[i]) for name in ("tp", "pp", "dp", "ep")})
