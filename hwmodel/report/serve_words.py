"""The sentences of an answer of `serve`: what is served on what, at what price, and what its format costs."""

from __future__ import annotations

from hwmodel.report.phrases import heard, say
from hwmodel.solve.run.band import value_of
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.records import (
    SIZES,
    EngineFound,
    EngineRow,
    FleetFound,
    FleetRow,
    PredictedRow,
    PrefillPool,
    QualityRow,
)
from hwmodel.units import format_duration

Found = FleetFound | EngineFound


def title(question: ServingQuestion, r: EngineRow) -> str:
    """The model and its load."""
    of = lengths(question)
    if isinstance(r, PredictedRow):
        one = r.clients == 1
        clients = say("one client") if one else say("{count} clients in a closed loop", count=f"{r.clients:,.0f}")
        return say("Serving {what}: {load}", what=of, load=clients)
    return say("Serving {what}: {load}", what=of, load=load(question.rate))


def lengths(question: ServingQuestion) -> str:
    """`llama-3.1-70b, 1,000 tokens in, 300 out`."""
    name = question.shape.name if question.shape else question.model
    tokens = {"prompt": f"{question.prompt_tokens:,.0f}", "output": f"{question.output_tokens:,.0f}"}
    text = say("{name}, {prompt} tokens in, {output} out", name=name, **tokens)
    if question.lengths is None:
        return text
    return say(
        "{text} on average (p{p} of prompts {tail}, longest {longest})", text=text, p=f"{100 * question.percentile:g}",
        tail=f"{question.prompt_tail_tokens:,.0f}", longest=f"{question.longest_tokens:,.0f}",
    )  # fmt: skip


def front_words(found: Found) -> list[str]:
    """What must be read first: a quality that nobody published, a choice on thin ground, then the answer."""
    doubts: list[str] = []
    if isinstance(found, FleetFound):
        recipe = found.answer.precision
        quality = found.quality.get(recipe)
        if quality is not None and not quality.measured:
            doubts.append(
                say("What {format} costs in quality was never published: the figure is of a fit alone.", format=recipe)
            )
        doubts += [_ground(part, lines) for part, lines in found.rests_on.items()]
    return [" ".join([*doubts, f"**{lead(found.answer)}**"]), _below(found.answer)]


def _ground(part: str, lines: list[str]) -> str:
    """What a choice rests on where that is little."""
    return say("The choice of {part} rests on {ground}.", part=part, ground=say(" and on ").join(map(heard, lines)))


def lead(r: EngineRow) -> str:
    """The answer in a sentence."""
    of = {"accelerators": accelerators(r), "format": r.precision}
    if isinstance(r, PredictedRow):
        rates = {"out": f"{value_of(r.output_tokens_per_s):,.0f}", "all": f"{value_of(r.total_tokens_per_s):,.0f}"}
        said = say("{accelerators} in {format}: {out} output tokens/s, {all} in and out", **of, **rates)
        if r.usd_per_hour is None:
            return said + say(".")
        return said + say(", for {usd} an hour.", usd=f"${r.usd_per_hour.value:,.2f}")
    if r.usd_per_hour is None:
        return say("Take {accelerators} in {format}, the fewest accelerators that carry it.", **of)
    return say(
        "Take {accelerators} in {format}: {usd} an hour, {each} a million tokens.", usd=f"${r.usd_per_hour.value:,.2f}",
        each=dollars(value_of(r.usd_per_million_tokens)), **of,
    )  # fmt: skip


def _below(r: EngineRow) -> str:
    """How the accelerators are used, and where the price is from."""
    if isinstance(r, FleetRow):
        room = _headroom(value_of(r.headroom))
        return say("{workers}; {room}. {price}", workers=_workers(r), room=room, price=_price(r))
    p = r.prefill
    if p is None:
        return _price(r)
    pools = say(
        "{prefill} of {each}{elsewhere}, {decode} of {own}.",
        prefill=some(p.workers, "prefill worker"), each=_accelerators(p.accelerators / p.workers),
        elsewhere=_elsewhere(r), decode=some(r.replicas, "decode worker"), own=_accelerators(r.tp * r.pp * r.dp),
    )  # fmt: skip
    return f"{pools} {_price(r)}"


def _price(r: EngineRow) -> str:
    if r.usd_per_hour is None:
        return say("No price of this part is known (--usd-per-hour gives one).")
    given = r.price_kind == "given" or r.price_dates is None
    quoted = say("as given") if given else say("quotes of {dates}", dates=heard(r.price_dates or ""))
    usd = f"${value_of(r.usd_per_accelerator_hour):.2f}"
    return say("An accelerator-hour at {usd} ({quoted}).", usd=usd, quoted=quoted)


