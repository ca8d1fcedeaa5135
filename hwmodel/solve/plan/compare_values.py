"""The same question with several values of one option, or of several: sizes, fleets, formats, laws side by side."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, Unpack, cast

import msgspec
from msgspec.structs import asdict

from hwmodel.answers import Shown
from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.ops import Num
from hwmodel.solve.budget.beats import Beats, pairwise
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.plan.gain import Gain, gain
from hwmodel.solve.plan.solver import loss_model_of, setting_of, solve_drawn
from hwmodel.solve.question.options import CompareOptions, Folders, PlanOptions, Quantity
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.rates import Rates, check_rates, parse_rates, rates_for
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.result import RunAnswer, value_of

COMPARABLE = (
    "params", "gpus", "system", "law", "tokens", "model", "seq_len", "flops", "time", "budget", "precision", "region",
    "samples", "serving_precision", "inference_tokens",
)  # fmt: skip
Lists: TypeAlias = dict[str, list[Quantity]]  # an option to the values that are compared
MOST_PLANS = 256  # of one comparison: about a minute; `sweep` is for more


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Loss gained over the first plan [nats a token], and what the gain costs: FLOP and dollars more a nat. None: no
    gain, or nobody knows."""

    loss_gain_nats: float | None = None
    flop_per_nat: float | None = None
    usd_per_nat: float | None = None


class ComparedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A plan of a comparison: the values of its options, its answer, and both beside the first plan."""

    values: dict[str, str]
    answer: RunAnswer
    beside: Beside
    gain: Gain | None


class Comparison(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Plans by the values of one option or more, and what each costs beside the first."""

    __repr__ = Shown.__repr__

    options: tuple[str, ...]
    cases: tuple[tuple[str, ...], ...]  # a value of each option
    plans: tuple[Plan, ...]
    gains: tuple[Gain | None, ...] = ()  # of each over the first; None without a loss, or under another law
    chances: tuple[Beats, ...] = ()  # of each two, or of the first and each other where they are many

    @property
    def option(self) -> str:
        """The options compared, in one word."""
        return ",".join(self.options)

    @property
    def values(self) -> list[str]:
        """The values of each plan, in one word."""
        return [" ".join(case) for case in self.cases]

    @property
    def rows(self) -> list[ComparedRow]:
        """A row a plan."""
        first = self.plans[0].answer
        return [
            ComparedRow(
                values=dict(zip(self.options, case, strict=True)), answer=one.answer,
                beside=beside(first, one.answer), gain=found,
            )
            for case, one, found in zip(self.cases, self.plans, self.gains, strict=True)
        ]  # fmt: skip

    def contents(self) -> object:
        """What is written as JSON; the values of a row and what it costs beside the first stand among its own keys."""
        rows = [{**row.values, "answer": row.answer, **asdict(row.beside), "gain": row.gain} for row in self.rows]
        return {"option": self.option, "rows": rows, "chances": self.chances, "like": self.plans[0].like}


def beside(first: RunAnswer, other: RunAnswer) -> Beside:
    """What a plan gains over the first, and what the gain costs."""
    if first.loss_nats is None or other.loss_nats is None:
        return Beside()
    gain = float(nats_gained(value_of(first.loss_nats), value_of(other.loss_nats)))
    if gain <= 0:
        return Beside(loss_gain_nats=gain)
    usd = None
    if first.cost_usd is not None and other.cost_usd is not None:
        usd = _price(value_of(first.cost_usd), value_of(other.cost_usd), gain)
    return Beside(
        loss_gain_nats=gain, flop_per_nat=_price(first.train_flop, other.train_flop, gain), usd_per_nat=usd
    )  # fmt: skip


def nats_gained(first_nats: Num, nats: Num) -> Num:
    """Loss that a plan gains over the first one."""
    return first_nats - nats


def price_of_a_nat(first: Num, other: Num, nats: Num) -> Num:
    """What a plan takes more than the first one, a nat that it gains."""
    return (other - first) / nats


def _price(first: float, other: float, nats: float) -> float | None:
    """What a nat costs; None where the gain costs no more."""
    return float(price_of_a_nat(first, other, nats)) if other >= first else None


