"""torchtitan configurations, TOML or Python, read into a question."""

from __future__ import annotations

import math
from pathlib import Path

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.interop.launch_in.record import FP32, FileOptions, Read, facts, sort_names, with_facts
from hwmodel.interop.launch_in.settings import Settings, counted
from hwmodel.interop.launch_in.titan_source import FLOAT32_PRODUCTS, python_settings, toml_settings
from hwmodel.interop.tools.names import names_of
from hwmodel.interop.tools.titan_models import CUSTOM, FLAVORS
from hwmodel.physics.shape import layers
from hwmodel.specs import Block, Shape
from hwmodel.specs.layout import SCHEDULES

READ_PYTHON = {"TrainingConfig": "training.", "ParallelismConfig": "parallelism."}
CONVERTERS = {
    "float8": "fp8", "quantize.linear.float8": "fp8", "quantize.dense.float8": "fp8", "Float8LinearConverter": "fp8",
    "mx": "mxfp8", "quantize.linear.mx": "mxfp8", "quantize.dense.mx": "mxfp8", "MXFP8LinearConverter": "mxfp8",
    "NVFP4LinearConverter": "nvfp4",
}  # fmt: skip
GROUPED = ("quantize.grouped_mm.float8", "quantize.grouped_mm.mx", "quantize.moe.float8", "quantize.moe.mx")
SINGLE_STAGE = ("1F1B", "GPipe")
INTERLEAVED = ("Interleaved1F1B", "InterleavedGPipe", "LoopedBFS")
OTHERS = {"InterleavedZeroBubble": "zb-h1", "DualPipeV": "dualpipev"}  # by the words of --schedule


def reads(text: str) -> bool:
    """Whether a file is a configuration of torchtitan."""
    return "torchtitan" in text or ("[parallelism]" in text and "[training]" in text)


def read_toml(text: str, path: Path) -> Read:
    """A TOML file of torchtitan up to 0.2.2."""
    return _read(Settings(toml_settings(text, path), path), text, "torchtitan (TOML)")


def read_python(text: str, path: Path, function: str = "") -> Read:
    """A Python configuration of torchtitan 0.3.0."""
    return _read(Settings(python_settings(text, path, function), path), text, "torchtitan")


def _read(settings: Settings, text: str, tool: str) -> Read:
    names, path = names_of("torchtitan"), settings.path
    known = {*names.toml, *(prefix + key.split(".")[1] for cls, prefix in READ_PYTHON.items()
                            for key in names.names if key.startswith(f"{cls}."))}  # fmt: skip
    known |= {key for key in settings if key.startswith("custom.")} | {FLOAT32_PRODUCTS}
    passed, noted = sort_names(settings, known, names, path)
    said = facts(text)
    shape = _shape(settings)
    flavor = FLAVORS.get((settings.word("model.name"), settings.word("model.flavor")))
    options = _options(settings, shape) | {"stack": "torchtitan"}
    if flavor is not None:
        options["model"] = flavor
    options = with_facts(options, said)
    tp = settings.whole("parallelism.tensor_parallel_degree", 1)
    return Read(
        tool=tool, path=path, options=options, shape=shape, passed_over=tuple(passed), notes=tuple(noted),
        sequence_parallel=bool(settings.get("parallelism.enable_sequence_parallel", True)) and tp > 1,
        steps=settings.whole("training.steps", 0) or None,
    )  # fmt: skip


def _options(s: Settings, shape: Shape | None) -> FileOptions:
    """Layout, batch, sequence and precision."""

    def degree(name: str) -> int:
        return s.count(f"parallelism.{name}")

    tp, cp, pp = (degree(f"{name}_parallel_degree") for name in ("tensor", "context", "pipeline"))
    local = s.stated("training.local_batch_size") or s.count("training.batch_size", 8)
    options: FileOptions = {
        "tp": tp, "cp": cp, "pp": pp,
        "vpp": _virtual(s, shape, pp), "ep": degree("expert_parallel_degree"),
        "etp": degree("expert_tensor_parallel_degree"), "zero": _zero(s, pp),
        "micro_batch": degree("pipeline_parallel_microbatch_size") if pp > 1 else local,
        "schedule": OTHERS.get(_schedule(s), SCHEDULES[0]) if pp > 1 else SCHEDULES[0],
        "recompute": _recompute(s), "precision": _precision(s),
        "seq_len": s.count("training.seq_len", 2048),
    }  # fmt: skip
    batch = s.whole("training.global_batch_size", -1)
    shard = _shard(s)
    if shard > 0:
        dp = shard * degree("data_parallel_replicate_degree")
        options["accelerators"] = dp * tp * cp * pp
    if batch > 0:
        options["global_batch"] = batch
    else:
        options["batch_per_replica"] = local
    return options


def _shard(s: Settings) -> int:
    """Ranks that share the states; -1 for all that are left. InputError for what torchtitan's ParallelDims refuses."""
    name = "parallelism.data_parallel_shard_degree"
    found = s.whole(name, -1)
    return found if found == -1 else counted(found, name, s.path)


