"""SkyPilot: a task that starts the file of a trainer on every node of a cluster."""

from __future__ import annotations

from hwmodel.errors import InputError
from hwmodel.interop.export.launch import Training, Written, commented, header_lines
from hwmodel.interop.export.starts import command_on_node, job_name
from hwmodel.interop.tools.names import names_of

# Part of the catalog -> SkyPilot's name of it.
ACCELERATORS = {
    "a100-sxm4-40gb": "A100", "a100-sxm4-80gb": "A100-80GB", "h100-sxm5-80gb": "H100", "h200-sxm-141gb": "H200",
    "b200-sxm6-180gb": "B200", "l40s": "L40S", "l4": "L4", "v100-sxm2-16gb": "V100", "a10g": "A10G", "t4": "T4",
    "mi300x-192gb": "MI300X",
}  # fmt: skip
ENVIRONMENT = ("LR", "MEGATRON_PATH", "TRAIN_ITERS", "MOE_GROUPS", "RUN_NAME", "OUTPUT_DIR", "RUN_CLM", "DATASET",
               "TOKENIZER")  # fmt: skip


def write(launch: Training, started: Written) -> Written:
    """The task. InputError for a part that SkyPilot has no name for."""
    names = names_of("skypilot")
    part = accelerator_name(launch)
    names.check(f"accelerator:{part}", part)
    name = job_name(launch.model).lower().replace(".", "-")
    start = f"sky launch --cluster {name} skypilot.yaml (in this folder)"
    written = Written(files={}, start=start)
    command = command_on_node(launch, started)
    needed = [each for each in ENVIRONMENT if any(each in text for text in (*started.files.values(), command))]
    envs = "".join(f"  {each}: null\n" for each in needed)
    text = f"""{commented(header_lines(launch, names.verified_against, written))}name: {name}
num_nodes: {launch.nodes}
workdir: .
resources:
  accelerators: {part}:{launch.ranks_per_node}
  network_tier: best
envs:
{envs}run: |
  export MASTER_ADDR="$(echo "$SKYPILOT_NODE_IPS" | head -n 1)" MASTER_PORT=29500
  export NNODES="$SKYPILOT_NUM_NODES" NODE_RANK="$SKYPILOT_NODE_RANK"
  {command}
"""
    return Written(files={"skypilot.yaml": text}, start=start)


def accelerator_name(launch: Training) -> str:
    """SkyPilot's name of the part."""
    name = ACCELERATORS.get(launch.part.id)
    if name is None:
        raise InputError(f"skypilot has no name for {launch.part.id} here; it has {', '.join(ACCELERATORS)}")
    return name
