"""Questions as unlike as they can be asked, by a name of each: for rules that hold for every answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import hwmodel as hm

BESIROGLU, KAPLAN, NO_LOSS = "besiroglu_2024", "kaplan_2020/L_ND", "chinchilla_2022/approach1"
RUN: Any = {"gpus": "64xH100", "params": "8B", "tokens": "100B"}
PRETRAIN = {"stage": "pre-training", "params": "70B", "tokens": "1T"}
STAGES = [
    PRETRAIN,
    {"stage": "long context", "kind": "context", "model": "llama-3.1-8b", "tokens": "20B", "seq_len": "32k"},
    {"stage": "sft", "model": "llama-3.1-70b", "examples": 1e6, "example_tokens": 1000},
    {"stage": "preference", "model": "llama-3.1-8b", "pairs": 1e5, "pair_tokens": 2000},
    {"stage": "rl", "model": "llama-3.1-8b", "steps": 1000, "prompts": 128, "samples_per_prompt": 8,
     "response_tokens": 2000, "response_limit": 8000},
    {"stage": "distillation", "model": "llama-3.1-8b", "teacher": "llama-3.1-70b", "tokens": "100B"},
    {"stage": "ablations", "runs": [{"params": "1B", "tokens": "20B", "count": 20}]},
    {"stage": "evaluation", "gpu_hours": 1000},
    {"stage": "serving", "model": "llama-3.1-70b", "inference_tokens": "1T"},
]  # fmt: skip
RL_TWO_POOLS = {"stage": "rl", "model": "llama-3.1-8b", "steps": 100, "prompts": 64, "samples_per_prompt": 8,
                "response_tokens": 1000, "gpus": "64xH100", "rollout_gpus": "64xA100",
                "verifier_usd_per_rollout": 0.01}  # fmt: skip
SPACE = {"base": {"tokens": "100B", "params": "8B", "precision": "bf16"}, "axes": {"gpus": ["16xH100", "64xH100"]}}
SERVED = {"ask": "serve", "base": {"model": "llama-3.1-8b", "demand": "5 req/s"}, "axes": {"parts": ["h100", "l40s"]}}

QUESTIONS: dict[str, Callable[[], Any]] = {
    "plan: tokens": lambda: hm.plan(gpus="1024xA100", tokens="1.4T"),
    "plan: time": lambda: hm.plan(gpus="64xH100", time="30d"),
    "plan: budget": lambda: hm.plan(gpus="H100", budget="$1M"),
    "plan: budget of a fleet": lambda: hm.plan(gpus="64xH100", budget="$300k"),
    "plan: loss": lambda: hm.plan(gpus="64xH100", loss=2.2),
    "plan: FLOPs, no fleet": lambda: hm.plan(flops="1e22"),
    "plan: all given": lambda: hm.plan(**RUN),
    "plan: MFU and price given": lambda: hm.plan(**RUN, precision="fp8", usd_per_hour=2.5, mfu="40%"),
    "plan: confidence": lambda: hm.plan(**RUN, confidence="80%"),
    "plan: a mixture, a deadline": lambda: hm.plan(gpus="64xH100", model="mixtral-8x7b", tokens="100B",
                                                   deadline="2027-06-01", start="2026-12-01"),
    "plan: data that repeat": lambda: hm.plan(gpus="16xH100", params="1B", tokens="400B", unique_tokens="100B"),
    "plan: a law without a covariance": lambda: hm.plan(flops="1e22", law=KAPLAN),
    "plan: a law without a loss": lambda: hm.plan(gpus="64xH100", flops="1e22", law=NO_LOSS),
    "plan: power": lambda: hm.plan(gpus="B200", power="10MW", time="60d"),
    "plan: longer than two years": lambda: hm.plan(gpus="64xH100", params="70B", tokens="1.4T"),
    "plan: a life with samples": lambda: hm.plan(gpus="64xH100", time="10d", inference_tokens="1T", samples=16),
    "plan: a life in FLOPs, experts": lambda: hm.plan(gpus="64xH100", loss=2.1, inference_tokens="1T",
                                                      objective="flops", moe=True),
    "plan: a life at another's loss": lambda: hm.plan(gpus="512xH100", loss_like="70B@1.4T", inference_tokens="20T"),
    "plan: students": lambda: hm.plan(gpus="64xH100", time="10d", distill=True),
    "plan: no price": lambda: hm.plan(gpus="64xH800", params="8B", tokens="100B"),
    "budget: owned": lambda: hm.budget({"gpus": "512xH100", "own": {"life": "4y"}, "stages": [PRETRAIN]}),
    "budget: committed": lambda: hm.budget({"gpus": "512xH100", "commit": {"term": "1y"}, "stages": [PRETRAIN]}),
    "budget: pools": lambda: hm.budget({"gpus": "512xH100+1024xA100", "budget": "5M", "stages": [
        {"stage": "a", "kind": "pretrain", "gpus": "512xH100"}, {"stage": "b", "kind": "pretrain",
                                                                 "gpus": "1024xA100"}]}),
    "budget: stages": lambda: hm.budget({"gpus": "512xH100", "contingency": "10%", "stages": STAGES}),
    "budget: two pools of RL": lambda: hm.budget({"gpus": "64xH100+64xA100", "stages": [RL_TWO_POOLS]}),
    "compare: formats": lambda: hm.compare(**RUN, precision=["bf16", "fp8"]),
    "compare: a format that is lacking": lambda: hm.compare(gpus="64xA100", params="8B", tokens="100B",
                                                            precision="bf16,fp8"),
    "compare: fleets": lambda: hm.compare(gpus=["64xH100", "64xA100"], params="8B", tokens="100B"),
    "compare: laws": lambda: hm.compare(flops="1e22", law=[KAPLAN, BESIROGLU]),
    "train: a mixture": lambda: hm.train(model="mixtral-8x7b", gpus="64xH100"),
    "train: a layout": lambda: hm.train(params="8B", gpus="16xA100", tp=2, global_batch=64),
    "train: LoRA": lambda: hm.train(model="llama-3.1-8b", gpus="8xH100", task="lora", rank=16),
    "serve: clients": lambda: hm.serve("llama-3.1-8b", concurrency=8, gpus="1xH100"),
    "serve: an engine": lambda: hm.serve("mixtral-8x7b", concurrency=64, gpus="8xH100", precision="fp8",
                                         engine="vllm"),
    "serve: pools predicted": lambda: hm.serve("llama-3.1-70b", concurrency=64, parts="h100", tp=4, pools="1:1",
                                               api_price="1,2"),
    "serve: rounds": lambda: hm.serve("llama-3.1-8b", concurrency=8, gpus="1xH100", draft_tokens=2, rounds=4),
    "serve: a demand": lambda: hm.serve("llama-3.1-8b", demand="5 req/s", parts=["h100", "l40s"]),
    "serve: cached prompts": lambda: hm.serve("llama-3.1-8b", demand="5 req/s", parts="h100", prefix_hit="30%"),
    "serve: disaggregated": lambda: hm.serve("llama-3.1-8b", demand="5 req/s", parts="h100", disaggregated=True,
                                             ttft="1s", tpot="50ms"),
    "serve: two parts": lambda: hm.serve("llama-3.1-70b", demand=2, prefill="4xH200", decode="16xH100",
                                         api_price="1,2"),
    "serve: formats": lambda: hm.serve("llama-3.1-8b", demand="5 req/s", parts="h100", precision="bf16,fp8,int4",
                                       max_loss=0.05),
    "serve: no price": lambda: hm.serve("llama-3.1-8b", concurrency=8, gpus="1xH800"),
    "sweep: plans": lambda: hm.sweep(SPACE),
    "sweep: fleets of serving": lambda: hm.sweep(SERVED),
    "law optimum": lambda: hm.law.optimum(BESIROGLU, flops=1e23),
    "law optimum: no draws": lambda: hm.law.optimum(BESIROGLU, params="7B", draws=0),
    "law optimum: a life": lambda: hm.law.optimum(BESIROGLU, flops=1e23, inference_tokens="1T"),
    "law optimum: no loss": lambda: hm.law.optimum(NO_LOSS, flops=1e23),
    "law eval": lambda: hm.law.eval(BESIROGLU, params="70B", tokens="1.4T"),
    "law gain": lambda: hm.law.gain("7B", "70B", draws=100),
    "law disagreement": lambda: hm.law.disagreement(flops=1e23, draws=100),
    "prices": lambda: hm.prices.list("h100"),
    "validate": lambda: hm.validate("whole"),
    "accuracy": lambda: hm.accuracy(part="h100", kind="training"),
    "explain": lambda: hm.explain(hm.plan(**RUN), "train_days"),
}  # fmt: skip


@cache
def document(name: str) -> dict[str, Any]:
    """The JSON document of a question."""
    found: dict[str, Any] = QUESTIONS[name]().to_dict()
    return found
