"""Whole questions drawn from a seed: `plan`, `compare`, `train` and `serve`, as a user would type them.

A fifth of them is drawn without regard to what goes together; of the others options stand only where they mean
something, so that more of them are answered and held.
"""

from __future__ import annotations

import random
from typing import Any

from hwmodel.catalog import load_catalog

CATALOG = load_catalog()
PARTS = [*(p.id for p in CATALOG.parts()), "H100", "A100", "V100", "MI300X", "B200", "GB200", "trn2", "v5p", "L40S"]
BOXES = ["2xp5.48xlarge", "4xdgx-h100", "2xGB200-NVL72", "v5p-128", "v6e-256", "8xa3-highgpu-8g"]
SHAPES = {m.id: m.shape for m in CATALOG.models() if m.shape is not None}
MODELS = list(SHAPES)
MIXTURES = [name for name, shape in SHAPES.items() if any(block.n_experts > 0 for block in shape.blocks)]
SIZES = ["30M", "300M", "1B", "7B", "13B", "70B", "400B", "2T"]
RECIPES = ["bf16", "fp8", "fp8-block", "mxfp8", "nvfp4", "fp16", "tf32"]
SERVED = ["bf16", "fp8", "nvfp4", "w4a16", "w8a16", "fp16"]
COUNTS = [1, 2, 3, 7, 8, 12, 16, 24, 64, 100, 129, 500, 512, 1000, 1024, 4096, 16384]
STACKS = ["generic", "megatron-core", "torchtitan", "nanotron", "deepspeed", "maxtext"]
Asked = dict[str, Any]


def careless(draw: random.Random) -> bool:
    """Whether this option is drawn without regard to the others."""
    return draw.random() < 0.2


def fleet(draw: random.Random) -> str:
    """A number of accelerators, or of a cloud's boxes."""
    if draw.random() < 0.06:
        return draw.choice(BOXES)
    count = draw.choice(COUNTS) if draw.random() < 0.6 else int(2 ** draw.uniform(0, 15))
    return f"{count}x{draw.choice(PARTS)}"


def params(draw: random.Random) -> str:
    """A size by name or by number."""
    return draw.choice(SIZES) if draw.random() < 0.6 else f"{10 ** draw.uniform(7.4, 12.6):.4g}"


def size(draw: random.Random) -> Asked:
    """A size, a model or neither."""
    return draw.choice([{}, {"params": params(draw)}, {"model": draw.choice(MODELS)}])


def _limits(draw: random.Random) -> Asked:
    kinds: list[Asked] = [
        {"tokens": draw.choice(["100M", "1B", "50B", "1.4T", "15T", f"{10 ** draw.uniform(8, 13.5):.4g}"])},
        {"flops": f"{10 ** draw.uniform(16.5, 27):.3g}"},
        {"time": draw.choice(["1h", "1d", "30d", "1y", f"{10 ** draw.uniform(3.5, 7.5):.5g}s"])},
        {"budget": draw.choice(["$100", "$10k", "$3M", "$1B", f"${10 ** draw.uniform(2, 9):.4g}"])},
        {"loss": draw.choice(["1.8", "2.2", "3.5", f"{draw.uniform(1.85, 3.5):.3f}"])},
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
        {"confidence": draw.choice(["50%", "80%", "90%"])}, {"usd_per_hour": draw.choice(["1", "2.5", "8"])},
        {"recompute": draw.choice(["none", "selective", "full"])}, {"mfu": draw.choice(["30%", "45%"])},
        {"micro_batch": draw.choice(["1", "2", "4"])}, {"zero": draw.choice(["0", "1", "3"])},
        {"optimizer": draw.choice(["adam", "adam8bit", "muon", "sgd"])}, {"stack": draw.choice(STACKS)},
        {"offload": draw.choice(["activations", "optimizer"])}, {"gradient_dtype": draw.choice(["fp32", "bf16"])},
        {"region": draw.choice(["us-east-1", "France", "Texas", "quebec", "eastus"])},
        {"pue": draw.choice(["1.1", "1.4"])},
        {"price_kind": draw.choice(["on_demand", "spot", "reserved_1y"])}, {"year": draw.choice(["2022", "2026"])},
        {"flop_convention": draw.choice(["6nd", "palm", "megatron"])}, {"nic_gbit_s": draw.choice(["100", "400"])},
        {"law": draw.choice(["besiroglu_2024", "chinchilla_2022", "kaplan_2020/L_ND"])},
        {"unique_tokens": draw.choice(["10B", "1T"])}, {"objective": draw.choice(["flops", "usd", "kwh", "co2e"])},
    ]  # fmt: skip
    asked: Asked = {}
    for one in draw.sample(options, draw.choice([0, 0, 1, 2, 3])):
        asked |= one
    return asked


def plan(draw: random.Random) -> Asked:
    """A fleet, a part alone or none; a size or none; one or two of tokens, time, money, FLOPs and loss."""
    asked: Asked = {}
    limits = _limits(draw)
    bought = {"time", "budget"} & limits.keys()
    if draw.random() < 0.9 or (bought and not careless(draw)):
        alone = draw.random() < (0.3 if bought else 0.05)
        asked["gpus"] = draw.choice(PARTS) if alone else fleet(draw)
    asked |= size(draw) | limits | _refined(draw)
    if {"params", "tokens"} <= asked.keys() and not careless(draw):
        for more in ("flops", "loss"):
            asked.pop(more, None)
    if draw.random() < 0.1:
        asked["inference_tokens"] = draw.choice(["1B", "1T", "100T"])
        if draw.random() < 0.3:
            asked["serving_precision"] = draw.choice(SERVED)
    return asked


