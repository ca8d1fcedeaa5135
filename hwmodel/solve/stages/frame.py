"""What all stages of a budget share: the catalog, the shared options, and how accelerators are paid for."""

from __future__ import annotations

from typing import Unpack

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.errors import InputError
from hwmodel.solve.question.options import PlanOptions, without
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import Fleeted, fleeted, resolve
from hwmodel.solve.stages.file import BudgetFile, Stage
from hwmodel.solve.stages.given import SpotKeys
from hwmodel.units import parse_count, parse_duration_s, parse_fraction, parse_positive, parse_usd

SECONDS_PER_HOUR = 3600.0
SIZES = ("params", "model")  # two ways to say how large a model is: one of them stands


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """Spot capacity: how often a whole job is preempted, and how long it waits, unbilled, for capacity."""

    preemptions_per_hour: float
    wait_h: float


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The ground that the stages of one budget stand on."""

    file: BudgetFile
    catalog: Catalog
    spot: Spot | None = None

    def options(self, stage: Stage, fleet: str, **more: Unpack[PlanOptions]) -> PlanOptions:
        """The options of `plan` for a stage on a fleet: its own over the shared ones.

        A size of its own, by either name, stands for the shared one.
        """
        own: PlanOptions = {**stage.options, "gpus": fleet, **more}
        sized = any(own.get(name) is not None for name in SIZES)
        shared = without(self.file.options, *SIZES) if sized else self.file.options
        return {**shared, **own}

    def setting(self, options: PlanOptions) -> Fleeted:
        """A resolved setting, paid for as the budget says."""
        setting = fleeted(resolve(parse_request(**options), self.catalog))
        return self._spotted(setting) if self.spot is not None else setting

    def _spotted(self, setting: Fleeted) -> Fleeted:
        """Preempted as a whole beside its failures, at the spot price."""
        assert self.spot is not None
        facts = setting.reliability
        rate = facts.software_interruptions_per_hour + self.spot.preemptions_per_hour
        price = setting.price
        if not setting.request.usd_per_hour and setting.request.price_kind is None:
            price = self.catalog.price_summary(
                setting.part.id, "spot", file=setting.request.prices, region=setting.request.region
            )
        return msgspec.structs.replace(
            setting, price=price, reliability=msgspec.structs.replace(facts, software_interruptions_per_hour=rate)
        )


def spot_of(given: SpotKeys | None) -> Spot | None:
    """The spot terms of a file; None where none are given. Raises InputError without a rate: nobody publishes one."""
    if given is None:
        return None
    if "preemptions_per_hour" not in given:
        raise InputError(
            "spot needs preemptions_per_hour of a whole job: no source states a rate, so there is no default"
        )
    return Spot(
        preemptions_per_hour=rate(given["preemptions_per_hour"], "preemptions_per_hour"),
        wait_h=duration_s(given["wait"], "wait") / SECONDS_PER_HOUR if "wait" in given else 0.0,
    )


def number(value: object, what: str) -> float:
    """A number above zero, a count such as `10k`, or an amount with a unit of thousands."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputError(f"{what} must be a number, got {value!r}")
    return parse_count(str(value), what)


def usd(value: object, what: str) -> float:
    """An amount of money."""
    return parse_usd(str(value), what)


def share(value: object, what: str) -> float:
    """A share above zero and at most one."""
    return parse_fraction(str(value), what)


def duration_s(value: object, what: str) -> float:
    """Seconds of a duration with its unit."""
    return parse_duration_s(str(value), what)


def rate(value: object, what: str) -> float:
    """A plain number above zero."""
    return parse_positive(str(value), what)


def needs(stage: Stage, *names: str) -> None:
    """Raises InputError naming what a stage lacks."""
    given = {**stage.own, **stage.options}
    lacking = [name for name in names if name not in given]
    if lacking:
        raise InputError(
            f"needs {', '.join(lacking)} to be computed; give {'it' if len(lacking) == 1 else 'them'}, or enter its "
            "gpu_hours or cost_usd"
        )
