"""The keys of a plan file: one table for reading it, for its JSON Schema and for the nearest key in an error."""

from __future__ import annotations

from hwmodel.plain import JsonObject
from hwmodel.solve.question.parse import OPTIONS

# kind of a stage -> its keys beside the options of `plan`, each with what it says.
KINDS: dict[str, dict[str, str]] = {
    "ablations": {
        "runs": "a list of runs, each of plan's options and `count`",
        "share": "of the hours of pre-training, where the runs are not listed",
    },
    "pretrain": {},
    "context": {},
    "sft": {
        "examples": "examples of the set",
        "example_tokens": "mean tokens of an example",
        "epochs": "passes over the set (1)",
    },
    "preference": {
        "pairs": "pairs of answers",
        "pair_tokens": "mean tokens of both answers of a pair, prompts counted",
        "epochs": "passes over the pairs (1)",
    },
    "rl": {
        "steps": "steps of the run",
        "prompts": "prompts of a step",
        "samples_per_prompt": "rollouts of a prompt",
        "prompt_tokens": "mean prompt",
        "response_tokens": "mean response",
        "response_limit": "longest response allowed",
        "lengths": "responses as a histogram: a mapping of tokens to shares, instead of mean and limit",
        "rollout_gpus": "a pool of their own for the rollouts, like 64xH100",
        "lag": "steps that the weights of rollouts may be old: 0 on policy, below 1 a share of the rollouts",
        "updates": "optimizer steps of a step (1)",
        "scored_passes": "forward passes for old and reference probabilities (2)",
        "rollout_tp": "tensor-parallel size of the rollout engines",
        "engine": "serving engine of the rollouts (vllm)",
        "verifier_time": "time that a step waits for its verifier",
        "verifier_usd_per_rollout": "money for judging one rollout",
    },
    "distillation": {"teacher": "the model that scores every token"},
    "evaluation": {
        "questions": "questions of a pass over the benchmarks",
        "prompt_tokens": "mean prompt",
        "output_tokens": "mean answer",
        "passes": "times that they are run (1)",
        "share": "of the hours of pre-training, instead of questions",
    },
    "failed": {"share": "of the hours of pre-training that rewinds and broken runs cost"},
    "serving": {},
    "other": {},
}
NAMES = {
    "scaling": "ablations", "scaling runs": "ablations", "ablation": "ablations", "pre-training": "pretrain",
    "mid-training": "pretrain", "mid-train": "pretrain", "context extension": "context", "long context": "context",
    "supervised fine-tuning": "sft", "fine-tuning": "sft", "dpo": "preference", "reinforcement learning": "rl",
    "distill": "distillation", "eval": "evaluation", "failed runs": "failed", "inference": "serving",
}  # fmt: skip
# What every stage may say beside them.
COMMON = {
    "stage": "its name; where it is the name of a kind, the kind too",
    "kind": "its kind, where the name does not say it",
    "gpu_hours": "accelerator-hours as entered: nothing is computed",
    "cost_usd": "money as entered",
    "spares": "accelerators held ready, rented as long as the stage runs",
    "repair": "time to mend a machine, like 24h: as many spares as keep the fleet whole with 99 % certainty",
    "why": "where an entered figure comes from",
}
# What the whole budget may say beside the options of `plan` that its stages share.
TOP: dict[str, str] = {
    "stages": "the stages, in the order in which they run on a pool",
    "power": "power of the site, like 10MW: accelerators at their rating with server and PUE stay within it",
    "contingency": "a share or an amount on top of all lines, with `contingency_why`",
    "contingency_why": "the reason of the contingency",
    "spot": "spot capacity: `preemptions_per_hour` of a whole job, `wait` for new capacity",
    "commit": "accelerators committed for whole terms, every hour paid: `term` of 1 year or 3 years",
    "own": "accelerators bought: see OWN",
    "storage": "`tb` kept, `usd_per_tb_month`",
    "egress": "`tb` moved out, `usd_per_tb`",
}
OWN = {
    "purchase_usd": "an accelerator, where the catalog quotes none or another is paid",
    "servers_usd": "servers without accelerators (default: 0.64 of the accelerators, arXiv 2405.21015)",
    "network_usd": "network (default: 19 % of all hardware, the same source)",
    "storage_usd": "storage bought",
    "site_usd": "site and building",
    "staff_usd_per_year": "staff",
    "usd_per_kwh": "price of power",
    "life": "how long it is kept, like 3 years",
    "residual_usd": "what it is sold for (default: 0.14 orders of magnitude lost a year, the same source)",
    "cost_of_capital": "a year, like 8%",
    "utilisation_after": "share of the hours used after the stages",
}
SPOT = {"preemptions_per_hour": "of a whole job", "wait": "for new capacity, like 30min"}
COMMIT = {"term": "1 year (default) or 3 years; its price is that of the quotes, or usd_per_hour"}
STORAGE = {"tb": "kept on average", "usd_per_tb_month": "its price"}
EGRESS = {"tb": "moved out", "usd_per_tb": "its price"}
PARTS: dict[str, dict[str, str]] = {"own": OWN, "spot": SPOT, "commit": COMMIT, "storage": STORAGE, "egress": EGRESS}
# Options of `plan` that mean nothing in a file of stages, or would ask each stage a question of another kind.
NOT_OF_STAGES = frozenset({"power", "moe", "distill", "sparsity", "samples", "lifetime_budget", "objective"})
OF_PLAN = tuple(name for name in OPTIONS if name not in NOT_OF_STAGES)

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def stage_keys(kind: str) -> tuple[str, ...]:
    """All keys that a stage of a kind may have."""
    return (*COMMON, *KINDS[kind], *OF_PLAN)


def top_keys() -> tuple[str, ...]:
    """All keys that a plan file may have."""
    return (*TOP, *OF_PLAN)


def schema() -> JsonObject:
    """JSON Schema of a plan file, for editors."""
    plain: JsonObject = {"type": ["string", "number", "boolean"]}
    options = dict.fromkeys(OF_PLAN, plain)

    def described(keys: dict[str, str]) -> JsonObject:
        return {name: {"description": said} for name, said in keys.items()}

    def closed(properties: JsonObject) -> JsonObject:
        return {"type": "object", "additionalProperties": False, "properties": properties}

    every = {name: said for keys in KINDS.values() for name, said in keys.items()}
    stage = {**options, **described(every), **described(COMMON)} | {"kind": {"enum": list(KINDS)}}
    properties = {**options, **described(TOP)}
    properties |= {name: closed(described(keys)) for name, keys in PARTS.items()}
    properties["stages"] = {"type": "array", "minItems": 1, "items": {**closed(stage), "required": ["stage"]}}
    return {"$schema": DRAFT, "title": "hwmodel plan file", **closed(properties), "required": ["stages"]}
