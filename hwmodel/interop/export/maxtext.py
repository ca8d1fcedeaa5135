"""MaxText: a YAML configuration on top of its base.yml."""

from __future__ import annotations

import math

from hwmodel.errors import InputError
from hwmodel.interop.export.launch import Training, Unexpressed, Written, commented, header_lines, schedule_left
from hwmodel.interop.tools.maxtext_shape import shape_settings
from hwmodel.interop.tools.maxtext_words import AXES, QUANTIZATION, REMAT
from hwmodel.interop.tools.names import names_of
from hwmodel.plain import Fields, JsonValue

Settings = Fields
DTYPES = {"fp16": "float16", "tf32": "float32"}


def write(launch: Training) -> Written:
    """The configuration. InputError for a shape, recipe or setting that MaxText has none for."""
    names = names_of("maxtext")
    if launch.trainable_fraction < 1.0:
        raise InputError("a launch of an adapter is not written for maxtext")
    settings, unexpressed = _settings(launch)
    names.check(f"quantization:{settings['quantization']}", settings["quantization"])
    for name, value in settings.items():
        names.check(name, value)
    start = (
        "python3 -m maxtext.trainers.pre_train.train maxtext.yml run_name=... base_output_directory=... "
        "learning_rate=... (in this folder, on every host)"
    )
    written = Written(files={}, start=start, unexpressed=unexpressed)
    body = "".join(f"{name}: {_yaml(value)}\n" for name, value in settings.items())
    text = (
        commented(header_lines(launch, names.verified_against, written))
        + "\n# Not part of the plan: learning rate, data, tokenizer, rotary base.\n"
        + f'base_config: "base.yml"\n{body}'
    )
    return Written(files={"maxtext.yml": text}, start=start, unexpressed=unexpressed)


def _yaml(value: JsonValue) -> str:
    """A value as YAML in one line."""
    import json

    return json.dumps(value)


def _settings(launch: Training) -> tuple[Settings, tuple[Unexpressed, ...]]:
    left: list[Unexpressed] = []
    tpu = launch.part.family == "tpu"
    precision = launch.word("precision")
    quantization = QUANTIZATION.get(precision, (None, None))[1 if tpu else 0]
    if quantization is None:
        kind = "TPUs" if tpu else "GPUs"
        raise InputError(f"maxtext has no --precision {precision} on {kind}; plan with --precision bf16 or fp8")
    if launch.number("etp") > 1:
        left.append(Unexpressed("etp", str(launch.number("etp")), "maxtext splits experts over all tensor ranks"))
    if launch.number("tp") > 1 and not launch.number("sequence_parallel"):
        left.append(Unexpressed("sequence_parallel", "0", "maxtext shards the residual stream as its rules say"))
    mode = launch.word("recompute")
    if mode not in REMAT:
        left.append(Unexpressed("recompute", mode, "maxtext names tensors, not layers: written as every layer"))
    dtype = DTYPES.get(precision, "bfloat16")
    settings: Settings = {
        "hardware": "tpu" if tpu else "gpu",
        **shape_settings(launch.shape),
        **_batch(launch),
        "max_target_length": launch.number("seq_len"),
        **({"steps": launch.steps} if launch.steps is not None else {}),
        "dtype": dtype, "weight_dtype": "float32", "quantization": quantization,
        "remat_policy": REMAT.get(mode, "full"),
        **_mesh(launch),
    }  # fmt: skip
    zero = launch.number("zero")
    if zero == 2:
        left.append(Unexpressed("zero", "2", "maxtext shards optimizer states alone or weights too: written as ZeRO 1"))
    if zero == 0 and launch.number("dp") == launch.number("ep") > 1:
        left.append(Unexpressed("zero", "0", "maxtext shards weights over the expert axis"))
    if zero in (1, 2):
        settings["shard_optimizer_over_data"] = True
    host = launch.word("offload").split(",")
    if "optimizer" in host:
        settings["optimizer_memory_host_offload"] = True
    if "activations" in host:
        left.append(
            Unexpressed("offload", launch.word("offload"), "maxtext moves tensors by name under remat_policy custom")
        )
    return settings, (*left, *schedule_left(launch, "maxtext"))


def _batch(launch: Training) -> Settings:
    """Sequences a device and step, and how they are split. A pipeline takes the whole batch at once."""
    pp, count = launch.number("pp"), launch.accumulation
    if pp == 1:
        each = launch.number("micro_batch") / (launch.number("tp") * launch.number("cp"))
        return {"per_device_batch_size": each, "gradient_accumulation_steps": count}
    if count % pp:
        raise InputError(
            f"maxtext wants micro-batches in multiples of the {pp} stages; plan with --global-batch "
            f"{launch.number('global_batch_seqs') // count * pp * math.ceil(count / pp)}"
        )
    return {
        "per_device_batch_size": launch.number("global_batch_seqs") / launch.accelerators,
        "gradient_accumulation_steps": 1,
        "num_pipeline_microbatches": count,
        **_stages(launch, pp, launch.number("vpp")),
    }


def _stages(launch: Training, pp: int, vpp: int) -> Settings:
    depth = launch.layers
    dense = next((int(b.count) for b in launch.shape.blocks if b.n_experts == 0), 0)
    if launch.mixture and dense:
        raise InputError(f"maxtext pipelines none of the {dense} dense layers of {launch.model}; plan with --pp 1")
    if depth % (pp * vpp):
        raise InputError(f"maxtext splits {depth} layers evenly; plan with --pp and --vpp that divide them")
    return {"num_layers_per_pipeline_stage": depth // (pp * vpp), "num_pipeline_repeats": vpp}


def _mesh(launch: Training) -> Settings:
    """Sizes of the mesh axes inside a slice or node (ici) and across them (dcn)."""
    dp, ep = launch.number("dp"), launch.number("ep")
    if dp % ep:
        raise InputError(f"maxtext takes expert ranks out of the replicas; plan with an --ep that divides dp {dp}")
    sharded = launch.number("zero") == 3
    sizes = {
        "tensor": launch.number("tp"), "context": launch.number("cp"), "expert": ep,
        "fsdp": dp // ep if sharded else 1, "data": 1 if sharded else dp // ep, "pipeline": launch.number("pp"),
    }  # fmt: skip
    inside = launch.accelerators if launch.part.family == "tpu" else launch.ranks_per_node
    inside = min(inside, int(min(launch.system.domain_accelerators, 1e9))) if launch.part.family == "tpu" else inside
    out: Settings = {}
    for axis in AXES:
        near = math.gcd(sizes[axis], inside)
        inside //= near
        out |= {f"ici_{axis}_parallelism": near, f"dcn_{axis}_parallelism": sizes[axis] // near}
    if inside != 1:
        raise InputError(
            f"maxtext cannot lay tp {sizes['tensor']}, cp {sizes['context']}, ep {ep} and dp {dp} over whole nodes; "
            "plan with sizes that are powers of two"
        )
    return out
