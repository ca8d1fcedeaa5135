"""Widths of the 80 % intervals of serving predictions: one look-up, for an answer of `serve` and for a row."""

from __future__ import annotations

import math

import msgspec

from hwmodel.physics.columns import anywhere
from hwmodel.predict.service.setting import CLOSED, OPEN, ServiceSetting
from hwmodel.specs.hardware import Part
from hwmodel.specs.serving_calibration import ServingCalibration

WIDER_UNKNOWN = 1.4  # engines or families of parts that no fitted run covers
# Families of parts without any measured run: no narrower than training finds of such parts (natural log).
UNKNOWN_FAMILY = 0.3
NARROWER_MEASURED = 0.85  # groups whose level a measured run has set
UNKNOWN = 0.35  # a quantity that no fitted run covers


class Familiarity(msgspec.Struct, frozen=True, kw_only=True):
    """What the errors of a prediction depend on: its regime, kind of model, engine, part and recipe; whether something
    of it was never measured or not stated (`strange`: a shape made up from a size, one engine over several scale-up
    domains, pools whose counts are open), and whether a measured run has set the level of its group."""

    regime: str
    experts: bool
    engine: str
    vendor: str
    family: str
    recipe: str
    strange: bool = False
    measured: bool = False

    def stratum(self, kind: str) -> str:
        """Which errors of a quantity are alike: regime, dense models or mixtures, engine, format."""
        engine = self.engine if self.vendor == "nvidia" else f"{self.engine} on {self.family}"
        return f"{kind} | {self.regime} | {'experts' if self.experts else 'dense'} | {engine} | {self.recipe}"


def familiarity(
    regime: str, setting: ServiceSetting, engine: str, part: Part, recipe: str, made_up: bool = False
) -> Familiarity:
    """The familiarity of a setting on `part`."""
    w, shape = setting.worker, setting.shape
    spans = anywhere(w.layout.accelerators > w.machine.network.domain)
    uncounted = setting.prefill is not None and anywhere(setting.prefill_workers * setting.decode_workers <= 0)
    return Familiarity(
        regime=regime, experts=any(anywhere(b.n_experts > 0) for b in shape.blocks), engine=engine, vendor=part.vendor,
        family=part.family, recipe=recipe, strange=made_up or spans or uncounted,
    )  # fmt: skip


def wider(label: str) -> list[str]:
    """The stratum and those that hold it, finest first, down to the quantity alone."""
    words = label.split(" | ")
    return [" | ".join(words[:n]) for n in range(len(words), 0, -1)]


def half_width(c: ServingCalibration, of: Familiarity, kind: str) -> float:
    """Natural-log half-width of the 80 % interval of one predicted quantity.

    The finest stratum with enough runs gives it. Latencies of open loops take the closed loop's: the same passes and
    queues, and hardly an open one was published.
    """
    labels = wider(of.stratum(kind))
    if of.regime == OPEN:
        labels = labels[:-1] + wider(msgspec.structs.replace(of, regime=CLOSED).stratum(kind))
    width = next((c.intervals[name][0] for name in labels if name in c.intervals), UNKNOWN)
    family = of.family in c.known.get("families", [])
    if not family or of.engine not in c.known.get("engines", []) or of.strange:
        width *= WIDER_UNKNOWN
    if not family:
        width = max(width, UNKNOWN_FAMILY)
    return width * (NARROWER_MEASURED if of.measured else 1.0)


def band(value: float, c: ServingCalibration, of: Familiarity, kind: str) -> dict[str, float]:
    """A value with the ends of its 80 % interval."""
    factor = math.exp(half_width(c, of, kind))
    return {"value": value, "low": value / factor, "high": value * factor}
