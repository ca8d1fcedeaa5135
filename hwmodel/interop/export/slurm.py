"""Slurm: a batch script that starts the file of a trainer on every node."""

from __future__ import annotations

import math

from hwmodel.errors import InputError
from hwmodel.interop.export.launch import Training, Written, commented, header_lines
from hwmodel.interop.export.starts import command_on_node, job_name

# No package to check against: directives and variables are those of launchers that Megatron-LM (examples/megatron_fsdp)
# and torchtitan (multinode_trainer.slurm) publish.
VERIFIED = "the Slurm launchers of Megatron-LM@d98e8a64 and torchtitan@b5bcd76c"


def write(launch: Training, started: Written) -> Written:
    """The script. InputError where nothing that it could start was written."""
    start = "sbatch --partition=... --account=... train.sbatch (in this folder)"
    command = command_on_node(launch, started)
    written = Written(files={}, start=start)
    gpus = "" if launch.part.family == "tpu" else f"#SBATCH --gres=gpu:{launch.ranks_per_node}\n"
    if not gpus:
        raise InputError("slurm launches GPUs here; export TPUs to skypilot or maxtext alone")
    text = f"""#!/usr/bin/env bash
#SBATCH --job-name={job_name(launch.model)}
#SBATCH --nodes={launch.nodes}
#SBATCH --ntasks-per-node=1
{gpus}#SBATCH --exclusive
{_time(launch)}#SBATCH --output=%x-%j.out
{commented(header_lines(launch, VERIFIED, written))}set -euo pipefail

export MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
export MASTER_PORT="${{MASTER_PORT:-29500}}"
export NNODES="$SLURM_JOB_NUM_NODES"

srun bash -c '
export NODE_RANK="$SLURM_PROCID"
{command}
'
"""
    return Written(files={"train.sbatch": text}, start=start)


def _time(launch: Training) -> str:
    """The time limit: the whole run with a day more, where the answer says how long it trains."""
    return f"#SBATCH --time={math.ceil(launch.days) + 1}-00:00:00\n" if launch.days else ""
