"""MaxText YAML read into a question."""

from __future__ import annotations

import math
from pathlib import Path

from hwmodel.errors import InputError
from hwmodel.interop.launch_in.record import FP32, FileOptions, Read, facts, sort_names, with_facts, yaml_settings
from hwmodel.interop.launch_in.settings import Settings
from hwmodel.interop.tools.maxtext_shape import settings_shape
from hwmodel.interop.tools.maxtext_words import AXES, QUANTIZATION, REMAT
from hwmodel.interop.tools.names import names_of

# Names of configs/models of MaxText 0.2.5 that are written otherwise in the catalog.
MODELS = {
    "llama2-7b": "llama-2-7b", "llama2-13b": "llama-2-13b", "llama2-70b": "llama-2-70b", "llama3-8b": "llama-3-8b",
    "llama3-70b": "llama-3-70b", "llama3.1-8b": "llama-3.1-8b", "llama3.1-70b": "llama-3.1-70b",
    "llama3-405b": "llama-3.1-405b", "llama3.1-405b": "llama-3.1-405b", "llama3.3-70b": "llama-3.1-70b",
    "deepseek3-671b": "deepseek-v3", "deepseek2-16b": "deepseek-v2-lite", "deepseek2-236b": "deepseek-v2",
    "gpt3-175b": "gpt-3-175b", "kimi-k2-1t": "kimi-k2",
}  # fmt: skip
QUANTIZED = {"fp8": "fp8", "te_fp8_currentscaling": "fp8", "fp8_gpu": "fp8"} | {
    name: recipe for recipe, both in QUANTIZATION.items() for name in both if name
}
FLOAT32_PRODUCTS = {"default": "tf32", "high": "tf32", "highest": FP32}
UNIT_AXES = ("fsdp_transpose", "sequence", "tensor_sequence", "autoregressive", "context_autoregressive", "diloco")


def reads(text: str) -> bool:
    """Whether a YAML file is a configuration of MaxText."""
    return "base.yml" in text or "per_device_batch_size" in text or "base_emb_dim" in text


def read(text: str, path: Path) -> Read:
    """The question behind a configuration. InputError for what would change the prediction and cannot be read."""
    data = yaml_settings(text, path)
    settings = Settings(data, path)
    names = names_of("maxtext")
    passed, noted = sort_names(settings, names.names, names, path)
    if not any(name.startswith("dcn_") for name in settings):
        noted.append("no dcn_ axis is set: read as one slice, all of whose devices shard the weights")
    if _delayed(settings):
        noted.append(
            "pipeline_delay_activation_forwarding: a pipeline that fills and drains twice as long; not predicted"
        )
    shape = settings_shape(data, path)
    options = with_facts(_options(settings) | {"stack": "jax"}, facts(text))
    if options.get("precision") == "tf32":
        noted.append("dtype float32: multiplied in TF32, as JAX does on GPUs unless matmul_precision is highest")
    if shape is None and "model_name" in settings:
        name = str(settings["model_name"])
        options["model"] = MODELS.get(name, name)
    return Read(
        tool="maxtext", path=path, options=options, shape=shape, passed_over=tuple(passed), notes=tuple(noted),
        steps=settings.whole("steps", 0) or None, sequence_parallel=facts(text).get("sequence_parallel") != "0",
    )  # fmt: skip


def _axis(s: Settings, name: str) -> int:
    """Ranks of a mesh axis, inside a slice and across; -1 where it takes what is left."""
    near = _ranks(s, f"ici_{name}_parallelism", -1 if name == "fsdp" else 1)
    far = _ranks(s, f"dcn_{name}_parallelism", 1)
    return -1 if -1 in (near, far) else near * far


def _ranks(s: Settings, name: str, default: int) -> int:
    return -1 if s.whole(name, default) == -1 else s.count(name, default)


