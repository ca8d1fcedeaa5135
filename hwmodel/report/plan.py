"""A plan as Markdown, text and CSV."""

from __future__ import annotations

import shlex
from typing import Any

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report import words
from hwmodel.report.formats import fixed_table, precision_table, serving_table
from hwmodel.report.layout_command import layout_command
from hwmodel.report.tables import table
from hwmodel.report.words import DASH, TERM_WORDS, interval
from hwmodel.solve.run.result import Answer, Band, Plan

ANSWER_ROWS: list[tuple[str, str, Any]] = [
    ("parameters", "params", words.count),
    ("tokens", "tokens", words.count),
    ("training compute (6 N D)", "train_flop", words.flop),
    ("productive time", "train_days", words.days),
    ("elapsed time billed", "elapsed_days", words.days),
    ("accelerator-hours billed", "gpu_hours", words.plain),
    ("MFU", "mfu", words.percent),
    ("tokens a second", "tokens_per_s", words.count),
    ("loss (nats/token)", "loss_nats", words.loss),
    ("rent", "cost_usd", words.usd),
    ("energy", "energy_mwh", lambda v: f"{words.plain(v)} MWh"),
    ("carbon", "co2e_t", lambda v: f"{words.plain(v)} t CO2e"),
    ("fullest accelerator", "peak_memory_bytes", words.memory),
    ("goodput (failures and restarts)", "goodput", words.percent),
    ("whole-run factor (hours billed beyond those)", "whole_run_factor", lambda v: f"{words.number(v):.2f}"),
]


def answer_table(answer: Answer, solved: dict[str, str]) -> str:
    """The plan table: value, 80 % interval, and whether it was given or solved."""
    rows = []
    for label, name, show in ANSWER_ROWS:
        value = getattr(answer, name)
        if value is None:
            continue
        how = ("solved" if name in solved else "given") if name in ("params", "tokens") else ""
        rows.append([label, show(value), interval(value, show), how])
    return table(["", "value", "80 % interval", ""], rows)


def billed_table(answer: Answer) -> str:
    """Days, hours and money that a run of this kind takes with 50, 80 and 90 % certainty; empty without a fleet."""
    if answer.quantiles is None:
        return ""
    shown = {name: f"{name[1:]} %" for name in answer.quantiles}
    rows = [
        [shown[name], words.days(q["elapsed_days"]), words.plain(q["gpu_hours"]),
         words.usd(q["cost_usd"]) if q["cost_usd"] is not None else DASH]
        for name, q in answer.quantiles.items()
    ]  # fmt: skip
    return table(["enough with a certainty of", "elapsed", "accelerator-hours", "rent"], rows)


def step_table(plan: Plan) -> str:
    """Where the step goes, largest first."""
    return _terms_table(plan.step, "total_s", ("where a step's time goes", "exposed", "step"), words.duration)


def memory_table(plan: Plan) -> str:
    """Where the fullest accelerator's memory goes, largest first."""
    return _terms_table(plan.memory, "total_bytes", ("where the memory goes", "bytes", "peak"), words.memory)


def _terms_table(terms: dict[str, float] | None, total: str, heads: tuple[str, str, str], show: Any) -> str:
    """Terms of more than a thousandth of their total, with their shares; empty without terms."""
    if terms is None:
        return ""
    whole = terms[total]
    shown = sorted(((k, v) for k, v in terms.items() if k != total and v > 1e-3 * whole), key=lambda kv: -kv[1])
    rows = [[TERM_WORDS[k], show(v), words.percent(v / whole)] for k, v in shown]
    what, unit, last = heads
    return table([what, unit, "share"], [*rows, [f"**{last}**", show(whole), "100%"]])


def law_question(plan: Plan) -> str:
    """What the rows of the law table answer: the same question with only one of tokens, size and compute fixed."""
    given = plan.request["given"]
    if "tokens" in given and "params" not in given and "flop" not in given:
        return f"for {words.count(given['tokens'])} tokens"
    if "params" in given and "tokens" not in given and "flop" not in given:
        return f"for {words.count(given['params'])} parameters"
    return f"to train with {plan.answer.train_flop:.3g} FLOP, serving left aside"


def law_table(plan: Plan) -> str:
    """The laws side by side."""
    rows = []
    for row in plan.laws:
        if row["params"] is None:
            rows.append([row["law"], DASH, DASH, DASH, row["reason"]])
            continue
        note = "" if row["params_convention"] == "total" else f"{row['params_convention'].replace('_', '-')} parameters"
        if row["params_total"] != row["params"]:
            note += f" ({words.count(row['params_total'])} in total)"
        ratio = f"{row['tokens'] / row['params']:.3g}"
        rows.append([row["law"], words.count(row["params"]), words.count(row["tokens"]), ratio, note])
    return table(["law", "parameters", "tokens", "tokens a parameter", ""], rows)


