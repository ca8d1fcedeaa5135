"""Rows of throughput files as settings: what was run and what is asked, never what was measured.

Much of a row stands in words: a source's release, a submission's scenario, the parallelism in its notes.
"""

from __future__ import annotations

import re

import msgspec

from hwmodel.catalog.engines import engine_in
from hwmodel.predict.service import AT_ONCE, CLOSED, OPEN, SATURATED, STATIC
from hwmodel.specs.serving import Engine, ServingLayout, ServingLoad
from hwmodel.validation.rows.serving_rows import (
    MeasuredQuantity,
    RowSetting,
    cache_format,
    family,
    is_scored,
    recipe_name,
)
from hwmodel.validation.rows.tables import CellError, Row, measured, number, positive, text

# Mean lengths of the data sets that MLPerf Inference draws requests from. Outputs: the reference's tokens per sample
# (mlcommons/inference, language/*/README.md); prompts are not stated there (unconfirmed).
DATASETS = {
    "llama2-70b": (294.0, 294.45), "mixtral-8x7b": (300.0, 144.84), "llama3.1-405b": (9428.0, 684.68),
    "deepseek-r1": (800.0, 3886.0),
}  # fmt: skip
# When a round of MLPerf Inference was published, in years (mlcommons.org; months unconfirmed).
ROUNDS = {"4.0": 2024.2, "4.1": 2024.65, "5.0": 2025.25, "5.1": 2025.7}
UNDATED = 2024.5  # rows that name neither date nor round stand with the tables of their kind, of engines of 2024
# Scenarios whose slowest requests must keep to limits on latency.
LIMITED = ("server", "interactive")
# Rounds of a closed loop whose median request is looked at: it is none of the first round, in which all start together.
MEDIAN_ROUNDS = 1e6


def _lengths(row: Row) -> ServingLoad:
    """Prompt and output lengths; data sets by name; `64 new + 1920 cached` as it reads."""
    words, out = text(row, "input_len"), text(row, "output_len")
    notes = text(row, "notes").lower()
    if words.lower() == "dataset":
        for name, (prompt, output) in DATASETS.items():
            if f"bench {name}" in notes or f"bench {name.replace('.', '_')}" in notes:
                return ServingLoad(prompt_tokens=prompt, output_tokens=output)
        raise CellError("the lengths of the data set are not stated")
    output_tokens = 1.0 if not out else _count(out, "output_len")
    cached = re.fullmatch(r"(\d+) new \+ (\d+) cached", words)
    if cached:
        new, old = _count(cached[1], "input_len"), float(cached[2])
        return ServingLoad(prompt_tokens=new + old, output_tokens=output_tokens, cached_tokens=old)
    plain = re.fullmatch(r"([\d.,]+)( ctx)?", words)
    if not plain:
        raise CellError(f"the prompt length is not stated ({words or 'blank'})")
    return ServingLoad(prompt_tokens=_count(plain[1], "input_len"), output_tokens=output_tokens)


def _count(words: str, name: str) -> float:
    """A number of tokens, requests or a rate that stands in a cell among words: above zero."""
    value = positive({name: words}, name)
    if value is None:
        raise CellError(f"{name} is not stated ({words})")
    return value


def _throughput_asked(row: Row) -> MeasuredQuantity:
    metric, notes = text(row, "metric"), f"{text(row, 'source')} {text(row, 'notes')}".lower()
    low = metric.lower()
    # One definition per source: the Argonne tables count prompt and output tokens alike, all others output alone.
    both = "input+output" in notes or "argonne" in notes
    if low.startswith("tokens/s"):
        kind = "total_rate" if both else "output_rate"
        return MeasuredQuantity(metric=metric, kind=kind, per_accelerator="gpu" in low, milliseconds=False)
    if ("input" in low and low.endswith(("/s", "/s/gpu", "/s per gpu"))) or low in ("prefill tgs", "tgs prefill"):
        return MeasuredQuantity(
            metric=metric, kind="input_rate", per_accelerator="gpu" in low or "tgs" in low, milliseconds=False
        )
    kinds = {"ttft": "ttft", "tpot": "tpot", "decode step ms": "tpot", "request latency ms": "request"}
    if low in kinds:
        return MeasuredQuantity(metric=metric, kind=kinds[low])
    if low == "prefill mfu %":
        return MeasuredQuantity(metric=metric, kind="prefill_mfu", milliseconds=False)
    raise CellError(f"metric {metric!r} is not known")


