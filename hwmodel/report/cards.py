"""What stands on the card of each answer: the numbers that decide, what was assumed, what would change them."""

from __future__ import annotations

from typing import Any

from hwmodel.report import serve, words
from hwmodel.report.card import COLUMNS, card
from hwmodel.report.compare import winner
from hwmodel.report.formats import VERDICTS, share_words, speedup_words
from hwmodel.report.likeness import like_line
from hwmodel.report.plan import mixture_sentence
from hwmodel.report.words import DASH, TERM_WORDS, interval
from hwmodel.solve.plan.compare_values import Comparison
from hwmodel.solve.run.result import Plan
from hwmodel.solve.serve.ask import Served
from hwmodel.solve.train import TrainResult
from hwmodel.specs.layout import layout_line

WHOLE = "The whole answer: --format md, --out FILE.md or --format json"

PLAN_ROWS: list[tuple[str, str, Any]] = [
    ("parameters", "params", words.count),
    ("tokens", "tokens", words.count),
    ("training compute", "train_flop", lambda v: f"{words.number(v):.3g} FLOP"),
    ("productive time", "train_days", words.days),
    ("elapsed time billed", "elapsed_days", words.days),
    ("accelerator-hours billed", "gpu_hours", words.plain),
    ("MFU", "mfu", words.percent),
    ("loss, nats a token", "loss_nats", words.loss),
    ("rent", "cost_usd", words.usd),
    ("energy", "energy_mwh", lambda v: f"{words.plain(v)} MWh"),
    ("fullest accelerator", "peak_memory_bytes", words.memory),
]


def plan_card(plan: Plan, columns: int = COLUMNS) -> str:
    """The answer of `plan` on one screen."""
    rows = [
        (label, show(value), _spread(value, show))
        for label, name, show in PLAN_ROWS
        if (value := getattr(plan.answer, name)) is not None
    ]
    said = [
        ("layout", words.layout_words(plan.layout) if plan.layout is not None else ""),
        ("how sure", like_line(plan.like)),
        ("certain", _certain(plan)),
        ("assumed", _assumed(plan)),
        ("change", _changes(plan)),
        ("experts", mixture_sentence(plan).replace("**", "")),
        ("notes", "; ".join(plan.warnings)),
    ]
    return card(plan_headline(plan), rows, said, columns, WHOLE)


def plan_headline(plan: Plan) -> str:
    """What to train, on what."""
    a, r = plan.answer, plan.resolved
    what = f"{r['model'] or 'A model'} of {words.count(a.params)} parameters on {words.count(a.tokens)} tokens"
    if a.accelerators is None:
        return f"{what}: {a.train_flop:.3g} FLOP"
    rent = f", {words.usd(a.cost_usd)}" if a.cost_usd is not None else ""
    return f"{what}, {a.accelerators:,} x {r['accelerator']}, {r['precision']}: {words.days(a.elapsed_days)}{rent}"


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
        cost = f" and {words.usd(q['cost_usd'])}" if q["cost_usd"] is not None else ""
        said.append(f"{name[1:]} %: {words.days(q['elapsed_days'])}{cost}")
    return "enough with " + ", with ".join(said)


def _assumed(plan: Plan, *left: str) -> str:
    """What the question left open and how it was filled, but for what was `left` to be compared."""
    given, r = plan.request["given"], plan.resolved
    named = [
        ("precision", r["precision"]),
        ("law", r["law"]),
        ("seq_len", f"{plan.request['defaults'].get('seq_len') or ''} tokens a sequence"),
        ("system", r["system"]),
        ("stack", f"{r['stack']} stack" if r["stack"] else ""),
    ]
    said = [
        str(value) for name, value in named if name not in (*given, *left) and value and not str(value).startswith(" ")
    ]
    price = plan.money.price if plan.money is not None else None
    if price and "usd_per_hour" not in given:
        rate = words.usd(price.median_usd_per_accelerator_hour)
        said.append(f"{rate} an accelerator-hour ({price.n_quotes} quotes)")
    return ", ".join(said)


