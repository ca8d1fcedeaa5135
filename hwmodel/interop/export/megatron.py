"""Megatron-LM: a shell script with the arguments of pretrain_gpt.py."""

from __future__ import annotations

import math

from hwmodel.errors import InputError
from hwmodel.interop.export.launch import Training, Unexpressed, Written, commented, header_lines, schedule_left
from hwmodel.interop.tools.megatron_shape import Flags, shape_flags
from hwmodel.interop.tools.megatron_words import PRECISIONS, SHARDING
from hwmodel.interop.tools.names import ToolNames, names_of
from hwmodel.plain import JsonValue
from hwmodel.predict.recompute import MODULES

UNSET = ("MEGATRON_PATH", "LR")


def write(launch: Training) -> Written:
    """The script. InputError for a shape, recipe or setting that Megatron-Core has no arguments for."""
    names = names_of("megatron")
    flags, unexpressed = arguments(launch)
    for flag, value in flags.items():
        if not str(value).startswith("$"):
            names.check(flag, value)
    written = Written(
        files={}, start="MEGATRON_PATH=... LR=... bash megatron.sh (on every node)", unexpressed=unexpressed
    )
    return Written(
        files={"megatron.sh": _script(launch, names, written, flags)}, start=written.start, unexpressed=unexpressed
    )


def arguments(launch: Training) -> tuple[Flags, tuple[Unexpressed, ...]]:
    """All arguments that follow from the answer, and the settings that they only come near to."""
    precision = launch.word("precision")
    if precision not in PRECISIONS:
        raise InputError(f"megatron has no arguments for --precision {precision}; it has {', '.join(PRECISIONS)}")
    if launch.trainable_fraction < 1.0:
        raise InputError("megatron's pretrain_gpt.py trains no adapters; a launch of an adapter is not written")
    flags = shape_flags(launch.shape, "megatron", launch.number("tp"))
    flags |= _parallel(launch)
    flags |= {
        "--micro-batch-size": launch.number("micro_batch"), "--global-batch-size": launch.number("global_batch_seqs"),
        "--seq-length": launch.number("seq_len"), "--train-iters": launch.steps or "${TRAIN_ITERS}",
    }  # fmt: skip
    if "--max-position-embeddings" not in flags:
        flags["--max-position-embeddings"] = launch.number("seq_len")
    again, unexpressed = recompute_flags(launch)
    host, left = offload_flags(launch)
    return flags | PRECISIONS[precision] | again | host, unexpressed + left + schedule_left(launch, "megatron")


def _parallel(launch: Training) -> Flags:
    tp, pp, zero = (launch.number(name) for name in ("tp", "pp", "zero"))
    flags: Flags = {
        "--tensor-model-parallel-size": tp,
        "--pipeline-model-parallel-size": pp,
        "--context-parallel-size": launch.number("cp"),
    }
    if launch.mixture:
        flags |= {
            "--expert-model-parallel-size": launch.number("ep"),
            "--expert-tensor-parallel-size": launch.number("etp"),
        }
    if launch.number("sequence_parallel"):
        flags["--sequence-parallel"] = None
    if zero:
        flags |= {"--use-distributed-optimizer": None, "--overlap-grad-reduce": None, "--overlap-param-gather": None}
    if zero in SHARDING:
        flags |= {
            "--use-megatron-fsdp": None, "--data-parallel-sharding-strategy": SHARDING[zero],
            "--ckpt-format": "fsdp_dtensor", "--no-gradient-accumulation-fusion": None,
        }  # fmt: skip
    return flags | stage_flags(launch.layers, pp, launch.number("vpp"))


def stage_flags(depth: int, pp: int, vpp: int) -> Flags:
    """Virtual stages by number where the layers divide, else every stage written out, the lighter ones at the ends."""
    stages = pp * vpp
    if depth % stages == 0:
        return {"--num-virtual-stages-per-pipeline-rank": vpp} if vpp > 1 else {}
    counts = stage_layers(depth, stages)
    words = ["t" * n for n in counts]
    words[0], words[-1] = "E" + words[0], words[-1] + "L"
    return {"--pipeline-model-parallel-layout": "|".join(_folded(words))}


def stage_layers(depth: int, stages: int) -> list[int]:
    """Layers of each stage: as even as can be; what is missing is missing at the last and the first ones."""
    most = math.ceil(depth / stages)
    short = most * stages - depth
    counts = [most] * stages
    for i in range(short):
        place = i // 2 if i % 2 else stages - 1 - i // 2
        counts[place] -= 1
    return counts


def _folded(words: list[str]) -> list[str]:
    """Runs of one layer kind as `t*5`."""
    out = []
    for word in words:
        layers = word.count("t")
        body = f"t*{layers}" if layers > 1 else "t" * layers
        out.append(word.replace("t" * layers, body) if layers else word)
    return out


def selective_modules(mixture: bool) -> list[str]:
    """What selective recomputation drops beside fused attention: norms, and the activation of the feed-forward."""
    return ["layernorm", "moe_act"] if mixture else ["layernorm", "mlp"]


