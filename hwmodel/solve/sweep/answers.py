"""What a sweep answers: the columns of its rows with their units, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from hwmodel.specs.layout import SIZES

SweepRow: TypeAlias = Mapping[str, str | float | int | bool | None]  # a row as it stands in a shard: column to cell


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `kind`: number, whole or text; `largest`: more is better; `banded`: its ends may be kept."""

    unit: str
    meaning: str
    kind: str = "number"
    largest: bool = False
    banded: bool = False


PLAN: dict[str, Column] = {
    "params": Column(unit="1", meaning="parameters"),
    "tokens": Column(unit="1", meaning="training tokens"),
    "train_flop": Column(unit="FLOP", meaning="6 N D"),
    "loss_nats": Column(unit="nat/token", meaning="loss by the law", banded=True),
    "accelerators": Column(unit="1", meaning="accelerators of the fleet", kind="whole"),
    "idle_accelerators": Column(unit="1", meaning="accelerators that the layout leaves idle", kind="whole"),
    "train_days": Column(unit="day", meaning="productive time", banded=True),
    "elapsed_days": Column(unit="day", meaning="with failures, restarts and the whole-run factor", banded=True),
    "gpu_hours": Column(unit="h", meaning="accelerator-hours billed", banded=True),
    "mfu": Column(unit="1", meaning="model FLOPs utilisation", largest=True, banded=True),
    "tokens_per_s": Column(unit="1/s", meaning="training tokens a second", largest=True, banded=True),
    "cost_usd": Column(unit="USD", meaning="rent of the hours billed", banded=True),
    "energy_mwh": Column(unit="MWh", meaning="energy of the site", banded=True),
    "co2e_t": Column(unit="t", meaning="carbon, location-based, with the hardware's own", banded=True),
    "goodput": Column(unit="1", meaning="share of elapsed time that trains", largest=True),
    "lifetime_cost": Column(unit="of the objective", meaning="training and serving the demand"),
    "step_s": Column(unit="s", meaning="one optimizer step"),
    "peak_memory_bytes": Column(unit="B", meaning="fullest accelerator", banded=True),
    "reserved_memory_bytes": Column(unit="B", meaning="of it, taken by the framework's allocator", banded=True),
    "layouts": Column(unit="1", meaning="layouts that the point admits", kind="whole"),
    **{size.name: Column(unit="1", meaning=size.meaning, kind="whole") for size in SIZES},
    "global_batch_seqs": Column(unit="1", meaning="sequences of a step"),
    "recompute": Column(unit="", meaning="what the backward pass computes again", kind="text"),
    "offload": Column(unit="", meaning="what waits in host memory", kind="text"),
    "schedule": Column(unit="", meaning="schedule of the pipeline", kind="text"),
    "accelerator": Column(unit="", meaning="part", kind="text"),
    "system": Column(unit="", meaning="node and network", kind="text"),
}  # fmt: skip
# A serving sweep: figures of the fleet chosen (or of the configuration predicted).
SERVE: dict[str, Column] = {
    "accelerators": Column(unit="1", meaning="accelerators, of both pools where there are two", kind="whole"),
    "replicas": Column(unit="1", meaning="engine instances, spares counted", kind="whole"),
    "usd_per_hour": Column(unit="USD/h", meaning="rent of the fleet", banded=True),
    "usd_per_million_tokens": Column(unit="USD", meaning="a million tokens, prompt and output alike", banded=True),
    "usd_per_million_input": Column(unit="USD", meaning="a million prompt tokens", banded=True),
    "usd_per_million_output": Column(unit="USD", meaning="a million output tokens", banded=True),
    "ttft_s": Column(unit="s", meaning="time to the first token", banded=True),
    "tpot_s": Column(unit="s", meaning="time a further output token", banded=True),
    "ttft_tail_s": Column(unit="s", meaning="the same at the percentile asked", banded=True),
    "tpot_tail_s": Column(unit="s", meaning="the same at the percentile asked", banded=True),
    "output_tokens_per_s": Column(
        unit="1/s", meaning="output tokens a second of a prediction", largest=True, banded=True
    ),
    "requests_per_s_per_replica": Column(
        unit="1/s", meaning="requests a second of an instance", largest=True, banded=True
    ),
    "load": Column(unit="1", meaning="share of the fleet's rate that the demand takes", banded=True),
    "watts": Column(unit="W", meaning="draw of the fleet"),
    "batch": Column(unit="1", meaning="requests running at once"),
    "tp": Column(unit="1", meaning="tensor-parallel size", kind="whole"),
    "pp": Column(unit="1", meaning="pipeline stages", kind="whole"),
    "dp": Column(unit="1", meaning="attention-data-parallel size", kind="whole"),
    "ep": Column(unit="1", meaning="expert-parallel size", kind="whole"),
    "prefill_accelerators": Column(unit="1", meaning="accelerators of the prefill pool", kind="whole"),
    "prefill_tp": Column(unit="1", meaning="tensor-parallel size of its workers", kind="whole"),
    "mode": Column(unit="", meaning="one engine for both, or pools of their own", kind="text"),
    "part": Column(unit="", meaning="accelerator (of the decode pool)", kind="text"),
    "prefill_part": Column(unit="", meaning="accelerator of the prefill pool", kind="text"),
    "system": Column(unit="", meaning="node and network", kind="text"),
    "precision": Column(unit="", meaning="serving recipe", kind="text"),
}  # fmt: skip
ALWAYS = ("point", "status", "binding", "reason")
STATUSES = ("ok", "infeasible", "refused")
STATUS = {
    "status": "ok, infeasible (no plan meets the question) or refused (the question cannot be asked so)",
    "binding": "the constraint that no plan meets",
    "reason": "why there is no answer",
}
TABLES = {"plan": PLAN, "serve": SERVE}
# What tells rows apart that are equal in what they are the best by, as far as they have it: less is better in each.
TIES = {
    "plan": ("cost_usd", "elapsed_days", "accelerators"),
    "serve": ("usd_per_hour", "ttft_s", "tpot_s", "accelerators"),
}
ENDS = ("_low", "_high")
ASKED = "asked_"  # before words that an answer of the same name may read otherwise: any, 40 %, the alias of a system


def known_columns(ask: str) -> dict[str, Column]:
    """Every column that rows of this kind of question may keep, the ends of intervals included."""
    found = dict(TABLES[ask])
    for name, column in TABLES[ask].items():
        for end in ENDS if column.banded else ():
            said = f"{end.strip('_')} end of {name} (80 %)"
            found[name + end] = msgspec.structs.replace(column, meaning=said, banded=False)
    return found
