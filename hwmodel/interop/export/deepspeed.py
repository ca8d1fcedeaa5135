"""DeepSpeed: its JSON, the model's config.json, and a script that starts transformers' trainer with both."""

from __future__ import annotations

import json

from hwmodel.errors import InputError
from hwmodel.interop.export import hf_trainer
from hwmodel.interop.export.launch import Training, Unexpressed, Written, commented, header_lines
from hwmodel.interop.tools.names import names_of
from hwmodel.plain import Fields

PRECISIONS = ("bf16", "fp16", "tf32")
# The trainer fills in what is auto; with states on the host DeepSpeed wants to make its own optimizer of the CPU.
CPU_ADAM = dict.fromkeys(("lr", "betas", "eps", "weight_decay"), "auto")
OTHERS = {"pp": "pipeline for models of transformers", "vpp": "virtual stages", "cp": "context-parallel ranks here"}


def write(launch: Training) -> Written:
    """The files. InputError for a layout, model or recipe that DeepSpeed's configuration cannot say."""
    names, script_names = names_of("deepspeed"), names_of("transformers")
    if launch.word("precision") not in PRECISIONS:
        raise InputError(f"deepspeed has no --precision {launch.word('precision')}; it has {', '.join(PRECISIONS)}")
    hf_trainer.refuse(launch, "deepspeed", OTHERS)
    again, left = hf_trainer.recompute(launch, "deepspeed", "optimizer")
    if launch.number("sequence_parallel"):
        left.append(Unexpressed("sequence_parallel", "1", "deepspeed's tensor parallelism keeps norms on every rank"))
    config = _config(launch)
    for name, value in _flat(config, whole=("optimizer",)).items():
        names.check(name, value)
    start = "RUN_CLM=... LR=... DATASET=... TOKENIZER=... bash deepspeed.sh (in this folder, on every node)"
    written = Written(files={}, start=start, unexpressed=tuple(left))
    flags = hf_trainer.arguments(launch) | {"--deepspeed": "deepspeed.json"}
    flags |= {"--gradient_checkpointing": "true"} if again else {}
    head = commented(header_lines(launch, f"{names.verified_against} and {script_names.verified_against}", written))
    command = (
        f'torchrun --nnodes "$NNODES" --nproc-per-node {launch.ranks_per_node} --node-rank "$NODE_RANK" \\\n'
        '  --master-addr "$MASTER_ADDR" --master-port "$MASTER_PORT"'
    )
    files = {
        "deepspeed.sh": hf_trainer.shell(launch, head, command, flags, script_names),
        "deepspeed.json": json.dumps(config, indent=2) + "\n",
        **hf_trainer.model_file(launch, "deepspeed"),
    }
    return Written(files=files, start=start, unexpressed=tuple(left))


def _config(launch: Training) -> Fields:
    """The JSON: batch, precision, ZeRO stage, tensor and expert ranks."""
    zero, tp, ep, etp = (launch.number(name) for name in ("zero", "tp", "ep", "etp"))
    host: Fields = {}
    if "optimizer" in launch.word("offload").split(","):
        if zero == 0:
            raise InputError("deepspeed moves the optimizer's states to the host only sharded; plan with --zero 1")
        host = {"offload_optimizer": {"device": "cpu", "pin_memory": True}}
    experts = {"enabled": True, "autoep_size": ep, "expert_tensor_parallel_size": etp}
    return {
        "train_batch_size": launch.number("global_batch_seqs"),
        "train_micro_batch_size_per_gpu": launch.number("micro_batch"),
        "gradient_accumulation_steps": launch.accumulation,
        "bf16": {"enabled": launch.word("precision") == "bf16"},
        "fp16": {"enabled": launch.word("precision") == "fp16"},
        "zero_optimization": {"stage": zero, "overlap_comm": True, "contiguous_gradients": True, **host},
        **({"optimizer": {"type": "AdamW", "params": CPU_ADAM}} if host else {}),
        **({"tensor_parallel": {"autotp_size": tp}} if tp > 1 else {}),
        **({"expert_parallel": experts} if ep * etp > 1 else {}),
    }


def _flat(data: Fields, prefix: str = "", whole: tuple[str, ...] = ()) -> Fields:
    """Keys joined by dots; those of `whole` are not taken apart."""
    out: Fields = {}
    for key, value in data.items():
        out |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and key not in whole else {prefix + key: value}
        )
    return out
