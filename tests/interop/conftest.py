"""Answers to export, the recorded names of the tools, and the way there and back."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.interop.export import launch_files
from hwmodel.interop.launch_in import read_launch
from hwmodel.interop.launch_in.question import question
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.train import TrainResult, train
from hwmodel.specs import Shape
from tests.interop import record_names

Answer = dict[str, Any]
# A dense 70B, a mixture of 235B and a long-context 8B: what every target is written for. Layouts that all of them take
# stand beside those that the search prefers.
QUESTIONS: dict[str, dict[str, str]] = {
    "dense-70b": {"model": "llama-3.1-70b", "gpus": "512xH100", "tokens": "1T", "tp": "8", "pp": "4", "vpp": "4",
                  "zero": "1", "recompute": "none", "micro_batch": "1", "cp": "1", "global_batch": "2048"},
    "mixture-235b": {"model": "qwen3-235b-a22b", "gpus": "512xH100", "tokens": "500B", "tp": "4", "pp": "2", "vpp": "1",
                     "ep": "32", "zero": "1", "recompute": "full", "micro_batch": "1", "global_batch": "1024"},
    "mixture-30b": {"model": "qwen3-30b-a3b", "gpus": "128xH100", "tokens": "500B", "tp": "4", "pp": "2", "vpp": "1",
                    "ep": "8", "zero": "1", "recompute": "full", "micro_batch": "1", "global_batch": "1024"},
    "long-8b": {"model": "llama-3.1-8b", "gpus": "64xH100", "tokens": "100B", "seq_len": "131072", "cp": "8", "tp": "1",
                "pp": "1", "zero": "3", "recompute": "full", "micro_batch": "1", "global_batch": "32"},
    "sharded-235b": {"model": "qwen3-235b-a22b", "gpus": "512xH100", "tokens": "500B", "tp": "1", "pp": "1", "ep": "8",
                     "zero": "3", "recompute": "full", "micro_batch": "1", "global_batch": "1024"},
    "sharded-70b": {"model": "llama-3.1-70b", "gpus": "256xH100", "tokens": "1T", "tp": "1", "pp": "1", "cp": "1",
                    "zero": "3", "recompute": "full", "micro_batch": "1", "global_batch": "1024"},
}  # fmt: skip


def plain(data: Any) -> Answer:
    """What a saved file holds."""
    text: Answer = json.loads(json.dumps(data, default=str).replace("Infinity", "null"))
    return text


@pytest.fixture(scope="session")
def answers() -> dict[str, Answer]:
    """Plans of the questions, as saved."""
    return {name: plain(plan(**question).to_dict()) for name, question in QUESTIONS.items()}


@pytest.fixture(scope="session")
def models() -> list[Shape]:
    return [entry.shape for entry in load_catalog().models() if entry.shape is not None]


@pytest.fixture(scope="session")
def recorder() -> ModuleType:
    """The script that reads names out of packages."""
    return record_names


@pytest.fixture
def there_and_back(tmp_path: Path, models: list[Shape]) -> Callable[..., TrainResult]:
    """Export an answer to a target, read the file that holds its settings, and predict what was read."""

    def go(answer: Answer, target: str, opens: str, strip: bool = False, **given: str) -> TrainResult:
        written = launch_files(answer, (target,), "the answer")
        for name, text in written.files.items():
            path = tmp_path / target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = [line for line in text.splitlines() if not (strip and "hwmodel:" in line)]
            path.write_text("\n".join(kept) + "\n")
        read = read_launch(tmp_path / target / opens)
        return train(sequence_parallel=read.sequence_parallel, **question(read, given, models))

    return go


def random_question(rng: random.Random) -> dict[str, str]:
    """A layout that a trainer accepts, of a model at random."""
    model, heads, depth, experts = rng.choice(
        [("llama-3.1-70b", 8, 80, 0), ("llama-3.1-8b", 8, 32, 0), ("qwen3-235b-a22b", 4, 94, 128),
         ("qwen3-32b", 8, 64, 0), ("llama-3.1-405b", 8, 126, 0), ("deepseek-v3", 8, 61, 256),
         ("qwen3-30b-a3b", 4, 48, 128)]
    )  # fmt: skip
    tp = rng.choice([t for t in (1, 2, 4, 8) if t <= heads])
    pp = rng.choice([p for p in (1, 1, 2, 4, 8) if p <= depth])
    vpp = rng.choice([1, 2, 4]) if pp > 1 and depth % (pp * 4) == 0 else 1
    seq_len = rng.choice([4096, 8192, 32768])
    cp = rng.choice([1, 2]) if seq_len > 8192 else 1
    dp, micro = rng.choice([8, 16, 32, 64]), rng.choice([1, 1, 2])
    ep = rng.choice([e for e in (1, 4, 8) if dp % e == 0]) if experts else 1
    zero = rng.choice([0, 1, 2, 3] if pp == 1 else [0, 1])
    modules = "layernorm,moe" if experts else "layernorm,mlp"
    return {
        "model": model, "gpus": f"{tp * pp * cp * dp}xH100", "tp": str(tp), "pp": str(pp), "vpp": str(vpp),
        "cp": str(cp), "ep": str(ep), "zero": str(zero),
        "micro_batch": str(micro),
        "recompute": rng.choice(["none", "selective", "full", "50%", modules]), "seq_len": str(seq_len),
        "global_batch": str(dp * micro * pp * rng.choice([2, 4])), "precision": rng.choice(["bf16", "bf16", "fp8"]),
        "offload": rng.choice(["none", "none", "activations", *(["optimizer"] if zero else [])]),
        **({"etp": str(rng.choice([1, tp]))} if experts else {}),
    }  # fmt: skip


@pytest.fixture(scope="session")
def random_answers() -> list[tuple[dict[str, str], TrainResult]]:
    """Fifty layouts at random; whether they fit does not matter to what a file says."""
    rng = random.Random(22)
    out = []
    for _ in range(50):
        asked = random_question(rng)
        out.append((asked, train(sequence_parallel=rng.random() < 0.8, **asked)))
    return out