def _zero(s: Settings, pp: int) -> int:
    """The ZeRO stage of what is sharded and whether weights are gathered for each pass."""
    replicas = s.count("parallelism.data_parallel_replicate_degree", 1)
    shard = _shard(s)
    if replicas > 1 and shard != 1:
        raise InputError(f"{s.path}: sharding inside replicas (HSDP) is not predicted; set one of the two degrees to 1")
    if shard == 1:
        return 0
    policy = s.word("parallelism.fsdp_reshard_after_forward", "default")
    # `default` keeps the gathered weights where a pipeline runs many micro-batches over them.
    return 3 if policy == "always" or (policy == "default" and pp == 1) else 2


def _recompute(s: Settings) -> str:
    mode = s.word("activation_checkpoint.mode", "selective")
    option = s.word("activation_checkpoint.selective_ac_option", "op")
    if mode == "selective" and option.isdigit():
        return "full" if int(option) == 1 else f"{100.0 / int(option):.6g}%"
    if mode not in ("none", "selective", "full"):
        raise InputError(
            f"{s.path}: activation_checkpoint.mode {mode!r} is not predicted; none, selective and full are"
        )
    return mode


def _precision(s: Settings) -> str:
    given = s.get("model.converters") or ""
    listed = given if isinstance(given, list) else str(given).split(",")
    names = [name for one in listed if (name := str(one).strip())]
    strange = [name for name in names if name not in CONVERTERS and name not in GROUPED]
    if strange:
        raise InputError(f"{s.path}: converter {strange[0]!r} is not predicted; {', '.join(CONVERTERS)} are")
    recipes = {CONVERTERS[name] for name in names if name in CONVERTERS}
    if recipes:
        return recipes.pop()
    if s.word("training.mixed_precision_param", "bfloat16") != "float32":
        return "bf16"
    # PyTorch multiplies FP32 in FP32 unless it is told otherwise, and torchtitan does not tell it (its issue 630).
    return "tf32" if s.word(FLOAT32_PRODUCTS, "highest") == "high" else FP32


def _schedule(s: Settings) -> str:
    """The pipeline's schedule as torchtitan spells it. InputError for one that is not predicted."""
    given = s.word("parallelism.pipeline_parallel_schedule", "1F1B")
    known = {name.lower(): name for name in (*SINGLE_STAGE, *INTERLEAVED, *OTHERS)}
    if given.lower() not in known:
        raise InputError(f"{s.path}: pipeline schedule {given} is not predicted; {', '.join(known.values())} are")
    return known[given.lower()]


def _virtual(s: Settings, shape: Shape | None, pp: int) -> int:
    """Virtual stages a rank, as torchtitan counts them from the layers of a stage."""
    schedule = _schedule(s)
    if pp == 1:
        return 1
    each = s.whole("parallelism.pipeline_parallel_layers_per_stage", 0)
    if not each:
        return 2 if schedule in (*INTERLEAVED, *OTHERS) else 1
    if shape is None:
        raise InputError(
            f"{s.path}: pipeline_parallel_layers_per_stage needs the model; torchtitan's flavors are known"
        )
    first = s.whole("parallelism.pipeline_parallel_first_stage_less_layers", 1)
    last = s.whole("parallelism.pipeline_parallel_last_stage_less_layers", 1)
    return max(1, math.ceil((float(layers(shape)) + first + last) / each) // pp)


def _shape(s: Settings) -> Shape | None:
    """The model of a flavor, or of a builder's arguments."""
    module, flavor = s.word("model.name", ""), s.word("model.flavor", "")
    if (module, flavor) in FLAVORS:
        return load_catalog().model(FLAVORS[module, flavor])
    if flavor == CUSTOM and "custom.builder" in s:
        return _built(s)
    return None


def _built(s: Settings) -> Shape:
    """The shape that a builder of layers makes of its arguments."""

    def number(name: str, default: float | None = None) -> float:
        if default is None and f"custom.{name}" not in s:
            raise InputError(f"{s.path}: {s['custom.builder']} has no {name}")
        return s.number(f"custom.{name}", default or 0.0)

    experts = number("num_experts", 0.0)
    block = Block(
        count=number("n_layers"), n_heads=number("n_heads"), n_kv_heads=number("n_kv_heads", number("n_heads")),
        head_dim=number("head_dim", number("dim") // number("n_heads")),
        d_ff=number("moe_hidden_dim" if experts else "hidden_dim"), n_experts=experts, top_k=number("top_k", 0.0),
    )  # fmt: skip
    return Shape(
        name=s.path.stem, d_model=number("dim"), vocab=number("vocab_size"), blocks=(block,),
        tied=float(bool(s.get("custom.enable_weight_tying", False))),
        qk_norm=1.0 if "qwen3" in s.word("custom.builder") else 0.0,
    )  # fmt: skip
