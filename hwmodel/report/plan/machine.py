"""On how many accelerators, in which layout and format, and where the time and the memory go."""

from __future__ import annotations

from typing import Any

from hwmodel.report import words
from hwmodel.report.blocks import Block, Heading, Picture, Table, Text
from hwmodel.report.formats import free_line, precision_table, unknown_lines
from hwmodel.report.phrases import say
from hwmodel.report.published import published_beside
from hwmodel.report.words import FACTOR_WORDS, TERM_WORDS
from hwmodel.solve.plan.answer import Plan

SMALL = 0.04  # share of a step or of the memory below which a term is one of the others
MOVES = 0.02  # elasticity below which a factor changes nothing worth a row


def machine(plan: Plan) -> list[Block]:
    """The fleet, the layout, the terms, the formats and what would make it faster."""
    if plan.layout is None:
        return []
    return [
        *_fleet(plan),
        Heading(say("In which layout?")),
        *_layout(plan),
        Heading(say("Where do the time and the memory go?")),
        *_terms(plan),
        *_formats(plan),
        *_changes(plan),
    ]


def _fleet(plan: Plan) -> list[Block]:
    published = say(", with published runs on this part") if published_beside(plan) else ""
    caption = say("Elapsed days and MFU against accelerators{published}", published=published)
    blocks: list[Block] = [Heading(say("On how many accelerators?"))]
    blocks.append(Picture("fleet", caption, instead=fleet_table(plan)))
    slow = plan.alternatives.slowest_network if plan.alternatives is not None else None
    if slow:
        times = f"{slow.slowdown.value:.2f}" if slow.slowdown else say("no layout; times")
        blocks.append(
            Text(
                say(
                    "On the slowest listed network of this part ({system}, {rate} Gbit/s an accelerator) it takes "
                    "{times} times as "
                    "long.",
                    system=slow.system,
                    rate=f"{slow.nic_uni_bytes_per_s * 8 / 1e9:g}",
                    times=times,
                )
            )
        )
    return blocks


def fleet_table(plan: Plan) -> Table:
    """Time against accelerators at the same size and tokens."""
    rows = []
    for row in plan.curves.accelerators:
        state = say("does not fit") if row.train_days is None else ""
        if row.batch_cap_binds:
            state = say("critical batch binds: {idle} idle", idle=f"{row.idle_accelerators:,}")
        rows.append([f"{row.accelerators:,}", words.days(row.train_days), words.percent(row.mfu), state])
    return Table([say("accelerators"), say("productive time"), "MFU", ""], rows)


def _layout(plan: Plan) -> list[Block]:
    assert plan.layout is not None
    assert plan.batch is not None
    assert plan.alternatives is not None
    said = say(
        "**Layout.** {layout}; global batch {seqs} sequences ({tokens} tokens), {steps} steps",
        steps=words.plain(plan.batch.steps),
        layout=words.layout_words(plan.layout),
        seqs=words.plain(plan.layout.global_batch_seqs),
        tokens=words.count(plan.batch.global_batch_tokens),
    )
    if plan.answer.idle_accelerators:
        said += say("; {idle} accelerators idle", idle=words.plain(plan.answer.idle_accelerators))
    said += say(
        ". {fitting} of {searched} layouts fit.",
        fitting=words.plain(plan.alternatives.fitting_layouts),
        searched=words.plain(plan.alternatives.searched_layouts),
    )
    beyond = say(", extrapolated") if plan.batch.cap_outside_fit_range else ""
    critical = {"seqs": words.plain(plan.batch.cap_seqs), "law": plan.batch.cap_law, "beyond": beyond}
    said += say(" The critical batch is about {seqs} sequences ({law}{beyond}).", **critical)
    if other := plan.batch.cheapest:
        said += say(
            " With {seqs} sequences the same loss takes {tokens} of the tokens and {days} of the days.",
            seqs=words.plain(other.global_batch_seqs),
            tokens=words.percent(other.tokens_factor),
            days=words.percent(other.days_factor),
        )
    return [Text(said), Text(runner_sentence(plan)), Text(shape_sentence(plan))]


