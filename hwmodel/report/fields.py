"""One word for each quantity of a question, and of what its names were read as."""

from __future__ import annotations

from hwmodel.report.phrases import say

FIELD_WORDS = {
    "gpus": "accelerators",
    "params": "parameters",
    "flop": "training FLOP",
    "time_s": "time",
    "budget_usd": "budget",
    "lifetime_budget_usd": "lifetime budget",
    "prompt_share": "prompt share of served tokens",
    "seq_len": "sequence length",
    "nic_uni_bytes_per_s": "NIC",
    "usd_per_hour": "price an accelerator-hour",
    "global_batch_seqs": "global batch (sequences)",
    "accelerator": "accelerator",
    "tokens": "tokens",
    "loss_like": "loss like",
    "inference_tokens": "tokens served",
    "precision": "precision",
    "law": "law",
    "stack": "software",
    "flop_convention": "FLOPs counted in MFU",
    "system": "system",
    "start": "start",
    "deadline": "deadline",
    "confidence": "certainty",
    "unique_tokens": "distinct tokens",
    "model": "model",
    "loss": "loss",
    "loss_factor": "factor on the loss",
    "service": "service",
    "samples": "answers a prompt",
    "task_family": "tasks that they solve",
    "serving_precision": "serving format",
    "objective": "objective",
    "mfu": "MFU given",
    "region": "region",
    "layout": "layout",
    "experts": "experts",
    "year": "year",
    "price_kind": "kind of price",
    "seed": "seed",
    "distill": "distillation",
    "teacher": "teacher",
    "sparsity": "share of zero weights",
    "power_w": "power of the site",
    "recompute": "recomputation",
    "offload": "to host memory",
    "schedule": "schedule of the pipeline",
    "optimizer": "optimizer",
    "gradient_dtype": "format of gradients",
    "pue": "PUE",
    "reliability": "failures like",
    "measured": "measured run",
    "prices": "file of prices",
    "catalogs": "catalogs of your own",
    "catalog_version": "version of the catalog",
    "hwmodel_version": "version of hwmodel",
}


def field_words(field: str) -> str:
    """A quantity of a question or of what its names were read as."""
    return say(FIELD_WORDS[field]) if field in FIELD_WORDS else field.replace("_", " ")