def _regime(row: Row, accelerators: float) -> tuple[str, float, float]:
    """(regime, batch or concurrency, requests a second) of a throughput row."""
    words = text(row, "batch_or_concurrency").lower()
    notes = text(row, "notes").lower()
    rate = re.match(r"qps=([\d.]+)$", words)
    if rate:
        return OPEN, 0.0, _count(rate[1], "batch_or_concurrency")
    sent = re.search(r"(\d+) requests", notes)
    if words == "qps=inf" and sent:
        return AT_ONCE, float(sent[1]), 0.0
    if words in ("saturated", "offline", *LIMITED, "qps=inf", "large", "") or words.startswith("max"):
        return SATURATED, 0.0, 0.0
    if words == "low":
        stated = re.search(r"batch (\d+)", notes)
        return STATIC, float(stated[1]) if stated else 1.0, 0.0
    each = re.fullmatch(r"([\d.]+) ?/ ?gpu", words)
    if not each and not re.fullmatch(r"[\d.]+", words):
        raise CellError(f"the load {words!r} is not stated as a batch, a rate or saturation")
    load = _count(each[1], "batch_or_concurrency") * accelerators if each else _count(words, "batch_or_concurrency")
    still = re.search(r"(in-flight|inflight|continuous) batching (is )?(off|disabled)|static batch", notes)
    return (CLOSED if each or "requests" in notes else STATIC) if not still else STATIC, load, 0.0


def _layout(row: Row, accelerators: float) -> tuple[ServingLayout, bool]:
    """The layout of a row by its columns or its notes, and whether it has to be searched."""
    notes = text(row, "notes").lower()

    def stated(name: str) -> float | None:
        words = re.search(rf"\b{name}[ =]?(\d+)\b", notes)
        return float(words[1]) if words else None

    if not re.fullmatch(r"[\d.]*", text(row, "tp")):
        # Two-dimensional partitions spread over all chips share the batch of attention between the ranks that would
        # copy its cache.
        return ServingLayout(tp=accelerators, kv_split=max(accelerators, 1.0)), False
    tp, pp = number(row, "tp") or stated("tp"), number(row, "pp") or stated("pp")
    ep = min(stated("ep") or 1.0, tp or 1.0)
    if tp and re.search(r"attention[ -]?(dp|data)|dp[ -]attention", notes):
        return ServingLayout(dp=tp, pp=pp or 1.0, ep=tp), False
    return ServingLayout(tp=tp or 1.0, pp=pp or (1.0 if tp else 0.0), ep=ep), not tp


def _rounds(row: Row, load: ServingLoad, clients: float) -> ServingLoad:
    """The load with as many rounds as a closed loop's stated requests make, or those of a median."""
    notes = text(row, "notes").lower()
    sent = re.search(r"(\d+) requests", notes)
    if "median" in notes:
        return msgspec.structs.replace(load, rounds=MEDIAN_ROUNDS)
    return msgspec.structs.replace(load, rounds=max(float(sent[1]) / clients, 1.0)) if sent and clients else load


def _of_one(row: Row, asked: MeasuredQuantity) -> bool:
    """Whether a latency is asked at a load that is not stated: that of a request alone."""
    return not text(row, "batch_or_concurrency") and asked.kind in ("ttft", "tpot", "request")


def throughput_setting(row: Row) -> RowSetting:
    """A row of a throughput file. Raises CellError for cells that cannot be read."""
    load = _lengths(row)
    asked = _throughput_asked(row)
    accelerators = positive(row, "n_accel")
    if accelerators is None:
        raise CellError("the number of accelerators is not stated")
    regime, batch, rate = _regime(row, accelerators)
    if regime == CLOSED:
        load = _rounds(row, load, batch)
    layout, searched = _layout(row, accelerators)
    words = f"{text(row, 'framework')} {text(row, 'backend')} {text(row, 'source')} {text(row, 'notes')}"
    weights = recipe_name(text(row, "weight_precision"))
    declared = text(row, "weight_precision").startswith("declared:")
    known = measured(row, "value") is not None
    engine = "trtllm" if declared and engine_in(words) == "generic" else engine_in(words)
    alone = _of_one(row, asked)
    return RowSetting(
        id=row["id"],
        source=text(row, "source"),
        group=" | ".join((family(text(row, "model")), text(row, "accelerator_id") or text(row, "accelerator"), engine)),
        model=text(row, "model"),
        part=text(row, "accelerator_id") or text(row, "accelerator"),
        engine=engine,
        year=_version_year(words),
        params=number(row, "params") or 0.0,
        regime=STATIC if (asked.kind in ("prefill_mfu", "input_rate") and regime == SATURATED) or alone else regime,
        recipe=weights,
        cache=cache_format(text(row, "kv_precision")),
        layout=layout,
        searched=searched,
        load=load,
        # The rate at which prompts are read is that of steps full of them.
        concurrency=batch or (_full_step(load) if asked.kind == "input_rate" else 1.0 if alone else 0.0),
        accelerators=accelerators,
        asked=(asked,) if known else (),
        rate=rate,
        limited=1.0 if text(row, "batch_or_concurrency").lower() in LIMITED else 0.0,
        scored=is_scored(row),
    )


def _full_step(load: ServingLoad) -> float:
    """Prompts that fill a step."""
    return max(float(Engine().step_tokens / load.new_tokens), 1.0)


def _version_year(words: str) -> float:
    """When an engine's version stood: the date or the round of MLPerf that the words name."""
    dated = re.search(r"\((20\d\d)-(\d\d)", words)
    if dated:
        return float(dated[1]) + (float(dated[2]) - 0.5) / 12.0
    named = re.search(r"mlperf inference v?(\d\.\d)", words.lower())
    return ROUNDS.get(named[1], UNDATED) if named else UNDATED
