"""Why an answer has no number where it could have one: what was not asked, what nobody knows, and how to give it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hwmodel.plain import JsonValue
from hwmodel.report.explain.document import at

Document = Mapping[str, JsonValue]
# What an answer of `plan` without accelerators lacks.
FLEETED = (
    r"^((answer|objectives\.\w+)\.)?(accelerators|idle_accelerators|train_days|elapsed_days|gpu_hours|mfu|tokens_per_s"
    r"|cost_usd|energy_mwh|co2e_t|(peak|reserved)_memory_bytes|goodput|whole_run_factor|quantiles)\b"
    r"|^(layout|step|memory|batch|alternatives|money|budget|like|risk|resolved|request\.defaults|margin\.nats_per_usd)\b"
)
MONEY = r"usd|money\.price|answer\.price_|api$"


class Absent(NamedTuple):
    """A kind of number that may be missing: where it stands, and why it does, empty where that is not the reason."""

    place: str
    reason: Callable[[Document, str], str]


def why_none(document: Document, path: str) -> str:
    """Why the answer has no number of this name."""
    for kind in KINDS:
        if re.search(kind.place, path):
            said = kind.reason(document, path)
            if said:
                return said
    return "it does not apply to this question"


def _always(said: str) -> Callable[[Document, str], str]:
    return lambda document, path: said


def _warned(document: Document, start: str) -> str:
    """The warning of the answer that begins so."""
    for place in ("warnings", "notes"):
        said = document.get(place)
        for one in said if isinstance(said, (list, tuple)) else ():
            if isinstance(one, str) and one.startswith(start):
                return one
    return ""


def _no_fleet(document: Document, _: str) -> str:
    plans = "objectives" in document
    without = plans and at(document, "resolved.accelerator") is None
    return "the question names no accelerators: ask again with --gpus, like --gpus 512xH100" if without else ""


def _no_price(document: Document, _: str) -> str:
    """A part whose hour nobody prices; in `plan` and `compare` they say so themselves."""
    if "objectives" in document:
        return _warned(document, "no price of") if at(document, "money.price") is None else ""
    part = at(document, "answer.part")
    priced = part is None or at(document, "answer.usd_per_hour") is not None
    return "" if priced else f"no price of {part} is known: give one with --usd-per-hour"


def _no_loss(document: Document, _: str) -> str:
    warned = _warned(document, "no loss is given")
    if warned or at(document, "answer.loss_nats") is not None:
        return warned
    law = at(document, "resolved.law")
    return f"{law} relates size and tokens and gives no loss: take one that does with --law (`hwmodel law list`)"


def _law_without_loss(document: Document, path: str) -> str:
    row = path.removesuffix(".loss_nats")
    reason = at(document, f"{row}.reason")
    return str(reason or f"{at(document, f'{row}.law')} relates size and tokens and gives no loss")


def _format(document: Document, path: str) -> str:
    """A format of a comparison: the one that all are compared with, one that did not run, one without evidence."""
    row = ".".join(path.split(".")[:2])
    name = at(document, f"{row}.precision")
    if at(document, f"{row}.verdict") == "reference":
        return f"{name} is what the other formats are compared with"
    if reason := at(document, f"{row}.reason"):
        return f"{name}: {reason}"
    return f"{name}: {said}" if (said := at(document, f"{row}.verdict_reason")) else ""


def _row(document: Document, path: str) -> str:
    """What the row of a list says itself."""
    reason = at(document, f"{path.rsplit('.', 1)[0]}.reason")
    return str(reason) if reason else ""


def _way(document: Document, path: str) -> str:
    way = at(document, f"{path.rsplit('.', 1)[0]}.way")
    return f"{str(way).replace('_', ' ')} has none: nothing is bought or committed, or nothing is to be compared with"


def _line(document: Document, path: str) -> str:
    row = path.rsplit(".", 1)[0]
    if at(document, f"{row}.how") != "not_counted":
        return ""
    return f"{at(document, f'{row}.stage')} is not counted here: enter it in a plan file (docs/stages.md)"


NO_DEMAND = _always("no tokens served are given: ask again with --inference-tokens, like --inference-tokens 2T")
KINDS = (
    Absent(FLEETED, _no_fleet),
    Absent(r"^budget\.lines\.", _line),
    Absent(r"usd_per_million_cached_input$", _no_price),
    Absent(r"usd_per_million_cached_input$", _always("no prompt tokens are found in a cache: give --prefix-hit")),
    Absent(r"^api$", _always("no offer by the token is given: ask again with --api-price IN,OUT")),
    Absent(r"^money\.ways\.", _way),
    Absent(MONEY, _no_price),
    Absent(r"^money\.owned", _always("nobody's purchase price of this part is in the catalog")),
    Absent(r"^laws\..*loss_nats$", _law_without_loss),
    Absent(r"^laws\..*reason$", _always("the law has an answer")),
    Absent(r"^objectives\.by_law\.|^serving_formats\.|^fixed\.|^reductions\.", _row),
    Absent(
        r"^fixed\..*saving_share$", _always("the first recipe in 16 bits, which others are measured by, does not run")
    ),
    Absent(r"^regret_band\.flop$", _always("its sizes are compared by the cost of a life, not at one compute")),
    Absent(r"^precisions\.", _format),
    Absent(r"ratio_to_pairs$", _always("no published pairs of so many bits are there to hold the law against")),
    Absent(r"\.against$", _always("no published pairs say otherwise than the verdict")),
    Absent(
        r"^precisions\..*(pays_up_to_share|tokens_factor)", _always("the speed-up meets no such point under this law")
    ),
    Absent(r"^limits\.time\.chance$", _always("the days of pools beside each other are not drawn together")),
    Absent(r"^limits\.budget\.chance$", _always("at a certainty other than even odds the figures are no medians")),
    Absent(r"^risk\.limits\..*mend\.", _always("this alone would not keep the limit, or is not asked by it")),
    Absent(r"loss|^regret_band$|^margin|gap_nats|^objectives\.flip|demand_unit", _no_loss),
    Absent(r"lifetime_cost$|^saving|^objectives\.deployment_optimal|flip_inference_tokens", NO_DEMAND),
    Absent(r"^objectives\.given", _always("no size is given: it was solved (objectives.training_optimal has it)")),
    Absent(r"^mixtures", _always("mixtures of experts were not asked for: ask again with --moe")),
    Absent(r"^data", _always("all tokens are taken as distinct: give --unique-tokens where they repeat")),
    Absent(r"^long_run", _always("the run is not so long that the years ahead would change it")),
    Absent(r"^distillation", _always("no teacher is given: ask again with --distill")),
    Absent(r"^sparsity", _always("no zeros among the weights are asked for: ask again with --sparsity")),
    Absent(r"^samples", _always("one answer a prompt is served: ask again with --samples")),
    Absent(r"prefill$", _always("prompts and output share their accelerators here: give --prefill and --decode")),
    Absent(r"^quality\.", _always("it is served in the bits that it was trained in")),
    Absent(r"slowest_network", _always("the system stands on the slowest network listed for the part")),
    Absent(r"^batch\.cheapest", _always("no other batch reaches this loss in clearly less time")),
    Absent(r"market_t_co2e$", _always("the catalog has no contract of this region's power, its grid alone")),
    Absent(r"software_mtbf_s$", _always("the facts of the fleet count no failures of software apart")),
    Absent(r"water_m3$", _always("the facts of the site do not say what its cooling takes")),
    Absent(r"paper_convention", _always("the vendor publishes no power rating of the part")),
    Absent(r"^like", _always("no measured run is like it")),
    Absent(r"^risk\.all_met", _always("no limits are given: time, deadline or budget")),
    Absent(r"deadline|resolved\.start", _always("no day is given: --start and --deadline")),
    Absent(r"^resolved\.model", _always("no model is named")),
)
