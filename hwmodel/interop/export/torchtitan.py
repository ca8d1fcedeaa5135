"""torchtitan: a Python configuration (0.3.0 and later), started with `--module`."""

from __future__ import annotations

import math

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.interop.export.launch import Training, Unexpressed, Written, commented, header_lines
from hwmodel.interop.export.megatron import stage_layers
from hwmodel.interop.tools.names import ToolNames, names_of
from hwmodel.interop.tools.titan_models import TitanModel, builder_source, titan_model
from hwmodel.plain import Fields

# Recipe -> the converters of its linear layers and of its experts, with their arguments.
CONVERTERS: dict[str, tuple[tuple[str, Fields], tuple[str, Fields]] | None] = {
    "bf16": None,
    "tf32": None,
    "fp8": (
        ("Float8LinearConverter", {"recipe_name": "rowwise", "filter_fqns": ["lm_head", "router.gate"]}),
        ("Float8GroupedExpertsConverter", {}),
    ),
    "mxfp8": (
        ("MXFP8LinearConverter", {"fqns": ["attention", "shared_experts", "feed_forward"]}),
        ("MXFP8GroupedExpertsConverter", {}),
    ),
    "nvfp4": (("NVFP4LinearConverter", {"fqns": ["layers"]}), ("", {})),
}
POLICIES = {"none": "None", "selective": "SelectiveAC.Config()", "full": "FullAC.Config()"}


def write(launch: Training) -> Written:
    """The configuration. InputError for a model, recipe or setting that torchtitan has none for."""
    names = names_of("torchtitan")
    precision = launch.word("precision")
    if precision not in (*CONVERTERS, "fp8-block"):
        raise InputError(f"torchtitan has no --precision {precision}; it has {', '.join(CONVERTERS)}")
    if launch.trainable_fraction < 1.0:
        raise InputError("a launch of an adapter is not written for torchtitan")
    model = titan_model(launch.shape, load_catalog())
    parallelism, left = parallel_fields(launch)
    left += _recipe_doubts(precision)
    for cls, fields in (("TrainingConfig", training_fields(launch)), ("ParallelismConfig", parallelism)):
        for name, value in fields.items():
            names.check(f"{cls}.{name}", value)
    for name, value in model.layers.items():
        names.check(f"{model.module}.{model.builder}.{name}", value)
    policy, doubt = _policy(launch)
    left += doubt
    start = (
        f"LR=... DATASET=... HF_ASSETS_PATH=... torchrun --nnodes {launch.nodes} "
        f"--nproc-per-node {launch.ranks_per_node} --node-rank R --master-addr HOST "
        "-m torchtitan.train --module torchtitan_config --config launch "
        "(in this folder, on every node)"
    )
    written = Written(files={}, start=start, unexpressed=tuple(left))
    text = _source(launch, names, written, model, parallelism, policy)
    return Written(files={"torchtitan_config.py": text}, start=start, unexpressed=tuple(left))


def _recipe_doubts(precision: str) -> list[Unexpressed]:
    """Recipes that torchtitan comes near to."""
    if precision in ("fp8", "fp8-block"):
        return [Unexpressed("precision", precision, "torchtitan scales float8 by rows, not by tensors or blocks")]
    return []


def training_fields(launch: Training) -> Fields:
    """Batch, sequence and arithmetic. With a pipeline a replica takes its whole share of the batch at once.

    Pipelines and experts on other ranks wait for the host, which `Trainer.Config` refuses beside CUDA graphs.
    """
    pipeline = launch.number("pp") > 1
    replica = launch.number("micro_batch") * (launch.accumulation if pipeline else 1)
    return {
        "local_batch_size": replica,
        "global_batch_size": launch.number("global_batch_seqs"),
        "seq_len": launch.number("seq_len"),
        **({"steps": launch.steps} if launch.steps is not None else {}),
        **({"disable_cuda_graphs": True} if pipeline or (launch.number("ep") > 1 and launch.mixture) else {}),
        "dtype": "float32",
        "mixed_precision_param": "float32" if launch.word("precision") == "tf32" else "bfloat16",
        "mixed_precision_reduce": "float32",
    }


def parallel_fields(launch: Training) -> tuple[Fields, list[Unexpressed]]:
    """Degrees of parallelism and the pipeline's schedule, and what has no name there."""
    left: list[Unexpressed] = []
    zero, dp = launch.number("zero"), launch.number("dp")
    if zero == 1:
        left.append(Unexpressed("zero", "1", "torchtitan shards gradients too: written as ZeRO 2, never resharded"))
    if launch.number("etp") > 1:
        left.append(Unexpressed("etp", str(launch.number("etp")), "torchtitan splits no expert over tensor ranks"))
    fields: Fields = {
        "data_parallel_replicate_degree": dp if zero == 0 else 1,
        "data_parallel_shard_degree": 1 if zero == 0 else dp,
        "fsdp_reshard_after_forward": "always" if zero == 3 else "never",
        "tensor_parallel_degree": launch.number("tp"),
        "enable_sequence_parallel": bool(launch.number("sequence_parallel")) or launch.number("tp") == 1,
        "context_parallel_degree": launch.number("cp"),
        "expert_parallel_degree": launch.number("ep"),
        "pipeline_parallel_degree": launch.number("pp"),
    }
    if launch.number("pp") > 1:
        fields |= _pipeline(launch.layers, launch.number("pp"), launch.number("vpp"))
        name, doubt = _schedule(launch)
        fields["pipeline_parallel_schedule"] = name
        left += doubt
        fields["pipeline_parallel_microbatch_size"] = launch.number("micro_batch")
    return fields, left


