"""Launches of transformers' trainer: DeepSpeed's JSON, Accelerate's YAML, and the scripts that name them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hwmodel.catalog.yamlfile import read_text
from hwmodel.errors import CatalogError, InputError
from hwmodel.interop.huggingface import read_config
from hwmodel.interop.launch_in.megatron import LAUNCHER, launched
from hwmodel.interop.launch_in.record import (
    FP32,
    LEFT_OPEN,
    FileOptions,
    Read,
    facts,
    sort_names,
    with_facts,
    yaml_settings,
)
from hwmodel.interop.launch_in.settings import Settings, flat
from hwmodel.interop.launch_in.shell import Script, read_script
from hwmodel.interop.tools.names import names_of
from hwmodel.plain import JsonObject, JsonValue
from hwmodel.specs import Shape

ACCELERATE_LAUNCHER = ("--config_file", "--machine_rank", "--num_machines", "--num_processes", "--main_process_ip",
                       "--main_process_port")  # fmt: skip
DEEPSPEED_LAUNCHER = ("--num_gpus", "--num_nodes", "--hostfile", "--master_addr", "--master_port", "--node_rank",
                      "--launcher")  # fmt: skip
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")  # owner/model; other paths are folders of one's own
# The hub's first models go by their bare names too; these stand under this owner (huggingface.co/gpt2 leads there).
_FIRST_NAMES, _FIRST_OWNER = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"), "openai-community"
WORDS = {"true": True, "false": False, "1": True, "0": False}


class Found(NamedTuple):
    """What one file says: options, notes on what is not predicted, and names that change nothing."""

    options: FileOptions
    notes: list[str]
    passed: list[str]


def reads_script(text: str) -> bool:
    """Whether a script starts transformers' trainer with DeepSpeed or Accelerate."""
    return "--per_device_train_batch_size" in text or "--deepspeed" in text or "accelerate launch" in text


def reads_deepspeed(text: str) -> bool:
    return "train_micro_batch_size_per_gpu" in text or "zero_optimization" in text


def reads_accelerate(text: str) -> bool:
    return "distributed_type" in text and "compute_environment" in text


def read_deepspeed(text: str, path: Path) -> Read:
    """DeepSpeed's JSON alone: the model, the sequence and the fleet are said beside it."""
    options, notes, passed = _deepspeed(_json(text, path), path)
    return Read(tool="deepspeed", path=path, options=options | {"stack": "fsdp"}, passed_over=tuple(passed),
                notes=tuple(notes), sequence_parallel=False)  # fmt: skip


def read_accelerate(text: str, path: Path) -> Read:
    """Accelerate's YAML alone: the model, the batch and the sequence are said beside it."""
    options, notes, passed = _accelerate(yaml_settings(text, path), path)
    options = with_facts(options | {"stack": "fsdp"}, facts(text))
    return Read(tool="accelerate", path=path, options=options, passed_over=tuple(passed), notes=tuple(notes),
                sequence_parallel=facts(text).get("sequence_parallel") == "1")  # fmt: skip


def read_script_of_trainer(text: str, path: Path) -> Read:
    """A script with the files that it names beside it."""
    script = read_script(text, path)
    started = (*LAUNCHER, *ACCELERATE_LAUNCHER, *DEEPSPEED_LAUNCHER)
    flags = {f: v for f, v in script.flags.items() if f not in started}
    names = names_of("transformers")
    own = Script(path=path, flags=flags, directives=script.directives, variables=script.variables)
    passed, notes = sort_names(flags, names.names, names, path)
    options, tool = _files(script, path, passed, notes)
    trainer = _trainer(own)
    if options.get("precision") == "fp8":  # Accelerate's products; --bf16 names what stands around them
        trainer.pop("precision", None)
    options |= trainer
    if options.get("precision") in (FP32, LEFT_OPEN):
        # An `auto` of DeepSpeed's is the trainer's own switch (transformers, integrations/deepspeed.py); without one
        # weights are FP32, and PyTorch multiplies them in TF32 only where it is told to.
        options["precision"] = "tf32" if own.has("--tf32") and _switch(own, "--tf32") else FP32
    said = facts(text)
    shape, hub = _model(own, path)
    if hub is not None:
        options["model"] = hub
    return Read(
        tool=tool, path=path, options=with_facts(options | {"stack": "fsdp"}, said), shape=shape,
        passed_over=tuple(passed), notes=tuple(notes), sequence_parallel=said.get("sequence_parallel") == "1",
        steps=own.number("--max_steps") if "".join(flags.get("--max_steps", ["$"])).isdigit() else None,
    )  # fmt: skip


