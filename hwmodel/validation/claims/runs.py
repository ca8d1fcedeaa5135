"""The arithmetic behind claims about published runs: days, FLOPs, tokens, carbon."""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.validation.claims.values import Given, Lookup, Values, as_number, best_for_flop, output

REFIT = "besiroglu_2024"
SECONDS_PER_DAY = 86400.0


def _days(flop: float, gpus: float, peak: float, mfu: float) -> float:
    """Days of training at a share of the peak."""
    return flop / (gpus * peak * mfu) / SECONDS_PER_DAY


def _train_flop(law: Lookup, params: float, tokens: float) -> float:
    """6 N D."""
    return output(law("flops_6nd"), "train_flop", params=params, tokens=tokens)


def llama_run(g: Given, law: Lookup) -> Values:
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


def budget_on_gpus(g: Given, law: Lookup) -> Values:
    """Days of a compute budget on a fleet at a utilisation, and the best sizes for it [parameters]."""
    return {
        "days": _days(g["flop"], g["gpus"], g["peak_flop_per_s"], g["mfu"]),
        "N_approach1": best_for_flop(law("chinchilla_2022/approach1"), g["flop"]).params,
        "N_refit": best_for_flop(law(REFIT), g["flop"]).params,
    }


def bert_run(g: Given, law: Lookup) -> Values:
    """Tokens and FLOPs of BERT's steps, with all sequences at full length and with the short ones counted short."""
    sequences = g["steps"] * g["batch"]
    longest = sequences * g["seq_len"]
    short = sequences * (g["short_share"] * g["short_seq_len"] + (1.0 - g["short_share"]) * g["seq_len"])
    cost = law("flops_6nd")
    return {
        "tokens_max": longest,
        "tokens_short_schedule": short,
        "flop_max": output(cost, "train_flop", params=g["params"], tokens=longest),
        "flop_short_schedule": output(cost, "train_flop", params=g["params"], tokens=short),
        "chips_actual": g["chips_actual"],
    }


def palm_run(g: Given, law: Lookup) -> Values:
    flop = output(law("flops_6nd"), "train_flop", params=g["params"], tokens=g["tokens"])
    return {"flop_6nd": flop, "chips": g["chips_actual"]}


def gpt3_over_bert(g: Given, law: Lookup) -> Values:
    """GPT-3's training compute over BERT's."""
    run: Values = {"params": g["bert_params"], "steps": 1e6, "batch": 256, "seq_len": 512, "short_seq_len": 128,
           "short_share": 0.9, "chips_actual": 16}  # fmt: skip
    bert = bert_run(Given(run), law)
    return {
        "ratio_max_tokens": g["gpt3_flop"] / as_number(bert["flop_max"]),
        "ratio_short_schedule": g["gpt3_flop"] / as_number(bert["flop_short_schedule"]),
        "ratio_from_the_claim_itself": g["claimed_gpt3_flop"] / g["claimed_bert_flop"],
    }


def flop_split(g: Given, law: Lookup) -> Values:
    c = law("flops_6nd").constants
    forward = c["inference_flop_per_param_token"]
    return {"forward": forward, "backward": c["train_flop_per_param_token"] - forward, "update": 0}


def baichuan(g: Given, law: Lookup) -> Values:
    """Tokens that the claimed FLOPs mean, and the FLOPs of the two sizes on the tokens used."""
    found: Values = {
        "D": g["flop"] / (6.0 * g["params"]),
        "C_7B_2.6T": _train_flop(law, g["params"], g["tokens_used"]),
        "C_13B_2.6T": _train_flop(law, g["params_large"], g["tokens_used"]),
    }
    return found | ({"flop_must_come_from": g.text("flop_must_come_from")} if "flop_must_come_from" in g else {})


def plateau(g: Given, law: Lookup) -> Values:
    return {"tokens_per_param": g["tokens"] / g["params"], "C": 6.0 * g["params"] * g["tokens"]}


def in_pf_days(g: Given, law: Lookup) -> Values:
    return {"pf_days": output(law("pf_day"), "pf_days", flop=g["flop"])}


def llama_carbon(g: Given, law: Lookup) -> Values:
    kwh = g["gpu_hours"] * g["kw_per_gpu"] * g["pue"]
    return {"llama65b_mwh": kwh / 1e3, "llama65b_tco2e": kwh * g["kg_co2e_per_kwh"] / 1e3}


def gopher_table(g: Given, law: Lookup) -> Values:
    return {"mt_nlg_tokens_per_param": g["tokens"] / g["params"]}


def toy_error(g: Given, law: Lookup) -> Values:
    low, high = (g["k"] * n ** g["exponent"] + g["offset"] for n in (1e6, 1e9))
    return {"error_at_1e6": low, "error_at_1e9": high}


RUN_FUNCTIONS: tuple[Callable[[Given, Lookup], Values], ...] = (
    llama_run, budget_on_gpus, bert_run, palm_run, gpt3_over_bert, flop_split, baichuan, plateau, in_pf_days,
    llama_carbon, gopher_table, toy_error,
)  # fmt: skip
