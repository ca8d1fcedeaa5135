"""What a question over HTTP may say: each option by its name on the command line, explained for someone new to it.

Options that take files (`measured`, `prices`, `histogram`, `catalogs`, a config.json as the model) have no field: a
request never reaches the file system.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hwmodel.api import options
from hwmodel.specs.layout import ASKED, SIZES


class Slider(msgspec.Struct, frozen=True, kw_only=True):
    """A handle on a logarithmic scale from `low` to `high`; `text` is how a value is typed, `{}` the number."""

    low: float
    high: float
    start: float
    text: str = "{}"
    whole: bool = False


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One option: `choices` names a table of completions, `many` allows several with commas, `flag` is yes or no."""

    name: str
    label: str
    explains: str
    example: str = ""
    section: str
    choices: str = ""
    many: bool = False
    flag: bool = False
    slider: Slider | None = None
    first: bool = False  # shown at once; the rest opens on demand


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """A question: the sentence that opens it, its fields, and one to start from."""

    name: str
    asks: str
    fields: tuple[str, ...]
    start: dict[str, str]


GIVEN, MODEL, USE, MONEY, LAYOUT, SOFTWARE, LIMITS = (
    "What you have", "What you train", "How it is used", "Prices and place", "Layout and batch",
    "Software and certainty", "Demand and its limits",
)  # fmt: skip
COUNT = "A count; k, M, B and T stand for thousand, million, billion and trillion."
SIZE = "How many accelerators share the work this way; empty lets the search choose."