def _pipeline(depth: int, pp: int, vpp: int) -> Fields:
    """Layers a stage such that torchtitan counts as many stages: what is missing goes to the ends."""
    stages = pp * vpp
    counts = stage_layers(depth, stages)
    each = max(counts)
    missing = each * stages - depth
    first = min(missing // 2, each)
    last = missing - first
    if last > each:
        raise InputError(
            f"torchtitan cannot split {depth} layers into {stages} stages of up to {each}; plan with a --pp and --vpp "
            f"that divide {depth} more evenly"
        )
    return {
        "pipeline_parallel_layers_per_stage": math.ceil((depth + missing) / stages),
        "pipeline_parallel_first_stage_less_layers": first,
        "pipeline_parallel_last_stage_less_layers": last,
    }


# What torch.distributed.pipelining calls the schedules, without and with virtual stages.
SCHEDULED = {"1f1b": ("1F1B", "Interleaved1F1B"), "zb-h1": (None, "InterleavedZeroBubble"),
             "dualpipev": (None, "DualPipeV")}  # fmt: skip


def _schedule(launch: Training) -> tuple[str, list[Unexpressed]]:
    """The pipeline's schedule; one that torchtitan has not is written as 1F1B."""
    word, chunks = launch.word("schedule"), int(launch.number("vpp") > 1)
    name = SCHEDULED.get(word, (None, None))[chunks]
    if name is not None:
        return name, []
    plain = str(SCHEDULED["1f1b"][chunks])
    return plain, [Unexpressed("schedule", word, f"torchtitan has none with --vpp {launch.number('vpp')}: {plain}")]


def _policy(launch: Training) -> tuple[str, list[Unexpressed]]:
    """The activation checkpointing policy; shares and modules are written as the whole layer, which always fits."""
    mode, host = launch.word("recompute"), launch.word("offload")
    left = [] if host == "none" else [Unexpressed("offload", host, "torchtitan moves weights too, or nothing")]
    if mode in POLICIES:
        return POLICIES[mode], left
    return POLICIES["full"], [
        Unexpressed("recompute", mode, "torchtitan recomputes every layer or by operation: written as every layer"),
        *left,
    ]


def _converters(precision: str, mixture: bool) -> str:
    chosen = CONVERTERS["fp8" if precision == "fp8-block" else precision]
    if chosen is None:
        return ""
    used = [(name, fields) for name, fields in (chosen[0], *((chosen[1],) if mixture else ())) if name]
    lines = []
    for name, fields in used:
        arguments = "".join(f", {key}={value!r}" for key, value in fields.items())
        lines.append(f"        {name}.Config(model_compile_enabled=True{arguments}),\n")
    return "".join(lines)


def _call(name: str, fields: Fields, indent: str = "    ") -> str:
    """A call with one argument a line."""
    body = "".join(f"{indent}    {key}={value!r},\n" for key, value in fields.items()).replace("'", '"')
    return f"{name}(\n{body}{indent})"


def _source(
    launch: Training, names: ToolNames, written: Written, model: TitanModel, parallelism: Fields, policy: str
) -> str:
    """The whole module."""
    converters = _converters(launch.word("precision"), launch.mixture)
    used = sorted({line.strip().split(".")[0] for line in converters.splitlines()})
    imports = f"from torchtitan.components.quantization import {', '.join(used)}\n" if used else ""
    checkpointing = policy.split(".")[0]
    policies = "" if policy == "None" else f"from torchtitan.distributed.activation_checkpoint import {checkpointing}\n"
    registry = f'"{model.flavor}", converters=[\n{converters}    ]' if converters else f'"{model.flavor}"'
    fields, tf32 = training_fields(launch), launch.word("precision") == "tf32"
    products = "import torch\n" if tf32 else ""
    told = '\ntorch.set_float32_matmul_precision("high")  # TF32; FP32 is multiplied in FP32 else\n' if tf32 else ""
    steps = "" if "steps" in fields else "# Set training.steps: the answer has no token count.\n"
    return f'''{commented(header_lines(launch, names.verified_against, written))}
# Not part of the plan: learning rate, data, tokenizer, rotary base. Read from the environment: LR, HF_ASSETS_PATH (the
# folder of the tokenizer), DATASET (a name of torchtitan's, like c4) and DATASET_PATH (a copy of it).
{steps}import os

{products}from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.optimizer import default_adamw
{imports}from torchtitan.config import CompileConfig, ParallelismConfig, TrainingConfig
{policies}from torchtitan.hf_datasets.text_datasets import HuggingFaceTextDataLoader
from torchtitan.models import {model.module} as models
from torchtitan.models.common.config_utils import decoder_vocab_size
from torchtitan.trainer import Trainer
{told}
{builder_source(model, launch.number("seq_len"))}
def launch() -> Trainer.Config:
    """The launch of the plan."""
    model_spec = models.model_registry({registry})
    return Trainer.Config(
        model_spec=model_spec,
        hf_assets_path=os.environ.get("HF_ASSETS_PATH", "./assets/hf"),
        loss=ChunkedLossWrapper.Config(
            loss_fn=CrossEntropyLoss.Config(global_vocab_size=decoder_vocab_size(model_spec)),
        ),
        dataloader=HuggingFaceTextDataLoader.Config(
            dataset=os.environ["DATASET"],
            dataset_path=os.environ.get("DATASET_PATH"),
        ),
        optimizer=default_adamw(lr=float(os.environ["LR"])),
        training={_call("TrainingConfig", fields, "        ")},
        parallelism={_call("ParallelismConfig", parallelism, "        ")},
        activation_checkpoint={policy},
        compile=CompileConfig(enable=True),
    )
'''
