"""Rows of training_runs.csv: what each states, what it leaves open, what it measured.

A blank setting stays `None` here; the layout space searches over it. Names of models and sources never enter.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from hwmodel.errors import InputError
from hwmodel.numerics import falls_at_log
from hwmodel.predict.recompute import MODULES, NONE, offload_mode
from hwmodel.specs import Block, Shape
from hwmodel.validation.rows.tables import CellError, Row, measured, number, positive, stated, text

# Measured columns that a prediction answers, the headline first.
METRICS = ("tokens_per_s_per_accel", "step_time_s", "time_to_train_min", "peak_mem_gb", "reported_tflops_per_accel")
# Columns that state what a run was and what it gave, without its names: two rows alike in all of them are one run.
RUN = (
    "n_layers", "d_model", "n_heads", "n_kv_heads", "d_ff", "vocab", "seq_len", "n_experts", "top_k", "params_total",
    "n_accel", "accelerator", "precision", "global_batch_seqs", "micro_batch", "tp", "cp", "pp", "vpp", "ep", "dp",
    "zero_stage_or_fsdp", "recompute", "etp", "offload", "task", *METRICS,
)  # fmt: skip


class TrainingCase(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration as its row states it; None = not stated."""

    id: str
    source: str
    model: str
    part: str
    engine: str
    precision: str
    task: str
    interconnect: str
    year: float | None
    n_accel: float
    accel_per_node: float | None
    shape: Shape
    shape_complete: bool
    seq_len: float
    global_batch: float | None
    micro_batch: float | None
    tp: float | None
    cp: float | None
    pp: float | None
    vpp: float | None
    ep: float | None
    dp: float | None
    zero: float | None
    sequence_parallel: float | None
    etp: float | None
    recompute: tuple[str, ...]  # words of --recompute to search; empty: the usual ones
    offload: str  # word of --offload
    memory_kind: str  # what its peak memory counts; empty: not stated
    memory_unit_bytes: float  # of `peak_mem_gb`
    convention: str
    scored: bool
    measured: dict[str, float]


# Sharding by name. ZeRO-Infinity is part of the third stage, ZeRO-Offload came within the second
# (deepspeed.readthedocs.io, zero3); ZeRO++ shrinks the gathering of the third (deepspeed.ai/tutorials/zeropp). FSDP's
# strategies are those of torch.distributed.fsdp.ShardingStrategy.
_SHARDING = (
    ("no[-_ ]shard", 0.0), ("grad[-_ ]op|zero[- _]*offload", 2.0),
    ("fsdp|hsdp|(full|hybrid)[-_ ]shard|zero[- _]*(\\+\\+|infinity)", 3.0), ("distributed|dist[-_ ]?opt|^zero", 1.0),
)  # fmt: skip


def zero_stage(cell: str) -> float | None:
    """ZeRO stage named by a cell; None for a blank one. Raises CellError for text that names no sharding."""
    name = cell.lower()
    if not name:
        return None
    found = re.search(r"(?:zero|stage)[- _]*(\d)", name) or re.fullmatch(r"(\d)(?:\.0)?", name)
    if found:
        return float(min(int(found.group(1)), 3))
    stage = next((stage for pattern, stage in _SHARDING if re.search(pattern, name)), None)
    if stage is not None:
        return stage
    if name in ("ddp", "none", "no", "dp", "false", "off"):
        return 0.0
    raise CellError(f"zero_stage_or_fsdp names no sharding: {cell!r}")


# What an unnamed policy may be: anything from selective to nearly every layer.
_POLICIES = ("selective", *(f"{10 * k}%" for k in range(1, 10)), "full")


# Words for every layer's input kept and no more: what frameworks do where checkpointing is on and no policy is named
# (Hugging Face `gradient_checkpointing`, PyTorch FSDP `apply_activation_checkpointing`, DeepSpeed's `num_checkpoints`).
_EVERY_LAYER = (
    r"^full|^(yes|true|on|1)$|^(every|all|each) (layers?|blocks?)|^(activation|gradient)[-_ ]checkpoint(ing)?$"
)


