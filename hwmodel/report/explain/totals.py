"""What the numbers of a budget of stages and of a comparison of values follow from: sums of stages, plans beside the
first. How one run comes to its hours is explained from that run's own answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from hwmodel.errors import InputError
from hwmodel.laws.lifetime import train_flop
from hwmodel.ops import Num
from hwmodel.plain import JsonValue
from hwmodel.report.explain.answered import Numbered
from hwmodel.report.explain.bill import median_elapsed
from hwmodel.report.explain.document import at, inside
from hwmodel.report.explain.rule import Rule, by
from hwmodel.solve.plan.compare_values import nats_gained, price_of_a_nat
from hwmodel.solve.run.billing import billed_hours_of, steady_days
from hwmodel.solve.run.budget_records import Budget
from hwmodel.solve.run.lines import NOT_COUNTED, added, times, with_contingency
from hwmodel.solve.run.result import RunAnswer
from hwmodel.solve.stages.total import (
    POST_TRAINING,
    PRETRAINING,
    margin_to_safe,
    post_training,
    steps_at_parity,
)
from hwmodel.specs.rl import RlTerms

SUMMED = ("gpu_hours", "cost_usd", "energy_mwh", "co2e_t")
Place = tuple[str, JsonValue]  # the name of a stage and its record


class Totals(Numbered):
    """The JSON of a budget of stages, or of a comparison of values."""

    def __init__(self, document: Mapping[str, JsonValue], where: str = "the answer") -> None:
        super().__init__(document)
        _check(document, where)

    def _why_none(self, full: str) -> str:
        return why_empty(full)

    @property
    def stages(self) -> list[Place]:
        """The lines of a budget by their names in the document."""
        return [(f"stages.{key}", row) for key, row in inside(at(self.document, "stages"))]

    @property
    def first(self) -> str:
        """The plan that the others of a comparison stand beside."""
        return f"rows.{inside(at(self.document, 'rows'))[0][0]}"


def is_total(document: Mapping[str, JsonValue]) -> bool:
    """Whether a document is a budget of stages or a comparison of values."""
    return ("stages" in document and "budget" in document) or ("option" in document and "rows" in document)


def _check(document: Mapping[str, JsonValue], where: str) -> None:
    """Raise InputError for a document that was cut, edited or written by another version."""
    records: list[tuple[str, JsonValue, type[RunAnswer] | type[Budget]]]
    records = [(f"rows.{key}.answer", at(row, "answer"), RunAnswer) for key, row in inside(at(document, "rows"))]
    records = records or [("budget", document.get("budget"), Budget)]
    for place, record, kind in records:
        try:
            msgspec.convert(record, kind)
        except msgspec.ValidationError as error:
            said = str(error)
            raise InputError(
                f"{where}: {place}: {said[:1].lower()}{said[1:]}; save the answer again with this version"
            ) from error


def totals_rule(found: Totals, path: str) -> Rule | None:
    """The rule of a number of a budget or a comparison; None where no one formula gives it."""
    place, _, name = path.rpartition(".")
    if path in BUDGET:
        return BUDGET[path](found)
    if place == "budget" and name in SUMMED:
        return _sum_of(found, name, lambda _: True)
    if place.startswith("stages."):
        return _of_stage(found, place, name)
    if place.startswith("pools.") and name == "gpu_hours":
        part = found.text(f"{place}.part")
        return _sum_of(found, name, lambda row: part in (at(row, "part"), at(row, "detail.rollout_part")))
    if place.startswith("rows."):
        return _of_row(found, place, name)
    return None


def _sum_of(found: Totals, name: str, counts: Callable[[JsonValue], bool]) -> Rule | None:
    """The sum of a figure over stages."""
    inputs = {
        symbol: f"{key}.{name}"
        for symbol, (key, row) in _symbols(found).items()
        if counts(row) and found.value(f"{key}.{name}") is not None
    }
    return by(added, lambda **values: sum(values.values()), **inputs) if inputs else None


def _symbols(found: Totals) -> dict[str, Place]:
    """The stages by their names as symbols of a formula, numbered where two read alike."""
    named: dict[str, Place] = {}
    for i, (key, row) in enumerate(found.stages, 1):
        word = re.sub(r"\W+", "_", str(at(row, "stage"))).strip("_").lower()
        symbol = word if word.isascii() and word[:1].isalpha() and word not in named else f"stage_{i}"
        named[symbol] = (key, row)
    return named


def _contingency(found: Totals) -> Rule | None:
    """What computed lines lack; entered money has no such formula."""
    safe = {one: key for one, (key, _) in _symbols(found).items() if found.value(f"{key}.safe_cost_usd") is not None}
    inputs = {f"safe_{one}": f"{key}.safe_cost_usd" for one, key in safe.items()}
    inputs |= {one: f"{key}.cost_usd" for one, key in safe.items()}

    def run(**of: Num) -> Num:
        return margin_to_safe((of[f"safe_{one}"], of[one]) for one in safe)

    return by(margin_to_safe, run, **inputs) if safe else None


def _spent(found: Totals, kinds: tuple[str, ...]) -> Rule | None:
    unit = "cost_usd" if found.text("post_training.unit") == "usd" else "gpu_hours"
    return _sum_of(found, unit, lambda row: at(row, "kind") in kinds)


def _over(_: Totals) -> Rule:
    inputs = {"after": "post_training.post_training", "before": "post_training.pretraining"}
    return by(post_training, lambda after, before: after / before, **inputs)


def _parity(found: Totals) -> Rule | None:
    """Steps at which reinforcement learning brings post-training level with pre-training."""
    unit = "cost_usd" if found.text("post_training.unit") == "usd" else "gpu_hours"
    key = next((key for key, row in found.stages if at(row, "kind") == "rl"), None)
    if key is None:
        return None

    def run(pretraining: Num, post_training: Num, reinforcement: Num, steps: Num) -> Num:
        return steps_at_parity(pretraining, post_training - reinforcement, reinforcement, steps)

    return by(
        steps_at_parity, run, pretraining="post_training.pretraining", post_training="post_training.post_training",
        reinforcement=f"{key}.{unit}", steps="post_training.rl_steps",
    )  # fmt: skip


BUDGET: dict[str, Callable[[Totals], Rule | None]] = {
    "budget.total_usd": lambda _: by(
        with_contingency, cost_usd="budget.cost_usd", contingency_usd="budget.contingency_usd"
    ),
    "budget.contingency_usd": _contingency,
    "post_training.pretraining": lambda found: _spent(found, PRETRAINING),
    "post_training.post_training": lambda found: _spent(found, POST_TRAINING),
    "post_training.over_pretraining": _over,
    "post_training.rl_steps_at_parity": _parity,
}


def _of_stage(found: Totals, place: str, name: str) -> Rule | None:
    """Of one stage: a share of pre-training as entered, days of hours, FLOPs, a step of reinforcement learning."""
    if name == "train_flop":
        return by(train_flop, params=f"{place}.params", tokens=f"{place}.tokens")
    if name == "step_s" and found.value(f"{place}.terms_s.rollout_s") is not None:
        terms = {one: f"{place}.terms_s.{one}" for one in RlTerms.__struct_fields__}
        return by(RlTerms, lambda **of: RlTerms(**of).total_s, **terms)
    if name in SUMMED and found.value(f"{place}.detail.share") is not None:
        return _share_of(found, place, name)
    if name == "gpu_hours" and found.value(f"{place}.elapsed_days") is not None:
        return by(billed_hours_of, elapsed_days=f"{place}.elapsed_days", accelerators=f"{place}.accelerators")
    return None


def _share_of(found: Totals, place: str, name: str) -> Rule | None:
    """A share of the pre-training stages above."""
    whole = _sum_of(found, name, lambda row: at(row, "kind") in PRETRAINING)
    if whole is None:
        return None
    return by(
        times, lambda share_of, **of: share_of * sum(of.values()), share_of=f"{place}.detail.share", **whole.inputs
    )  # fmt: skip


def _of_row(found: Totals, place: str, name: str) -> Rule | None:
    """Of one plan of a comparison: its own figures, and those beside the first."""
    if place.endswith(".answer") or ".answer.quantiles." in place:
        return _of_answer(place, name)
    first = f"{found.first}.answer"
    other, gained = f"{place}.answer", f"{place}.loss_gain_nats"
    if name == "loss_gain_nats":
        return by(nats_gained, first_nats=f"{first}.loss_nats", nats=f"{other}.loss_nats")
    of = {"flop_per_nat": "train_flop", "usd_per_nat": "cost_usd"}.get(name)
    return None if of is None else by(price_of_a_nat, first=f"{first}.{of}", other=f"{other}.{of}", nats=gained)


def _of_answer(place: str, name: str) -> Rule | None:
    base, _, quantile = place.partition(".quantiles.")
    if name == "gpu_hours":
        return by(billed_hours_of, elapsed_days=f"{place}.elapsed_days", accelerators=f"{base}.accelerators")
    if quantile:
        return median_elapsed(base) if name == "elapsed_days" and quantile == "p50" else None
    rules: dict[str, Callable[[], Rule]] = {
        "train_flop": lambda: by(train_flop, params=f"{place}.params", tokens=f"{place}.tokens"),
        "train_days": lambda: by(steady_days, tokens=f"{place}.tokens", tokens_per_s=f"{place}.tokens_per_s"),
        "elapsed_days": lambda: median_elapsed(place),
    }
    return rules[name]() if name in rules else None


def why_empty(path: str) -> str:
    """Why a budget or a comparison has nothing under a name."""
    return next((said for place, said in EMPTY if re.search(place, path)), "nothing of the question says it")


EMPTY = (
    (r"^budget\.lines\.|^stages\..*(gpu_hours|cost_usd|elapsed_days|energy_mwh|co2e_t|part|accelerators|safe_cost_usd)$",
     f"the stage is {NOT_COUNTED.replace('_', ' ')}, was entered, or has no price"),
    (r"^budget\.|^post_training", "no stage of the file gives it"),
    (r"per_nat$|\.gain", "the plan gains no loss over the first, or gains it for less"),
    (r"lifetime_cost$", "nothing is said to be served: --inference-tokens"),
    (r"^chances\.", "both plans have the same, or one of them none"),
)  # fmt: skip
