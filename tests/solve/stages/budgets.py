"""Budgets that several tests of plan files ask for, and how they are read."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from hwmodel.solve.run.lines import StageLine
from hwmodel.solve.stages.solver import BudgetPlan

PRETRAIN = {"stage": "pre-training", "params": "8B", "tokens": "200B"}
RL = {"stage": "rl", "params": "8B", "steps": 100, "prompts": 64, "samples_per_prompt": 16, "response_tokens": 2000,
      "response_limit": 8192}  # fmt: skip
FIVE: dict[str, Any] = {
    "gpus": "256xH100",
    "stages": [
        {"stage": "ablations", "runs": [{"params": "1B", "tokens": "20B", "count": 10}]},
        PRETRAIN,
        {"stage": "context extension", "params": "8B", "tokens": "20B", "seq_len": 32768},
        {"stage": "sft", "params": "8B", "examples": "500k", "example_tokens": 1500, "epochs": 2},
        RL,
    ],
}


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line."""
    return subprocess.run([sys.executable, "-m", "hwmodel", *words], capture_output=True, text=True, timeout=120)


def line(found: BudgetPlan, stage: str) -> StageLine:
    """The line of a stage."""
    return next(one for one in found.stages if one.stage == stage)


def with_stage(**stage: Any) -> dict[str, Any]:
    """A budget of pre-training and one more stage."""
    return {"gpus": "256xH100", "stages": [PRETRAIN, stage]}