def _options(s: Settings) -> FileOptions:
    """Layout, batch, sequence and precision."""
    sizes = {name: _axis(s, name) for name in AXES}
    strange = [name for name in UNIT_AXES if _axis(s, name) != 1]
    if strange:
        raise InputError(f"{s.path}: the mesh axis {strange[0]} is not predicted; set it to 1")
    if sizes["fsdp"] not in (1,) and sizes["data"] not in (1,):
        raise InputError(
            f"{s.path}: sharding inside replicas (data and fsdp both above 1) is not predicted; set one to 1"
        )
    sharded = sizes["fsdp"] != 1 or (sizes["data"] == 1 and not s.get("shard_optimizer_over_data"))
    tp, cp, pp = sizes["tensor"], sizes["context"], sizes["pipeline"]
    if -1 in (tp, cp, pp, sizes["expert"]):
        raise InputError(f"{s.path}: only the axes data and fsdp may be -1 here; write the other sizes")
    known = -1 not in sizes.values()
    options: FileOptions = {
        "tp": tp, "cp": cp, "pp": pp, "ep": sizes["expert"], "vpp": _repeats(s, pp),
        "zero": 3 if sharded else (1 if s.get("shard_optimizer_over_data") else 0),
        "offload": "optimizer" if s.get("optimizer_memory_host_offload") else "none",
        "recompute": _recompute(s), "precision": _precision(s),
        "seq_len": s.count("max_target_length", 2048),
    }  # fmt: skip
    if known:
        options["accelerators"] = math.prod(sizes.values())
    return options | _batch(s, tp * cp * pp, pp)


def _left_to_tool(s: Settings, name: str) -> int | None:
    """A count; None where it is left out or -1, MaxText's word for what it derives. InputError for 0 and less."""
    return None if s.whole(name, -1) == -1 else s.stated(name)


def _repeats(s: Settings, pp: int) -> int:
    """Virtual stages: given, or the layers over those of all stages."""
    if pp == 1:
        return 1
    repeats = _left_to_tool(s, "num_pipeline_repeats")
    if repeats is not None:
        return repeats
    return max(1, s.whole("base_num_decoder_layers", pp) // (pp * s.count("num_layers_per_pipeline_stage")))


def _batch(s: Settings, ranks: int, pp: int) -> FileOptions:
    """The micro-batch of a replica, and sequences a device and step."""
    each = s.number("per_device_batch_size", 12.0)
    steps = s.count("gradient_accumulation_steps")
    # Left to MaxText they are as many as stages, twice as many with delayed forwarding (its configuration's own check).
    delay = 2 if _delayed(s) else 1
    count = (_left_to_tool(s, "num_pipeline_microbatches") or delay * pp) if pp > 1 else 1
    micro = each * ranks / count
    if micro < 1 or abs(micro - round(micro)) > 1e-9:
        raise InputError(
            f"{s.path}: per_device_batch_size {each:g} on {ranks} devices a replica makes {micro:g} sequences a "
            "micro-batch; it must be a whole number"
        )
    return {"micro_batch": round(micro), "batch_per_replica": round(each * steps * ranks)}


def _delayed(s: Settings) -> bool:
    """Whether stages hand their activations on a step later than they have them."""
    value = s.get("pipeline_delay_activation_forwarding", False)
    if not isinstance(value, bool):
        raise InputError(f"{s.path}: pipeline_delay_activation_forwarding takes true or false, not {value!r}")
    return value


def _recompute(s: Settings) -> str:
    policy = s.word("remat_policy", "full")
    modes = {name: mode for mode, name in REMAT.items()}
    if policy not in modes:
        raise InputError(f"{s.path}: remat_policy {policy} is not predicted; {', '.join(modes)} are")
    return modes[policy]


def _precision(s: Settings) -> str:
    quantization = s.word("quantization")
    if quantization.lower() not in ("", "none", "false"):
        if quantization not in QUANTIZED:
            raise InputError(f"{s.path}: quantization {quantization} is not predicted; {', '.join(QUANTIZED)} are")
        return QUANTIZED[quantization]
    dtype = s.word("dtype", "bfloat16")
    return _float32(s) if dtype == "float32" else {"float16": "fp16"}.get(dtype, "bf16")


def _float32(s: Settings) -> str:
    """How JAX multiplies FP32 on GPUs: in TF32 on those that have it, unless asked for the highest precision
    (docs.jax.dev, Matmul precision)."""
    found = s.word("matmul_precision", "default")
    if found not in FLOAT32_PRODUCTS:
        raise InputError(f"{s.path}: matmul_precision {found} is not predicted; {', '.join(FLOAT32_PRODUCTS)} are")
    return FLOAT32_PRODUCTS[found]