# `$1,000,000` is one amount: a comma before exactly three digits, all the way to the end, separates thousands.
_THOUSANDS = re.compile(r"\$?\d{1,3}(,\d{3})+(\.\d+)?")


def values_of(asked: Any) -> list[Quantity]:
    """The values of an option: those of a list, or what commas separate; one where there are no two."""
    if isinstance(asked, (list, tuple)):
        return list(asked)
    shown = str(asked)
    if not isinstance(asked, str) or _THOUSANDS.fullmatch(shown.strip()):
        return [asked]
    return [value.strip() for value in shown.split(",") if value.strip()]


def separated(given: CompareOptions | PlanOptions) -> tuple[Lists, PlanOptions]:
    """The options that have several values (`10B,100B`), in the order given, and the others. InputError where a value
    is said twice."""
    lists = {name: values_of(one) for name, one in given.items() if name in COMPARABLE and one is not None}
    for name, values in lists.items():
        shown = list(map(str, values))
        if len(shown) > 1 and len(set(shown)) < len(shown):
            twice = next(value for value in shown if shown.count(value) > 1)
            raise InputError(f"--{name.replace('_', '-')} names {twice} twice; name each value once")
    several = {name: values for name, values in lists.items() if len(values) > 1}
    return several, cast("PlanOptions", {name: one for name, one in given.items() if name not in several})


def compare_values(lists: Lists, **given: Unpack[PlanOptions]) -> Comparison:
    """A plan for each combination of the values of `lists` (option -> values).

    Raises InputError for options that cannot be compared, and for more combinations than one comparison holds.
    """
    strange = [name for name in lists if name not in COMPARABLE]
    if strange or not lists:
        raise InputError(f"compare cannot vary {', '.join(strange) or 'nothing'}; it varies {', '.join(COMPARABLE)}")
    cases = list(itertools.product(*lists.values()))
    if len(cases) > MOST_PLANS:
        raise InputError(f"{len(cases)} combinations; compare takes {MOST_PLANS} at most: `hwmodel sweep` takes more")
    rates = parse_rates(given.pop("usd_per_hour", None))
    fleets = lists.get("gpus", [given.get("gpus")])
    priced = dict(zip(map(str, fleets), _rates_of_each(fleets, rates, given.get("catalogs") or ()), strict=True))
    solved, settings = [], []
    for case in cases:
        values = dict(zip(lists, case, strict=True))
        more = priced[str(values.get("gpus", given.get("gpus")))]
        settings.append(setting_of(**cast("PlanOptions", {**given, **values, **more})))
        solved.append(solve_drawn(settings[-1]))
    shown = tuple(tuple(map(str, case)) for case in cases)
    chances = pairwise([" ".join(case) for case in shown], [drawn for _, drawn in solved])
    plans = tuple(one for one, _ in solved)
    gains = _gains(settings, plans)
    return Comparison(options=tuple(lists), cases=shown, plans=plans, gains=gains, chances=chances)


def _gains(settings: list[Setting], plans: tuple[Plan, ...]) -> tuple[Gain | None, ...]:
    """What each plan gains over the first, where both stand under one law."""
    model = loss_model_of(settings[0])
    return tuple(
        gain(model, plans[0].answer, one.answer) if i and at.law.id == settings[0].law.id else None
        for i, (at, one) in enumerate(zip(settings, plans, strict=True))
    )


def _rates_of_each(fleets: Sequence[Quantity | None], rates: Rates, folders: Folders) -> list[PlanOptions]:
    """Each fleet's own price: of several that of its part, else what was given."""
    if not rates:
        return [{} for _ in fleets]
    if len(fleets) < 2 or not rates[0][0]:
        return [{"usd_per_hour": dict(rates) if rates[0][0] else rates[0][1]} for _ in fleets]
    catalog = load_catalog(tuple(Path(folder) for folder in folders))
    parts = [catalog.part(str(parse_request(gpus=str(value), tokens=1.0).accelerator)).id for value in fleets]
    check_rates(rates, parts, catalog)
    found = [rates_for(rates, part, catalog) for part in parts]
    return [{"usd_per_hour": dict(one)} if one else {} for one in found]
