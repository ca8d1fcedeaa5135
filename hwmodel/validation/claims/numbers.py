"""The numbers behind claims about scaling: each computation takes a claim's inputs and facts and asks the laws."""

from __future__ import annotations

import math
from collections.abc import Callable

from hwmodel import laws
from hwmodel.laws import form, precision
from hwmodel.specs.law import LawSpec
from hwmodel.validation.claims.runs import RUN_FUNCTIONS
from hwmodel.validation.claims.serving import SERVING_FUNCTIONS
from hwmodel.validation.claims.values import (
    Best,
    Given,
    Lookup,
    Values,
    best_for_flop,
    best_for_loss,
    loss,
    output,
    tokens_for,
)

REFIT, ROUNDED = "besiroglu_2024", "chinchilla_2022/approach3-rounded"


def _exponents(spec: LawSpec, flop: float = 1e22, factor: float = 10.0) -> tuple[float, float]:
    """Exponents of N and of D in compute, between two budgets."""
    low, high = best_for_flop(spec, flop), best_for_flop(spec, flop * factor)
    step = math.log(factor)
    a, b = math.log(high.params / low.params) / step, math.log(high.tokens / low.tokens) / step
    return a, b


def growth(g: Given, law: Lookup) -> Values:
    a, b = _exponents(law(g.text("law")), g["flop"])
    return {"exponent_a": a, "exponent_b": b, "tokens_by_params_exponent": b / a}


def accounting(g: Given, law: Lookup) -> Values:
    """6 N D at the optimum and away from it: the same constant."""
    cost = law("flops_6nd")
    best = tokens_for(law(REFIT), g["params"])
    factors = [
        output(cost, "train_flop", params=g["params"], tokens=d) / (g["params"] * d)
        for d in (best, 10.0 * best, g["tokens"])
    ]
    return {"flop_per_param_token": factors[0], "only_at_the_optimum": max(factors) - min(factors) > 1e-9}


def larger_on_same_data(g: Given, law: Lookup) -> Values:
    spec = law(g.text("law"))
    small = loss(spec, g["params"], g["tokens"])
    large = loss(spec, g["params"] * g["factor"], g["tokens"])
    return {"loss_small": small, "loss_large": large, "larger_is_worse": bool(large > small)}


def kaplan_joint(g: Given, law: Lookup) -> Values:
    """Constants, inputs and floor of Kaplan's joint law of size and data."""
    spec = law("kaplan_2020/L_ND")
    c = spec.constants
    inputs = form(spec.form).needs
    floor = float(laws.loss_floor(spec))
    return {"aN": c["aN"], "aD": c["aD"], "Nc": c["Nc"], "Dc": c["Dc"], "terms": len(inputs), "has_floor": floor > 0.0}


def kaplan_exponents(g: Given, law: Lookup) -> Values:
    """Exponents and scales of Kaplan's laws of size and of data, beside those of the joint law."""
    size, data, joint = (law(f"kaplan_2020/{n}") for n in ("L_N", "L_D", "L_ND"))
    a_size, a_data = float(size.constants["a"]), float(data.constants["a"])
    return {
        "aN": a_size,
        "aD": a_data,
        "aD_one_factor": a_data,
        "aD_joint": joint.constants["aD"],
        "Nc": size.constants["x0"],
        "Dc": data.constants["x0"],
        "exponent_N_opt": _exponents(law("kaplan_2020/N_opt"))[0],
        "larger": "aN" if a_size > a_data else "aD",
        "exponents_are_positive": a_size > 0.0 and a_data > 0.0,
        "L_at_N_1.5e9": output(size, "loss_nats", params=1.5e9),
    }


def kaplan_sizes(g: Given) -> Values:
    """The size of the exponents that a claim gives, whose sign may be the other one."""
    return {"aN_size": abs(g["aN"]), "aD_size": abs(g["aD"])} if "aN" in g else {}


