"""What the numbers of `plan` and `train` follow from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hwmodel.laws import additive, additive_terms, form
from hwmodel.laws.batch import steps_for_batch
from hwmodel.laws.lifetime import train_flop
from hwmodel.ops import Num
from hwmodel.predict.footprint import allocated_bytes, reserved_bytes
from hwmodel.predict.training import rate_of_one, step_rate
from hwmodel.report.explain.answered import Answered
from hwmodel.report.explain.bill import (
    ENERGY,
    GOODPUT,
    at_confidence,
    carbon_rule,
    confidence,
    cost_rule,
    embodied_rule,
    energy_rule,
    goodput_rule,
    gpu_hours_rule,
    median_elapsed,
    quantile_rule,
    rent_rule,
    whole_run_rule,
)
from hwmodel.report.explain.document import at, inside
from hwmodel.report.explain.rule import Fact, Rule, by
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.answers import mfu_flop_per_token
from hwmodel.solve.run.billing import speedup, steady_days, utilisation
from hwmodel.solve.run.fleet import Fleet, rate_of_size
from hwmodel.solve.run.sizing import Sized
from hwmodel.solve.run.solved import sized_shape
from hwmodel.solve.train import counted_flop_per_token
from hwmodel.specs import MemoryTerms, StepTerms

# Answers as records of the same keys, and the place of each.
PLACES = ("answer", "objectives.training_optimal", "objectives.deployment_optimal", "objectives.given")


def training_rule(found: Answered, path: str) -> Rule | None:
    """The rule of a number of `plan` or `train`; None where no one formula gives it."""
    place, _, name = path.rpartition(".")
    base, _, quantile = place.partition(".quantiles.")
    if quantile:
        return quantile_rule(found, base, quantile, name)
    if place in PLACES and name in ANSWER:
        return ANSWER[name](found, place)
    if place.startswith("money.energy") and name in ENERGY:
        return ENERGY[name]
    if place == "money.goodput" and name in GOODPUT:
        return goodput_rule(found, "answer", name)
    if path == "money.price.rent_usd":
        return rent_rule("answer.quantiles.p50.gpu_hours") if confidence(found) == 0.5 else None
    if path == "batch.steps":
        return by(steps_for_batch, batch="batch.global_batch_tokens", tokens="answer.tokens")
    if path == "money.energy.embodied_t_co2e":
        return embodied_rule(found)
    if path == "money.owned.owned_usd" or (place.startswith("money.ways.") and name == "run_usd"):
        return rent_rule("answer.gpu_hours", f"{place}.usd_per_accelerator_hour")
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


Terms = TypeVar("Terms", StepTerms, MemoryTerms)


def _sum(kind: type[Terms], place: str, total: Callable[[Terms], Num]) -> Rule:
    names = kind.__struct_fields__
    return by(kind, lambda **terms: total(kind(**terms)), **{name: f"{place}.{name}" for name in names})


def _step_rate(found: Answered, path: str) -> Rule | None:
    """Tokens a second, MFU and the fullest stage of `train`."""
    if path == "tokens_per_s" and found.value("step_s"):
        seq_len = Fact(value=found.number("request.seq_len"), source="the question: --seq-len")
        return by(step_rate, global_batch_seqs="layout.global_batch_seqs", seq_len=seq_len, step_s="step_s")
    if path == "tokens_per_s_per_accelerator":
        return by(rate_of_one, total="tokens_per_s", accelerators="accelerators")
    if path == "mfu":
        return _train_mfu(found)
    if path == "allocated_memory_bytes":
        return _allocated_memory(found)
    if path == "reserved_memory_bytes":
        return _reserved(found, {"allocated": "allocated_memory_bytes"})
    if path == "peak_memory_bytes" and found.text("fullest_stage"):
        return _sum(MemoryTerms, f"memory.{found.text('fullest_stage')}", lambda terms: terms.total_bytes)
    return None


def _flop_params(found: Answered, place: str) -> str:
    """Parameters that 6 N counts: the active ones of a given model, else the size asked."""
    return "shape.params_active" if found.text("resolved.model") else f"{place}.params"


def _train_flop(found: Answered, place: str) -> Rule:
    return by(train_flop, params=_flop_params(found, place), tokens=f"{place}.tokens")


def _tokens_per_s(found: Answered, place: str) -> Rule | None:
    """Of the answer alone: the steps of the others are not kept."""
    fleet = found.fleeted
    if place != "answer" or fleet is None or at(found.document, "request.given.mfu"):
        return None

    def run(global_batch_tokens: Num, step_s: Num, shape_params: Num, params: Num) -> Num:
        return rate_of_size(step_rate(global_batch_tokens, 1.0, step_s), shape_params, params)

    return by(
        rate_of_size, run, global_batch_tokens="batch.global_batch_tokens", step_s="step.total_s",
        shape_params="shape.params_active", params=_flop_params(found, place),
    )  # fmt: skip


def _mfu(found: Answered, place: str) -> Rule | None:
    fleet, n = found.fleeted, found.value(f"{place}.params")
    if fleet is None or n is None:
        return None
    flop_params = found.value(_flop_params(found, place)) or n
    if fleet.request.flop_convention == "6nd":
        counted = 6.0 * flop_params
    elif found.text("resolved.model"):
        return None  # the convention reads the model's own shape
    else:
        counted = mfu_flop_per_token(fleet, sized_shape(_size(n), None))
    said = f"FLOP a token in the convention {fleet.request.flop_convention}"
    return by(
        utilisation, tokens_per_s=f"{place}.tokens_per_s", flop_per_token=Fact(value=counted, source=said),
        accelerators=f"{place}.accelerators", peak_flop_per_s=_peak(fleet),
    )  # fmt: skip


def _size(n: float) -> Sized:
    return Sized(params=n, tokens=1.0, loss=None, solved={})


def _peak(fleet: Fleeted) -> Fact:
    value = Fleet(fleet, fleet.request.gpus or 1).peak_flop_per_s
    return Fact(value=value, source=f"dense peak of {fleet.part.id} in {fleet.precision.gemm_format}")


def _train_days(_: Answered, place: str) -> Rule:
    return by(steady_days, tokens=f"{place}.tokens", tokens_per_s=f"{place}.tokens_per_s")


def _elapsed(found: Answered, place: str) -> Rule:
    """With doubts at their medians from steady days; at another confidence from P50 and P90."""
    if confidence(found) == 0.5:
        return median_elapsed(place)
    return at_confidence(found, place, "elapsed_days", confidence(found))


def _loss(found: Answered, place: str) -> Rule | None:
    """A law of size and data on fresh data; where data repeat or a target is given the loss has other reasons."""
    law = found.setting.law
    shape = form(law.form)
    repeats = at(found.document, "request.given.unique_tokens")
    if not shape.loss_of_size_and_data or law.params_convention != "total" or repeats:
        return None
    constants = {name: Fact(value=value, source=f"catalogs/laws: {law.id}") for name, value in law.constants.items()}

    def run(params: Num, tokens: Num, **c: Num) -> Num:
        return shape.evaluate(c, params=params, tokens=tokens)["loss_nats"]

    return by(shape.evaluate, run, params=f"{place}.params", tokens=f"{place}.tokens", **constants)


def _params(found: Answered, place: str) -> Rule | None:
    """The size for which the tokens given are compute-optimal, in the closed form of an additive law."""
    how = found.text("solved.params")
    law = found.setting.law
    if place != "answer" or "tokens are compute-optimal" not in how or form(law.form).terms is None:
        return None
    terms = additive_terms(law)
    constants = {name: Fact(value=float(value), source=f"catalogs/laws: {law.id}") for name, value in terms.items()}

    def run(tokens: Num, **c: Num) -> Num:
        return additive.params_for_tokens(c, tokens)

    return by(additive.params_for_tokens, run, tokens=f"{place}.tokens", **constants)


def _train_mfu(found: Answered) -> Rule | None:
    """Utilisation of a predicted layout."""
    step = found.step
    if step is None:
        return None
    said = f"FLOP a token in the convention {found.text('mfu.convention')}"
    counted = counted_flop_per_token(step.run, found.setting.request)
    return by(
        utilisation, tokens_per_s="tokens_per_s", flop_per_token=Fact(value=counted, source=said),
        accelerators="accelerators",
        peak_flop_per_s=Fact(
            value=float(step.run.machine.gemm.peak_flop_per_s),
            source=f"dense peak of {step.run.machine.part} in {step.precision.gemm_format}",
        ),
    )  # fmt: skip


def _held_memory(found: Answered, peak: str, reserve: str) -> dict[str, str | Fact] | None:
    """What allocated bytes follow from; None where the layout cannot be predicted again."""
    step = found.step
    if step is None:
        return None
    late = Fact(value=float(step.one.footprint.late_bytes), source="inputs freed late while memory is free")
    return {"peak": peak, "reserve": reserve, "late": late}


def _allocated_memory(found: Answered) -> Rule | None:
    held = _held_memory(found, "peak_memory_bytes", f"memory.{found.text('fullest_stage')}.reserve_bytes")
    return None if held is None else by(allocated_bytes, **held)


def _reserved(found: Answered, held: dict[str, str | Fact] | None) -> Rule | None:
    """Allocated bytes with what lies between the blocks."""
    if held is None or found.step is None:
        return None

    def run(fragmentation: Num, **parts: Num) -> Num:
        return reserved_bytes(allocated_bytes(**parts) if "peak" in parts else parts["allocated"], fragmentation)

    said = f"fragmentation of the {found.step.stack.id} stack"
    fragmentation = Fact(value=float(found.step.stack.fragmentation), source=said)
    return by(reserved_bytes, run, fragmentation=fragmentation, **held)


def _reserved_memory(found: Answered, place: str) -> Rule | None:
    if place != "answer":
        return None
    return _reserved(found, _held_memory(found, "answer.peak_memory_bytes", "memory.reserve_bytes"))


def _peak_memory(_: Answered, place: str) -> Rule | None:
    return _sum(MemoryTerms, "memory", lambda terms: terms.total_bytes) if place == "answer" else None


def _format(found: Answered, place: str, name: str) -> Rule | None:
    """A format of a comparison: days from its rate, speed-up over the first, loss gap as a share."""
    if name == "train_days":
        return by(steady_days, tokens="answer.tokens", tokens_per_s=f"{place}.tokens_per_s")
    rows = inside(at(found.document, "precisions"))
    first = next((key for key, row in rows if at(row, "verdict") == "reference"), "")
    if name == "speedup" and first:
        reference = f"precisions.{first}.tokens_per_s"
        return by(speedup, tokens_per_s=f"{place}.tokens_per_s", reference_tokens_per_s=reference)
    return None


ANSWER: dict[str, Callable[[Answered, str], Rule | None]] = {
    "params": _params, "train_flop": _train_flop, "tokens_per_s": _tokens_per_s, "mfu": _mfu,
    "train_days": _train_days, "elapsed_days": _elapsed, "gpu_hours": gpu_hours_rule, "cost_usd": cost_rule,
    "energy_mwh": energy_rule, "co2e_t": carbon_rule, "goodput": goodput_rule, "whole_run_factor": whole_run_rule,
    "loss_nats": _loss, "peak_memory_bytes": _peak_memory, "reserved_memory_bytes": _reserved_memory,
}  # fmt: skip
