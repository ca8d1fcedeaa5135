"""What stands on the card of each answer about training: the numbers that decide, what was assumed, what moves them."""

from __future__ import annotations

from typing import Any

from hwmodel.report import words
from hwmodel.report.card import COLUMNS, WHOLE, card, notes_words
from hwmodel.report.compare import winner
from hwmodel.report.formats import STATUS_WORDS, VERDICTS, share_words, speedup_words
from hwmodel.report.likeness import like_line
from hwmodel.report.mixtures import mixture_sentence
from hwmodel.report.phrases import ENGLISH, heard, say, speaking
from hwmodel.report.train_report import layout_words
from hwmodel.report.words import DASH, FACTOR_WORDS, TERM_WORDS, interval
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.plan.compare_values import Comparison
from hwmodel.solve.run.result import RunAnswer
from hwmodel.solve.train import TrainResult
from hwmodel.solve.train_answer import TrainAnswer

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
    "reserved_memory_bytes": "memory, reserved",
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
    "reserved_memory_bytes": words.memory,
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
            (say("notes"), notes_words(plan.warnings)),
        ]
        return card(plan_headline(plan), rows, said, columns, say(WHOLE))


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
    given, r = plan.request.given, plan.resolved
    length = plan.request.defaults.get("seq_len")
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
        one = price.n_quotes == 1
        said.append(
            say("{usd} an accelerator-hour (one quote)", usd=rate)
            if one
            else say("{usd} an accelerator-hour ({quotes} quotes)", usd=rate, quotes=price.n_quotes)
        )
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
    for one in sorted(every, key=lambda row: -row.doubled_speedup.value)[:2]:
        factor, times = say(FACTOR_WORDS[one.factor]), f"{one.doubled_speedup.value:.2f}"
        said.append(say("twice the {factor}: {times}x as fast", factor=factor, times=times))
    return say("; ").join(said)


def train_card(result: TrainResult, columns: int = COLUMNS, language: str = ENGLISH) -> str:
    """The prediction of `train` on one screen."""
    with speaking(language):
        found = result.answer
        r, rate = found.resolved, found.tokens_per_s_per_accelerator
        batch = say(", global batch {seqs} sequences", seqs=f"{found.layout.global_batch_seqs:g}")
        assumed = (r.precision, r.system, say("{name} stack", name=r.stack))
        said = [
            (say("layout"), layout_words(found.layout) + batch),
            (say("chosen"), ", ".join(found.searched)),
            (say("how sure"), like_line(found.like)),
            (say("assumed"), say(", ").join(assumed)),
            (say("notes"), notes_words(found.warnings)),
        ]
        head = say(
            "{model} ({size}) on {count} x {part}: {rate} tokens/s an accelerator", model=r.model or say("A model"),
            size=words.count(r.params), count=f"{found.accelerators:,}", part=r.accelerator,
            rate=f"{rate.value:,.0f}",
        )  # fmt: skip
        return card(head, _train_rows(found), said, columns, say(WHOLE))


def _train_rows(found: TrainAnswer) -> list[tuple[str, str, str]]:
    """Step, rate, utilisation, memory, and the terms that take most."""
    rate, step = found.tokens_per_s_per_accelerator, found.step_s
    allocated, reserved = found.allocated_memory_bytes, found.reserved_memory_bytes
    return [
        (say("a step"), words.duration(step.value), _spread(step, words.duration)),
        (say("tokens/s an accelerator"), words.plain(rate.value), _spread(rate, words.plain)),
        (f"MFU ({found.mfu.convention})", words.percent(found.mfu.value), ""),
        (say("memory, allocated"), words.memory(allocated.value), _spread(allocated, words.memory)),
        (say("memory, reserved"), words.memory(reserved.value), _spread(reserved, words.memory)),
        (say("it fits"), say("yes") if found.fits else say("no"),
         say("(probability {share})", share=words.percent(found.fits_probability))),
        *((f"  {say(TERM_WORDS[one.term])}", words.duration(one.share * step.value),
           say("{share} of the step", share=words.percent(one.share))) for one in found.binds[:6]),
    ]  # fmt: skip


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
            (say("notes"), notes_words(plan.warnings)),
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
            (say("notes"), notes_words(notes)),
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
