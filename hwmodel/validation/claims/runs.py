"""The arithmetic behind claims about published runs: days, FLOPs, tokens, carbon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hwmodel import laws
from hwmodel.specs.law import LawSpec

Given = Mapping[str, Any]
Numbers = dict[str, Any]
Lookup = Callable[[str], LawSpec]

REFIT = "besiroglu_2024"
SECONDS_PER_DAY = 86400.0


def _days(flop: float, gpus: float, peak: float, mfu: float) -> float:
    """Days of training at a share of the peak."""
    return flop / (gpus * peak * mfu) / SECONDS_PER_DAY


def _train_flop(law: Lookup, params: float, tokens: float) -> float:
    """6 N D."""
    return float(laws.evaluate(law("flops_6nd"), params=params, tokens=tokens)["train_flop"])


def llama_run(g: Given, law: Lookup) -> Numbers:
    """Days of a LLaMA run as claimed and at its actual size, and the utilisation that its hours imply."""
    peak, hours, actual = g["peak_flop_per_s"], g["gpu_hours_actual"], g["params_actual"]
    claimed, at_70b, at_65b = (_train_flop(law, params, g["tokens"]) for params in (g["params"], 70e9, actual))
    return {
        "days_claimed_run": _days(claimed, g["gpus"], peak, g["mfu"]),
        "days_70B": _days(at_70b, 1024, peak, 0.55),
        "days_65.2B": _days(at_65b, 1024, peak, 0.55),
        "mfu_actual": at_65b / (hours * 3600.0 * peak),
        "days_actual": hours / g["gpus_actual"] / 24.0,
        "gpu_hours_actual": hours,
    }


def budget_on_gpus(g: Given, law: Lookup) -> Numbers:
    """Days of a compute budget on a fleet at a utilisation, and the best sizes for it [parameters]."""
    return {
        "days": _days(g["flop"], g["gpus"], g["peak_flop_per_s"], g["mfu"]),
        "N_approach1": laws.optimum_for_flop(law("chinchilla_2022/approach1"), g["flop"]).params,
        "N_refit": laws.optimum_for_flop(law(REFIT), g["flop"]).params,
    }


def bert_run(g: Given, law: Lookup) -> Numbers:
    """Tokens and FLOPs of BERT's steps, with all sequences at full length and with the short ones counted short."""
    sequences = g["steps"] * g["batch"]
    longest = sequences * g["seq_len"]
    short = sequences * (g["short_share"] * g["short_seq_len"] + (1.0 - g["short_share"]) * g["seq_len"])
    cost = law("flops_6nd")
    return {
        "tokens_max": longest,
        "tokens_short_schedule": short,
        "flop_max": laws.evaluate(cost, params=g["params"], tokens=longest)["train_flop"],
        "flop_short_schedule": laws.evaluate(cost, params=g["params"], tokens=short)["train_flop"],
        "chips_actual": g["chips_actual"],
    }


def palm_run(g: Given, law: Lookup) -> Numbers:
    flop = laws.evaluate(law("flops_6nd"), params=g["params"], tokens=g["tokens"])["train_flop"]
    return {"flop_6nd": flop, "chips": g["chips_actual"]}


def gpt3_over_bert(g: Given, law: Lookup) -> Numbers:
    """GPT-3's training compute over BERT's."""
    run = {"params": g["bert_params"], "steps": 1e6, "batch": 256, "seq_len": 512, "short_seq_len": 128,
           "short_share": 0.9, "chips_actual": 16}  # fmt: skip
    bert = bert_run(run, law)
    return {
        "ratio_max_tokens": g["gpt3_flop"] / bert["flop_max"],
        "ratio_short_schedule": g["gpt3_flop"] / bert["flop_short_schedule"],
        "ratio_from_the_claim_itself": g["claimed_gpt3_flop"] / g["claimed_bert_flop"],
    }


def flop_split(g: Given, law: Lookup) -> Numbers:
    c = law("flops_6nd").constants
    forward = c["inference_flop_per_param_token"]
    return {"forward": forward, "backward": c["train_flop_per_param_token"] - forward, "update": 0}


def baichuan(g: Given, law: Lookup) -> Numbers:
    """Tokens that the claimed FLOPs mean, and the FLOPs of the two sizes on the tokens used."""
    found = {
        "D": g["flop"] / (6.0 * g["params"]),
        "C_7B_2.6T": _train_flop(law, g["params"], g["tokens_used"]),
        "C_13B_2.6T": _train_flop(law, g["params_large"], g["tokens_used"]),
    }
    return found | ({"flop_must_come_from": g["flop_must_come_from"]} if "flop_must_come_from" in g else {})


def plateau(g: Given, law: Lookup) -> Numbers:
    return {"tokens_per_param": g["tokens"] / g["params"], "C": 6.0 * g["params"] * g["tokens"]}


def in_pf_days(g: Given, law: Lookup) -> Numbers:
    return {"pf_days": laws.evaluate(law("pf_day"), flop=g["flop"])["pf_days"]}


def llama_carbon(g: Given, law: Lookup) -> Numbers:
    kwh = g["gpu_hours"] * g["kw_per_gpu"] * g["pue"]
    return {"llama65b_mwh": kwh / 1e3, "llama65b_tco2e": kwh * g["kg_co2e_per_kwh"] / 1e3}


def gopher_table(g: Given, law: Lookup) -> Numbers:
    return {"mt_nlg_tokens_per_param": g["tokens"] / g["params"]}


def toy_error(g: Given, law: Lookup) -> Numbers:
    low, high = (g["k"] * n ** g["exponent"] + g["offset"] for n in (1e6, 1e9))
    return {"error_at_1e6": low, "error_at_1e9": high}


RUN_FUNCTIONS: tuple[Callable[[Given, Lookup], Numbers], ...] = (
    llama_run, budget_on_gpus, bert_run, palm_run, gpt3_over_bert, flop_split, baichuan, plateau, in_pf_days,
    llama_carbon, gopher_table, toy_error,
)  # fmt: skip
