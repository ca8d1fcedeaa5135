"""What the intervals of `hwmodel fit` cover: the floor on synthetic runs, predictions on the dearest runs of papers.

OMP_NUM_THREADS=1 python benchmarks/fit_coverage.py [SETS]

SETS synthetic sets a design (default 250; two minutes). The designs differ in layout, number of runs and scatter, and
none has the scatter that the interval assumes.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from hwmodel.errors import InputError
from hwmodel.laws.fit_floor import floor_profile
from hwmodel.laws.fit_loss import additive_model, predict_the_dearest
from hwmodel.laws.fit_slices import fit_isoflop
from hwmodel.laws.fitting import minimise

DATA = Path(__file__).parents[1] / "tests" / "data"
TRUTH = {"E": 1.8, "A": 480.0, "B": 2085.0, "alpha": 0.35, "beta": 0.366}
THETA = np.array([[np.log(TRUTH["A"]), np.log(TRUTH["B"]), np.log(TRUTH["E"]), TRUTH["alpha"], TRUTH["beta"]]])
DESIGNS = {
    "64 runs, 8 sizes x 8 ratios, normal 0.3 %": 0,
    "150 runs at random, normal 0.5 %": 1,
    "240 runs laid out as Chinchilla's, Student t (3) 0.4 %": 2,
    "30 runs, 5 budgets x 6 sizes, normal 0.2 %": 3,
    "47 runs laid out as Sardana's, Laplace 0.6 %": 4,
}


def columns(name: str, *headers: str, **where: str) -> list[np.ndarray]:
    with (DATA / name).open() as stream:
        rows = [r for r in csv.DictReader(stream) if all(r[k] == v for k, v in where.items())]
    return [np.array([float(r[h]) for r in rows]) for h in headers]


def layout(design: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(params, tokens, scatter of log loss) of one synthetic set."""
    if design == 0:
        n, ratio = (g.ravel() for g in np.meshgrid(np.geomspace(5e7, 5e9, 8), np.geomspace(5, 200, 8)))
        return n, n * ratio, 0.003 * rng.standard_normal(64)
    if design == 1:
        n, d = (np.exp(rng.uniform(np.log(a), np.log(b), 150)) for a, b in ((5e7, 2e10), (1e9, 5e11)))
        return n, d, 0.005 * rng.standard_normal(150)
    if design == 2:
        n, d = columns("chinchilla_runs.csv", "n_params", "tokens", used_in_replication="1")
        return n, d, 0.004 * rng.standard_t(3, len(n))
    if design == 3:
        c, ratio = (g.ravel() for g in np.meshgrid(np.geomspace(1e19, 1e21, 5), np.geomspace(3, 200, 6)))
        n = (c / 6.0 / ratio) ** 0.5
        return n, n * ratio, 0.002 * rng.standard_normal(30)
    n, d = columns("beyond_chinchilla_runs.csv", "n_params", "tokens")
    return n, d, 0.006 * rng.laplace(size=len(n))


def floor_coverage(design: int, sets: int) -> tuple[float, float]:
    """(share of sets whose 80 % interval of the floor holds the true one, median width)."""
    held, widths = [], []
    for seed in range(sets):
        n, d, scatter = layout(design, np.random.default_rng([design, seed]))
        loss = TRUTH["E"] + TRUTH["A"] * n ** -TRUTH["alpha"] + TRUTH["B"] * d ** -TRUTH["beta"]
        model = additive_model(n, d, loss * np.exp(scatter))
        best, least = minimise(model, THETA, tolerance=1e-15)
        span = floor_profile(model, best[0], float(least[0]), 2)
        low, high = span.low or 0.0, float("inf") if span.high is None else span.high
        held.append(low <= TRUTH["E"] <= high)
        widths.append(high - low)
    return float(np.mean(held)), float(np.median(widths))


