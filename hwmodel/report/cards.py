"""What stands on the card of each answer: the numbers that decide, what was assumed, what would change them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hwmodel.report import serve, words
from hwmodel.report.card import COLUMNS, card
from hwmodel.report.compare import winner
from hwmodel.report.formats import STATUS_WORDS, VERDICTS, share_words, speedup_words
from hwmodel.report.likeness import like_line
from hwmodel.report.mixtures import mixture_sentence
from hwmodel.report.phrases import ENGLISH, heard, say, speaking
from hwmodel.report.words import DASH, FACTOR_WORDS, TERM_WORDS, interval
from hwmodel.solve.plan.compare_values import Comparison
from hwmodel.solve.run.result import Band, Plan, RunAnswer, value_of
from hwmodel.solve.serve.ask import Served
from hwmodel.solve.train import TrainResult
from hwmodel.specs.layout import layout_line

WHOLE = "The whole answer: --format md, --out FILE.md or --format json"

PLAN_LABELS = {
    "params": "parameters",
    "tokens": "tokens",
    "train_flop": "training compute",
    "train_days": "productive time",
    "elapsed_days": "elapsed time billed",
    "gpu_hours": "accelerator-hours billed",
    "mfu": "MFU",
    "loss_nats": "loss, nats a token",
    "cost_usd": "rent",
    "energy_mwh": "energy",
    "peak_memory_bytes": "fullest accelerator",
}
PLAN_ROWS: dict[str, Any] = {
    "params": words.count,
    "tokens": words.count,
    "train_flop": lambda v: f"{words.number(v):.3g} FLOP",
    "train_days": words.days,
    "elapsed_days": words.days,
    "gpu_hours": words.plain,
    "mfu": words.percent,
    "loss_nats": words.loss,
    "cost_usd": words.usd,
    "energy_mwh": lambda v: f"{words.plain(v)} MWh",
    "peak_memory_bytes": words.memory,
}


def plan_card(plan: Plan, columns: int = COLUMNS, language: str = ENGLISH) -> str:
    """The answer of `plan` on one screen."""
    with speaking(language):
        rows = [
            (say(PLAN_LABELS[name]), show(value), _spread(value, show))
            for name, show in PLAN_ROWS.items()
            if (value := getattr(plan.answer, name)) is not None
        ]
        said = [
            (say("layout"), words.layout_words(plan.layout) if plan.layout is not None else ""),
            (say("how sure"), like_line(plan.like)),
            (say("certain"), _certain(plan)),
            (say("assumed"), _assumed(plan)),
            (say("change"), _changes(plan)),
            (say("experts"), mixture_sentence(plan).replace("**", "")),
            (say("notes"), _notes(plan.warnings)),
        ]
        return card(plan_headline(plan), rows, said, columns, say(WHOLE))


def _notes(warnings: Iterable[str]) -> str:
    return say("; ").join(heard(line) for line in warnings)


def plan_headline(plan: Plan) -> str:
    """What to train, on what."""
    a, r = plan.answer, plan.resolved
    what = say(
        "{model} of {size} parameters on {tokens} tokens",
        model=r.model or say("A model"), size=words.count(a.params), tokens=words.count(a.tokens),
    )  # fmt: skip
    if a.accelerators is None:
        return f"{what}: {a.train_flop:.3g} FLOP"
    rent = f", {words.usd(a.cost_usd)}" if a.cost_usd is not None else ""
    return f"{what}, {a.accelerators:,} x {r.accelerator}, {r.precision}: {words.days(a.elapsed_days)}{rent}"


def _spread(value: Any, show: Any) -> str:
    """The 80 % interval in brackets, nothing for what is certain."""
    spread = interval(value, show)
    return "" if spread == DASH else f"({spread})"


def _certain(plan: Plan) -> str:
    """Days and money that are enough with 80 and 90 %."""
    if plan.answer.quantiles is None:
        return ""
    said = []
    for name in ("p80", "p90"):
        q = plan.answer.quantiles[name]
        cost = say(" and {usd}", usd=words.usd(q["cost_usd"])) if q["cost_usd"] is not None else ""
        said.append(f"{name[1:]} %: {words.days(q['elapsed_days'])}{cost}")
    return say("enough with {certain}", certain=say(", with ").join(said))


def _assumed(plan: Plan, *left: str) -> str:
    """What the question left open and how it was filled, but for what was `left` to be compared."""
    given, r = plan.request["given"], plan.resolved
    length = plan.request["defaults"].get("seq_len")
    named = [
        ("precision", r.precision),
        ("law", r.law),
        ("seq_len", say("{length} tokens a sequence", length=length) if length else ""),
        ("system", r.system),
        ("stack", say("{name} stack", name=r.stack) if r.stack else ""),
    ]
    said = [str(value) for name, value in named if name not in (*given, *left) and value]
    price = plan.money.price if plan.money is not None else None
    if price and "usd_per_hour" not in given:
        rate = words.usd(price.median_usd_per_accelerator_hour)
        said.append(say("{usd} an accelerator-hour ({quotes} quotes)", usd=rate, quotes=price.n_quotes))
    return say(", ").join(said)


def _changes(plan: Plan) -> str:
    """The demand that would change the size, and what moves the answer most."""
    said = []
    best = plan.objectives.deployment_optimal
    if best is not None:
        size, tokens = words.count(best.params), words.count(best.tokens)
        said.append(say("cheapest for its life: {size} on {tokens} tokens", size=size, tokens=tokens))
    flip = plan.objectives.flip_inference_tokens
    if plan.objectives.answered == "training_optimal" and flip is not None:
        served = words.count(flip)
        said.append(
            say("from about {tokens} tokens served on, a smaller model is cheaper over its life", tokens=served)
        )
    every = plan.alternatives.sensitivities if plan.alternatives is not None else []
    for one in sorted(every, key=lambda row: -row.doubled_speedup)[:2]:
        factor, times = say(FACTOR_WORDS[one.factor]), f"{one.doubled_speedup:.2f}"
        said.append(say("twice the {factor}: {times}x as fast", factor=factor, times=times))
    return say("; ").join(said)


def train_card(found: TrainResult, columns: int = COLUMNS) -> str:
    """The prediction of `train` on one screen."""
    d = found.to_dict()
    r, layout, rate = d["resolved"], d["layout"], d["tokens_per_s_per_accelerator"]
    rows = [
        ("a step", words.duration(d["step_s"]["value"]), _ends(d["step_s"], words.duration)),
        ("tokens/s an accelerator", words.plain(rate["value"]), _ends(rate, words.plain)),
        (f"MFU ({d['mfu']['convention']})", words.percent(d["mfu"]["value"]), ""),
        ("memory, allocated", words.memory(d["allocated_memory_bytes"]["value"]),
         _ends(d["allocated_memory_bytes"], words.memory)),
        ("memory, reserved", words.memory(d["reserved_memory_bytes"]["value"]),
         _ends(d["reserved_memory_bytes"], words.memory)),
        ("it fits", "yes" if d["fits"] else "no", f"(probability {words.percent(d['fits_probability'])})"),
        *((f"  {TERM_WORDS[one['term']]}", words.duration(one["share"] * d["step_s"]["value"]),
           f"{words.percent(one['share'])} of the step") for one in d["binds"][:6]),
    ]  # fmt: skip
    said = [
        ("layout", f"{layout_line(layout)}, recompute {layout['recompute']}, global batch "
                   f" {layout['global_batch_seqs']:g} sequences"),
        ("chosen", ", ".join(d["searched"])),
        ("how sure", like_line(d["like"])),
        ("assumed", f"{r['precision']}, {r['system']}, {r['stack']} stack"),
        ("notes", "; ".join(d["warnings"])),
    ]  # fmt: skip
    head = f"{r['model'] or 'A model'} ({words.count(r['params'])}) on {d['accelerators']:,} x {r['accelerator']}: "
    return card(head + f"{rate['value']:,.0f} tokens/s an accelerator", rows, said, columns, WHOLE)


def _ends(band: dict[str, float], show: Any) -> str:
    return f"({show(band['low'])} to {show(band['high'])})"


def compare_card(plan: Plan, columns: int = COLUMNS, language: str = ENGLISH) -> str:
    """Formats side by side on one screen: time, speed-up, verdict."""
    with speaking(language):
        rows, verdicts, gaps = [], [], []
        for row in plan.precisions:
            if row.status != "ok":
                rows.append((row.precision, say(STATUS_WORDS[row.status]), heard(row.reason)))
                continue
            rent = f", {words.usd(row.cost_usd)}" if row.cost_usd is not None else ""
            rows.append((row.precision, words.days(row.train_days), f"{speedup_words(row.speedup)}{rent}"))
            if row.verdict != "reference":
                verdicts.append(f"{row.precision}: {say(VERDICTS[row.verdict])}")
                gaps.append(f"{row.precision}: {share_words(row.loss_gap_share)}")
        published = say("{gaps} (published pairs)", gaps=say("; ").join(gaps)) if gaps else ""
        said = [
            (say("verdict"), say("; ").join(verdicts)),
            (say("how sure"), like_line(plan.like)),
            (say("loss gap"), published),
            (say("assumed"), _assumed(plan, "precision")),
            (say("notes"), _notes(plan.warnings)),
        ]
        return card(winner(plan), rows, said, columns, say(WHOLE))


def values_card(found: Comparison, columns: int = COLUMNS, language: str = ENGLISH) -> str:
    """Several values of one option on one screen."""
    with speaking(language):
        rows = [(value, *_value_cells(one.answer)) for value, one in zip(found.values, found.plans, strict=True)]
        notes = dict.fromkeys(line for one in found.plans for line in one.warnings)
        options = ", ".join(f"--{name.replace('_', '-')}" for name in found.options)
        said = [
            (say("how sure"), like_line(found.plans[0].like)),
            (say("assumed"), _assumed(found.plans[0], *found.options)),
            (say("notes"), _notes(notes)),
        ]
        return card(f"{options}: {say(' beside ').join(found.values)}", rows, said, columns, say(WHOLE))


def _value_cells(a: RunAnswer) -> tuple[str, str]:
    """Size and tokens; time, rent and loss."""
    said = []
    if a.elapsed_days is not None:
        said.append(words.days(a.elapsed_days))
    if a.cost_usd is not None:
        said.append(words.usd(a.cost_usd))
    if a.loss_nats is not None:
        said.append(say("loss {loss}", loss=words.loss(a.loss_nats)))
    size = say("{size} on {tokens}", size=words.count(a.params), tokens=words.count(a.tokens))
    return size, say(", ").join(said)


def serve_card(found: Served, columns: int = COLUMNS) -> str:
    """A serving fleet, or one configuration, on one screen."""
    a, q = found.answer, found.question
    p = f"p{100 * q.percentile:g}"
    shown: list[tuple[str, str, Any]] = [
        ("TTFT, mean", "ttft_s", words.duration), (f"TTFT, {p}", "ttft_tail_s", words.duration),
        ("TPOT, mean", "tpot_s", words.duration), (f"TPOT, {p}", "tpot_tail_s", words.duration),
        ("requests a second", "requests_per_s", words.plain),
        ("output tokens a second", "output_tokens_per_s", words.plain),
        ("dollars an hour", "usd_per_hour", words.usd), ("a million tokens", "usd_per_million_tokens", words.usd),
        ("a million tokens in", "usd_per_million_input", words.usd),
        ("a million tokens out", "usd_per_million_output", words.usd),
        ("energy a token out", "joules_per_output_token", lambda v: f"{words.plain(v)} J"),
    ]  # fmt: skip
    rows = []
    for label, name, show in shown:
        value = getattr(a, name, None)
        if value is not None:
            ends = f"({show(value.low)} to {show(value.high)})" if isinstance(value, Band) else ""
            rows.append((label, show(value_of(value)), ends))
    lead, *why = serve.headline(q, found.found).split("\n\n")
    notes = [line.removeprefix("Notes: ") for line in why if line.startswith("Notes: ")]
    said = [
        ("how sure", like_line(found.found.like)),
        ("quality", " ".join(line for line in why if line.startswith(("Quality", "What ")))),
        ("because", " ".join(line for line in why if not line.startswith(("Quality", "What ", "Notes")))),
        ("notes", " ".join(notes)),
    ]
    return card(lead.split(". ")[0] + ".", rows, said, columns, WHOLE)
