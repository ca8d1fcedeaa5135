"""Accelerate with FSDP2: its YAML, the model's config.json, and a script that starts transformers' trainer."""

from __future__ import annotations

import json

from hwmodel.errors import InputError
from hwmodel.interop.export import hf_trainer
from hwmodel.interop.export.hf_shape import LAYER_CLASSES
from hwmodel.interop.export.launch import Training, Unexpressed, Written, commented, header_lines
from hwmodel.interop.tools.names import names_of
from hwmodel.plain import Fields, JsonValue

MIXED = {"bf16": "bf16", "fp16": "fp16", "tf32": "no", "fp8": "fp8"}
OTHERS = {"pp": "pipeline", "vpp": "virtual stages", "ep": "expert-parallel ranks"}


def write(launch: Training) -> Written:
    """The files. InputError for a layout, model or recipe that Accelerate's configuration cannot say."""
    names, script_names = names_of("accelerate"), names_of("transformers")
    precision = launch.word("precision")
    if precision not in MIXED:
        raise InputError(f"accelerate has no --precision {precision}; it has {', '.join(MIXED)}")
    hf_trainer.refuse(launch, "accelerate", OTHERS)
    again, left = hf_trainer.recompute(launch, "accelerate")
    if launch.number("etp") > 1:
        left.append(Unexpressed("etp", str(launch.number("etp")), "accelerate splits experts as all other tensors"))
    if launch.number("zero") == 1:
        left.append(Unexpressed("zero", "1", "FSDP shards gradients too: written as ZeRO 2, never resharded"))
    if launch.number("sequence_parallel"):
        left.append(Unexpressed("sequence_parallel", "1", "the model's tensor-parallel plan decides what norms hold"))
    files = hf_trainer.model_file(launch, "accelerate")
    kind = json.loads(files["model/config.json"])["model_type"]
    config = _config(launch, LAYER_CLASSES[kind], again)
    for name, value in _flat(config).items():
        names.check(name, value)
    start = "RUN_CLM=... LR=... DATASET=... TOKENIZER=... bash accelerate.sh (in this folder, on every node)"
    written = Written(files={}, start=start, unexpressed=tuple(left))
    verified = f"{names.verified_against} and {script_names.verified_against}"
    head = commented(header_lines(launch, verified, written))
    command = (
        'accelerate launch --config_file accelerate.yaml --machine_rank "$NODE_RANK" --num_machines "$NNODES" \\\n'
        f'  --num_processes "$((NNODES * {launch.ranks_per_node}))" --main_process_ip "$MASTER_ADDR" '
        '--main_process_port "$MASTER_PORT"'
    )
    flags = hf_trainer.arguments(launch)
    files |= {
        "accelerate.sh": hf_trainer.shell(launch, head, command, flags, script_names),
        "accelerate.yaml": head + _yaml(config),
    }
    return Written(files=dict(sorted(files.items())), start=start, unexpressed=tuple(left))


def _config(launch: Training, layer: str, again: bool) -> Fields:
    """The YAML as a mapping; values of FSDP's switches are words, as Accelerate reads them."""
    zero = launch.number("zero")
    dp, tp, cp = (launch.number(name) for name in ("dp", "tp", "cp"))
    return {
        "compute_environment": "LOCAL_MACHINE", "distributed_type": "FSDP",
        "mixed_precision": MIXED[launch.word("precision")],
        "num_machines": launch.nodes, "num_processes": launch.accelerators, "rdzv_backend": "c10d",
        "fsdp_config": {
            "fsdp_version": 2, "fsdp_reshard_after_forward": zero == 3,
            "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "fsdp_transformer_layer_cls_to_wrap": layer, "fsdp_activation_checkpointing": again,
            "fsdp_offload_params": False, "fsdp_state_dict_type": "SHARDED_STATE_DICT",
            "fsdp_cpu_ram_efficient_loading": False,
        },
        "parallelism_config": {
            "parallelism_config_dp_replicate_size": dp if zero == 0 else 1,
            "parallelism_config_dp_shard_size": 1 if zero == 0 else dp,
            "parallelism_config_tp_size": tp, "parallelism_config_cp_size": cp,
        },
        **({"fp8_config": {"backend": "te", "format": "HYBRID"}} if launch.word("precision") == "fp8" else {}),
    }  # fmt: skip


def _flat(data: Fields, prefix: str = "") -> Fields:
    out: Fields = {}
    for key, value in data.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return out


def _yaml(data: Fields, indent: str = "") -> str:
    """A mapping of mappings and plain values."""
    text = ""
    for key, value in data.items():
        said = f"\n{_yaml(value, indent + '  ')}" if isinstance(value, dict) else f" {_plain(value)}\n"
        text += f"{indent}{key}:{said}"
    return text


def _plain(value: JsonValue) -> str:
    return str(value).lower() if isinstance(value, bool) else ("'no'" if value == "no" else str(value))