def slope_coverage(sets: int) -> float:
    """Share of sets whose 80 % interval of the iso-FLOP exponent holds the true one."""
    truth = TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])
    held = []
    for seed in range(sets):
        rng = np.random.default_rng([9, seed])
        c, offset = (g.ravel() for g in np.meshgrid(np.geomspace(1e18, 1e21, 7), np.geomspace(0.25, 4.0, 9)))
        best = (TRUTH["alpha"] * TRUTH["A"] / TRUTH["beta"] / TRUTH["B"]) ** (
            1.0 / (TRUTH["alpha"] + TRUTH["beta"])
        ) * (c / 6.0) ** truth
        n = best * offset * np.exp(rng.uniform(-0.2, 0.2, len(c)))
        d = c / 6.0 / n
        loss = TRUTH["E"] + TRUTH["A"] * n ** -TRUTH["alpha"] + TRUTH["B"] * d ** -TRUTH["beta"]
        try:
            fit = fit_isoflop(n, c, loss * np.exp(0.003 * rng.standard_normal(len(c))))
        except InputError:
            continue
        held.append(fit.a_params_low <= truth <= fit.a_params_high)
    return float(np.mean(held))


def papers() -> dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray, bool]]]:
    """The runs of five papers, one or more sets each: (params, tokens, loss, tied exponents)."""
    n, d, u, loss = columns("data_constrained_runs.csv", "n_params", "tokens", "unique_tokens", "val_loss_nats",
                            in_outlier_removed_set="1")  # fmt: skip
    fresh = d <= 1.01 * u
    over = [
        (*columns("overtraining_runs.csv", "n_params", "tokens", "loss_c4_eval", train_data=corpus), True)
        for corpus in ("c4_original", "rpj", "rw_original")
    ]
    tuned = [
        (*columns("isoflop_runs.csv", "n_params", "tokens", "loss", train_data=corpus, hparams="tuned",
                  param_count="standard"), False)
        for corpus in ("rw", "owt2")
    ]  # fmt: skip
    chinchilla = columns("chinchilla_runs.csv", "n_params", "tokens", "loss_nats", used_in_replication="1")
    sardana = columns("beyond_chinchilla_runs.csv", "n_params", "tokens", "loss_smoothed")
    return {
        "Chinchilla": [(*chinchilla, False)],
        "Sardana": [(*sardana, False)],
        "Gadre, three corpora": over,
        "Muennighoff, all runs and those of one epoch": [(n, d, loss, False), (n[fresh], d[fresh], loss[fresh], False)],
        "Porian, two corpora": tuned,
    }


def main() -> None:
    """Print the coverage of floors, exponents and forecasts; the first argument is how many synthetic sets to draw."""
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    print(f"Floor, 80 % promised, {sets} synthetic sets each")
    for name, design in DESIGNS.items():
        covered, width = floor_coverage(design, sets)
        print(f"  {name:55s} {100 * covered:4.0f} %   width {width:.3f}")
    print(f"Iso-FLOP exponent, 80 % promised, {sets} sets: {100 * slope_coverage(sets):.0f} %")
    shares = (0.6, 0.5, 0.4, 0.3, 0.2)
    print("Predictions: the cheaper runs, fitted alone, against the dearest 30 %, and 20 to 60 %; 80 % promised")
    dearest, all_splits = [], []
    for name, several in papers().items():
        found = {
            s: [predict_the_dearest(n, d, loss, tied=tied, share=s) for n, d, loss, tied in several] for s in shares
        }
        each = [h for h in found[0.3] if h is not None]
        dearest.append(float(np.mean([h.covered for h in each])))
        all_splits.append(float(np.mean([h.covered for hs in found.values() for h in hs if h is not None])))
        shown = ", ".join(f"{100 * h.covered:.0f} % of {h.runs}" for h in each)
        print(
            f"  {name:46s} {shown}; {max(h.decades for h in each):.1f} decades; all splits {100 * all_splits[-1]:.0f} %"
        )
    means = [100 * float(np.mean(each)) for each in (dearest, all_splits)]
    print(f"  mean over papers {means[0]:.0f} %; all splits {means[1]:.0f} %")


if __name__ == "__main__":
    main()