def runner_table(plan: Plan) -> str:
    """The layouts that nearly won and what they lost by."""
    rows = []
    for row in plan.alternatives.get("layouts", []):
        split, slower = words.layout_words(row["layout"]), f"{100 * row['slower_fraction']:.1f}%"
        reason = f"{TERM_WORDS[row['lost_by']]}, {100 * row['lost_fraction_of_step']:+.1f}% of the step"
        rows.append([split, slower, words.memory(row["peak_memory_bytes"]), reason])
    return table(["runner-up", "slower by", "memory", "lost by"], rows) if rows else ""


def sensitivity_table(plan: Plan) -> str:
    """What a doubling of each factor does, layout searched anew."""
    rows = [
        [
            f"twice the {words.FACTOR_WORDS[row['factor']]}",
            f"{row['doubled_speedup']:.2f}x",
            f"{row['elasticity']:+.2f}",
        ]
        for row in plan.alternatives.get("sensitivities", [])
    ]
    return table(["change", "speed-up", "elasticity of time"], rows) if rows else ""


def fleet_table(plan: Plan) -> str:
    """Time against accelerators at the same size and tokens."""
    rows = []
    for row in plan.curves.get("accelerators", []):
        state = "does not fit" if row["train_days"] is None else ""
        if row["batch_cap_binds"]:
            state = f"critical batch binds: {row['idle_accelerators']:,} idle"
        rows.append([f"{row['accelerators']:,}", words.days(row["train_days"]), words.percent(row["mfu"]), state])
    return table(["accelerators", "productive time", "MFU", ""], rows) if rows else ""


def objective_table(plan: Plan) -> str:
    """Training-optimal beside deployment-optimal."""
    both = plan.objectives
    if both["deployment_optimal"] is None:
        return ""
    rows = []
    for name in ("training_optimal", "deployment_optimal"):
        one: Answer = both[name]
        cells = [name.replace("_", "-"), words.count(one.params), words.count(one.tokens), f"{one.train_flop:.3g}"]
        rows.append([*cells, words.days(one.train_days), life_words(plan, one.lifetime_cost)])
    return table(["choice", "parameters", "tokens", "training FLOP", "time", "lifetime cost"], rows)


def usual_table(plan: Plan) -> str:
    """The cheapest life for usual demands, at the loss of this plan."""
    o = plan.objectives

    def cost(value: float) -> str:
        return words.cost(value, o["demand_unit"])

    rows = [
        [words.count(row.inference_tokens), words.count(row.params), words.count(row.tokens), cost(row.train_cost),
         cost(row.serve_cost), cost(row.lifetime_cost),
         words.percent(row.saving) if row.saving is not None else DASH]
        for row in o["demand_curve"]
    ]  # fmt: skip
    head = ["tokens served", "parameters", "tokens", "training", "serving", "whole life", "saved by the size"]
    return table(head, rows) if rows else ""


OBJECTIVE_WORDS = {
    "training_optimal": "This is the training optimum: no demand is counted.",
    "deployment_optimal": "This is the cheapest model for its whole life, training and serving together.",
    "given": "The size is yours; what training alone or a demand would choose stands under *How large, given its use*.",
}


def objective_sentence(plan: Plan) -> str:
    """Which objective the answer serves, and where a demand would change it."""
    said = OBJECTIVE_WORDS[plan.objectives["answered"]]
    flip = plan.objectives["flip_inference_tokens"]
    if plan.objectives["answered"] == "training_optimal" and flip is not None:
        said += f" From about {words.count(flip)} served tokens on, a smaller model saves 5 % or more over its life."
    return said


def horizon_table(plan: Plan) -> str:
    """The best runs of a fleet over several times."""
    rows = [
        [words.duration(row.time_s), words.count(row.params), words.count(row.tokens),
         words.loss(row.loss_nats) if row.loss_nats is not None else DASH,
         words.usd(row.cost_usd) if row.cost_usd is not None else DASH]
        for row in plan.horizons
    ]  # fmt: skip
    return table(["elapsed", "parameters", "tokens", "loss (nats/token)", "rent"], rows) if rows else ""


WAY_WORDS = {"params": "size alone", "tokens": "data alone", "both": "both, cheapest"}


def reduction_table(plan: Plan) -> str:
    """The ways to the lower loss that was asked, by law."""
    rows = [
        [row.law, WAY_WORDS[row.way], *([words.count(row.params), words.count(row.tokens), words.flop(row.flop)]
         if row.flop is not None else ["out of reach", DASH, DASH]), words.percent(row.most_share)]
        for row in plan.reductions
        if row.most_share is not None
    ]  # fmt: skip
    return table(["law", "way", "parameters", "tokens", "training compute", "at most lower by"], rows) if rows else ""


