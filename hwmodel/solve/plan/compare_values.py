"""The same question with several values of one option: sizes, fleets, systems, laws side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.rates import Rates, check_rates, parse_rates, rates_for
from hwmodel.solve.run.result import Answer, Plan, value_of

COMPARABLE = ("params", "gpus", "system", "law", "tokens", "model", "seq_len", "flops", "time", "budget")


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Plans by the values of one option, and what each costs beside the first."""

    option: str
    values: list[str]
    plans: list[Plan]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row a value: the answer, and its differences to the first."""
        first = self.plans[0].answer
        return [
            {self.option: value, "answer": one.answer, **differences(first, one.answer)}
            for value, one in zip(self.values, self.plans, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        plain: dict[str, Any] = msgspec.to_builtins({"option": self.option, "rows": self.rows})
        return plain


def differences(first: Answer, other: Answer) -> dict[str, float | None]:
    """Loss gained over the first [nats/token], and what the gain costs: FLOP and USD more a nat."""
    if first.loss_nats is None or other.loss_nats is None:
        return {"loss_gain_nats": None, "flop_per_nat": None, "usd_per_nat": None}
    gain = value_of(first.loss_nats) - value_of(other.loss_nats)
    if gain <= 0:
        return {"loss_gain_nats": gain, "flop_per_nat": None, "usd_per_nat": None}
    usd = None
    if first.cost_usd is not None and other.cost_usd is not None:
        usd = (value_of(other.cost_usd) - value_of(first.cost_usd)) / gain
    return {"loss_gain_nats": gain, "flop_per_nat": (other.train_flop - first.train_flop) / gain, "usd_per_nat": usd}


# `$1,000,000` is one amount: a comma before exactly three digits, all the way to the end, separates thousands.
_THOUSANDS = re.compile(r"\$?\d{1,3}(,\d{3})+(\.\d+)?")


def _values(text: Any) -> list[str]:
    """The values of an option: what commas separate."""
    shown = str(text or "")
    return [shown] if _THOUSANDS.fullmatch(shown.strip()) else shown.split(",")


def listed_option(given: dict[str, Any]) -> str | None:
    """The one option whose value is a list (`10B,100B`), None without one. InputError for two."""
    lists = [name for name in COMPARABLE if len(_values(given.get(name))) > 1]
    if len(lists) > 1:
        raise InputError(f"compare varies one option at a time, not --{lists[0]} and --{lists[1]}")
    return lists[0].replace("-", "_") if lists else None


def compare_values(option: str, **given: Any) -> Comparison:
    """Plans of each value of `option`."""
    values = [value.strip() for value in _values(given.pop(option)) if value.strip()]
    if len(values) < 2:
        raise InputError(f"--{option.replace('_', '-')} names one value; compare needs two, like 10B,100B")
    if "," in str(given.get("precision") or ""):
        raise InputError(f"compare varies one option at a time, not --{option.replace('_', '-')} and --precision")
    rates = parse_rates(given.pop("usd_per_hour", None))
    priced = _rates_of_each(option, values, rates, given.get("catalogs") or ())
    plans = [plan(**{**given, option: value, **more}) for value, more in zip(values, priced, strict=True)]
    return Comparison(option=option, values=values, plans=plans)


def _rates_of_each(option: str, values: list[str], rates: Rates, folders: Any) -> list[dict[str, Any]]:
    """Each plan's own price: of several fleets that of its part, else what was given."""
    if not rates:
        return [{} for _ in values]
    if option != "gpus" or not rates[0][0]:
        return [{"usd_per_hour": dict(rates) if rates[0][0] else rates[0][1]} for _ in values]
    catalog = load_catalog(tuple(Path(folder) for folder in folders))
    parts = [catalog.part(parse_request(gpus=value, tokens=1.0).accelerator or "").id for value in values]
    check_rates(rates, parts, catalog)
    return [{"usd_per_hour": dict(rates_for(rates, part, catalog)) or None} for part in parts]