def compare(draw: random.Random) -> Asked:
    """Formats, or values of one option, of one run."""
    tokens = draw.choice(["1B", "1.4T", f"{10 ** draw.uniform(9, 13):.4g}"])
    asked: Asked = {"gpus": fleet(draw), **(size(draw) or {"params": "7B"}), "tokens": tokens}
    kind = draw.randrange(4)
    if kind < 2:
        return {**asked, "precision": ",".join(draw.sample(RECIPES, draw.choice([1, 2, 3])))}
    if kind == 2:
        return {**asked, "gpus": ",".join(dict.fromkeys(fleet(draw) for _ in range(2)))}
    asked.pop("model", None)
    return {**asked, "params": ",".join(dict.fromkeys(params(draw) for _ in range(2)))}


def _sizes(draw: random.Random, asked: Asked) -> Asked:
    """Parallel sizes; experts are spread only where there are some, stages cut only where there are several."""
    found: Asked = {}
    for name in draw.sample(["tp", "pp", "cp", "ep", "micro_batch", "vpp"], draw.choice([0, 0, 1, 2, 3])):
        found[name] = draw.choice(["1", "2", "4", "8"])
    if asked.get("model") not in MIXTURES and not careless(draw):
        found.pop("ep", None)
    if found.get("pp", "1") == "1" and not careless(draw):
        found.pop("vpp", None)
    return found


def train(draw: random.Random) -> Asked:
    """One layout of a fleet, wholly or partly stated."""
    asked: Asked = {"gpus": fleet(draw), **(size(draw) or {"params": params(draw)})}
    sizes = _sizes(draw, asked)
    asked |= sizes
    if sizes and "x" in asked["gpus"] and not careless(draw):
        part = asked["gpus"].partition("x")[2]
        if part in PARTS:
            asked["gpus"] = f"{8 * int(2 ** draw.uniform(0, 10)) // 8 * 8}x{part}"
    if draw.random() < 0.3:
        asked["global_batch"] = draw.choice(["64", "256", "1000", "1024"])
    for name, values in (("precision", RECIPES), ("stack", STACKS), ("recompute", ["none", "selective", "full"]),
                         ("zero", ["0", "1", "2", "3"]), ("seq_len", ["1k", "8k", "32k"]),
                         ("optimizer", ["adam", "adam8bit", "muon"])):  # fmt: skip
        if draw.random() < 0.15:
            asked[name] = draw.choice(values)
    if draw.random() < 0.1:
        asked["task"] = draw.choice(["sft", "lora"])
    return asked


def _lengths(draw: random.Random, model: str) -> Asked:
    """Tokens in and out, mostly within what the model takes."""
    prompts, answers = ["16", "1k", "3k", "30k", "100k"], ["1", "2", "300", "1k", "8k"]
    most = SHAPES[model].max_seq_len or 1e9
    if not careless(draw):
        tokens = {"16": 16, "1": 1, "2": 2, "300": 300, "1k": 1000, "3k": 3000, "8k": 8000, "30k": 3e4, "100k": 1e5}
        answers = [word for word in answers if tokens[word] + 16 <= most]
        answer = draw.choice(answers)
        prompts = [word for word in prompts if tokens[word] + tokens[answer] <= most]
        return {"input": draw.choice(prompts), "output": answer}
    return {"input": draw.choice(prompts), "output": draw.choice(answers)}


def serve(draw: random.Random) -> Asked:
    """One configuration of an engine, or (one in six) a fleet for a demand and its limits."""
    model = draw.choice(MODELS)
    asked: Asked = {"model": model, "parts": draw.choice(PARTS), **_lengths(draw, model)}
    if draw.random() < 0.4:
        asked["precision"] = draw.choice(SERVED)
    if draw.random() < 0.17:
        asked["demand"] = draw.choice(["1 req/s", "50 req/s", "2000 req/s", f"{10 ** draw.uniform(-1, 4):.4g} req/s"])
        asked |= {"ttft": draw.choice(["1s", "5s"])} if draw.random() < 0.5 else {}
        asked |= {"tpot": draw.choice(["20ms", "100ms"])} if draw.random() < 0.5 else {}
        asked |= {"peak_to_mean": "2"} if draw.random() < 0.1 else {}
        asked |= {"spares": draw.choice(["0", "2"])} if draw.random() < 0.2 else {}
        asked |= {"p": draw.choice(["50", "99"])} if draw.random() < 0.2 else {}
        return asked
    asked["concurrency"] = draw.choice(["1", "8", "128", "1000", str(int(2 ** draw.uniform(0, 11)))])
    asked["tp"] = draw.choice(["1", "2", "4", "8"])
    if draw.random() < 0.2:
        name = draw.choice(["pp", "dp", "ep"])
        if name == "pp" or model in MIXTURES or careless(draw):
            asked[name] = draw.choice(["2", "4"])
    if draw.random() < 0.3:
        asked["engine"] = draw.choice(["vllm", "sglang", "trtllm"])
    if draw.random() < 0.1:
        asked["prefix_hit"] = draw.choice(["30%", "90%"])
    if draw.random() < 0.05:
        asked["draft_tokens"] = draw.choice(["1", "3"])
    return asked


QUESTIONS = {"plan": plan, "compare": compare, "train": train, "serve": serve}
