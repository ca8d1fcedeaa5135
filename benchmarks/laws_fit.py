"""Speed of the laws, as ratios in one run on one core: fitting the 240 Chinchilla runs, a posterior, one cold command.

OMP_NUM_THREADS=1 python benchmarks/laws_fit.py

Reference for the fit: a plain loop of scipy's BFGS with the same analytic gradient over a sample of the starts, and
the package `chinchilla` (PyPI) where it is installed.
"""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwmodel import laws
from hwmodel.catalog.laws import read_law
from hwmodel.catalog.places import catalog_root
from hwmodel.laws.fit_loss import additive_model, additive_starts, fit_additive
from hwmodel.laws.fitting import gradient, minimise, objective
from hwmodel.laws.lifetime import lifetime_optimum

RUNS = Path(__file__).parents[1] / "tests" / "data" / "chinchilla_runs.csv"
SAMPLE = 60  # starts of the plain loop


def runs() -> tuple[np.ndarray, ...]:
    with RUNS.open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["used_in_replication"] == "1"]
    return tuple(np.array([float(r[c]) for r in rows]) for c in ("n_params", "tokens", "loss_nats"))


def seconds(work: Callable[[], object], repeats: int = 3, clock: Callable[[], float] = time.process_time) -> float:
    """Least seconds of processor time over the repeats (other work on the machine does not count)."""
    best = float("inf")
    for _ in range(repeats):
        start = clock()
        work()
        best = min(best, clock() - start)
    return best


def plain_loop(data: tuple[np.ndarray, ...]) -> float:
    """Seconds a start of scipy's BFGS."""
    from scipy.optimize import minimize

    model = additive_model(*data)
    chosen = additive_starts()[np.random.default_rng(0).choice(4500, SAMPLE, replace=False)]

    def all_of_them() -> None:
        for start in chosen:
            minimize(
                lambda t: 1e3 * objective(model, t[None])[0], start, jac=lambda t: 1e3 * gradient(model, t[None])[0]
            )

    return seconds(all_of_them, 1) / SAMPLE


def peer(data: tuple[np.ndarray, ...]) -> float | None:
    """Seconds a start of the package `chinchilla`, if it is installed."""
    if importlib.util.find_spec("chinchilla") is None:
        return None
    import tempfile

    import pandas
    from chinchilla import Chinchilla

    with tempfile.TemporaryDirectory() as folder:
        n, d, loss = data
        pandas.DataFrame({"C": 6 * n * d, "N": n, "D": d, "loss": loss}).to_csv(f"{folder}/df.csv", index=False)
        grid = {"E": [1.0, 2.0], "A": [1.0, 1e3], "B": [1.0, 1e3], "alpha": [0.2, 0.5], "beta": [0.2, 0.5]}
        model = Chinchilla(folder, param_grid=grid, seed_ranges={"C": (1e18, 1e19), "N_to_D": (10, 30)}, log_level=50)
        return seconds(model.fit, 1) / 32


def cold(*arguments: str) -> float:
    return seconds(lambda: subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL), 9, time.perf_counter)


def main() -> None:
    """Print seconds of fits, bootstraps and posteriors, and their ratios."""
    data = runs()
    model = additive_model(*data)
    starts = seconds(lambda: minimise(model, additive_starts(), iterations=150))
    total = seconds(lambda: fit_additive(*data))
    loop = plain_loop(data)
    print(f"4,500 starts                     {starts:6.2f} s  ({starts / 4500 * 1e3:.2f} ms a start)")
    print(f"4,500 starts + 4,000 bootstraps  {total:6.2f} s  (bar: 3 s)")
    print(
        f"plain scipy loop                 {loop * 1e3:6.2f} ms a start: ours is {loop / (starts / 4500):.0f}x faster"
    )
    other = peer(data)
    if other is not None:
        faster = other / (starts / 4500)
        print(f"chinchilla (PyPI)                {other * 1e3:6.1f} ms a start: ours is {faster:.0f}x faster")
    spec = read_law([catalog_root()], "besiroglu_2024")
    drawn = laws.draws(spec, 4000)
    goal = laws.loss(drawn, 70e9, 1.4e12)
    posterior = seconds(lambda: lifetime_optimum(drawn, goal, 2e12))
    print(f"posterior of a lifetime optimum  {posterior:6.3f} s for 4,000 draws  (bar: 1 s)")
    numpy_s = cold(sys.executable, "-c", "import numpy")
    tool = str(Path(sys.executable).parent / "hwmodel")
    command = cold(tool, "law", "optimum", "besiroglu_2024", "--flops", "5.76e23")
    print(f"law optimum, cold                {command:6.3f} s = {command / numpy_s:.2f}x import numpy  (bar: 2x)")


if __name__ == "__main__":
    main()
