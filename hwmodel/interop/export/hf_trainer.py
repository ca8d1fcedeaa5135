"""What DeepSpeed and Accelerate launches share: the script of transformers' trainer and the model's config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hwmodel.errors import InputError
from hwmodel.interop.export.hf_shape import hf_config
from hwmodel.interop.export.launch import Training, Unexpressed, schedule_left
from hwmodel.interop.tools.names import ToolNames
from hwmodel.plain import Fields, JsonValue

SCRIPT = "run_clm.py"
NEEDED = {
    "RUN_CLM": f"examples/pytorch/language-modeling/{SCRIPT} of a checkout of transformers",
    "LR": "the learning rate",
    "DATASET": "a data set of the hub, or a folder",
    "TOKENIZER": "a tokenizer of the hub, or a folder",
}


def refuse(launch: Training, target: str, mend: Mapping[str, str]) -> None:
    """Raise InputError where the layout splits what the trainer does not, with the sizes that it takes."""
    if launch.trainable_fraction < 1.0:
        raise InputError(f"a launch of an adapter is not written for {target}")
    for name, words in mend.items():
        if launch.number(name) > 1:
            raise InputError(f"{target} has no {words}; plan with --{name} 1")


def model_file(launch: Training, target: str) -> dict[str, str]:
    """The config.json of the model, in a folder of its own."""
    config = hf_config(launch.shape, target, launch.number("seq_len"))
    return {"model/config.json": json.dumps(config, indent=2) + "\n"}


def arguments(launch: Training) -> Fields:
    """Arguments of the script: batch, sequence, steps, arithmetic."""
    precision = launch.word("precision")
    return {
        "--config_name": "model", "--tokenizer_name": "$TOKENIZER", "--dataset_name": "$DATASET", "--do_train": None,
        "--output_dir": "output", "--block_size": launch.number("seq_len"),
        "--per_device_train_batch_size": launch.number("micro_batch"),
        "--gradient_accumulation_steps": launch.accumulation,
        "--max_steps": launch.steps if launch.steps is not None else "$TRAIN_ITERS", "--learning_rate": "$LR",
        **({"--bf16": "true"} if precision in ("bf16", "fp8") else {}),
        **({"--fp16": "true"} if precision == "fp16" else {}),
        **({"--tf32": "true"} if precision == "tf32" else {}),
    }  # fmt: skip


def recompute(launch: Training, target: str, moves: str = "none") -> tuple[bool, list[Unexpressed]]:
    """Whether layers are recomputed; what is neither all nor nothing is written as all, which always fits.

    `moves` is what the target has a setting for that moves it to the host.
    """
    mode, host = launch.word("recompute"), launch.word("offload")
    reason = f"{target} moves the weights of a shard with its states: add its own offload of what you want moved"
    left = list(schedule_left(launch, target))
    left += [] if host in ("none", moves) else [Unexpressed("offload", host, reason)]
    if mode in ("none", "full"):
        return mode == "full", left
    every = f"{target} recomputes every layer or none: written as every layer"
    return True, [Unexpressed("recompute", mode, every), *left]


def shell(launch: Training, head: str, command: str, flags: Mapping[str, JsonValue], names: ToolNames) -> str:
    """The script: what the user must give, and the start."""
    for flag, value in flags.items():
        if not str(value).startswith("$"):
            names.check(flag, value)
    needed = [*NEEDED, *(["TRAIN_ITERS"] if launch.steps is None else [])]
    words = NEEDED | {"TRAIN_ITERS": "the number of steps; the answer has no token count"}
    asks = "".join(f': "${{{name}:?{words[name]}}}"\n' for name in needed)
    rows = " \\\n".join(f"  {flag} {_word(value)}".rstrip() for flag, value in flags.items())
    return f"""#!/usr/bin/env bash
{head}set -euo pipefail

# Not part of the plan: learning rate, data, tokenizer, rotary base; the model is trained from scratch.
{asks}NNODES="${{NNODES:-{launch.nodes}}}"
NODE_RANK="${{NODE_RANK:-0}}"
MASTER_ADDR="${{MASTER_ADDR:-localhost}}"
MASTER_PORT="${{MASTER_PORT:-29500}}"

{command} "$RUN_CLM" \\
{rows} "$@"
"""


def _word(value: JsonValue) -> str:
    if value is None:
        return ""
    return f'"{value}"' if str(value).startswith("$") else str(value)