def _files(script: Script, path: Path, passed: list[str], notes: list[str]) -> tuple[FileOptions, str]:
    """Options of the DeepSpeed JSON or Accelerate YAML that a script names, and which of them it is."""
    named = script.value("--deepspeed") or script.value("--config_file")
    if named is None:
        raise InputError(f"{path}: names neither a DeepSpeed JSON (--deepspeed) nor an Accelerate YAML (--config_file)")
    place = path.parent / named
    try:
        text = read_text(place)
    except CatalogError as error:
        raise InputError(f"{path}: {error}") from error
    deep = script.has("--deepspeed")
    read = _deepspeed(_json(text, place), place) if deep else _accelerate(yaml_settings(text, place), place)
    notes += read.notes
    passed += read.passed
    gpus = _started(script)
    if gpus:
        read.options["accelerators"] = gpus
    return read.options, "deepspeed" if deep else "accelerate"


def _started(script: Script) -> int | None:
    """Accelerators that the launcher's own arguments start; those of Accelerate stand before its YAML's, and count the
    processes of all machines."""
    if script.has("--num_processes"):
        return script.count("--num_processes")
    if script.has("--num_gpus"):  # DeepSpeed's: those of a node
        nodes = script.has("--num_nodes") or not script.has("--hostfile")
        return script.count("--num_gpus") * script.count("--num_nodes") if nodes else None
    return launched(script)


def _trainer(flags: Script) -> FileOptions:
    """Options of the trainer's own arguments."""
    options: FileOptions = {}
    if flags.has("--block_size"):
        options["seq_len"] = flags.count("--block_size")
    if flags.has("--per_device_train_batch_size"):
        micro = flags.count("--per_device_train_batch_size")
        options["micro_batch"] = micro
        options["batch_per_replica"] = micro * flags.count("--gradient_accumulation_steps")
    if flags.has("--gradient_checkpointing"):
        options["recompute"] = "full" if _switch(flags, "--gradient_checkpointing") else "none"
    asked = [name for name in ("bf16", "fp16") if flags.has(f"--{name}") and _switch(flags, f"--{name}")]
    if len(asked) > 1:
        raise InputError(f"{flags.path}: --bf16 and --fp16 are one or the other")
    if asked:
        options["precision"] = asked[0]
    return options


def _switch(flags: Script, name: str) -> bool:
    """A switch, or a word for one."""
    value = "".join(flags.flags.get(name, ["true"])) or "true"
    if value.lower() not in WORDS:
        raise InputError(f"{flags.path}: {name} takes true or false, not {value!r}")
    return WORDS[value.lower()]


def _model(flags: Script, path: Path) -> tuple[Shape | None, str | None]:
    """The model of the configuration or weights that a script names: a folder beside it, else a name of the hub.

    A hub's name is resolved as it stands: quantised or tuned weights are another model until the catalog names them.
    """
    words = next((flags.flags[name] for name in ("--config_name", "--model_name_or_path") if flags.has(name)), [])
    named = words[0] if len(words) == 1 and "$" not in words[0] else None
    if named is None:
        return None, None
    place = path.parent / named
    if place.is_file() or (place / "config.json").is_file():
        return read_config(place).shape, None
    if place.exists():
        return None, None
    hub = f"{_FIRST_OWNER}/{named}" if named in _FIRST_NAMES else named
    return None, hub if _HUB_NAME.fullmatch(hub) else None


def _json(text: str, path: Path) -> JsonObject:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: no settings")
    return data


def _deepspeed(data: Mapping[str, JsonValue], path: Path) -> Found:
    """Options of DeepSpeed's JSON; `auto` leaves a value to the trainer."""
    whole = flat(data)
    s = Settings({key: value for key, value in whole.items() if value != "auto"}, path)
    names = names_of("deepspeed")
    seen = [key for key in s if not key.startswith("zero_optimization.offload")]
    passed, notes = sort_names(seen, names.names, names, path)
    options: FileOptions = {
        "zero": s.whole("zero_optimization.stage", 0), "tp": _sharded(s),
        "pp": 1, "vpp": 1, "cp": 1,
        "ep": s.count("expert_parallel.autoep_size"), "etp": s.count("expert_parallel.expert_tensor_parallel_size"),
        "recompute": "none", "offload": _host(s), "precision": _deepspeed_precision(s, whole),
    }  # fmt: skip
    micro, steps = s.stated("train_micro_batch_size_per_gpu"), s.stated("gradient_accumulation_steps")
    batch = s.stated("train_batch_size")
    if micro:
        options["micro_batch"] = micro
    if batch:
        options["global_batch"] = batch
    if micro and steps:
        options["batch_per_replica"] = micro * steps
    return Found(options, notes, passed)


