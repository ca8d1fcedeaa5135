"""Rows of serving and throughput files as settings: what was run and what is asked, never what was measured.

Layout columns of public exports are damaged in known ways (docs/serving.md); the rules that mend them stand here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from hwmodel.catalog import load_catalog
from hwmodel.catalog.engines import engine_in
from hwmodel.errors import InputError
from hwmodel.predict.formats import element_bytes
from hwmodel.predict.service import CLOSED, DISAGGREGATED
from hwmodel.predict.service.search import NODE
from hwmodel.specs.serving import ServingLayout, ServingLoad
from hwmodel.validation.rows.tables import CellError, Row, measured, number, positive, text

# Serving recipe (catalogs/precisions) of a format's name in a row.
RECIPES = {
    "fp4": "nvfp4", "nvfp4": "nvfp4", "mxfp4": "mxfp4", "w4a16_mxfp4": "mxfp4", "fp8": "fp8", "fp8_block": "fp8-block",
    "fp8_static": "fp8", "mxfp8": "mxfp8", "bf16": "bf16", "bfloat16": "bf16", "fp16": "fp16", "float16": "fp16",
    "f16": "fp16", "half": "fp16", "int8": "int8", "w8a8": "int8", "int8_wo": "w8a16", "int4_wo": "w4a16",
    "int4": "w4a16", "int4-awq(w4a16)": "w4a16", "w4a16": "w4a16", "int4_awq": "w4a16", "awq": "w4a16", "gptq": "w4a16",
    "w4a8-awq": "w4a8", "w4a8": "w4a8", "sq": "int8", "w4a8_mxfp4_mxfp8": "mxfp4-a8", "w4a8_mxfp4_fp8": "mxfp4-a8",
}  # fmt: skip
# What a longer spelling must hold (`awq-int4`, `FP8 (E4M3)`, `w8a8-fp8`), the first that it does.
SPELLED = (
    (r"w4a(8|fp8)", "w4a8"), (r"w4a16|awq|gptq|int4", "w4a16"), (r"nvfp4", "nvfp4"), (r"mxfp4", "mxfp4"),
    (r"mxfp8", "mxfp8"), (r"fp8|e4m3|float8", "fp8"), (r"w8a16", "w8a16"), (r"int8|w8a8", "int8"),
    (r"bf(loat)?16", "bf16"), (r"(fp|float)16", "fp16"), (r"fp4", "nvfp4"),
)  # fmt: skip
RELEASED = "released"  # stands for the format that a model was released in, where a row states none
# Columns that state a run and its results without its names: rows alike in all of them are one run.
RUN = (
    "accelerator", "n_accel", "input_len", "output_len", "concurrency", "batch_or_concurrency", "batch_size", "metric",
    "value", "ttft_ms", "tpot_ms",
)  # fmt: skip
# Where none of these is stated the layout is searched, up to the accelerators stated or those of one node.
_LAYOUT = ("tp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")


# Engine settings that a row may state: tokens that a step takes in, steps that a prompt waits for others, tokens up to
# which steps with prompts replay captured graphs.
ENGINE_SETTINGS = ("step_tokens", "batch_wait_steps", "captured_tokens", "max_running")


class MeasuredQuantity(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity that a row measured: its column, and what the number means."""

    metric: str
    kind: str  # ttft | tpot | output_rate | total_rate | input_rate | prefill_mfu | request
    per_accelerator: bool = False
    milliseconds: bool = True


class RowSetting(msgspec.Struct, frozen=True, kw_only=True):
    """What one row ran. `concurrency` counts the requests of one engine instance; `replicas` instances share the
    accelerators. A layout is `searched` where none is stated: its `pp` alone may be (0: not). `year` 0: not stated, as
    today. `draft_tokens` a step; below zero: not stated."""

    id: str
    source: str
    group: str
    model: str
    part: str
    engine: str
    year: float
    params: float
    regime: str
    recipe: str
    cache: str  # format of the key-value cache where it is stated; empty: the recipe's
    layout: ServingLayout
    load: ServingLoad
    concurrency: float
    accelerators: float
    asked: tuple[MeasuredQuantity, ...]
    replicas: float = 1.0
    rate: float = 0.0
    draft_tokens: float = 0.0
    limited: float = 0.0  # 1: the rate of an open loop whose slowest requests must keep to limits, not all that fits
    scored: bool = True
    searched: bool = False
    settings: dict[str, float] = {}  # fields of the engine that the row states
    prefill_layout: ServingLayout | None = None
    prefill_workers: float = 0.0
    decode_workers: float = 0.0