_ALL = (
    Field(name="gpus", label="Accelerators", section=GIVEN, choices="parts", example="512xH100", first=True,
          explains="How many of which part, like 512xH100. A part alone (H100) lets the count be solved.",
          slider=Slider(low=8, high=65536, start=512, whole=True)),
    Field(name="time", label="Time allowed", section=GIVEN, example="60d", first=True,
          explains="Days that may pass, failures and restarts included: 60d, 12h."),
    Field(name="deadline", label="Day of the end", section=GIVEN, example="2027-03-01",
          explains="Day by which it must have ended, or a time from its start, like 45d."),
    Field(name="start", label="Day of the start", section=GIVEN, example="2027-01-01",
          explains="Day on which it starts; today where nothing is said."),
    Field(name="power", label="Power of the site", section=GIVEN, example="10MW",
          explains="How many accelerators it carries at their rating and this PUE bounds the fleet."),
    Field(name="budget", label="Money allowed", section=GIVEN, example="$5M", first=True,
          explains="Dollars for the accelerators' rent, like $5M."),
    Field(name="own", label="Bought, not rented", section=GIVEN, flag=True,
          explains="Accelerators bought: a budget with cash flow and the month from which they cost less than rent."),
    Field(name="system", label="Node and network", section=GIVEN, choices="systems", example="dgx-h100",
          explains="The machine around the part; empty takes the part's usual one."),
    Field(name="nic_gbit_s", label="Network per accelerator (Gbit/s)", section=GIVEN, example="400",
          explains="Scale-out network of one accelerator in one direction, in gigabits a second."),
    Field(name="params", label="Model size (parameters)", section=MODEL, example="70B", first=True,
          explains=COUNT + " Empty: the size is solved."),
    Field(name="model", label="Or a known model", section=MODEL, choices="models", example="llama-3.1-70b", first=True,
          explains="A published architecture by name, instead of a size."),
    Field(name="tokens", label="Training tokens", section=MODEL, example="2T", first=True,
          explains=COUNT + " A token is about three quarters of an English word. Empty: solved.",
          slider=Slider(low=1e10, high=1e14, start=2e12)),
    Field(name="unique_tokens", label="Distinct tokens", section=MODEL, example="500B",
          explains="How much text there is; what lies beyond it is read again and teaches less."),
    Field(name="flops", label="Training compute (FLOP)", section=MODEL, example="1e24",
          explains="Arithmetic in all: 6 x parameters x tokens."),
    Field(name="loss", label="Loss to reach (nats a token)", section=MODEL, example="1.95",
          explains="How well the model predicts the next token; lower is better."),
    Field(name="loss_like", label="As good as (size@tokens)", section=MODEL, example="70B@1.4T",
          explains="The loss of a model of that size trained on that many tokens."),
    Field(name="loss_factor", label="Factor on the loss target", section=MODEL, example="0.98",
          explains="A number that multiplies the loss to reach."),
    Field(name="law", label="Scaling law", section=MODEL, choices="laws", example="besiroglu_2024",
          explains="The published fit that turns size and tokens into loss."),
    Field(name="moe", label="Also mixtures of experts", section=MODEL, example="8,16",
          explains="Numbers of experts to try for the same loss and demand, from 2 to 32, or `all`."),
    Field(name="distill", label="Also distillation", section=MODEL, example="70B@15T",
          explains="Size and tokens of a teacher that is there, or `any`: a student beside training outright."),
    Field(name="sparsity", label="Share of zero weights", section=MODEL, example="75%",
          explains="Also a sparse model: what its parameters are worth, for models as small as the law's runs."),
    Field(name="precision", label="Number format", section=MODEL, choices="recipes", many=True, example="bf16",
          first=True, explains="Training recipe: bf16 is usual, fp8 faster where there is. Compare takes several."),
    Field(name="inference_tokens", label="Tokens served over its life", section=USE, example="20T", first=True,
          explains=COUNT + " Prompts and answers together; the more, the smaller the cheapest model.",
          slider=Slider(low=1e10, high=1e15, start=2e13)),
    Field(name="serve", label="Or the use in words", section=USE, example="200 req/s, 1k in, 300 out, 2 years",
          explains="Requests a second, tokens in and out of each, and for how long."),
    Field(name="prompt_output", label="Prompt to output", section=USE, example="3:1",
          explains="Tokens read for each token written, when served."),
    Field(name="serving_precision", label="Format when served", section=USE, choices="serving_recipes", example="fp8",
          explains="Bits of weights, activations and cache in service."),
    Field(name="samples", label="Answers drawn a prompt", section=USE, example="4",
          explains="How many answers are written for each prompt; `any` lets the plan choose."),
    Field(name="task_family", label="Tasks that they solve", section=USE, example="code",
          explains="Which published law says what more answers are worth: code, maths or proofs."),
    Field(name="lifetime_budget", label="Money for its whole life", section=USE, example="$20M",
          explains="Dollars for training and serving together; solves the best model that they pay for."),
    Field(name="objective", label="What is cheapest", section=USE, choices="objectives", example="usd",
          explains="What a life should spend least of: dollars, FLOPs, kilowatt-hours or carbon."),
    Field(name="usd_per_hour", label="Price ($ an accelerator-hour)", section=MONEY, example="3.5", first=True,
          explains="Your own rate. Empty: the median of dated public quotes.",
          slider=Slider(low=0.2, high=20, start=3.5)),
    Field(name="price_kind", label="Kind of price", section=MONEY, choices="price_kinds", example="on_demand",
          explains="Which quotes are meant: by the hour, spot, or reserved for a year and more."),
    Field(name="pue", label="PUE (site over IT power)", section=MONEY, example="1.2", first=True,
          explains="Power of the whole site over that of its machines: 1.1 is good, 1.5 usual in older halls. It moves "
          "energy, carbon and the cost of owning; a rented hour already includes it.",
          slider=Slider(low=1.0, high=2.0, start=1.2)),
    Field(name="region", label="Where it runs", section=MONEY, choices="regions", example="USA",
          explains="Whose grid gives the power: sets carbon."),
    Field(name="seq_len", label="Sequence length (tokens)", section=LAYOUT, example="4096", explains=COUNT),
    Field(name="global_batch", label="Batch (sequences)", section=LAYOUT, example="1024",
          explains="Sequences of one step over all accelerators; empty takes up to the critical batch."),
    Field(name="global_batch_tokens", label="Batch (tokens)", section=LAYOUT, example="4M",
          explains="The same in tokens: give one of the two."),
    *(Field(name=s.name, label=s.label, section=LAYOUT, example=s.example,
            explains=f"{SIZE} {s.explains}" if s.meaning.endswith("size") else s.explains) for s in SIZES if s.asked),
    Field(name="dp", label="Data parallel attention", section=LAYOUT, example="8",
          explains="Copies of the attention layers beside shared experts, when serving."),
    Field(name="recompute", label="Recomputation", section=LAYOUT, choices="recompute", many=True, example="selective",
          explains="What is computed twice to save memory: none, selective, full, a share like 50%, or modules."),
    Field(name="offload", label="Offload to the host", section=LAYOUT, choices="offloads", many=True, example="none",
          explains="What waits in the host's memory."),
    Field(name="schedule", label="Pipeline schedule", section=LAYOUT, choices="schedules", many=True, example="1f1b",
          explains="What fills the time in which stages of a pipeline wait for each other."),
    Field(name="optimizer", label="Optimizer", section=LAYOUT, example="adam",
          explains="adam, adam8bit, adam-bf16, muon or sgd: how many bytes a parameter takes."),
    Field(name="gradient_dtype", label="Gradients kept in", section=LAYOUT, example="fp32", explains="fp32 or bf16."),
    Field(name="task", label="Task", section=MODEL, example="pretrain", choices="tasks",
          explains="Pretraining, full fine-tuning (sft) or adapters (lora)."),
    Field(name="rank", label="Rank of the adapters", section=MODEL, example="16", explains="Of task lora."),
    Field(name="base", label="Frozen weights in", section=MODEL, example="nf4",
          explains="nf4, int8 or bf16, of task lora."),
    Field(name="sequence_parallel", label="Sequence parallel", section=LAYOUT, flag=True,
          explains="Whether tensor-parallel ranks share norms and dropouts; empty: the software's habit."),
    Field(name="searched", label="Settings a search chose", section=LAYOUT, example="tp,pp",
          explains="Those of the settings given here that came from a search: the step then gets the search's optimism "
          "added."),
    Field(name="stack", label="Training software", section=SOFTWARE, choices="stacks", example="megatron-bridge",
          explains="Whose habits set what overlaps and what is recomputed."),
    Field(name="year", label="Year of the software", section=SOFTWARE, example="2026",
          explains="Older software is slower; empty means today's."),
    Field(name="confidence", label="How sure the figures are", section=SOFTWARE, example="80%",
          explains="Time and money are stated so that they suffice with this probability; empty puts each doubt at its "
          "median (P50)."),
    Field(name="mfu", label="Utilisation, if you know it", section=SOFTWARE, example="40%",
          explains="Model FLOPs utilisation to use instead of the predicted one."),
    Field(name="flop_convention", label="FLOPs that MFU counts", section=SOFTWARE, choices="conventions", example="6nd",
          explains="6nd counts six FLOPs a parameter and token; others add attention."),
    Field(name="reliability", label="Failures as on", section=SOFTWARE, choices="fleets", example="llama-3-16k",
          explains="The published fleet whose interruptions are assumed."),
    Field(name="seed", label="Seed of the draws", section=SOFTWARE, example="0",
          explains="The same seed gives the same intervals."),
    Field(name="demand", label="Requests", section=LIMITS, example="200 req/s", first=True,
          explains="Mean rate that the fleet must carry, like 200 req/s or 5k req/min."),
    Field(name="concurrency", label="Or clients at once", section=LIMITS, example="64",
          explains="Predict one configuration under this many clients instead of choosing a fleet."),
    Field(name="input", label="Prompt (tokens)", section=LIMITS, example="1k", first=True, explains=COUNT),
    Field(name="output", label="Answer (tokens)", section=LIMITS, example="300", first=True, explains=COUNT),
    Field(name="ttft", label="Time to first token", section=LIMITS, example="1s", first=True,
          explains="Longest wait from arrival to the first token, queue included."),
    Field(name="tpot", label="Time per output token", section=LIMITS, example="50ms", first=True,
          explains="Longest time for each further token."),
    Field(name="p", label="Percent of requests within", section=LIMITS, example="95",
          explains="The share of requests that must meet the limits."),
    Field(name="peak_to_mean", label="Peak over mean", section=LIMITS, example="2",
          explains="The fleet carries this many times the mean rate."),
    Field(name="prefix_hit", label="Prompt found in the cache", section=LIMITS, example="50%",
          explains="Share of prompt tokens that a prefix cache holds already."),
    Field(name="draft_tokens", label="Speculative tokens", section=LIMITS, example="1",
          explains="Tokens guessed ahead in each step."),
    Field(name="acceptance", label="Guesses accepted", section=LIMITS, example="0.7",
          explains="Chance that a guess is right after its forerunner."),
    Field(name="max_loss", label="Loss that a format may cost", section=LIMITS, example="0.01",
          explains="Nats a token that fewer bits may lose at most."),
    Field(name="min_quality", label="Quality to keep", section=LIMITS, example="99%",
          explains="Share of a benchmark's average that fewer bits must keep."),
    Field(name="spares", label="Spare replicas", section=LIMITS, example="1", explains="Beyond the need."),
    Field(name="parts", label="Parts allowed", section=GIVEN, choices="parts", many=True, example="h100,h200",
          first=True, explains="Accelerators to choose from, with commas, or `all`; empty tries a few."),
    Field(name="engine", label="Engine", section=SOFTWARE, choices="engines", example="vllm",
          explains="Serving software."),
    Field(name="engine_date", label="Month of the engine", section=SOFTWARE, example="2025-09",
          explains="Older releases have slower hosts."),
    Field(name="rounds", label="Requests of each client", section=SOFTWARE, example="10",
          explains="In turn, all clients at once to begin with; 1: all at once."),
    Field(name="max_running", label="Requests at once a rank", section=SOFTWARE, example="256",
          explains="The engine's own cap."),
    Field(name="step_tokens", label="Prompt tokens a step", section=SOFTWARE, example="8192",
          explains="The engine's own cap."),
    Field(name="disaggregated", label="Separate pools", section=LAYOUT, flag=True,
          explains="Yes: prompts and answers on accelerators of their own; no: never; empty: the cheaper."),
    Field(name="pools", label="Workers of the two pools", section=LAYOUT, example="2:3",
          explains="Prefill workers to decode workers, in a prediction."),
    Field(name="prefill_tp", label="Tensor parallel of prefill", section=LAYOUT, example="4", explains=SIZE),
    Field(name="prefill", label="Prefill pool", section=LAYOUT, example="4xH200",
          explains="Accelerators that read prompts, where they are of a part of their own."),
    Field(name="decode", label="Decode pool", section=LAYOUT, example="16xH100",
          explains="Accelerators that write answers beside them."),
    Field(name="api_price", label="An offer to compare with", section=MONEY, example="0.6,2.4",
          explains="Dollars a million tokens in and out: from which demand does your own fleet pay?"),
)  # fmt: skip

