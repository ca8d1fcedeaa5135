"""What the numbers of `serve` follow from."""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.catalog import load_catalog
from hwmodel.economics import energy, fleet_usd_per_hour, fleet_w
from hwmodel.ops import Num
from hwmodel.predict.service.regimes import closed_loop_rate
from hwmodel.report.explain.answered import Answered
from hwmodel.report.explain.document import at
from hwmodel.report.explain.rule import Fact, Rule, by
from hwmodel.solve.serve.fleet import fleet_accelerators, headroom, load, replicas_for
from hwmodel.solve.serve.money import computed_prompts, joules_per_token, token_rate, usd_per_million
from hwmodel.units import SECONDS_PER_HOUR

ROWS = ("answer", "alternatives.", "pareto.")  # places whose rows have the keys of an answer


def serving_rule(found: Answered, path: str) -> Rule | None:
    """The rule of a number of `serve`; None where no one formula gives it."""
    place, _, name = path.rpartition(".")
    if not (place == "answer" or place.startswith(ROWS[1:])) or place.endswith(".prefill"):
        return None
    rule = RULES.get(name)
    return None if rule is None else rule(found, place)


def _asked(found: Answered, name: str) -> Fact:
    return Fact(value=float(found.number(f"request.{name}")), source="the question")


def _rate(found: Answered, place: str) -> Fact | str:
    """Requests a second: of a closed loop those carried, else the demand."""
    return f"{place}.requests_per_s" if found.value(f"{place}.clients") is not None else _asked(found, "rate")


def _usd_per_hour(_: Answered, place: str) -> Rule:
    return by(
        fleet_usd_per_hour,
        accelerators=f"{place}.accelerators",
        usd_per_accelerator_hour=f"{place}.usd_per_accelerator_hour",
    )


def _plain_money(found: Answered) -> bool:
    """Whether no cached prompts take a share of the dollars."""
    return not found.value("request.hit_rate")


def _usd_all(found: Answered, place: str) -> Rule:
    def run(usd_per_hour: Num, requests_per_s: Num, prompt_tokens: Num, output_tokens: Num) -> Num:
        return usd_per_million(usd_per_hour, 1.0, requests_per_s * (prompt_tokens + output_tokens))

    return by(
        usd_per_million, run, usd_per_hour=f"{place}.usd_per_hour", requests_per_s=_rate(found, place),
        prompt_tokens=_asked(found, "prompt_tokens"), output_tokens=_asked(found, "output_tokens"),
    )  # fmt: skip


def _usd_input(found: Answered, place: str) -> Rule | None:
    if not _plain_money(found):
        return None

    def run(usd_per_hour: Num, prefill_share: Num, requests_per_s: Num, prompt_tokens: Num) -> Num:
        return usd_per_million(usd_per_hour, prefill_share, requests_per_s * prompt_tokens)

    return by(
        usd_per_million, run, usd_per_hour=f"{place}.usd_per_hour", prefill_share=f"{place}.prefill_share",
        requests_per_s=_rate(found, place), prompt_tokens=_asked(found, "prompt_tokens"),
    )  # fmt: skip


def _usd_output(found: Answered, place: str) -> Rule | None:
    if not _plain_money(found):
        return None

    def run(usd_per_hour: Num, prefill_share: Num, requests_per_s: Num, output_tokens: Num) -> Num:
        return usd_per_million(usd_per_hour, 1 - prefill_share, requests_per_s * output_tokens)

    return by(
        usd_per_million, run, usd_per_hour=f"{place}.usd_per_hour", prefill_share=f"{place}.prefill_share",
        requests_per_s=_rate(found, place), output_tokens=_asked(found, "output_tokens"),
    )  # fmt: skip


def _joules_output(found: Answered, place: str) -> Rule:
    def run(watts: Num, prefill_share: Num, requests_per_s: Num, output_tokens: Num) -> Num:
        return joules_per_token(watts, 1 - prefill_share, requests_per_s * output_tokens)

    return by(
        joules_per_token, run, watts=f"{place}.watts", prefill_share=f"{place}.prefill_share",
        requests_per_s=_rate(found, place), output_tokens=_asked(found, "output_tokens"),
    )  # fmt: skip