def recipe_name(name: str, row_format: str = "") -> str:
    """The serving recipe of a format's name, or of the row's coarser one where the name is not known (`lowest`: what
    the part can do best); CellError where neither is."""
    low = (name or row_format).lower()
    if low.startswith("declared:"):
        return "lowest"
    if low == RELEASED:
        return RELEASED
    for word in (low, row_format.lower()):
        known = RECIPES.get(word) or _catalogued(word)
        if known:
            return known
    words = next((recipe for pattern, recipe in SPELLED if re.search(pattern, low)), None)
    if words is None:
        raise CellError(f"precision {name or row_format!r} is not known")
    return words


def _catalogued(word: str) -> str:
    """The id of the catalog's recipe of this name; empty where it has none."""
    try:
        return load_catalog().serving_precision(word).id
    except InputError:
        return ""


def cache_format(name: str) -> str:
    """The cache's format as stated, empty where it is not; CellError for one unknown."""
    stated = name.lower().split("(")[0].strip()
    try:
        if stated:
            element_bytes(stated)
    except InputError as error:
        raise CellError(f"cache precision {name!r} is not known") from error
    return stated


def _flag(row: Row, name: str) -> bool:
    return text(row, name).lower() in ("true", "1", "1.0", "yes")


def _year(row: Row) -> float:
    """When the engine ran, in years; 0 where the row does not say."""
    date = text(row, "measured_on")
    return float(date[:4]) + (float(date[5:7]) - 0.5) / 12.0 if re.match(r"\d{4}-\d\d", date) else 0.0


def family(model: str) -> str:
    """Models that share their runs or differ in nothing that serving sees: one name for scoring and leaving out."""
    low = model.lower().rsplit("/", 1)[-1]
    low = re.sub(r"deepseek-(r1|v3(\.1)?)\b.*", "deepseek-v3", low)
    low = re.sub(r"-(instruct|fp8|nvfp4|chat|hf|it)\b", "", low)
    return re.sub(r"llama-?3(\.1|\.3)-", "llama-3-", low)


def _expert_parallel(row: Row, prefix: str, ranks: float) -> float:
    """Expert-parallel ways inside `ranks`: where both columns claim all ranks (8 and 8 of 8) experts are spread."""
    ep = number(row, f"{prefix}moe_ep_size") or 1.0
    return min(max(ep, 1.0), ranks)


def aggregated_layout(row: Row) -> ServingLayout:
    """The layout of one engine instance; `n_accel` counts, the tensor-parallel column may be inflated by moe_ep."""
    tp, pp = number(row, "tp_size") or 1.0, number(row, "pp_size") or 1.0
    dp, moe = number(row, "attention_dp_size") or 1.0, (number(row, "moe_tp_size") or 1.0)
    ep = number(row, "moe_ep_size") or 1.0
    n = number(row, "n_accel")
    if n is None:
        claimed = max(tp * dp, 1.0)
        # tp = moe_tp * moe_ep of one and the same group: 64 / 8 / 8 stands for eight accelerators.
        n = pp * (moe if moe == ep and claimed == moe * ep else claimed)
    ranks = n / pp
    if ranks < 1 or ranks != int(ranks):
        raise CellError(f"{n:g} accelerators do not divide into {pp:g} pipeline stages")
    tp = min(tp, ranks)
    if ranks % tp:
        raise CellError(f"tensor parallelism of {tp:g} does not divide {ranks:g} accelerators")
    return ServingLayout(tp=tp, pp=pp, dp=ranks / tp, ep=_expert_parallel(row, "", ranks))


def worker_layout(row: Row, prefix: str) -> ServingLayout:
    """The layout of one worker of a disaggregated pool (`prefill_` or `decode_` columns).

    The ranks of a mixture that outgrow a node are attention-data ranks, whatever the tensor-parallel column says: its
    exports add all ranks up there, and no engine cuts one layer of attention so far (unconfirmed).
    """
    tp = number(row, f"{prefix}tp_size") or 1.0
    dp, pp = number(row, f"{prefix}attention_dp_size") or 1.0, number(row, f"{prefix}pp_size") or 1.0
    experts = (number(row, f"{prefix}moe_tp_size") or 1.0) * (number(row, f"{prefix}moe_ep_size") or 1.0)
    if tp > NODE and dp == 1.0 and experts > 1.0:
        return ServingLayout(dp=tp, pp=pp, ep=tp)
    return ServingLayout(tp=tp, pp=pp, dp=dp, ep=_expert_parallel(row, prefix, tp * dp))


def is_scored(row: Row) -> bool:
    """Whether a row counts, predicted or refused: none of its flags (where there are any) speaks against it."""
    flags = ("layout_known", "mtp_known", "precision_known", "usable")
    return all(_flag(row, name) for name in flags if text(row, name))


def _serving_asked(row: Row) -> tuple[MeasuredQuantity, ...]:
    kinds = (("tpot_ms", "tpot"), ("ttft_ms", "ttft"))
    return tuple(MeasuredQuantity(metric=m, kind=k) for m, k in kinds if measured(row, m) is not None)