def limits(question: ServingQuestion, r: EngineRow) -> list[str]:
    """Whether the means of a prediction keep the limits that were given."""
    said: list[str] = []
    if not isinstance(r, PredictedRow):
        return said
    for name in ("ttft", "tpot"):
        limit, value = getattr(question, f"{name}_s"), value_of(getattr(r, f"{name}_s"))
        if limit < float("inf"):
            told = {"name": name.upper(), "limit": format_duration(limit)}
            said.append(
                say("The mean keeps the {name} limit of {limit}.", **told)
                if value <= limit
                else say("The mean misses the {name} limit of {limit}.", **told)
            )
    return said


SOME = {
    "prefill worker": "{count} prefill worker", "prefill workers": "{count} prefill workers",
    "decode worker": "{count} decode worker", "decode workers": "{count} decode workers",
    "replica": "{count} replica", "replicas": "{count} replicas",
}  # fmt: skip


def some(count: float, what: str) -> str:
    """`3 replicas`."""
    return say(SOME[what if count == 1 else f"{what}s"], count=f"{count:,.0f}")


def load(per_second: float) -> str:
    """Requests in the unit that shows them as a number of some digits."""
    if per_second < 0.01:
        return say("{rate} requests/day", rate=f"{per_second * 86400.0:,.3g}")
    return say("{rate} requests/s", rate=f"{per_second:,.0f}" if per_second >= 1000 else f"{per_second:.3g}")


def _headroom(share: float) -> str:
    if share < 5.0:
        return say("{share} % headroom", share=f"{100 * share:.0f}")
    return say("carries {times} times the demand", times=f"{1.0 + share:,.0f}")


def _accelerators(count: float) -> str:
    return say("1 accelerator") if count == 1 else say("{count} accelerators", count=f"{count:g}")


def _layout(r: EngineRow | PrefillPool, count: float) -> str:
    """Accelerators of one worker and how they are used."""
    sizes = ", ".join(f"{name} {getattr(r, name):g}" for name in SIZES if getattr(r, name) > 1)
    return f"{_accelerators(count)} ({sizes})" if sizes else _accelerators(count)


def accelerators(r: EngineRow) -> str:
    """How many of which part, of both where the pools have one each."""
    p = r.prefill
    if p is None or p.part == r.part:
        return f"{r.accelerators:,.0f} x {r.part}"
    return say(
        "{prefill} and {decode}", prefill=f"{p.accelerators:,.0f} x {p.part}",
        decode=f"{r.accelerators - p.accelerators:,.0f} x {r.part}",
    )  # fmt: skip


def _elsewhere(r: EngineRow) -> str:
    """The part of the prefill pool where it is another."""
    return "" if r.prefill is None or r.prefill.part == r.part else f" {r.prefill.part}"


def _workers(r: FleetRow) -> str:
    """Replicas, or the two pools."""
    p, own = r.prefill, _layout(r, r.accelerators_per_replica)
    if p is None:
        spare = say(" ({count} spare)", count=r.spare_replicas) if r.spare_replicas else ""
        return say("{replicas}{spare} of {each}", replicas=some(r.replicas, "replica"), spare=spare, each=own)
    spare = say(", {count} spare in each", count=p.spare_workers) if p.spare_workers else ""
    return say(
        "{prefill} of {each}{elsewhere} and {decode} of {own}{spare}; a prompt's cache moves in {time}",
        prefill=some(p.workers, "prefill worker"), each=_layout(p, p.accelerators_per_worker),
        elsewhere=_elsewhere(r), decode=some(r.replicas, "decode worker"), own=own, spare=spare,
        time=format_duration(p.cache_transfer_s),
    )  # fmt: skip


def quality_words(recipe: str, found: QualityRow | None) -> str:
    """What the format costs in loss and in benchmarks, against the same model in 16 bits."""
    if found is None:
        return ""
    loss, kept = found.loss_nats, found.retained_score
    parts = [
        say("released in these bits, nothing is lost")
        if found.native
        else say(
            "{nats} nats a token ({low} to {high}), {kept} % of a benchmark's average kept (its hardest tasks lose "
            "several times more)",
            nats=f"{loss.value:.2g}", low=f"{loss.low:.2g}", high=f"{loss.high:.2g}", kept=f"{100 * kept.value:.1f}",
        )
    ]  # fmt: skip
    for name in MEASURED if not found.native else ():
        v = getattr(found, name)
        if v is not None:
            ends = {end: f"{100 * getattr(v, end):+.1f}" for end in ("value", "low", "high")}
            parts.append(say(MEASURED[name], **ends, n=f"{v.n:g}"))
    return say("Quality of {format} against its baseline: {parts}.", format=recipe, parts=say("; ").join(parts))


MEASURED = {
    "perplexity_increase": "published perplexities {value} % ({low} to {high}, n {n})",
    "accuracy_drop": "published task accuracies lost {value} % ({low} to {high}, n {n})",
}


def dollars(value: float) -> str:
    """`$0.187`."""
    return f"${value:,.0f}" if value >= 1000.0 else f"${value:.3g}"