def _sharded(s: Settings) -> int:
    """Tensor-parallel ranks: 0 is DeepSpeed's word for none."""
    name = "tensor_parallel.autotp_size"
    return s.count(name) if s.whole(name, 0) else 1


def _host(s: Settings) -> str:
    """What waits on the host. InputError for weights there, and for states on disks."""
    states, weights = (s.word(f"zero_optimization.offload_{n}.device", "none") for n in ("optimizer", "param"))
    if weights != "none" or states not in ("none", "cpu"):
        where = f"offload_param on {weights}" if weights != "none" else f"offload_optimizer on {states}"
        raise InputError(f"{s.path}: {where} is not predicted; offload_optimizer on cpu is")
    share = s.number("zero_optimization.offload_optimizer.ratio", 1.0)
    if states == "cpu" and share != 1.0:
        raise InputError(f"{s.path}: offload_optimizer ratio {share:g} is not predicted; 1.0 is")
    return "optimizer" if states == "cpu" else "none"


def _deepspeed_precision(s: Settings, data: Mapping[str, JsonValue]) -> str:
    """The format that is on; neither is on by itself. InputError for both, which DeepSpeed refuses."""
    on = [name for name in ("bf16", "fp16") if s.get(f"{name}.enabled", False) is True]
    if len(on) > 1:
        raise InputError(f"{s.path}: bf16.enabled and fp16.enabled are one or the other")
    if on:
        return on[0]
    return LEFT_OPEN if "auto" in (data.get("bf16.enabled"), data.get("fp16.enabled")) else FP32


def _accelerate(data: Mapping[str, JsonValue], path: Path) -> Found:
    """Options of Accelerate's YAML for FSDP."""
    s = Settings(flat(data), path)
    names = names_of("accelerate")
    passed, notes = sort_names(s, names.names, names, path)
    kind = s.word("distributed_type", "NO")
    if kind not in ("FSDP", "MULTI_GPU"):
        raise InputError(
            f"{path}: distributed_type {kind} is not read; FSDP and MULTI_GPU are (DeepSpeed has its own JSON)"
        )
    if _true(s.get("fsdp_config.fsdp_offload_params")):
        raise InputError(f"{path}: fsdp_offload_params: weights in host memory are not predicted; set it to false")
    part, mixed = "parallelism_config.parallelism_config_", s.word("mixed_precision", "no")
    options: FileOptions = {
        "tp": s.count(f"{part}tp_size"), "cp": s.count(f"{part}cp_size"), "pp": 1, "vpp": 1, "ep": 1,
        "zero": _accelerate_zero(s, kind),
        "recompute": "full" if _true(s.get("fsdp_config.fsdp_activation_checkpointing")) else "none",
        "precision": FP32 if mixed in ("no", "False") else mixed,
    }  # fmt: skip
    launched = s.stated("num_processes")
    if launched:
        options["accelerators"] = launched
    return Found(options, notes, passed)


def _accelerate_zero(s: Settings, kind: str) -> int:
    """The ZeRO stage: FSDP2 by what it reshards, FSDP1 by its strategy's name."""
    part = "parallelism_config.parallelism_config_"
    replicas, shards = s.whole(f"{part}dp_replicate_size", 1), s.whole(f"{part}dp_shard_size", 0)
    if replicas > 1 and shards > 1:
        raise InputError(f"{s.path}: sharding inside replicas (HSDP) is not predicted; set one of the two sizes to 1")
    if kind == "MULTI_GPU" or (replicas > 1 and shards == 1):
        return 0
    strategy = s.word("fsdp_config.fsdp_sharding_strategy")
    if strategy:
        stages = {"FULL_SHARD": 3, "SHARD_GRAD_OP": 2, "NO_SHARD": 0, "1": 3, "2": 2, "3": 0}
        if strategy not in stages:
            raise InputError(f"{s.path}: fsdp_sharding_strategy {strategy} is not predicted; FULL_SHARD is")
        return stages[strategy]
    return 3 if _true(s.get("fsdp_config.fsdp_reshard_after_forward", True)) else 2


def _true(value: object) -> bool:
    return WORDS.get(str(value).lower(), False)