def _changes(plan: Plan) -> str:
    """The demand that would change the size, and what moves the answer most."""
    said = []
    best = plan.objectives.deployment_optimal
    if best is not None:
        said.append(f"cheapest for its life: {words.count(best.params)} on {words.count(best.tokens)} tokens")
    flip = plan.objectives.flip_inference_tokens
    if plan.objectives.answered == "training_optimal" and flip is not None:
        said.append(f"from about {words.count(flip)} tokens served on, a smaller model is cheaper over its life")
    every = plan.alternatives.sensitivities if plan.alternatives is not None else []
    found = sorted(every, key=lambda row: -row.doubled_speedup)
    said += [f"twice the {words.FACTOR_WORDS[one.factor]}: {one.doubled_speedup:.2f}x as fast" for one in found[:2]]
    return "; ".join(said)


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


def compare_card(plan: Plan, columns: int = COLUMNS) -> str:
    """Formats side by side on one screen: time, speed-up, verdict."""
    rows, verdicts, gaps = [], [], []
    for row in plan.precisions:
        if row["status"] != "ok":
            rows.append((row["precision"], row["status"], row["reason"]))
            continue
        rent = f", {words.usd(row['cost_usd'])}" if row["cost_usd"] is not None else ""
        rows.append((row["precision"], words.days(row["train_days"]), f"{speedup_words(row['speedup'])}{rent}"))
        if row["verdict"] != "reference":
            verdicts.append(f"{row['precision']}: {VERDICTS[row['verdict']]}")
            gaps.append(f"{row['precision']}: {share_words(row['loss_gap_share'])}")
    said = [
        ("verdict", "; ".join(verdicts)),
        ("how sure", like_line(plan.like)),
        ("loss gap", "; ".join(gaps) + " (published pairs)" if gaps else ""),
        ("assumed", _assumed(plan, "precision")),
        ("notes", "; ".join(plan.warnings)),
    ]
    return card(winner(plan), rows, said, columns, WHOLE)


def values_card(found: Comparison, columns: int = COLUMNS) -> str:
    """Several values of one option on one screen."""
    rows = []
    for value, one in zip(found.values, found.plans, strict=True):
        a = one.answer
        size = f"{words.count(a.params)} on {words.count(a.tokens)}"
        time = f", {words.days(a.elapsed_days)}" if a.elapsed_days is not None else ""
        rent = f", {words.usd(a.cost_usd)}" if a.cost_usd is not None else ""
        loss = f", loss {words.loss(a.loss_nats)}" if a.loss_nats is not None else ""
        rows.append((value, size, f"{time}{rent}{loss}"[2:]))
    notes = dict.fromkeys(line for one in found.plans for line in one.warnings)
    options = ", ".join(f"--{name.replace('_', '-')}" for name in found.options)
    head = f"{options}: {' beside '.join(found.values)}"
    return card(
        head,
        rows,
        [
            ("how sure", like_line(found.plans[0].like)),
            ("assumed", _assumed(found.plans[0], *found.options)),
            ("notes", "; ".join(notes)),
        ],
        columns,
        WHOLE,
    )


def serve_card(found: Served, columns: int = COLUMNS) -> str:
    """A serving fleet, or one configuration, on one screen."""
    a, q = found.answer["answer"], found.question
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
        value = a.get(name)
        if value is not None:
            banded = isinstance(value, dict)
            rows.append((label, show(value["value"] if banded else value), _ends(value, show) if banded else ""))
    lead, *why = serve.headline(q, found.answer).split("\n\n")
    notes = [line.removeprefix("Notes: ") for line in why if line.startswith("Notes: ")]
    said = [
        ("how sure", like_line(found.answer.get("like"))),
        ("quality", " ".join(line for line in why if line.startswith(("Quality", "What ")))),
        ("because", " ".join(line for line in why if not line.startswith(("Quality", "What ", "Notes")))),
        ("notes", " ".join(notes)),
    ]
    return card(lead.split(". ")[0] + ".", rows, said, columns, WHOLE)
