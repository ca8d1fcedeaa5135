"""The prediction of one training layout as Markdown and CSV."""

from __future__ import annotations

from typing import Any

from hwmodel.catalog.safe_text import csv_text, markdown_safe
from hwmodel.report.likeness import like_line
from hwmodel.report.tables import table
from hwmodel.report.words import duration
from hwmodel.solve.train import GIB, TrainResult
from hwmodel.specs import MemoryTerms
from hwmodel.specs.layout import SCHEDULES, layout_line
from hwmodel.version import __version__

TERM_NAMES = {
    "gemm_s": "matrix products",
    "attention_s": "attention",
    "memory_bound_s": "memory-bound operations",
    "cast_s": "casts and scales",
    "logits_s": "logits and loss",
    "recompute_s": "recomputation",
    "offload_s": "host offload",
    "tp_s": "tensor parallel",
    "cp_s": "context parallel",
    "ep_s": "expert parallel",
    "pp_bubble_s": "pipeline bubble",
    "pp_transfer_s": "pipeline transfers",
    "dp_exposed_s": "data parallel, exposed",
    "optimizer_s": "optimizer",
    "host_s": "host",
    "jitter_s": "jitter",
    "search_s": "optimism of the search",
}


def _layout_line(layout: dict[str, Any]) -> str:
    """A layout in a line, under the names of the command line."""
    offload = "" if layout["offload"] == "none" else f", offload {layout['offload']}"
    schedule = "" if layout["schedule"] == SCHEDULES[0] else f", schedule {layout['schedule']}"
    return f"{layout_line(layout)}, recompute {layout['recompute']}{offload}{schedule}"


def _ms(value: float) -> str:
    """Seconds as milliseconds."""
    return f"{value * 1e3:,.1f}"


def _unfit(d: dict[str, Any]) -> list[str]:
    """What a reader must see first where the layout does not fit."""
    said = [line for line in d["warnings"] if line.startswith("does not fit")]
    if not said:
        return []
    return [f"**It {said[0]}.** The figures are those of accelerators with room for it.", ""]


def train_markdown(result: TrainResult) -> str:
    """The whole prediction on one page."""
    d = result.to_dict()
    step, rate = d["step_s"], d["tokens_per_s_per_accelerator"]
    lines = [
        f"# {d['resolved']['model'] or 'model'} on {d['accelerators']:,} x {d['resolved']['accelerator']}",
        "",
        *_unfit(d),
        f"**{rate['value']:,.0f} tokens/s an accelerator** ({rate['low']:,.0f} to {rate['high']:,.0f}, 80 % interval), "
        f"{duration(step['value'])} a step, MFU {100 * d['mfu']['value']:.1f} % ({d['mfu']['convention']} FLOPs over "
        f"the dense {d['resolved']['precision']} peak).",
        "",
        f"Layout: {_layout_line(d['layout'])}; global batch {d['layout']['global_batch_seqs']:,.0f} sequences of "
        f"{float(result.workload.seq_len):,.0f} tokens."
        + (f" Chosen here: {', '.join(d['searched'])}." if d["searched"] else ""),
        f"System {d['resolved']['system']}, stack {d['resolved']['stack']}, kernel constants: "
        f"{d['resolved']['constants_from']}.",
        "",
        _step_table(d),
    ]
    lines += ["", f"What binds: {TERM_NAMES[d['binds'][0]['term']]}."]
    lines += _memory_table(result) + _near_table(d)
    notes = [line for line in d["warnings"] if not line.startswith("does not fit")]
    if notes:
        lines += ["", "Notes:", *(f"- {line}" for line in notes)]
    sure = like_line(d["like"])
    lines += ["", f"How sure: {sure} (each predicted without its source)." if sure else "", ""]
    lines += ["What the figures rest on:", ""]
    for source in d["sources"]:
        place = f", {source['locator']}" if source["locator"] else ""
        lines.append(f"- {source['title']}{place}: {source['for']}")
    lines += ["", f"hwmodel {__version__}, catalog {d['resolved']['catalog_version']}"]
    return markdown_safe("\n".join(lines) + "\n")


def _step_table(d: dict[str, Any]) -> str:
    """Terms of the step, what binds first."""
    total = sum(d["step"].values())
    rows = [
        [TERM_NAMES[item["term"]], _ms(d["step"][item["term"]]), f"{100 * d['step'][item['term']] / total:.1f}"]
        for item in d["binds"]
    ]
    return table(["where the step goes", "ms", "%"], [*rows, ["**step**", f"**{_ms(total)}**", "100"]])


def _memory_table(result: TrainResult) -> list[str]:
    """Terms of memory by stage of the pipeline."""
    stages = list(result.memory) if float(result.layout.pp) > 1 else ["first"]
    names = {"first": "first stage", "middle": "middle stage", "last": "last stage"}
    heads = [names[s] if len(stages) > 1 else "accelerator" for s in stages]
    rows = [
        [field.removesuffix("_bytes"), *(f"{float(getattr(result.memory[s], field)) / GIB:.2f}" for s in stages)]
        for field in MemoryTerms.__struct_fields__
    ]
    rows.append(["**peak**", *(f"**{float(result.memory[s].total_bytes) / GIB:.1f}**" for s in stages)])
    return ["", table(["memory, GiB", *heads], rows)]


def _near_table(d: dict[str, Any]) -> list[str]:
    """The best layouts of the same fleet and batch."""
    if not d["near"]:
        return []
    rows = [
        [
            _layout_line(near["layout"]),
            f"{near['tokens_per_s'] / d['accelerators']:,.0f}",
            f"{near['peak_memory_bytes'] / GIB:.1f}",
        ]
        for near in d["near"]
    ]
    return ["", table(["best layouts of this fleet and batch", "tokens/s an accelerator", "peak GiB"], rows)]


def train_csv(result: TrainResult) -> str:
    """Term, seconds and share, one a line."""
    d = result.to_dict()
    total = sum(d["step"].values())
    rows = ([name, repr(seconds), repr(seconds / total)] for name, seconds in d["step"].items())
    return csv_text(["term", "seconds", "share"], rows)