def _joules_input(found: Answered, place: str) -> Rule:
    def run(watts: Num, prefill_share: Num, requests_per_s: Num, prompt_tokens: Num, hit_rate: Num) -> Num:
        return joules_per_token(watts, prefill_share, computed_prompts(requests_per_s, prompt_tokens, hit_rate))

    return by(
        joules_per_token, run, watts=f"{place}.watts", prefill_share=f"{place}.prefill_share",
        requests_per_s=_rate(found, place), prompt_tokens=_asked(found, "prompt_tokens"),
        hit_rate=_asked(found, "hit_rate"),
    )  # fmt: skip


def _watts(found: Answered, place: str) -> Rule | None:
    """Of a fleet on one part: its accelerators at the power of the site."""
    name = found.text(f"{place}.part")
    if at(found.document, f"{place}.prefill") and found.text(f"{place}.prefill.part") != name:
        return None
    catalog = load_catalog()
    part, system = catalog.part(name), catalog.system(found.text(f"{place}.system"))
    one = float(energy(1.0, part, system, catalog.energy(system=system)).total_j) / SECONDS_PER_HOUR

    def run(accelerators: Num, site_w_per_accelerator: Num) -> Num:
        return fleet_w(accelerators, site_w_per_accelerator)

    return by(
        fleet_w, run, accelerators=f"{place}.accelerators",
        site_w_per_accelerator=Fact(value=one, source=f"power of {part.id} in {system.id} with its share of the site"),
    )  # fmt: skip


def _replicas(found: Answered, place: str) -> Rule | None:
    if found.value(f"{place}.requests_per_s_per_replica") is None:
        return None

    def run(rate: Num, peak_to_mean: Num, requests_per_s_per_replica: Num, spares: Num) -> Num:
        return replicas_for(rate * peak_to_mean, requests_per_s_per_replica, spares)

    return by(replicas_for, run, **_demand(found, place), spares=f"{place}.spare_replicas")


def _demand(found: Answered, place: str) -> dict[str, str | Fact]:
    return {
        "rate": _asked(found, "rate"), "peak_to_mean": _asked(found, "peak_to_mean"),
        "requests_per_s_per_replica": f"{place}.requests_per_s_per_replica",
    }  # fmt: skip


def _load(found: Answered, place: str) -> Rule:
    def run(rate: Num, peak_to_mean: Num, requests_per_s_per_replica: Num, replicas: Num) -> Num:
        return load(rate * peak_to_mean, requests_per_s_per_replica, replicas)

    return by(load, run, **_demand(found, place), replicas=f"{place}.replicas")


def _headroom(found: Answered, place: str) -> Rule:
    def run(rate: Num, peak_to_mean: Num, requests_per_s_per_replica: Num, replicas: Num, spares: Num) -> Num:
        return headroom(rate * peak_to_mean, requests_per_s_per_replica, replicas, spares)

    return by(headroom, run, **_demand(found, place), replicas=f"{place}.replicas", spares=f"{place}.spare_replicas")


def _accelerators(found: Answered, place: str) -> Rule | None:
    if found.value(f"{place}.accelerators_per_replica") is None:
        return None
    inputs = {"replicas": f"{place}.replicas", "accelerators_per_replica": f"{place}.accelerators_per_replica"}
    if found.value(f"{place}.prefill.accelerators") is None:
        return by(fleet_accelerators, **inputs)
    return by(fleet_accelerators, **inputs, prefill_accelerators=f"{place}.prefill.accelerators")


def _requests(found: Answered, place: str) -> Rule | None:
    if found.value(f"{place}.clients") is None:
        return None
    return by(closed_loop_rate, clients=f"{place}.clients", request_s=f"{place}.request_s")


def _output_rate(found: Answered, place: str) -> Rule:
    return by(token_rate, requests_per_s=f"{place}.requests_per_s", tokens=_asked(found, "output_tokens"))


def _total_rate(found: Answered, place: str) -> Rule:
    whole = _asked(found, "output_tokens").value + _asked(found, "prompt_tokens").value
    tokens = Fact(value=whole, source="the question: prompt and output tokens")
    return by(token_rate, requests_per_s=f"{place}.requests_per_s", tokens=tokens)


RULES: dict[str, Callable[[Answered, str], Rule | None]] = {
    "usd_per_hour": _usd_per_hour, "usd_per_million_tokens": _usd_all, "usd_per_million_input": _usd_input,
    "usd_per_million_output": _usd_output, "joules_per_output_token": _joules_output,
    "joules_per_input_token": _joules_input, "watts": _watts, "replicas": _replicas, "load": _load,
    "headroom": _headroom, "accelerators": _accelerators, "requests_per_s": _requests,
    "output_tokens_per_s": _output_rate, "total_tokens_per_s": _total_rate,
}  # fmt: skip