FILES = ("measured", "prices", "histogram", "catalogs", "catalog", "source", "from", "export", "out")

_RUN = ("gpus", "system", "nic_gbit_s", "params", "model", "precision", "seq_len", "global_batch",
        "global_batch_tokens", *ASKED, "recompute", "offload", "schedule", "optimizer",
         "gradient_dtype", "flop_convention", "stack", "year")  # fmt: skip
_PLAN = (*_RUN, "time", "deadline", "start", "power", "budget", "confidence", "flops", "tokens", "unique_tokens",
         "loss", "loss_like", "loss_factor", "inference_tokens", "lifetime_budget", "serve", "samples", "task_family",
         "moe", "distill", "sparsity", "prompt_output", "serving_precision", "mfu", "law", "objective", "usd_per_hour",
         "price_kind", "pue", "region", "reliability", "seed")  # fmt: skip
_SERVE = ("model", "parts", "precision", "demand", "input", "output", "ttft", "tpot", "p", "concurrency", "gpus",
          "engine", "engine_date", "tp", "pp", "dp", "ep", "disaggregated", "pools", "prefill_tp", "prefill", "decode",
          "rounds", "max_running", "step_tokens", "prefix_hit", "draft_tokens", "acceptance", "peak_to_mean",
          "max_loss", "min_quality", "spares", "usd_per_hour", "price_kind", "region", "api_price")  # fmt: skip