def recompute_words(cell: str) -> tuple[str, ...]:
    """Words of `--recompute` that a cell allows; empty for a blank one."""
    name = cell.lower()
    if not name:
        return ()
    if name in ("none", "no", "false", "off", "0", "disabled"):
        return ("none",)
    modules = [word for word in re.split(r"[\s,+;]+", name) if word in MODULES]
    if modules:
        return (",".join(modules),)
    if "select" in name or "minimal" in name:
        return ("selective",)
    if re.search(_EVERY_LAYER, name):
        return ("full",)
    share = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", name)
    return (name,) if share is not None and 0.0 < float(share.group(1)) < 100.0 else _POLICIES


def _offload(cell: str) -> str:
    """What waits on the host: nothing, where a row does not say. Raises CellError for other words."""
    try:
        offload_mode(cell or NONE)
    except InputError as error:
        raise CellError(str(error)) from error
    return cell.lower() or NONE


# What a peak of memory counts, and how tools call it: PyTorch's counters of its allocator, what the driver shows.
MEMORY_KINDS = {
    "allocated": ("allocated", "max_memory_allocated"), "reserved": ("reserved", "max_memory_reserved"),
    "device": ("device", "nvidia-smi", "rocm-smi", "amd-smi"),
}  # fmt: skip


def _memory_kind(cell: str) -> str:
    """What a peak counts: live tensors, what the allocator holds, or all that the device shows (as nvidia-smi)."""
    name = cell.lower()
    kind = next((kind for kind, names in MEMORY_KINDS.items() if name in names), "")
    if name and not kind:
        raise CellError(f"peak_mem_kind {cell!r} is none of {', '.join(MEMORY_KINDS)}")
    return kind


_MEMORY_UNITS = {"gib": 2.0**30, "gb": 1e9, "mib": 2.0**20, "mb": 1e6}


def _memory_unit_bytes(cell: str) -> float:
    """Bytes of the unit of a row's peak of memory: gibibytes, as allocators print, where it does not plainly say
    another. Raises CellError for what is no unit of memory."""
    found = re.findall(r"\b[gm]i?b\b", cell.lower()) or ([] if cell else ["gib"])
    if not found:
        raise CellError(f"peak_mem_unit {cell!r} is none of GiB, GB, MiB, MB")
    return _MEMORY_UNITS["gib" if "gib" in found else found[0]]


_SAID = {"yes": 1.0, "true": 1.0, "1": 1.0, "on": 1.0, "enabled": 1.0,
         "no": 0.0, "false": 0.0, "0": 0.0, "off": 0.0, "disabled": 0.0}  # fmt: skip


def _flag(cell: str, name: str) -> float | None:
    """1 or 0 as a cell says; None for a blank one. Raises CellError for other words."""
    if cell and cell.lower() not in _SAID:
        raise CellError(f"{name} is neither yes nor no: {cell!r}")
    return _SAID.get(cell.lower())


def _whole(value: float | None, name: str) -> float | None:
    if value is not None and abs(value - round(value)) > 1e-6:
        raise CellError(f"{name} must be a whole number, is {value:g}")
    return value


def _networks(row: Row, layers: float, d_ff: float) -> list[tuple[float, dict[str, float]]]:
    """Numbers of layers with their feed-forward networks: all dense, or routed ones and the dense ones before them."""
    experts = number(row, "n_experts") or 0.0
    if experts <= 1:
        return [(layers, {"d_ff": d_ff})]
    shared = (number(row, "n_shared_experts") or 0.0) * d_ff
    wide = positive(row, "d_ff_dense")
    stated = number(row, "n_dense_layers")
    # A width of dense layers without their number: one, as the models that print it have at least one.
    dense = min(stated if stated is not None else (1.0 if wide else 0.0), layers - 1.0)
    moe = {"d_ff": d_ff, "n_experts": experts, "top_k": positive(row, "top_k") or 2.0, "d_ff_shared": shared}
    kinds = [(layers - dense, moe)]
    if dense > 0:
        kinds.append((dense, {"d_ff": wide or d_ff * (moe["top_k"] + (shared / d_ff))}))
    return kinds


