"""How one node starts the file that a trainer's writer left: what schedulers put into their scripts."""

from __future__ import annotations

from hwmodel.errors import InputError
from hwmodel.interop.export.launch import Training, Written

# File -> the command of one node; {n} processes of it. The rank, the first node and its port come from the environment.
RENDEZVOUS = (
    'torchrun --nnodes "$NNODES" --nproc-per-node {n} --node-rank "$NODE_RANK" --master-addr "$MASTER_ADDR" '
    '--master-port "$MASTER_PORT"'
)
COMMANDS = {
    "megatron.sh": "bash megatron.sh",
    "megatron_bridge.py": f"{RENDEZVOUS} megatron_bridge.py",
    "torchtitan_config.py": f"{RENDEZVOUS} -m torchtitan.train --module torchtitan_config --config launch",
    "maxtext.yml": 'python3 -m maxtext.trainers.pre_train.train maxtext.yml run_name="$RUN_NAME" '
                   'base_output_directory="$OUTPUT_DIR" learning_rate="$LR"',
    "deepspeed.sh": "bash deepspeed.sh",
    "accelerate.sh": "bash accelerate.sh",
}  # fmt: skip


def job_name(model: str) -> str:
    """A job's name without what a shell or a scheduler would read."""
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in model)[:60]


def command_on_node(launch: Training, started: Written) -> str:
    """The command of one node. InputError where no trainer's file is there."""
    for name in started.files:
        if name in COMMANDS:
            return COMMANDS[name].format(n=launch.ranks_per_node)
    raise InputError(f"a scheduler starts a trainer's file; add one to --to: {', '.join(sorted(COMMANDS))}")