def shape_sentence(plan: Plan) -> str:
    """The architecture in a sentence."""
    s = plan.shape
    assert s is not None
    plain = {
        name: words.plain(getattr(s, name))
        for name in ("layers", "d_model", "n_heads", "head_dim", "n_kv_heads", "d_ff", "vocab")
    }
    attending = ""
    if s.attention_layers != s.layers:
        attending = say(", {count} of which attend", count=words.plain(s.attention_layers))
    experts = say(" in {count} experts", count=words.plain(s.n_experts)) if s.n_experts > 1 else ""
    active = say(", {count} active", count=words.count(s.params_active)) if s.params_active != s.params else ""
    return say(
        "**Shape.** {layers} layers of width {d_model}{attending}, {n_heads} heads of {head_dim} ({n_kv_heads} "
        "key-value), "
        "feed-forward {d_ff}{experts}, vocabulary {vocab}: {size} parameters{active}.",
        attending=attending,
        experts=experts,
        active=active,
        size=words.count(s.params),
        **plain,
    )


def runner_sentence(plan: Plan) -> str:
    """The layout that nearly won and what it lost by; empty where no other fits."""
    for row in plan.alternatives.layouts[:1] if plan.alternatives is not None else []:
        return say(
            "Next best: {layout}, {slower} slower for {term}.",
            layout=words.layout_words(row.layout),
            slower=f"{100 * row.slower_fraction.value:.1f}%",
            term=say(TERM_WORDS[row.lost_by]),
        )
    return ""


def _terms(plan: Plan) -> list[Block]:
    blocks: list[Block] = []
    if plan.request.given.get("mfu"):
        blocks.append(Text(say("The terms are predicted; times and costs follow the MFU that was given.")))
    step = (say("of a step"), say("exposed"), say("step"))
    memory = (say("of the fullest accelerator"), say("bytes"), say("peak"))
    blocks.append(terms_table(plan.step, "total_s", step, words.duration))
    return [*blocks, terms_table(plan.memory, "total_bytes", memory, words.memory)]


def terms_table(terms: dict[str, float] | None, total: str, heads: tuple[str, str, str], show: Any) -> Table:
    """Terms of more than a fiftieth of their total, largest first, and the rest as one; empty without terms."""
    what, unit, last = heads
    header = [what, unit, say("share")]
    if terms is None:
        return Table(header, [])
    whole = terms[total]
    ordered = sorted(((k, v) for k, v in terms.items() if k != total and v > 0.0), key=lambda kv: -kv[1])
    rows = [[say(TERM_WORDS[k]), show(v), words.percent(v / whole)] for k, v in ordered if v >= SMALL * whole]
    rest = sum(v for _, v in ordered if v < SMALL * whole)
    if rest > 1e-3 * whole:
        rows.append([say("others"), show(rest), words.percent(rest / whole)])
    return Table(header, [*rows, [f"**{last}**", show(whole), "100%"]])


def _formats(plan: Plan) -> list[Block]:
    if len(plan.precisions) < 2:
        return []
    rows = plan.precisions
    below = [Text(free_line(rows)), *unknown_lines(rows)]
    return [Heading(say("In which number format?")), precision_table(rows), *below]


def _changes(plan: Plan) -> list[Block]:
    """What a doubling of each factor does, layout searched anew; factors without effect are one sentence."""
    found = plan.alternatives.sensitivities if plan.alternatives is not None else []
    moving = [row for row in found if abs(row.elasticity.value) >= MOVES]
    still = [say(FACTOR_WORDS[row.factor]) for row in found if abs(row.elasticity.value) < MOVES]
    said = [
        say(
            "twice the {factor}: {speed} as fast",
            factor=say(FACTOR_WORDS[row.factor]),
            speed=f"{row.doubled_speedup.value:.2f}x",
        )
        for row in sorted(moving, key=lambda row: -row.doubled_speedup.value)
    ]
    if still:
        said.append(say("no change from {factors}", factors=say(", ").join(still)))
    if not said:
        return []
    line = say("; ").join(said)
    return [Heading(say("What would make it faster?")), Text(line[:1].upper() + line[1:] + say("."))]