def _blocks(row: Row, d: float, layers: float, heads: float, d_ff: float, gated: float) -> tuple[Block, ...]:
    """Layer kinds of a row: plain or sliding-window attention, leading dense layers, experts."""
    nope, rope = positive(row, "qk_nope_head_dim"), number(row, "qk_rope_head_dim")
    head_dim = positive(row, "head_dim") or d / heads
    latent = number(row, "kv_lora_rank") or 0.0
    if latent and nope:
        head_dim = nope + (rope or 0.0)
    kv_heads = positive(row, "n_kv_heads") or heads
    attention = {
        "n_heads": heads,
        "n_kv_heads": kv_heads,
        "head_dim": head_dim,
        "v_head_dim": positive(row, "v_head_dim") or (nope if latent and nope else head_dim),
        "q_lora_rank": number(row, "q_lora_rank") or 0.0,
        "kv_lora_rank": latent,
        "rope_dim": (rope or 0.0) if latent else 0.0,
        "gated": gated,
    }
    window = positive(row, "window")
    blocks = []
    for count, ffn in _networks(row, layers, d_ff):
        # Models with windows alternate them with full attention; which share is not in the columns.
        parts = [(count, float("inf"))] if window is None else [(count / 2, float("inf")), (count / 2, window)]
        blocks += [Block(count=n, window_tokens=w, **(attention | ffn)) for n, w in parts]
    return tuple(blocks)


def _solve_width(params: float, build: Callable[[float], Shape]) -> float:
    """Model width (a multiple of 64) at which `build` has about `params` parameters."""
    from hwmodel.physics.shape import parameters

    width = falls_at_log(lambda d: bool(parameters(build(d)).total < params), 64.0, 131072.0)
    return max(64.0, 64.0 * round(width / 64.0))


_TOP_K = 8.0  # of the fine-grained mixtures that publish only total and active parameters (DeepSeek, Qwen, Kimi)


def _with_experts(dense: Shape, params: float) -> Shape:
    """The dense shape, its feed-forward cut into `_TOP_K` active experts and as many idle ones as `params` needs."""
    from hwmodel.physics.shape import expert_params, parameters

    block = dense.blocks[0]
    one = float(expert_params(dense, block)) / _TOP_K
    idle = (params - float(parameters(dense).total)) / (one * float(block.count))
    experts = _TOP_K * max(2.0, round((_TOP_K + idle) / _TOP_K))
    changed = msgspec.structs.replace(block, d_ff=block.d_ff / _TOP_K, n_experts=experts, top_k=_TOP_K)
    return msgspec.structs.replace(dense, blocks=(changed,))


def _with_widths(row: Row, params: float | None, active: float | None) -> Row:
    """The row with experts' width and number a token, where blank, from its total and active parameters."""
    from hwmodel.physics.shape import parameters

    experts = number(row, "n_experts") or 0.0
    if experts < 2 or positive(row, "d_model") is None or positive(row, "n_layers") is None:
        return row
    if params is not None and not text(row, "d_ff"):

        def small(width: float) -> bool:
            """Whether experts of a width leave the model below its parameters."""
            shape, _ = shape_of(row | {"d_ff": f"{width!r}", "top_k": "1"})
            return bool(parameters(shape).total < params)

        width = falls_at_log(small, 16.0, 65536.0, rounds=24)
        row = row | {"d_ff": f"{max(64.0, 64.0 * round(width / 64.0)):g}"}
    if active is not None and text(row, "d_ff") and not text(row, "top_k"):
        built = {k: shape_of(row | {"top_k": str(k)})[0] for k in range(1, int(min(experts, 16.0)) + 1)}
        best = min(built, key=lambda k: abs(float(parameters(built[k]).active) - active))
        row = row | {"top_k": str(best)}
    return row