def margin_sentence(plan: Plan) -> str:
    """What the loss stands for, and what a tenth more compute buys."""
    m = plan.margin
    if m is None:
        return ""
    said = (
        f"A loss like this takes at least {words.count(m['anchor_params'])} parameters on "
        f"{words.count(m['anchor_tokens'])} tokens trained compute-optimally; a tenth more compute lowers it by "
        f"{m['nats_gained']:.4f} nats"
    )
    return said + (f", {m['nats_per_usd'] * 1e6:.4f} nats for each further $1M." if m["nats_per_usd"] else ".")


def life_law_table(plan: Plan) -> str:
    """The cheapest life by each law that has a loss."""
    rows = [
        [row["law"], words.count(row["params"]), words.count(row["tokens"]),
         words.count(row["training_optimal_params"]),
         words.percent(row["saving"]) if row["saving"] is not None else DASH]
        for row in plan.objectives["by_law"]
        if not row["reason"]
    ]  # fmt: skip
    head = ["law", "cheapest for life", "tokens", "training optimum", "saved"]
    return table(head, rows) if len(rows) > 1 else ""


def demand_table(plan: Plan) -> str:
    """The optimum against demand."""
    rows = [
        [
            words.count(row["inference_tokens"]),
            words.count(row["params"]),
            words.count(row["tokens"]),
            words.percent(row["saving"]) if row["saving"] is not None else DASH,
        ]
        for row in plan.curves.get("demand", [])[::2]
    ]
    return table(["tokens served", "parameters", "tokens", "saved against the training optimum"], rows) if rows else ""


def mixture_sentence(plan: Plan) -> str:
    """Which number of experts won, by how much, and how far beyond its runs the law of experts is taken."""
    m = plan.mixtures
    if m is None:
        return ""
    dense, others = m["rows"][0], m["rows"][1:]
    if not others:
        return "No mixture of experts is possible here; the dense model stands."
    best = min(others, key=lambda row: row.lifetime_cost)
    by = f"{life_words(plan, best.lifetime_cost)} over its life against {life_words(plan, dense.lifetime_cost)}"
    if m["winner_experts"] <= 1:
        text = f"**The dense model wins.** The cheapest mixture ({best.experts:g} experts) costs {by}: "
        text += f"{words.percent(-best.saving)} more."
    else:
        text = (
            f"**{best.experts:g} experts win.** A mixture of {words.count(best.params)} parameters, "
            f"{words.count(best.params_active)} active, costs {by} for the best dense model of the same loss: "
            f"{words.percent(best.saving)} less{_bracketed(interval(m['saving'], words.percent))}."
        )
        if m["answer"] is not None:
            a, layout = m["answer"], words.layout_words(m["layout"])
            text += f" It trains in {words.days(a.train_days)} for {words.usd(a.cost_usd)} ({layout})."
    far = max(row.decades_outside for row in others)
    if far > 0.05:
        text += f" {m['law']} is taken up to {far:.1f} decades beyond its runs: read this as a direction, not a figure."
    return text


def _bracketed(spread: str) -> str:
    """An interval in brackets, nothing for a law without one."""
    return "" if spread == DASH else f" ({spread})"


def mixture_table(plan: Plan) -> str:
    """Numbers of experts side by side."""
    rows = []
    for row in plan.mixtures["rows"] if plan.mixtures else []:
        name = "dense" if row.experts <= 1 else f"{row.experts:g}"
        costs = [life_words(plan, cost) for cost in (row.train_cost, row.serve_cost, row.lifetime_cost)]
        sizes = [words.count(row.params), words.count(row.params_active), words.count(row.tokens)]
        rows.append([name, *sizes, *costs, f"{-100 * row.saving:+.1f}%" if row.experts > 1 else DASH])
    return table(
        ["experts", "parameters", "active", "tokens", "training", "serving", "whole life", "against dense"], rows
    )


def life_words(plan: Plan, cost: float | None) -> str:
    """A lifetime cost in the unit of the objective."""
    return words.cost(cost, plan.saving["unit"] if plan.saving else "")


def command(plan: Plan, name: str = "plan", precisions: list[str] | None = None) -> str:
    """The command line that reproduces this plan, or its comparison of several formats."""
    options = [
        (option, value) for option, value in plan.request["options"] if not precisions or option != "--precision"
    ]
    if precisions:
        options.append(("--precision", ",".join(precisions)))
    return shlex.join(["hwmodel", name, *(word for pair in options for word in pair)])