def _drafts(row: Row) -> float:
    """Drafts a step: as stated, none where the row is known to say what matters, below zero where it is not."""
    stated = number(row, "draft_tokens")
    if stated is not None:
        return stated
    return 0.0 if not text(row, "mtp_known") or _flag(row, "mtp_known") else -1.0


def _load(row: Row) -> ServingLoad:
    """What a client asks for. Raises CellError where a length is blank."""
    prompt, output = positive(row, "input_len"), positive(row, "output_len")
    if prompt is None or output is None:
        raise CellError("input_len or output_len is not stated")
    load = ServingLoad(prompt_tokens=prompt, output_tokens=output)
    rounds = positive(row, "rounds")
    return msgspec.structs.replace(load, rounds=rounds) if rounds else load


def _engine_settings(row: Row) -> dict[str, float]:
    """The fields of the engine that the row states."""
    settings = {name: value for name in ENGINE_SETTINGS if (value := positive(row, name))}
    # What is stated is not widened.
    return settings | ({"whole_prompt_tokens": 0.0} if "step_tokens" in settings else {})


class _Fleet(NamedTuple):
    """The engines of a row: the layout of one (of decode), how many there are, and the requests on all of them."""

    layout: ServingLayout
    concurrency: float
    accelerators: float
    replicas: float = 1.0
    searched: bool = False
    prefill_layout: ServingLayout | None = None
    prefill_workers: float = 0.0
    decode_workers: float = 0.0


def _pools_of(row: Row) -> _Fleet:
    """The pools of a disaggregated row."""
    decode, prefill = worker_layout(row, "decode_"), worker_layout(row, "prefill_")
    decoding, prefilling = (number(row, f"{pool}_num_workers") or 0.0 for pool in ("decode", "prefill"))
    batch = number(row, "decode_batch_size") or 0.0
    return _Fleet(
        layout=decode, concurrency=number(row, "concurrency") or batch * float(decode.dp) * (decoding or 1.0),
        accelerators=decoding * float(decode.accelerators) + prefilling * float(prefill.accelerators),
        prefill_layout=prefill, prefill_workers=prefilling, decode_workers=decoding,
    )  # fmt: skip


def _engines_of(row: Row) -> _Fleet:
    """The engines of a row that do both; a layout that no cell states is searched."""
    layout = aggregated_layout(row)
    dp, ranks = float(layout.dp), float(layout.accelerators)
    searched = not any(text(row, name) for name in _LAYOUT)
    if searched:
        dp, ranks = 1.0, number(row, "n_accel") or NODE
        layout = ServingLayout(pp=number(row, "pp_size") or 0.0)
    batch = number(row, "batch_size")
    concurrency = number(row, "concurrency") or (batch or 0.0) * dp
    # A concurrency that many instances share shows in the batch of one attention rank.
    per_rank = (batch or concurrency) * max(number(row, "attention_dp_size") or 1.0, 1.0)
    replicas = max(1.0, round(concurrency / per_rank)) if per_rank else 1.0
    return _Fleet(layout=layout, concurrency=concurrency, accelerators=ranks * replicas, replicas=replicas,
                  searched=searched)  # fmt: skip


def serving_setting(row: Row) -> RowSetting:
    """A row of a serving file. Raises CellError for cells that cannot be read."""
    weights = recipe_name(text(row, "gemm_quant_mode"), text(row, "precision") or RELEASED)
    fleet = _pools_of(row) if text(row, "mode").lower().startswith("dis") else _engines_of(row)
    load = _load(row)
    if not fleet.concurrency:
        raise CellError("neither concurrency nor batch is stated")
    engine = engine_in(text(row, "backend") or text(row, "framework"))
    return RowSetting(
        id=row["id"],
        source=text(row, "source"),
        group=text(row, "group")
        or " | ".join((family(text(row, "model")), text(row, "accelerator"), engine, text(row, "mode"))),
        model=text(row, "model"),
        part=text(row, "accelerator"),
        engine=engine,
        year=_year(row),
        params=number(row, "params") or 0.0,
        regime=CLOSED if fleet.prefill_layout is None else DISAGGREGATED,
        recipe=weights,
        cache=cache_format(text(row, "kv_precision")),
        layout=fleet.layout,
        load=load,
        concurrency=fleet.concurrency / fleet.replicas,
        accelerators=fleet.accelerators,
        asked=_serving_asked(row),
        replicas=fleet.replicas,
        draft_tokens=_drafts(row),
        scored=is_scored(row),
        searched=fleet.searched,
        settings=_engine_settings(row),
        prefill_layout=fleet.prefill_layout,
        prefill_workers=fleet.prefill_workers,
        decode_workers=fleet.decode_workers,
    )