def shape_of(row: Row) -> tuple[Shape, bool]:
    """Shape of a row from its columns, and whether they state it wholly. Raises CellError where they cannot.

    Blank width or depth follow from `params_total` and what is stated; blank heads are 128 wide; a blank feed-forward
    is 4 widths (two matrices) or 8/3 (gated), as published models of that kind have it.
    """
    params, active = positive(row, "params_total"), positive(row, "params_active")
    experts = number(row, "n_experts") or 0.0
    if not experts and active is not None and params is not None and active < 0.9 * params:
        # Experts that nobody states: a dense model of the active size whose feed-forward is cut into experts.
        dense, _ = shape_of(row | {"params_total": f"{active!r}", "params_active": "", "d_ff": ""})
        return _with_experts(dense, params), False
    row = _with_widths(row, params, active)
    d, layers = positive(row, "d_model"), _whole(positive(row, "n_layers"), "n_layers")
    kind = text(row, "ffn_kind").lower()
    gated = 0.0 if kind in ("gelu", "relu", "relu2", "squared-relu") else 1.0
    vocab = positive(row, "vocab") or 51200.0
    complete = d is not None and layers is not None
    if not complete and params is None:
        raise CellError("d_model or n_layers is blank and params_total does not tell them")

    def build(width: float, depth: float) -> Shape:
        """The shape of a width and depth, blanks filled as published models have them."""
        heads = positive(row, "n_heads") or max(1.0, round(width / 128.0))
        d_ff = positive(row, "d_ff") or (128.0 * round((4.0 if not gated else 8.0 / 3.0) * width / 128.0))
        blocks = _blocks(row, width, depth, heads, d_ff, gated)
        old = 1.0 - gated
        return Shape(name="", d_model=width, vocab=vocab, blocks=blocks, tied=old, bias=old, norm_bias=old)

    if d is None and layers is not None and params is not None:
        depth = layers
        d = _solve_width(params, lambda width: build(width, depth))
    elif layers is None and params is not None:
        from hwmodel.physics.shape import layers as count
        from hwmodel.physics.shape import parameters, shape_for_params

        if d is None:
            near = shape_for_params(params, vocab)
            layers = float(count(near))
            depth = layers
            d = _solve_width(params, lambda width: build(width, depth))
        else:
            one_layer, two_layers = parameters(build(d, 1.0)).total, parameters(build(d, 2.0)).total
            layers = max(1.0, round(float((params - one_layer) / (two_layers - one_layer))) + 1.0)
    if d is None or layers is None:
        raise CellError("d_model or n_layers is blank and params_total does not tell them")
    return _tied_like(build(d, layers), params), complete


def _tied_like(shape: Shape, params: float | None) -> Shape:
    """The shape with its embedding tied or not, whichever is nearer to the parameters stated."""
    from hwmodel.physics.shape import parameters

    if params is None:
        return shape
    both = [msgspec.structs.replace(shape, tied=tied) for tied in (0.0, 1.0)]
    return min(both, key=lambda one: abs(float(parameters(one).total) - params))


def case_of(row: Row) -> TrainingCase:
    """The configuration that a row states. Raises CellError with the reason where it cannot be expressed."""
    part = text(row, "accelerator")
    if not part:
        raise CellError("accelerator is blank")
    n_accel = _whole(positive(row, "n_accel"), "n_accel")
    if n_accel is None:
        raise CellError("n_accel is blank")
    seq_len = positive(row, "seq_len")
    if seq_len is None:
        raise CellError("seq_len is blank")
    shape, complete = shape_of(row)
    results = {name: value for name in METRICS if (value := measured(row, name)) is not None}
    whole = {name: _whole(positive(row, name), name) for name in ("micro_batch", "tp", "cp", "pp", "vpp", "ep", "dp")}
    return TrainingCase(
        id=text(row, "id"),
        source=text(row, "source"),
        model=text(row, "model"),
        part=part,
        engine=text(row, "framework"),
        precision=text(row, "precision").lower(),
        task=text(row, "task").lower() or "pretrain",
        interconnect=text(row, "interconnect"),
        year=number(row, "year"),
        n_accel=n_accel,
        accel_per_node=positive(row, "accel_per_node"),
        shape=shape,
        shape_complete=complete,
        seq_len=seq_len,
        global_batch=positive(row, "global_batch_seqs"),
        zero=zero_stage(stated(row, "zero_stage_or_fsdp")),
        sequence_parallel=_flag(text(row, "sequence_parallel"), "sequence_parallel"),
        recompute=recompute_words(stated(row, "recompute")),
        etp=_whole(positive(row, "etp"), "etp"),
        offload=_offload(stated(row, "offload")),
        memory_kind=_memory_kind(text(row, "peak_mem_kind")),
        memory_unit_bytes=_memory_unit_bytes(text(row, "peak_mem_unit")),
        convention=text(row, "flops_convention").lower(),
        scored=text(row, "score").lower() != "no",
        measured=results,
        **whole,
    )
