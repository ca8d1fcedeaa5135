"""The prediction of one training layout as Markdown, HTML and CSV."""

from __future__ import annotations

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report.blocks import Block, Bullets, Heading, Table, Text, markdown
from hwmodel.report.likeness import like_line
from hwmodel.report.phrases import ENGLISH, heard, say, speaking
from hwmodel.report.serve import source_lines
from hwmodel.report.words import RECOMPUTE_WORDS, TERM_WORDS, duration
from hwmodel.solve.train import GIB, TrainResult
from hwmodel.solve.train_answer import TrainAnswer
from hwmodel.specs import MemoryTerms
from hwmodel.specs.layout import SCHEDULES, TrainLayout, layout_line
from hwmodel.version import __version__

UNFIT = "does not fit"
STAGES = {"first": "first stage", "middle": "middle stage", "last": "last stage"}


def layout_words(layout: TrainLayout) -> str:
    """A layout in a line, under the names of the command line."""
    again = layout.recompute
    again = say(RECOMPUTE_WORDS[again]) if again in RECOMPUTE_WORDS else say("recompute of {modules}", modules=again)
    offload = "" if layout.offload == "none" else say(", {what} in host memory", what=heard(layout.offload))
    schedule = ""
    if layout.schedule != SCHEDULES[0]:
        schedule = say(", ") + say("schedule {name}", name=layout.schedule)
    return f"{layout_line(layout)}, {again}{offload}{schedule}"


def _ms(value: float) -> str:
    """Seconds as milliseconds."""
    return f"{value * 1e3:,.1f}"


def _unfit(found: TrainAnswer) -> str:
    """What a reader must see first where the layout does not fit."""
    said = [line for line in found.warnings if line.startswith(UNFIT)]
    if not said:
        return ""
    return say("**It {reason}.** The figures are those of accelerators with room for it.", reason=heard(said[0]))


def train_blocks(result: TrainResult) -> list[Block]:
    """The whole prediction on one page."""
    found = result.answer
    r, sure = found.resolved, like_line(found.like)
    return [
        Heading(say("{model} on {count} x {part}", model=r.model or say("A model"), count=f"{found.accelerators:,}",
                    part=r.accelerator), 1),
        Text(_unfit(found)),
        Text(_rate(found)),
        Text(_layout(found, float(result.workload.seq_len))),
        Heading(say("Where do the time and the memory go?")),
        _step_table(found),
        Text(say("What binds: {term}.", term=say(TERM_WORDS[found.binds[0].term]))),
        _memory_table(result),
        Heading(say("What layout would be faster?")),
        _near_table(found),
        Heading(say("What to know before trusting it")),
        Bullets([heard(line) for line in found.warnings if not line.startswith(UNFIT)]),
        Text(say("How sure: {line} (each predicted without its source).", line=sure) if sure else ""),
        Heading(say("What the figures rest on")),
        Bullets(source_lines(found.sources)),
        Text(f"hwmodel {__version__}, catalog {r.catalog_version}"),
    ]  # fmt: skip


def _rate(found: TrainAnswer) -> str:
    step, rate = found.step_s, found.tokens_per_s_per_accelerator
    return say(
        "**{rate} tokens/s an accelerator** ({low} to {high}, 80 % interval), {step} a step, MFU {mfu} % ({convention} "
        "FLOPs over the dense {format} peak).",
        rate=f"{rate.value:,.0f}", low=f"{rate.low:,.0f}", high=f"{rate.high:,.0f}",
        step=duration(step.value), mfu=f"{100 * found.mfu.value:.1f}", convention=found.mfu.convention,
        format=found.resolved.precision,
    )  # fmt: skip


def _layout(found: TrainAnswer, seq_len: float) -> str:
    r = found.resolved
    chosen = say(" Chosen here: {names}.", names=", ".join(found.searched)) if found.searched else ""
    return say(
        "Layout: {layout}; global batch {seqs} sequences of {length} tokens.{chosen} System {system}, stack {stack}, "
        "kernel constants: {constants}.",
        layout=layout_words(found.layout), seqs=f"{found.layout.global_batch_seqs:,.0f}", length=f"{seq_len:,.0f}",
        chosen=chosen, system=r.system, stack=r.stack, constants=heard(r.constants_from),
    )  # fmt: skip


def _step_table(found: TrainAnswer) -> Table:
    """Terms of the step, what binds first."""
    total = sum(found.step.values())
    rows = [
        [say(TERM_WORDS[item.term]), _ms(found.step[item.term]), f"{100 * found.step[item.term] / total:.1f}"]
        for item in found.binds
    ]
    rows.append([f"**{say('step')}**", f"**{_ms(total)}**", "100"])
    return Table([say("where the step goes"), "ms", "%"], rows)


def _memory_table(result: TrainResult) -> Table:
    """Terms of memory by stage of the pipeline."""
    stages = list(result.memory) if float(result.layout.pp) > 1 else ["first"]
    heads = [say(STAGES[s]) for s in stages] if len(stages) > 1 else [say("an accelerator")]
    rows = [
        [say(TERM_WORDS[field]), *(f"{float(getattr(result.memory[s], field)) / GIB:.2f}" for s in stages)]
        for field in MemoryTerms.__struct_fields__
    ]
    peaks = (f"**{float(result.memory[s].total_bytes) / GIB:.1f}**" for s in stages)
    rows.append([f"**{say('peak')}**", *peaks])
    return Table([say("memory, GiB"), *heads], rows)


def _near_table(found: TrainAnswer) -> Table:
    """The best layouts of the same fleet and batch."""
    rows = [
        [
            layout_words(near.layout),
            f"{near.tokens_per_s.value / found.accelerators:,.0f}",
            f"{near.peak_memory_bytes.value / GIB:.1f}",
        ]
        for near in found.near
    ]
    return Table([say("best layouts of this fleet and batch"), say("tokens/s an accelerator"), say("peak GiB")], rows)


def train_markdown(result: TrainResult, language: str = ENGLISH) -> str:
    """The prediction as Markdown."""
    with speaking(language):
        return markdown(train_blocks(result), {})


def train_html(result: TrainResult, language: str = ENGLISH) -> str:
    """The prediction as one HTML file."""
    from hwmodel.report.html import page

    with speaking(language):
        return page(train_blocks(result), {}, language)


def train_csv(result: TrainResult) -> str:
    """Term, seconds and share, one a line."""
    found = result.answer
    total = sum(found.step.values())
    rows = ([name, repr(seconds), repr(seconds / total)] for name, seconds in found.step.items())
    return csv_text(["term", "seconds", "share"], rows)
