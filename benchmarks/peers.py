"""Time of one evaluation: ours beside llm-analysis, mlsysim and genz-llm from PyPI, in one run.

    OMP_NUM_THREADS=1 python benchmarks/peers.py --install

Each peer lives in a virtual environment of its own under --envs (never in ours: their pins clash); --install makes the
missing ones. What cannot be installed is said so. Ratio to read: their time over ours of the same kind of question.
Their evaluations count fewer terms than ours; the questions are alike, not equal.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from serving_rate import serving_rates
from training_rate import training_rates

TIMER = """
import logging, time, warnings
logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")
def median(name, work, times=15):
    work()
    seen = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seen.append(time.perf_counter() - start)
    print("TIMED", name, sorted(seen)[times // 2])
"""
# Package -> the questions of it: a 66-70B model on 8 or more H100 or A100, training or serving.
PEERS = {
    "llm-analysis": """
from llm_analysis.analysis import LLMAnalysis
from llm_analysis.config import (ParallelismConfig, get_dtype_config_by_name, get_gpu_config_by_name,
                                 get_model_config_by_name)
def analysis(**sizes):
    return LLMAnalysis(get_model_config_by_name("facebook_opt-66b"), get_gpu_config_by_name("a100-sxm-80gb"),
                       get_dtype_config_by_name("w16a16e16"), ParallelismConfig(**sizes))
train, serve = analysis(tp_size=8, pp_size=8, dp_size=16), analysis(tp_size=8, pp_size=1)
median("training", lambda: train.training(batch_size_per_gpu=1, seq_len=2048, total_num_tokens=300e9))
median("serving", lambda: serve.inference(batch_size_per_gpu=16, seq_len=1024, num_tokens_to_generate=256))
""",
    "mlsysim": """
from mlsysim import Hardware, Models, Systems
from mlsysim.solvers import DistributedModel, ServingModel
model, fleet = Models.Language.Llama3_70B, Systems.Clusters.Training_1K
train, serve = DistributedModel(), ServingModel()
median("training", lambda: train.solve(model=model, fleet=fleet, batch_size=2048, tp_size=8, pp_size=4,
                                       microbatch_count=16, seq_len=4096))
median("serving", lambda: serve.solve(model=model, hardware=Hardware.Cloud.H100, seq_len=2048, batch_size=16))
""",
    "genz-llm": """
from GenZ import decode_moddeling, prefill_moddeling
ask = dict(model="meta-llama/Llama-3.1-70B", batch_size=64, input_tokens=2048, system_name="H100_GPU", bits="bf16",
           tensor_parallel=8, pipeline_parallel=1)
def both():
    prefill_moddeling(**ask)
    decode_moddeling(output_tokens=256, Bb=1, **ask)
median("serving", both, 7)
""",
}


def python_of(envs: Path, package: str, install: bool) -> Path | str:
    """The interpreter that has the package, or why there is none."""
    home = envs / package
    python = home / "bin" / "python"
    if not python.exists():
        if not install:
            return f"not installed (run with --install, or give --envs with {package}/bin/python)"
        venv.create(home, with_pip=True)
    if subprocess.run([python, "-m", "pip", "show", "-q", package], capture_output=True).returncode:
        if not install:
            return "not installed (run with --install)"
        made = subprocess.run([python, "-m", "pip", "install", "-q", package], capture_output=True, text=True)
        if made.returncode:
            return f"cannot be installed: {made.stderr.strip().splitlines()[-1]}"
    return python


def timed(python: Path, code: str) -> dict[str, float] | str:
    """Seconds of one evaluation by question, or why it did not run."""
    done = subprocess.run([python, "-I", "-c", TIMER + code], capture_output=True, text=True)
    found = {}
    for line in done.stdout.splitlines():
        if line.startswith("TIMED "):
            _, name, seconds = line.split()
            found[name] = float(seconds)
    if done.returncode or not found:
        return f"did not run: {(done.stderr.strip().splitlines() or ['no output'])[-1]}"
    return found


def version(python: Path, package: str) -> str:
    """Installed version of a package."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Print ours, then each peer with its ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "hwmodel-peers")
    parser.add_argument("--install", action="store_true", help="make the environments that are missing")
    given = parser.parse_args()
    ours = {"training": training_rates("llama-3.1-70b"), "serving": serving_rates("llama-3.1-70b", 100_000)}
    for kind, (rate, one) in ours.items():
        print(f"hwmodel, {kind}: {1e6 / rate:.2f} us an evaluation in columns, {1e3 * one:.2f} ms a single one")
    for package, code in PEERS.items():
        python = python_of(given.envs, package, given.install)
        found = python if isinstance(python, str) else timed(python, code)
        if isinstance(found, str):
            print(f"{package}: {found}")
            continue
        assert isinstance(python, Path)
        for kind, seconds in found.items():
            rate, one = ours[kind]
            print(
                f"{package} {version(python, package)}, {kind}: {1e3 * seconds:.2f} ms an evaluation, "
                f"{seconds * rate:,.0f} times ours in columns, {seconds / one:.2g} times a single one of ours"
            )


if __name__ == "__main__":
    sys.exit(main())