def recompute_flags(launch: Training) -> tuple[Flags, tuple[Unexpressed, ...]]:
    """Recomputation as arguments; a share of the layers becomes whole layers of each stage, never fewer."""
    mode = launch.word("recompute")
    if mode == "none":
        return {}, ()
    if mode == "selective":
        reason = "by modules" if launch.mixture else "megatron recomputes the whole mlp of dense layers"
        return _modules(selective_modules(launch.mixture)), (Unexpressed("recompute", mode, reason),)
    if mode.endswith("%"):
        share = float(mode.rstrip("%")) / 100.0
        each = math.ceil(launch.layers / (launch.number("pp") * launch.number("vpp")))
        count = math.ceil(share * each - 1e-9)
        written: Flags = {
            "--recompute-granularity": "full", "--recompute-method": "block", "--recompute-num-layers": count,
        }  # fmt: skip
        if abs(count / each - share) < 1e-9 and launch.layers == each * launch.number("pp") * launch.number("vpp"):
            return written, ()
        reason = f"megatron recomputes whole layers: the first {count} of the {each} of a stage"
        return written, (Unexpressed("recompute", mode, reason),)
    if mode == "full":
        return {"--recompute-granularity": "full", "--recompute-method": "uniform", "--recompute-num-layers": 1}, ()
    modules = mode.replace("+", ",").split(",")
    strange = [m for m in modules if m not in MODULES]
    if strange:
        raise InputError(f"megatron cannot recompute {strange[0]!r}; its modules are {', '.join(MODULES)}")
    return _modules(modules), ()


def offload_flags(launch: Training) -> tuple[Flags, tuple[Unexpressed, ...]]:
    """What waits in host memory: the optimizer; activations only by module, which an answer does not name."""
    words = launch.word("offload").split(",")
    flags: Flags = {}
    if "optimizer" in words:
        if launch.number("zero") == 0:
            raise InputError("megatron moves the optimizer's states to the host only sharded; plan with --zero 1")
        flags = {"--optimizer-cpu-offload": None, "--use-precision-aware-optimizer": None}
    if "activations" not in words:
        return flags, ()
    reason = "megatron moves the activations of modules: add --fine-grained-activation-offloading with your modules"
    return flags, (Unexpressed("offload", launch.word("offload"), reason),)


def _modules(modules: list[str]) -> Flags:
    return {"--recompute-granularity": "selective", "--recompute-modules": modules}


def argument_text(flag: str, value: JsonValue) -> str:
    """One argument as shell words."""
    if value is None:
        return flag
    if isinstance(value, list):
        return " ".join([flag, *map(str, value)])
    plain = str(value)
    return (
        f"{flag} {plain}" if plain.replace("_", "").replace(".", "").replace("-", "").isalnum() else f'{flag} "{plain}"'
    )


def _script(launch: Training, names: ToolNames, written: Written, flags: Flags) -> str:
    """The whole file: what the user must give, the environment, the arguments and the start."""
    unset = [*UNSET, *(["TRAIN_ITERS"] if launch.steps is None else [])]
    unset += ["MOE_GROUPS"] if "${MOE_GROUPS}" in flags.values() else []
    head = commented(header_lines(launch, names.verified_against, written))
    needs = "".join(f': "${{{name}:?{NEEDED[name]}}}"\n' for name in unset)
    rows = "\n".join(f"  {argument_text(flag, value)}" for flag, value in flags.items())
    return f"""#!/usr/bin/env bash
{head}set -euo pipefail

# Not part of the plan: learning rate, data, tokenizer, activation function and rotary base; add what your model needs.
{needs}NNODES="${{NNODES:-{launch.nodes}}}"
NODE_RANK="${{NODE_RANK:-0}}"
MASTER_ADDR="${{MASTER_ADDR:-localhost}}"
MASTER_PORT="${{MASTER_PORT:-29500}}"
DATA_ARGS="${{DATA_ARGS:---mock-data --tokenizer-type NullTokenizer}}"
{_environment(launch)}
ARGS=(
{rows}
)

torchrun --nnodes "$NNODES" --nproc-per-node {launch.ranks_per_node} --node-rank "$NODE_RANK" \\
  --master-addr "$MASTER_ADDR" --master-port "$MASTER_PORT" \\
  "$MEGATRON_PATH/pretrain_gpt.py" "${{ARGS[@]}}" --lr "$LR" --log-throughput $DATA_ARGS "$@"
"""


NEEDED = {
    "MEGATRON_PATH": "the folder of a checkout of Megatron-LM",
    "LR": "the learning rate",
    "TRAIN_ITERS": "the number of steps; the answer has no token count",
    "MOE_GROUPS": "the groups of experts that the router limits (n_group of the model)",
}


def _environment(launch: Training) -> str:
    """Variables that the arguments ask for: one connection orders transfers and products, which FSDP must not have."""
    lines = []
    if launch.number("zero") < 2 and launch.number("tp") * launch.number("cp") > 1:
        lines.append("export CUDA_DEVICE_MAX_CONNECTIONS=1")
    if launch.word("precision") == "tf32":
        lines.append("export NVIDIA_TF32_OVERRIDE=1")
    return "\n".join(lines) + ("\n" if lines else "")