_TRAIN = (*_RUN, "task", "rank", "base", "sequence_parallel", "searched")


def _every(listed: tuple[str, ...], typed: Any) -> tuple[str, ...]:
    """The fields listed, and behind them whatever else the Python API takes and is no file."""
    known = getattr(typed, "__origin__", typed).__annotations__
    return (*listed, *(name for name in known if name not in (*listed, *FILES, "shape")))


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(name="plan", asks="What should we train, for how long, at what cost?",
             fields=("own", *_every(_PLAN, options.PlanOptions)), start={"gpus": "512xH100", "tokens": "2T"}),
        Verb(name="compare", asks="Which number format should we train in?",
             fields=_every(_PLAN, options.CompareOptions),
             start={"gpus": "512xH100", "params": "70B", "tokens": "2T", "precision": "bf16,fp8"}),
        Verb(name="serve", asks="What does it take to serve it?", fields=_every(_SERVE, options.ServeOptions),
             start={"model": "llama-3.1-70b", "demand": "200 req/s", "input": "1k", "output": "300", "ttft": "1s",
                    "tpot": "50ms"}),
        Verb(name="train", asks="How long does one layout take for a step?",
             fields=_every(_TRAIN, options.TrainOptions),
             start={"gpus": "512xH100", "model": "llama-3.1-70b"}),
    )
}  # fmt: skip


def _plain(name: str) -> Field:
    """A field for an option that nobody has written about yet."""
    words = f"The option --{name.replace('_', '-')} of the command line."
    return Field(name=name, label=name.replace("_", " ").capitalize(), section=SOFTWARE, explains=words)


_KNOWN = {field.name: field for field in _ALL}
FIELDS: Mapping[str, Field] = {
    name: _KNOWN.get(name) or _plain(name) for name in dict.fromkeys(n for verb in VERBS.values() for n in verb.fields)
}