def sentence(plan: Plan) -> str:
    """The answer in one sentence."""
    a = plan.answer
    model = plan.resolved["model"] or "a model"
    what = f"Train {model} of {words.count(a.params)} parameters on {words.count(a.tokens)} tokens"
    if a.accelerators is None:
        text = f"{what}: {a.train_flop:.3g} FLOP"
    else:
        text = (
            f"{what} on {a.accelerators:,} x {plan.resolved['accelerator']} in {plan.resolved['precision']}: "
            f"{words.days(a.train_days)} of training ({interval(a.train_days, words.days)}), "
            f"{words.days(a.elapsed_days)} elapsed, at {words.percent(a.mfu)} MFU"
        )
        if interval(a.train_days, words.days) == DASH:
            text = text.replace(f" ({DASH})", "")
        if a.cost_usd is not None:
            text += f", for {words.usd(a.cost_usd)} ({interval(a.cost_usd, words.usd)})"
    if a.loss_nats is not None:
        text += f", to a loss of about {words.number(a.loss_nats):.3f} nats a token"
    return text + "."


def plan_markdown(plan: Plan, figures: dict[str, str] | None = None) -> str:
    """The budget report. `figures` maps a figure's name to the file beside the report."""
    return words.render(
        "plan.md.j2",
        plan=plan,
        figures=figures or {},
        sentence=sentence(plan),
        answer_table=answer_table(plan.answer, plan.solved),
        billed_table=billed_table(plan.answer),
        step_table=step_table(plan),
        memory_table=memory_table(plan),
        precision_table=precision_table(plan.precisions) if len(plan.precisions) > 1 else "",
        law_question=law_question(plan),
        law_table=law_table(plan),
        runner_table=runner_table(plan),
        sensitivity_table=sensitivity_table(plan),
        fleet_table=fleet_table(plan),
        objective_table=objective_table(plan),
        objective_sentence=objective_sentence(plan),
        usual_table=usual_table(plan),
        horizon_table=horizon_table(plan),
        reduction_table=reduction_table(plan),
        margin_sentence=margin_sentence(plan),
        life_law_table=life_law_table(plan),
        demand_table=demand_table(plan),
        serving_table=serving_table(plan),
        fixed_table=fixed_table(plan),
        mixture_sentence=mixture_sentence(plan),
        mixture_table=mixture_table(plan),
        given_table=given_table(plan),
        life=lambda cost: life_words(plan, cost),
        command=command(plan),
        layout_command=layout_command(plan),
    )


def given_table(plan: Plan) -> str:
    """What was given, what was solved and how, what was assumed."""
    rows = [[_field_words(k), _value_words(k, v), "given"] for k, v in plan.request["given"].items()]
    rows += [[_field_words(k), how, "solved"] for k, how in plan.solved.items()]
    rows += [
        [_field_words(k), _value_words(k, v), "default"] for k, v in plan.request["defaults"].items() if v is not None
    ]
    return table(["quantity", "value", ""], rows)


def _field_words(field: str) -> str:
    names = {"gpus": "accelerators", "params": "parameters", "flop": "training FLOP", "time_s": "time",
             "budget_usd": "budget", "lifetime_budget_usd": "lifetime budget",
             "prompt_share": "prompt share of served tokens", "seq_len": "sequence length",
             "nic_uni_bytes_per_s": "NIC", "usd_per_hour": "price an accelerator-hour",
             "global_batch_seqs": "global batch (sequences)"}  # fmt: skip
    return names.get(field, field.replace("_", " "))


def _value_words(field: str, value: Any) -> str:
    if field == "loss_like":
        return f"{words.count(value[0])} at {words.count(value[1])}"
    if field == "service":
        limit = f", TPOT {words.duration(value.tpot_limit_s)}" if value.tpot_limit_s else ""
        lengths = f"{value.prompt_tokens:,.0f} tokens in and {value.output_tokens:,.0f} out"
        return f"{value.requests_per_s:g} requests/s of {lengths} for {words.duration(value.seconds)}{limit}"
    if field == "samples":
        return f"{value:g}"
    if field == "time_s":
        return words.duration(value)
    if field.endswith("_usd") or field == "usd_per_accelerator_hour":
        return words.usd(value)
    if field == "nic_uni_bytes_per_s":
        return f"{value * 8 / 1e9:g} Gbit/s an accelerator and direction"
    if field in ("mfu", "prompt_share"):
        return words.percent(value)
    if field == "layout":
        return ", ".join(f"{k.replace('_', '-')} {v:g}" for k, v in value.items())
    if field in ("params", "tokens", "inference_tokens", "unique_tokens", "flop"):
        return words.count(value)
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def plan_csv(plan: Plan) -> str:
    """One row a quantity: name, value, low, high, in base units."""
    rows: list[list[str]] = []
    for name in plan.answer.__struct_fields__:
        value = getattr(plan.answer, name)
        if isinstance(value, Band):
            rows.append([name, repr(value.value), repr(value.low), repr(value.high)])
        else:
            rows.append([name, "" if value is None else repr(value), "", ""])
    return csv_text(["quantity", "value", "low", "high"], rows)
