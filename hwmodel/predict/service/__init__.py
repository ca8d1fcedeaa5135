"""Serving: a stated setting -> latencies and rates under each regime of requests, its layouts, its intervals."""

from hwmodel.predict.service.intervals import Familiarity, band, familiarity, half_width
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
    "Familiarity",
    "ServiceSetting",
    "Worker",
    "band",
    "familiarity",
    "half_width",
    "on_layout",
    "open_at",
    "serve",
]