def one_factor_limit(g: Given, law: Lookup) -> Values:
    """L(N) of the joint law: is it met at some fixed D, or only as D grows without bound?"""
    spec = law("kaplan_2020/L_ND")
    alone = laws.loss_floor(spec, params=g["params"])
    at_fixed, unlimited = loss(spec, g["params"], 20.0 * g["params"]), loss(spec, g["params"], 1e40)
    gap, gap_fixed = (abs(float(value / alone) - 1.0) for value in (unlimited, at_fixed))
    reached = gap < 1e-9 and gap_fixed > 1e-3
    return {"loss_unlimited": unlimited, "loss_fixed": at_fixed, "other_factor": "unlimited" if reached else "fixed"}


def kaplan_tenfold(g: Given, law: Lookup) -> Values:
    """Growth of size and data for more compute under Kaplan's law of the optimal size."""
    spec, factor = law("kaplan_2020/N_opt"), g["compute_factor"]
    a, b = _exponents(spec, factor=factor)
    n, d = factor**a, factor**b
    order = "size, data" if a > b else "data, size"
    return {"N_factor": n, "D_factor": d, "product": n * d, "exponent_ratio": a / b, "ranking": order}


def loss_exponents(g: Given, law: Lookup) -> Values:
    """Exponents of size and data, as printed and refitted."""
    printed, refit = law(ROUNDED).constants, law(REFIT).constants
    return {
        "alpha_printed": printed["alpha"],
        "beta_printed": printed["beta"],
        "alpha_refit": refit["alpha"],
        "beta_refit": refit["beta"],
        "a_from_refit": _exponents(law(REFIT))[0],
    }


def gopher_budget(g: Given, law: Lookup) -> Values:
    """The best sizes and tokens [parameters, tokens] for Gopher's compute under each approach."""

    def best(name: str) -> Best:
        """The optimum of one law for the budget."""
        return best_for_flop(law(name), g["flop"])

    rounded, refit = best(ROUNDED), best(REFIT)
    return {
        "N_rounded": rounded.params,
        "D_rounded": rounded.tokens,
        "D_per_N_rounded": rounded.tokens / rounded.params,
        "N_approach1": best("chinchilla_2022/approach1").params,
        "N_approach2": best("chinchilla_2022/approach2").params,
        "N_refit": refit.params,
        "D_refit": refit.tokens,
        "D_per_N_refit": refit.tokens / refit.params,
    }


def tenfold_by_exponents(g: Given, law: Lookup) -> Values:
    """Growth of size and data for ten times the compute, from exponents alone."""
    n, d = 10.0 ** g["exponent_N"], 10.0 ** g["exponent_D"]
    return {
        "N_factor": n,
        "D_factor": d,
        "N_factor_0.46": 10.0**0.46,
        "D_factor_0.54": 10.0**0.54,
        "factor_0.5": 10**0.5,
    }


def fit_range(g: Given, law: Lookup) -> Values:
    span = law(g.text("law")).fit_params
    return {"n_max": span[1] if span else None}


