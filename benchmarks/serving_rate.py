"""Serving configurations evaluated a second on one core: decode and prefill terms, cold, in blocks that fit the cache.

    python benchmarks/serving_rate.py [--count 1000000] [--block 8192]

Prints the rate, the time of one evaluation with plain numbers, and the ratio of both.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import decode_terms, prefill_terms
from hwmodel.predict.formats import formats_of
from hwmodel.specs.serving import ServingLayout


def serving_rates(model: str, count: int = 1_000_000, block: int = 8192) -> tuple[float, float]:
    """Configurations a second in columns, and seconds of one plain evaluation: all terms of decode and prefill."""
    catalog = load_catalog()
    shape, part = catalog.model(model), catalog.part("h200")
    recipe = catalog.serving_precision("fp8")
    m = machine(part, catalog.default_system(part.id), recipe, kernel_calibration())
    formats = formats_of(shape, recipe)
    engine = engine_of(serving_calibration(), "trtllm", family=part.family, recipe="fp8")
    rng = np.random.default_rng(0)
    tp = 2.0 ** rng.integers(0, 4, count)
    batch = rng.uniform(1, 512, count)
    context = rng.uniform(128, 32768, count)
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        for at in range(0, count, block):
            cut = slice(at, at + block)
            layout = ServingLayout(tp=tp[cut])
            decode_terms(shape, m, formats, layout, engine, batch[cut], context[cut])
            prefill_terms(shape, m, formats, layout, engine, context[cut], context[cut])
        best = min(best, time.perf_counter() - start)
    start = time.perf_counter()
    for _ in range(200):
        decode_terms(shape, m, formats, ServingLayout(tp=8.0), engine, 64.0, 2048.0)
        prefill_terms(shape, m, formats, ServingLayout(tp=8.0), engine, 2048.0, 2048.0)
    return count / best, (time.perf_counter() - start) / 200


def serve_s(model: str) -> float:
    """Processor seconds of `hwmodel serve` over every part, the interpreter's start included: the best of three."""
    command = [sys.executable, "-m", "hwmodel", "serve", "--model", model, "--demand", "200 req/s", "--tpot", "50ms"]
    seen = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "--parts", "all"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seen.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seen)


def main() -> None:
    """Print serving configurations a second, in blocks and one at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="llama-3.1-70b")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--block", type=int, default=8192)
    given = parser.parse_args()
    rate, one = serving_rates(given.model, given.count, given.block)
    print(f"{given.model}: {rate / 1e6:.2f} M configurations/s (decode and prefill terms, {given.count:,} distinct)")
    for model in ("llama-3.1-70b", "deepseek-v3"):
        print(f"serve over all parts, formats, layouts and batches, cold: {serve_s(model):.2f} s ({model}; bar 1 s)")
    print(f"one evaluation with plain numbers: {1e3 * one:.3f} ms; columns are {rate * one:,.0f} times faster")


if __name__ == "__main__":
    main()
