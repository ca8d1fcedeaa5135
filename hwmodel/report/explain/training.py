"""What the numbers of `plan` and `train` follow from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hwmodel.economics import (
    Z80,
    elapsed_over_productive,
    goodput,
    quantile_z,
    rent,
    whole_run_log_factor,
    whole_run_log_spread,
)
from hwmodel.laws import additive, additive_terms
from hwmodel.laws.forms import form
from hwmodel.laws.lifetime import train_flop
from hwmodel.ops import exp, hypot, log
from hwmodel.report.explain.answered import Answered
from hwmodel.report.explain.rule import Fact, Rule, by
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.answers import mfu_flop_per_token
from hwmodel.solve.run.billing import billed_hours_of, steady_days, utilisation
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import Band
from hwmodel.solve.run.solved import sized_shape
from hwmodel.specs import MemoryTerms, StepTerms
from hwmodel.specs.economics import PriceSummary, ReliabilityFacts, WholeRunConstants

# Answers as records of the same keys, and the place of each.
PLACES = ("answer", "objectives.training_optimal", "objectives.deployment_optimal", "objectives.given")
GOODPUT = ("mtbf_s", "checkpoint_interval_s", "checkpoint_write_s", "checkpoint_bytes", "restart_s")


def training_rule(found: Answered, path: str) -> Rule | None:
    """The rule of a number of `plan` or `train`; None where no one formula gives it."""
    place, _, name = path.rpartition(".")
    base, _, quantile = place.partition(".quantiles.")
    if quantile:
        return _quantile(found, base, quantile, name)
    if place in PLACES and name in ANSWER:
        return ANSWER[name](found, place)
    if place.startswith("money.energy") and name in ENERGY:
        return ENERGY[name]
    if place == "money.goodput" and name in GOODPUT:
        return _goodput(found, "answer", name)
    if path == "money.price.rent_usd":
        return _rent(found, "answer.quantiles.p50.gpu_hours") if _confidence(found) == 0.5 else None
    if place.startswith("precisions."):
        return _format(found, place, name)
    return _sums(path) or _step_rate(found, path)


def _sums(path: str) -> Rule | None:
    """A step and its memory: the sums of their terms."""
    if path in ("step.total_s", "step_s"):
        return _sum(StepTerms, "step", lambda terms: terms.total_s)
    place, _, name = path.rpartition(".")
    if name == "total_bytes" and place.split(".")[0] == "memory":
        return _sum(MemoryTerms, place, lambda terms: terms.total_bytes)
    return None


def _sum(kind: Any, place: str, total: Callable[[Any], Any]) -> Rule:
    names = kind.__struct_fields__
    return by(kind, lambda **terms: total(kind(**terms)), **{name: f"{place}.{name}" for name in names})


def _step_rate(found: Answered, path: str) -> Rule | None:
    """Tokens a second, MFU and the fullest stage of `train`."""
    if path == "tokens_per_s" and found.value("step_s"):
        seq_len = Fact(value=found.document["request"]["seq_len"], source="the question: --seq-len")
        return by(_batch_rate, global_batch_seqs="layout.global_batch_seqs", seq_len=seq_len, step_s="step_s")
    if path == "tokens_per_s_per_accelerator":
        return by(_share_of, total="tokens_per_s", accelerators="accelerators")
    if path == "peak_memory_bytes" and found.text("fullest_stage"):
        return _sum(MemoryTerms, f"memory.{found.text('fullest_stage')}", lambda terms: terms.total_bytes)
    return None


def _batch_rate(global_batch_seqs: Any, seq_len: Any, step_s: Any) -> Any:
    """Tokens of a batch over the seconds of its step."""
    return global_batch_seqs * seq_len / step_s


def _share_of(total: Any, accelerators: Any) -> Any:
    """What one accelerator does of a whole."""
    return total / accelerators


def _confidence(found: Answered) -> float:
    return float(found.document["request"].get("confidence", 0.5))


def _flop_params(found: Answered, place: str) -> str:
    """Parameters that 6 N counts: the active ones of a given model, else the size asked."""
    return "shape.params_active" if found.text("resolved", "model") else f"{place}.params"


def _train_flop(found: Answered, place: str) -> Rule:
    return by(train_flop, params=_flop_params(found, place), tokens=f"{place}.tokens")


def _tokens_per_s(found: Answered, place: str) -> Rule | None:
    """Of the answer alone: the steps of the others are not kept."""
    fleet = found.fleeted
    if place != "answer" or fleet is None or found.document["request"]["given"].get("mfu"):
        return None
    return by(
        _rate, global_batch_tokens="batch.global_batch_tokens", step_s="step.total_s",
        shape_params="shape.params_active", params=_flop_params(found, place),
    )  # fmt: skip


def _rate(global_batch_tokens: Any, step_s: Any, shape_params: Any, params: Any) -> Any:
    """Tokens a second of the shape built, as tokens of the size asked."""
    return global_batch_tokens / step_s * (shape_params / params)


def _mfu(found: Answered, place: str) -> Rule | None:
    fleet, n = found.fleeted, found.value(f"{place}.params")
    if fleet is None or n is None:
        return None
    flop_params = found.value(_flop_params(found, place)) or n
    if fleet.request.flop_convention == "6nd":
        counted = 6.0 * flop_params
    elif found.text("resolved", "model"):
        return None  # the convention reads the model's own shape
    else:
        counted = mfu_flop_per_token(fleet, sized_shape(_size(n), None))
    said = f"FLOP a token in the convention {fleet.request.flop_convention}"
    return by(
        utilisation, tokens_per_s=f"{place}.tokens_per_s", flop_per_token=Fact(value=counted, source=said),
        accelerators=f"{place}.accelerators", peak_flop_per_s=_peak(fleet),
    )  # fmt: skip


def _size(n: float) -> Any:
    from hwmodel.solve.run.sizing import Sized

    return Sized(params=n, tokens=1.0, loss=None, solved={})


def _peak(fleet: Fleeted) -> Fact:
    value = Fleet(fleet, fleet.request.gpus or 1).peak_flop_per_s
    return Fact(value=value, source=f"dense peak of {fleet.part.id} in {fleet.precision.gemm_format}")


def _train_days(_: Answered, place: str) -> Rule:
    return by(steady_days, tokens=f"{place}.tokens", tokens_per_s=f"{place}.tokens_per_s")


def _elapsed(found: Answered, place: str) -> Rule:
    """At even odds from steady days; at another confidence from P50 and P90."""
    if _confidence(found) == 0.5:
        return _median_elapsed(place)
    return _at_confidence(found, place, "elapsed_days", _confidence(found))


def _median_elapsed(place: str) -> Rule:
    def run(train_days: Any, whole_run_factor: Any, goodput: Any) -> Any:
        return train_days * elapsed_over_productive(goodput, log(whole_run_factor), 0.0, 0.0)

    names = ("train_days", "whole_run_factor", "goodput")
    return by(elapsed_over_productive, run, **{name: f"{place}.{name}" for name in names})


def _at_confidence(found: Answered, place: str, name: str, share: float) -> Rule:
    """A quantile between P50 and P90, or below: each side is a half of a log-normal."""
    z = quantile_z(share)
    if z >= 0:
        inputs = {"median": f"{place}.quantiles.p50.{name}", "p90": f"{place}.quantiles.p90.{name}"}
        return by(Band.at, lambda median, p90: Band(median, median, p90).at(z).value, **inputs)
    inputs = {"median": f"{place}.quantiles.p50.{name}", "p10": f"{place}.{name}.low"}
    low = found.numbers[f"{place}.{name}"]["low"]
    p10 = Fact(value=low, source="the low end of the 80 % interval")
    return by(Band.at, lambda median, p10: Band(median, p10, median).at(z).value, **(inputs | {"p10": p10}))


def _gpu_hours(_: Answered, place: str) -> Rule:
    return by(billed_hours_of, elapsed_days=f"{place}.elapsed_days", accelerators=f"{place}.accelerators")


def _cost(found: Answered, place: str) -> Rule | None:
    if found.fleeted is None or found.fleeted.price is None:
        return None
    if _confidence(found) != 0.5:
        return _at_confidence(found, place, "cost_usd", _confidence(found))
    return _rent(found, f"{place}.gpu_hours")


def _rent(found: Answered, hours: str) -> Rule:
    def run(gpu_hours: Any, usd_per_accelerator_hour: Any) -> Any:
        return rent(gpu_hours, _price_of(usd_per_accelerator_hour)).median_usd

    return by(rent, run, gpu_hours=hours, usd_per_accelerator_hour="money.price.median_usd_per_accelerator_hour")


def _price_of(usd: Any) -> PriceSummary:
    return PriceSummary(
        part="", kind="given", median_usd_per_accelerator_hour=usd, low_usd_per_accelerator_hour=usd,
        high_usd_per_accelerator_hour=usd, n_quotes=1, first_date="", last_date="", how="given",
    )  # fmt: skip


def _quantile(found: Answered, base: str, quantile: str, name: str) -> Rule | None:
    """P50 by the formula of the answer, P90 from the doubts of rate, run and price, P80 between them."""
    here = f"{base}.quantiles.{quantile}"
    if name == "gpu_hours":
        return by(billed_hours_of, elapsed_days=f"{here}.elapsed_days", accelerators=f"{base}.accelerators")
    if quantile == "p80":
        return _at_confidence(found, base, name, 0.8)
    if name == "elapsed_days":
        return _median_elapsed(base) if quantile == "p50" else _p90_days(found, base)
    if found.fleeted is None or found.fleeted.price is None:
        return None
    return _rent(found, f"{here}.gpu_hours") if quantile == "p50" else _p90_cost(found, found.fleeted, base)


def _p90_days(found: Answered, base: str) -> Rule | None:
    """Doubts of the rate and of whole runs, in quadrature."""
    band, fleet, flop = found.numbers.get(f"{base}.train_days"), found.fleeted, found.value(f"{base}.train_flop")
    if fleet is None or not isinstance(band, dict) or flop is None:
        return None
    spread = Z80 * float(whole_run_log_spread(flop, fleet.whole_run))
    rate = float(log(band["high"] / band["value"]))

    def run(median_days: Any, rate_log_half_width: Any, whole_run_log_half_width: Any) -> Any:
        return median_days * exp(hypot(rate_log_half_width, whole_run_log_half_width))

    return by(
        Band.times, run, median_days=f"{base}.quantiles.p50.elapsed_days",
        rate_log_half_width=Fact(value=rate, source="the 80 % interval of train_days, upper side"),
        whole_run_log_half_width=Fact(value=spread, source=fleet.whole_run.fitted_on or "whole_runs.yaml"),
    )  # fmt: skip


def _p90_cost(found: Answered, fleet: Fleeted, base: str) -> Rule | None:
    days = [found.value(f"{base}.quantiles.{q}.elapsed_days") for q in ("p50", "p90")]
    if fleet.price is None or days[0] is None or days[1] is None:
        return None
    one = rent(1.0, fleet.price, days[0] * 86400.0)
    spread = float(log(one.high_usd / one.median_usd))
    hours = float(log(days[1] / days[0]))

    def run(median_usd: Any, hours_log_half_width: Any, price_log_half_width: Any) -> Any:
        return median_usd * exp(hypot(hours_log_half_width, price_log_half_width))

    return by(
        Band.times, run, median_usd=f"{base}.quantiles.p50.cost_usd",
        hours_log_half_width=Fact(value=hours, source="P90 over P50 of the hours"),
        price_log_half_width=Fact(value=spread, source="quotes of the price and drift since they were read"),
    )  # fmt: skip


def _energy_mwh(_: Answered, place: str) -> Rule | None:
    """Of the answer alone: the power of the others is not kept."""
    if place != "answer":
        return None
    return by(
        _site_mwh, gpu_hours=f"{place}.gpu_hours", it_w_per_accelerator="money.energy.it_w_per_accelerator",
        pue="money.energy.pue",
    )  # fmt: skip


def _site_mwh(gpu_hours: Any, it_w_per_accelerator: Any, pue: Any) -> Any:
    """Energy of the site [MWh]: power of the machines, cooling and losses on top."""
    return gpu_hours * it_w_per_accelerator * pue / 1e6


def _co2e(found: Answered, place: str) -> Rule | None:
    fleet = found.fleeted
    if place != "answer" or fleet is None:
        return None
    embodied = fleet.energy.embodied_kg_co2e_per_accelerator_hour
    return by(
        _tonnes, energy_mwh=f"{place}.energy_mwh", grid_kg_co2e_per_kwh="money.energy.grid_kg_co2e_per_kwh",
        gpu_hours=f"{place}.gpu_hours",
        embodied_kg_co2e_per_accelerator_hour=Fact(value=embodied, source="catalogs/energy: embodied carbon"),
    )  # fmt: skip


def _tonnes(
    energy_mwh: Any, grid_kg_co2e_per_kwh: Any, gpu_hours: Any, embodied_kg_co2e_per_accelerator_hour: Any
) -> Any:
    """Carbon of the grid and of making the hardware [t]."""
    return energy_mwh * grid_kg_co2e_per_kwh + gpu_hours * embodied_kg_co2e_per_accelerator_hour / 1e3


def _goodput(found: Answered, place: str, name: str = "goodput") -> Rule | None:
    """The share of productive time, or one of the terms that it is made of."""
    fleet, total = found.fleeted, found.value(f"{place}.accelerators")
    if fleet is None or total is None:
        return None
    facts = fleet.reliability
    kept = ("interruptions_per_accelerator_hour", "software_interruptions_per_hour", "restart_s",
            "checkpoint_bytes_per_param", "storage_bytes_per_s_per_accelerator")  # fmt: skip
    source = f"catalogs/reliability: {facts.fleet}"
    used = Fact(value=total - (found.value(f"{place}.idle_accelerators") or 0.0), source="accelerators that train")

    def run(accelerators: Any, params: Any, **known: Any) -> Any:
        return getattr(goodput(accelerators, params, ReliabilityFacts(**known)), name)

    constants = {one: Fact(value=getattr(facts, one), source=source) for one in kept}
    return by(goodput, run, accelerators=used, params=f"{place}.params", **constants)


def _whole_run(found: Answered, place: str) -> Rule | None:
    fleet, total = found.fleeted, found.value(f"{place}.accelerators")
    if fleet is None or total is None:
        return None
    c = fleet.whole_run
    constants = {
        name: Fact(value=getattr(c, name), source=c.fitted_on or "whole_runs.yaml")
        for name in ("log_factor", "per_year", "per_doubling", "year", "accelerators")
    }
    renamed = {f"fitted_{name}": fact for name, fact in constants.items()}
    used = Fact(value=total - (found.value(f"{place}.idle_accelerators") or 0.0), source="accelerators that train")
    year = Fact(value=fleet.request.year or c.year, source="the question: --year")

    def run(accelerators: Any, year: Any, **fitted: Any) -> Any:
        known = {name.removeprefix("fitted_"): value for name, value in fitted.items()}
        return exp(whole_run_log_factor(accelerators, year, WholeRunConstants(log_spread=0.0, **known)))

    return by(whole_run_log_factor, run, accelerators=used, year=year, **renamed)


def _loss(found: Answered, place: str) -> Rule | None:
    """A law of size and data on fresh data; where data repeat or a target is given the loss has other reasons."""
    law = found.setting.law
    given = found.document["request"].get("given", {})
    shape = form(law.form)
    if not shape.loss_of_size_and_data or law.params_convention != "total" or given.get("unique_tokens"):
        return None
    constants = {name: Fact(value=value, source=f"catalogs/laws: {law.id}") for name, value in law.constants.items()}

    def run(params: Any, tokens: Any, **c: Any) -> Any:
        return shape.evaluate(c, params=params, tokens=tokens)["loss_nats"]

    return by(shape.evaluate, run, params=f"{place}.params", tokens=f"{place}.tokens", **constants)


def _params(found: Answered, place: str) -> Rule | None:
    """The size for which the tokens given are compute-optimal, in the closed form of an additive law."""
    how = found.document.get("solved", {}).get("params", "")
    law = found.setting.law
    if place != "answer" or "tokens are compute-optimal" not in how or form(law.form).terms is None:
        return None
    terms = additive_terms(law)
    constants = {name: Fact(value=float(value), source=f"catalogs/laws: {law.id}") for name, value in terms.items()}

    def run(tokens: Any, **c: Any) -> Any:
        return additive.params_for_tokens(c, tokens)

    return by(additive.params_for_tokens, run, tokens=f"{place}.tokens", **constants)


def _peak_memory(_: Answered, place: str) -> Rule | None:
    return _sum(MemoryTerms, "memory", lambda terms: terms.total_bytes) if place == "answer" else None


def _format(found: Answered, place: str, name: str) -> Rule | None:
    """A format of a comparison: days from its rate, speed-up over the first, loss gap as a share."""
    if name == "train_days":
        return by(steady_days, tokens="answer.tokens", tokens_per_s=f"{place}.tokens_per_s")
    first = next((f"precisions.{row['precision']}" for row in found.document["precisions"]
                  if row.get("verdict") == "reference"), "")  # fmt: skip
    if name == "speedup" and first:
        return by(_ratio, reference_days=f"{first}.train_days", days=f"{place}.train_days")
    return None


def _ratio(reference_days: Any, days: Any) -> Any:
    """How many times as fast."""
    return reference_days / days


ANSWER: dict[str, Callable[[Answered, str], Rule | None]] = {
    "params": _params, "train_flop": _train_flop, "tokens_per_s": _tokens_per_s, "mfu": _mfu,
    "train_days": _train_days, "elapsed_days": _elapsed, "gpu_hours": _gpu_hours, "cost_usd": _cost,
    "energy_mwh": _energy_mwh, "co2e_t": _co2e, "goodput": _goodput, "whole_run_factor": _whole_run,
    "loss_nats": _loss, "peak_memory_bytes": _peak_memory,
}  # fmt: skip


def _part_mwh(gpu_hours: Any, watts: Any) -> Any:
    """Energy of so much power over accelerator-hours [MWh]."""
    return gpu_hours * watts / 1e6


def _server_mwh(gpu_hours: Any, it_w_per_accelerator: Any, chip_w: Any) -> Any:
    """Energy of what stands beside the chips [MWh]."""
    return _part_mwh(gpu_hours, it_w_per_accelerator - chip_w)


def _facility_mwh(chip_mwh: Any, server_mwh: Any, pue: Any) -> Any:
    """Cooling and losses of the site [MWh]."""
    return (chip_mwh + server_mwh) * (pue - 1.0)


def _grid_t(energy_mwh: Any, grid_kg_co2e_per_kwh: Any) -> Any:
    """Carbon of the grid [t]."""
    return energy_mwh * grid_kg_co2e_per_kwh


ENERGY: dict[str, Rule] = {
    "chip_mwh": by(_part_mwh, gpu_hours="answer.gpu_hours", watts="money.energy.chip_w"),
    "server_mwh": by(
        _server_mwh, gpu_hours="answer.gpu_hours", it_w_per_accelerator="money.energy.it_w_per_accelerator",
        chip_w="money.energy.chip_w",
    ),
    "facility_mwh": by(
        _facility_mwh, chip_mwh="money.energy.chip_mwh", server_mwh="money.energy.server_mwh", pue="money.energy.pue"
    ),
    "grid_t_co2e": by(
        _grid_t, energy_mwh="answer.energy_mwh", grid_kg_co2e_per_kwh="money.energy.grid_kg_co2e_per_kwh"
    ),
}  # fmt: skip