def practice(g: Given, law: Lookup) -> Values:
    counts = sorted(g.counts("tokens_before"))
    return {"typical_tokens_before": counts[len(counts) // 2], "tokens_exponent": _exponents(law(g.text("law")))[1]}


def tokens_for_size(g: Given, law: Lookup) -> Values:
    # approach 3 with 0.336 and 0.283: the constants that reproduce its Table A3 best
    names = {"D_approach1": "chinchilla_2022/approach1", "D_refit": REFIT, "D_approach3": "sardana_2024"}
    return {key: tokens_for(law(name), g["params"]) for key, name in names.items()}


def rule_of_twenty(g: Given, law: Lookup) -> Values:
    """What the rule D = 20 N makes of D, or of C = 6 N D, at a size."""
    tokens = 20.0 * g["params"]
    flop = output(law("flops_6nd"), "train_flop", params=g["params"], tokens=tokens)
    return {"actual": {"C": flop, "D": tokens}[g.text("left")], "C_over_N_squared": flop / g["params"] ** 2}


def rule_value(g: Given) -> Values:
    """What a claim says that the rule makes of a size."""
    return {"value": g["factor"] * g["params"]}


def stated(g: Given, law: Lookup) -> Values:
    """Nothing to compute: the claim is held against what its evidence states."""
    return {}


def gpt4_unit(g: Given, law: Lookup) -> Values:
    return {"unit": law("gpt4_loss").loss_unit, "nats_per_bit": math.log(2.0)}


def llama_7b(g: Given, law: Lookup) -> Values:
    """Compute of LLaMA 7B beyond the least for its loss, under two laws, and the optimum of equal loss."""
    n, d = g["params_used"], g["tokens_used"]
    refit, devries = law(REFIT), law("sardana_2024")

    def overhead(spec: LawSpec) -> float:
        """Training compute beyond the least for the same loss, as a share."""
        return 6.0 * n * d / best_for_loss(spec, loss(spec, n, d)).flop - 1.0

    equal = best_for_loss(refit, loss(refit, n, d))
    return {
        "D_10B": tokens_for(refit, g["params"]),
        "overhead_devries": overhead(devries),
        "overhead_refit": overhead(refit),
        "N_equal_loss_refit": equal.params,
        "D_equal_loss_refit": equal.tokens,
        "n_used": n,
        "tokens_used": d,
        "keeps_improving": bool(loss(refit, n, 1.1 * d) < loss(refit, n, d) - 1e-4),
    }


def bits(g: Given, law: Lookup) -> Values:
    """Bits with the most effective parameters a bit (arXiv 2411.04330), and at one size for two budgets."""
    c = law("kumar_2024").constants
    best = precision.best_bits(c)

    def worth(p: float) -> float:
        """Effective parameters a bit."""
        return float(precision.kumar_factor(c, p, p, p)) / p

    # at one size, more data (a larger budget) moves the best bits up; with the size free they stay
    fixed = [_bits_at_size(c, 1e9, flop) for flop in (1e20, 1e23)]
    return {
        "optimal_bits": best,
        "optimal_bits_n_free": best,
        "both_suboptimal": max(worth(g["bits_high"]), worth(g["bits_low"])) < worth(best),
        "optimal_bits_fixed_size": fixed,
        "rises_only_when_size_is_fixed": fixed[1] > fixed[0] + 0.5,
    }


def _bits_at_size(c: dict[str, float], params: float, flop: float) -> float:
    """Bits of least loss at one size when the budget (6/16) N D P leaves fewer tokens to more bits."""
    grid = [3.5 + 0.05 * i for i in range(250)]

    def loss(p: float) -> float:
        """Loss at so many bits, the budget held."""
        tokens = flop * 16.0 / (6.0 * params * p)
        share = float(precision.kumar_factor(c, p, p, p))
        return float(c["A"] * (params * share) ** -c["alpha"] + c["B"] * tokens ** -c["beta"])

    return min(grid, key=loss)


def data_law(g: Given, law: Lookup) -> Values:
    return {"paper_actual": law("muennighoff_2023").source}


def transfer_law(g: Given, law: Lookup) -> Values:
    spec = law("hernandez_2021")
    c = spec.constants
    return {"k_text_to_python": c["k"], "a": c["a"], "b": c["b"], "organisation": _organisation(spec)}


def emergence_law(g: Given, law: Lookup) -> Values:
    return {"organisation": _organisation(law("wei_emergent_2022"))}


def _organisation(spec: LawSpec) -> str:
    return spec.authors.partition("(")[2].rstrip(")")


def lottery(g: Given, law: Lookup) -> Values:
    return {"is_a_scaling_law": not law("frankle_2019").refusal}


def crossover(g: Given, law: Lookup) -> Values:
    """Compute above which Kaplan's N (non-embedding) exceeds Chinchilla's (approach 1): a root in log C."""
    kaplan, chinchilla = law("kaplan_2020/N_opt"), law("chinchilla_2022/approach1")
    low, high = math.log(1e10), math.log(1e30)
    for _ in range(80):
        mid = 0.5 * (low + high)
        flop = math.exp(mid)
        above = best_for_flop(kaplan, flop).params > best_for_flop(chinchilla, flop).params
        low, high = (low, mid) if above else (mid, high)
    return {"crossover_flop": math.exp(low)}


def on_the_curve(g: Given, law: Lookup) -> Values:
    """Tokens a parameter of published models, and how far their data lie from the optimum of their size."""
    found: Values = {}
    for name in ("palm", "gpt3", "llama_65b", "llama_7b", "bloomberggpt"):
        n, d = g[f"{name}_params"], g[f"{name}_tokens"]
        ratio = d / tokens_for(law(REFIT), n)
        found |= {name: d / n, f"{name}_off": max(ratio, 1.0 / ratio)}
    return found


def data_and_size(g: Given, law: Lookup) -> Values:
    """Loss that twice the data save at two sizes: the data term knows no size."""
    spec = law(g.text("law"))
    small, large = (loss(spec, n, g["tokens"]) - loss(spec, n, 2.0 * g["tokens"]) for n in (g["small"], g["large"]))
    early, late = (law(f"deepseek_llm_2024/{n}").constants["a_params"] for n in ("early-data", "openwebtext2"))
    return {"gain_small": small, "gain_large": large, "helps_small_more": bool(small > large * (1.0 + 1e-9)),
            "exponent_low": early, "exponent_high": late}  # fmt: skip


def independent_scales(g: Given, law: Lookup) -> Values:
    """Rank of (log N, log D, log C) over runs that spread freely in N and D, with C = 6 N D."""
    import numpy as np

    rng = np.random.default_rng(0)
    n, d = np.exp(rng.uniform(15.0, 25.0, 50)), np.exp(rng.uniform(20.0, 30.0, 50))
    c = laws.evaluate(law("flops_6nd"), params=n, tokens=d)["train_flop"]
    logs = np.log(np.stack([n, d, c]))
    return {"independent_variables": int(np.linalg.matrix_rank(logs - logs.mean(axis=1, keepdims=True), tol=1e-8))}


def error_by_compute(g: Given, law: Lookup) -> Values:
    """Reducible loss after ten times the compute, by law."""

    def reducible(name: str) -> float:
        """Reducible loss at ten times the compute, over that before."""
        spec = law(name)
        low, high = (best_for_flop(spec, c) for c in (1e22, 1e23))
        floor = laws.loss_floor(spec)
        before, after = (loss(spec, best.params, best.tokens) - floor for best in (low, high))
        return float(after / before)

    by_compute = law("kaplan_2020/L_Cmin")
    kaplan = [output(by_compute, "loss_nats", flop=c) for c in (1e22, 1e23)]
    return {
        "compute_factor": g["error_factor"] ** (-1.0 / g["exponent"]),
        "factor_at_10x": 10.0 ** -g["exponent"],
        "kaplan_factor_at_10x": kaplan[1] / kaplan[0],
        "reducible_factor_refit": reducible(REFIT),
        "reducible_factor_rounded": reducible(ROUNDED),
    }


_FUNCTIONS = (
    growth, accounting, larger_on_same_data, kaplan_joint, kaplan_exponents, one_factor_limit, kaplan_tenfold,
    loss_exponents, gopher_budget, tenfold_by_exponents, fit_range, practice, tokens_for_size, rule_of_twenty, stated,
    gpt4_unit, llama_7b, bits, data_law, transfer_law, emergence_law, lottery, crossover, on_the_curve, data_and_size,
    independent_scales, error_by_compute,
)  # fmt: skip
# What a claim asserts in other words than its inputs, by the computation that answers it.
ASSERTED: dict[str, Callable[[Given], Values]] = {"kaplan_exponents": kaplan_sizes, "rule_of_twenty": rule_value}
COMPUTE: dict[str, Callable[[Given, Lookup], Values]] = {
    f.__name__: f for f in (*_FUNCTIONS, *RUN_FUNCTIONS, *SERVING_FUNCTIONS)
}
