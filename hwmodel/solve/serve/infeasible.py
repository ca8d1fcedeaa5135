"""Why no serving fleet meets a question: the limit that binds, the term behind it, the smallest change that helps."""

from __future__ import annotations

import numpy as np

from hwmodel.errors import HwModelError, InfeasibleError, InputError
from hwmodel.predict.service import on_layout
from hwmodel.predict.service.layouts import column, rows_of
from hwmodel.predict.service.passes import held, room
from hwmodel.solve.serve.fleet import Fleets
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.table import Options
from hwmodel.units import format_duration


def infeasible(question: ServingQuestion, found: list[Options], every: list[Fleets]) -> HwModelError:
    """The error to raise where nothing meets the limits."""
    if not every:
        return _does_not_fit(question, found)
    steps = min(every, key=lambda f: float(f.tpot_tail_s.min()))
    firsts = min(every, key=lambda f: float(f.ttft_tail_s.min()))
    fastest, first = float(steps.tpot_tail_s.min()), float(firsts.ttft_tail_s.min())
    p = f"p{100 * question.percentile:g}"
    if fastest > question.tpot_s:
        o, at = steps.options, steps.at
        i = int(steps.tpot_tail_s.argmin())
        allow = format_duration(fastest * 1.02)
        return InfeasibleError(
            f"no allowed configuration reaches {p} TPOT {format_duration(question.tpot_s)}: the fastest, "
            f"{column(at.layout.accelerators)[i]:g} x {o.part.name} in {o.recipe.id}, takes "
            f"{format_duration(fastest)} a token (weights, cache, collectives and launches); allow --tpot {allow}, "
            "a lower precision, a faster part or drafts",
            binding="tpot",
            remedy=f"--tpot {allow}",
        )
    if capped := _capped(question, every):
        return capped
    if first > question.ttft_s:
        o = firsts.options
        return InfeasibleError(
            f"no allowed configuration reaches {p} TTFT {format_duration(question.ttft_s)}: the best, {o.part.name} in "
            f"{o.recipe.id}, takes {format_duration(first)} to prefill {question.prompt_tokens:,.0f} tokens and to "
            f"return the first one; allow --ttft {format_duration(first * 1.02)} or shorten --input",
            binding="ttft",
            remedy=f"--ttft {format_duration(first * 1.02)}",
        )
    return InfeasibleError(
        f"nothing allowed meets {p} TTFT {format_duration(question.ttft_s)} and TPOT "
        f"{format_duration(question.tpot_s)} together; "
        f"alone they reach {format_duration(first)} and {format_duration(fastest)}: relax either",
        binding="ttft and tpot",
        remedy="a longer --ttft or --tpot",
    )


def _capped(question: ServingQuestion, every: list[Fleets]) -> InfeasibleError | None:
    """The error where the accelerators given for two pools are too few: the smallest pools that carry the demand."""
    if question.prefill is None or question.decode is None:
        return None
    best = None
    for f in every:
        assert f.pools is not None
        before = f.pools.prefill.accelerators[f.pools.place]
        able = (f.tpot_tail_s <= question.tpot_s) & (f.ttft_tail_s <= question.ttft_s)
        for i in np.flatnonzero(able):
            pair = (float(f.accelerators[i]), float(before[i]), float(f.accelerators[i] - before[i]))
            best = pair if best is None else min(best, pair)
    if best is None:
        return None
    need = f"--prefill {best[1]:.0f}x{question.prefill.part} --decode {best[2]:.0f}x{question.decode.part}"
    return InfeasibleError(
        f"{question.rate:g} requests/s need more accelerators than the two pools have; {need} carry them, spares "
        "counted",
        binding="accelerators",
        remedy=need,
    )


def _does_not_fit(question: ServingQuestion, found: list[Options]) -> HwModelError:
    """The option that comes nearest, and whether weights or cache are what it lacks."""
    nearest = None
    for o in found:
        if not len(column(o.tried.tp)):
            continue
        tried = on_layout(o.setting, o.tried)
        weights = column(held(tried).weights_bytes)
        short = weights / float(o.machine.hbm_bytes) - 1e-3 * column(room(tried))
        i = int(short.argmin())
        if nearest is None or short[i] < nearest[0]:
            nearest = (float(short[i]), float(weights[i]), rows_of(o.tried, i), o)
    if nearest is None:
        return InputError(
            f"no allowed part takes this layout of {question.model}: --tp must divide its heads and stay inside the "
            "scale-up domain; free one of --tp, --pp, --dp, --ep"
        )
    _, need, layout, o = nearest
    hbm = float(o.machine.hbm_bytes)
    n = float(layout.accelerators)
    what = f"{need / 1e9:,.1f} GB of weights on each accelerator of {hbm / 1e9:,.0f} GB"
    if need < 0.9 * hbm:
        tokens = question.prompt_tokens + question.output_tokens
        what += f", which leaves no room for one request of {tokens:,.0f} tokens"
    wider = _more(question)
    return InfeasibleError(
        f"{question.model} does not fit: nearest is {n:g} x {o.part.name} in {o.recipe.id}, {what}; allow {wider}",
        binding="memory",
        remedy=wider,
    )


def _more(question: ServingQuestion) -> str:
    ways = []
    if any(v is not None for v in (question.tp, question.pp, question.dp, question.ep)):
        ways.append("more accelerators a replica (--tp, --pp)")
    if question.precisions and not {"nvfp4", "w4a16"} & set(question.precisions):
        ways.append("a smaller format (--precision nvfp4,w4a16)")
    return ", ".join([*ways, "a part with more memory, or shorter prompts"])
