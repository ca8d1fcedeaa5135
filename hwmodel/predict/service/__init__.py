"""Serving: a stated setting -> latencies and rates under each regime of requests, its layouts, its intervals.

The times of one pass and of waiting are `physics`; which fleet to choose for a demand is not asked here.
"""

from hwmodel.predict.service.intervals import Covered, ServiceTraits, service_ends, traits_of
from hwmodel.predict.service.regimes import REGIMES, open_at, serve
from hwmodel.predict.service.setting import (
    AT_ONCE,
    CLOSED,
    DISAGGREGATED,
    OPEN,
    SATURATED,
    STATIC,
    ServiceSetting,
    Worker,
    on_layout,
)

__all__ = [
    "AT_ONCE",
    "CLOSED",
    "DISAGGREGATED",
    "OPEN",
    "REGIMES",
    "SATURATED",
    "STATIC",
    "Covered",
    "ServiceSetting",
    "ServiceTraits",
    "Worker",
    "arrivals",
    "cost",
    "intervals",
    "layouts",
    "on_layout",
    "open_at",
    "passes",
    "regimes",
    "search",
    "serve",
    "service_ends",
    "setting",
    "together",
    "traits_of",
]
