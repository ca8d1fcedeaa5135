"""Whole questions drawn from a seed: `plan`, `compare`, `train` and `serve`, as a user would type them."""

from __future__ import annotations

import random
from typing import Any

from hwmodel.catalog import load_catalog

CATALOG = load_catalog()
PARTS = [*(p.id for p in CATALOG.parts()), "H100", "A100", "V100", "MI300X", "B200", "GB200", "trn2", "v5p", "L40S"]
BOXES = ["2xp5.48xlarge", "4xdgx-h100", "2xGB200-NVL72", "v5p-128", "v6e-256", "8xa3-highgpu-8g"]
MODELS = [m.id for m in CATALOG.models() if m.shape is not None]
SIZES = ["30M", "300M", "1B", "7B", "13B", "70B", "400B", "2T"]
RECIPES = ["bf16", "fp8", "fp8-block", "mxfp8", "nvfp4", "fp16", "tf32"]
SERVED = ["bf16", "fp8", "nvfp4", "w4a16", "w8a16", "fp16"]
COUNTS = [1, 2, 3, 7, 8, 12, 16, 24, 64, 100, 129, 500, 512, 1000, 1024, 4096, 16384]
Asked = dict[str, Any]


def fleet(draw: random.Random) -> str:
    """A number of accelerators, or of a cloud's boxes."""
    if draw.random() < 0.06:
        return draw.choice(BOXES)
    return f"{draw.choice(COUNTS)}x{draw.choice(PARTS)}"


def size(draw: random.Random) -> Asked:
    """A size, a model or neither."""
    return draw.choice([{}, {"params": draw.choice(SIZES)}, {"model": draw.choice(MODELS)}])


def _limits(draw: random.Random) -> Asked:
    kinds: list[Asked] = [
        {"tokens": draw.choice(["100M", "1B", "50B", "1.4T", "15T"])}, {"flops": f"1e{draw.randint(16, 27)}"},
        {"time": draw.choice(["1h", "1d", "30d", "1y"])}, {"budget": draw.choice(["$100", "$10k", "$3M", "$1B"])},
        {"loss": draw.choice(["1.8", "2.2", "3.5"])},
    ]  # fmt: skip
    asked: Asked = {}
    for one in draw.sample(kinds, draw.choice([1, 1, 1, 2])):
        asked |= one
    return asked


def _refined(draw: random.Random) -> Asked:
    """An option or two that refine a run."""
    options: list[Asked] = [
        {draw.choice(["tp", "pp", "cp"]): draw.choice(["1", "2", "4", "8"])}, {"seq_len": draw.choice(["2k", "8192"])},
        {"global_batch": draw.choice(["64", "250", "1024"])}, {"precision": draw.choice(RECIPES)},
        {"confidence": draw.choice(["50%", "80%"])}, {"usd_per_hour": draw.choice(["1", "2.5", "8"])},
        {"recompute": draw.choice(["none", "selective", "full"])}, {"mfu": draw.choice(["30%", "45%"])},
        {"micro_batch": draw.choice(["1", "2", "4"])}, {"zero": draw.choice(["0", "1", "3"])},
        {"optimizer": draw.choice(["adam", "adam8bit", "muon", "sgd"])},
    ]  # fmt: skip
    asked: Asked = {}
    for one in draw.sample(options, draw.choice([0, 0, 1, 2])):
        asked |= one
    return asked


def plan(draw: random.Random) -> Asked:
    """A fleet, a part alone or none; a size or none; one or two of tokens, time, money, FLOPs and loss."""
    asked: Asked = {}
    if draw.random() < 0.9:
        asked["gpus"] = fleet(draw) if draw.random() < 0.85 else draw.choice(PARTS)
    asked |= size(draw) | _limits(draw) | _refined(draw)
    if draw.random() < 0.1:
        asked["inference_tokens"] = draw.choice(["1B", "1T", "100T"])
    return asked


def compare(draw: random.Random) -> Asked:
    """Formats, or values of one option, of one run."""
    asked: Asked = {"gpus": fleet(draw), **(size(draw) or {"params": "7B"}), "tokens": draw.choice(["1B", "1.4T"])}
    kind = draw.randrange(3)
    if kind == 0:
        return {**asked, "precision": ",".join(draw.sample(RECIPES, draw.choice([1, 2, 3])))}
    if kind == 1:
        return {**asked, "gpus": ",".join(dict.fromkeys(fleet(draw) for _ in range(2)))}
    asked.pop("model", None)
    return {**asked, "params": ",".join(draw.sample(SIZES, 2))}


def train(draw: random.Random) -> Asked:
    """One layout of a fleet, wholly or partly stated."""
    asked: Asked = {"gpus": fleet(draw), **(size(draw) or {"params": "1B"})}
    for name in draw.sample(["tp", "pp", "cp", "ep", "micro_batch", "vpp"], draw.choice([0, 0, 1, 2, 3])):
        asked[name] = draw.choice(["1", "2", "4", "8"])
    if draw.random() < 0.3:
        asked["global_batch"] = draw.choice(["64", "256", "1000", "1024"])
    if draw.random() < 0.3:
        asked["precision"] = draw.choice(RECIPES)
    if draw.random() < 0.1:
        asked["task"] = draw.choice(["sft", "lora"])
    return asked


def serve(draw: random.Random) -> Asked:
    """One configuration of an engine, or (one in six) a fleet for a demand and its limits."""
    asked: Asked = {
        "model": draw.choice(MODELS), "parts": draw.choice(PARTS), "input": draw.choice(["16", "1k", "3k", "30k"]),
        "output": draw.choice(["1", "300", "1k"]),
    }  # fmt: skip
    if draw.random() < 0.4:
        asked["precision"] = draw.choice(SERVED)
    if draw.random() < 0.17:
        asked["demand"] = draw.choice(["1 req/s", "50 req/s", "2k req/s"])
        asked |= {"ttft": draw.choice(["1s", "5s"])} if draw.random() < 0.5 else {}
        asked |= {"tpot": draw.choice(["20ms", "100ms"])} if draw.random() < 0.5 else {}
        return asked
    asked["concurrency"] = draw.choice(["1", "8", "128", "1000"])
    asked["tp"] = draw.choice([1, 2, 4, 8])
    if draw.random() < 0.2:
        asked[draw.choice(["pp", "dp", "ep"])] = draw.choice([2, 4])
    if draw.random() < 0.3:
        asked["engine"] = draw.choice(["vllm", "sglang", "trtllm"])
    return asked


QUESTIONS = {"plan": plan, "compare": compare, "train": train, "serve": serve}
