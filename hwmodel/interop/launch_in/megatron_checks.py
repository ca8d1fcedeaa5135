"""What Megatron-LM's own `validate_args` (megatron/training/arguments.py) stops at: a run that would not start is none.

What the prediction itself would stumble over (sizes that divide no heads, no experts, no batch) it refuses itself.
"""

from __future__ import annotations

from hwmodel.errors import InputError
from hwmodel.interop.launch_in.shell import Script

ONE_OF = (
    ("--bf16", "--fp16"), ("--train-iters", "--train-samples"),
    ("--num-layers-per-virtual-pipeline-stage", "--num-virtual-stages-per-pipeline-rank"),
)  # fmt: skip
# Flags that deal layers out unevenly, so that they need not divide.
UNEVEN = (
    "--pipeline-model-parallel-layout",
    "--decoder-first-pipeline-num-layers",
    "--decoder-last-pipeline-num-layers",
)
GATED_FFN, FFN, FFN_UNIT = 8.0 / 3.0, 4, 64  # of the width, where no --ffn-hidden-size is given


def check(flags: Script) -> None:
    """Raises InputError for arguments that exclude each other, or layers that cannot be dealt out to the stages."""
    for one, other in ONE_OF:
        if flags.has(one) and flags.has(other):
            raise InputError(f"{flags.path}: {one} and {other} are one or the other")
    positions, tokens = flags.number("--max-position-embeddings"), flags.number("--seq-length")
    if positions is not None and tokens is not None and positions < tokens:
        raise InputError(f"{flags.path}: --max-position-embeddings {positions} is less than --seq-length {tokens}")
    _check_stages(flags)


def _check_stages(flags: Script) -> None:
    depth, pp = flags.number("--num-layers"), flags.count("--pipeline-model-parallel-size")
    if depth is None or any(flags.has(flag) for flag in UNEVEN):
        return
    if depth % pp:
        raise InputError(
            f"{flags.path}: --pipeline-model-parallel-size {pp} does not divide {depth} layers; take another, or deal "
            f"them out by {UNEVEN[0]}"
        )
    each = flags.number("--num-layers-per-virtual-pipeline-stage")
    if each and (depth // pp) % each:
        raise InputError(
            f"{flags.path}: --num-layers-per-virtual-pipeline-stage {each} does not divide the {depth // pp} layers of "
            "a stage"
        )


def default_ffn(width: int, swiglu: bool) -> int:
    """The feed-forward width that stands for none: four times the model's, of SwiGLU two thirds of it in whole 64s."""
    return int(GATED_FFN * width / FFN_UNIT) * FFN_UNIT if swiglu else FFN * width
