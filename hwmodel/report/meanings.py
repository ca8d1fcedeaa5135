"""What each number of an answer means: its name for people, its unit, how it is worked out, and which sources feed it.

The formulas are those of the code named beside them (docs/model.md tells the whole way); `sources` are words of the
`for` line of an answer's sources. A term of a step or of memory is named in `words`.
"""

from __future__ import annotations

import msgspec

from hwmodel.report.words import TERM_WORDS

LAW, HARDWARE, KERNELS, RENT = (
    ("scaling law", "decades"),
    ("memory", "peak", "links", "NIC"),
    ("constants of",),
    ("rent",),
)
POWER = ("power", "load fraction", "server", "pue", "draw")
FAILURES = ("interruptions", "restart", "checkpoint", "storage")


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """One number: `unit` says how it is shown (count, days, hours, usd, share, seconds, bytes ...)."""

    label: str
    unit: str
    formula: str
    code: str
    sources: tuple[str, ...] = ()


_ANSWER = {
    "params": Meaning(
        label="Model size", unit="count", code="solve/run/sizing.py", sources=LAW,
        formula="given, or the N for which the law's loss is least: min over N of L(N, D) with C = 6 N D, or the "
        "cheapest N over the life at this loss"),
    "tokens": Meaning(
        label="Training tokens", unit="count", code="solve/run/sizing.py", sources=LAW,
        formula="given, or D = C / (6 N) at the size that was found"),
    "train_flop": Meaning(label="Training compute", unit="flop", code="solve/run/answers.py", formula="C = 6 N D"),
    "accelerators": Meaning(
        label="Accelerators", unit="count", code="solve/run/sizing.py",
        formula="given, or the fewest that finish within the time or the money"),
    "loss_nats": Meaning(
        label="Loss", unit="nats", code="laws/forms.py", sources=LAW,
        formula="L(N, D) of the law, for example E + A / N^alpha + B / D^beta; the interval is that of joint draws of "
        "its constants"),
    "train_days": Meaning(
        label="Training time", unit="days", code="predict/training.py", sources=(*KERNELS, *HARDWARE),
        formula="tokens / (tokens a second), without failures"),
    "elapsed_days": Meaning(
        label="Elapsed time", unit="days", code="economics/billing.py", sources=(*KERNELS, *FAILURES),
        formula="training time / goodput x whole-run factor, at the confidence asked for"),
    "gpu_hours": Meaning(
        label="Accelerator-hours", unit="hours", code="economics/billing.py", sources=(*KERNELS, *FAILURES),
        formula="accelerators x elapsed hours"),
    "cost_usd": Meaning(
        label="Rent", unit="usd", code="economics/renting.py", sources=RENT,
        formula="accelerator-hours x median of the dated quotes (or the price given); the interval holds the spread "
        "of quotes and of hours"),
    "mfu": Meaning(
        label="Utilisation (MFU)", unit="share", code="solve/run/answers.py", sources=(*KERNELS, *HARDWARE),
        formula="6 N D a second / (accelerators x dense peak of the matrix-product format)"),
    "tokens_per_s": Meaning(
        label="Tokens a second", unit="count", code="predict/training.py", sources=KERNELS,
        formula="global batch x sequence length / step time"),
    "energy_mwh": Meaning(
        label="Energy", unit="mwh", code="economics/energy.py", sources=POWER,
        formula="hours x (chip + server power at this utilisation) x PUE"),
    "co2e_t": Meaning(
        label="Carbon", unit="tonnes", code="economics/energy.py", sources=("grid", "embodied"),
        formula="energy x carbon of the grid + hours x carbon of making the hardware"),
    "peak_memory_bytes": Meaning(
        label="Fullest accelerator", unit="bytes", code="physics/memory.py",
        formula="weights + gradients + optimizer + activations + logits + buffers + reserve, of the fullest stage"),
    "reserved_memory_bytes": Meaning(
        label="Memory, reserved", unit="bytes", code="predict/footprint.py",
        formula="(the fullest accelerator - context and fragmentation + inputs freed late) x (1 + fragmentation of the "
        "stack): what the framework's allocator has taken"),
    "goodput": Meaning(
        label="Goodput", unit="share", code="economics/goodput.py", sources=FAILURES,
        formula="(1 - (restart + interval / 2) / MTBF) / (1 + checkpoint / interval), with the interval of Young 1974: "
        "sqrt(2 x checkpoint x MTBF)"),
    "whole_run_factor": Meaning(
        label="Whole-run factor", unit="factor", code="economics/billing.py",
        formula="hours billed by published whole runs over those of steady time and failures"),
    "lifetime_cost": Meaning(
        label="Cost of its life", unit="objective", code="laws/lifetime.py", sources=(*LAW, *RENT),
        formula="training cost + tokens served x cost of serving a token at this size"),
    "saving": Meaning(
        label="Saving over the training optimum", unit="share", code="solve/life/whole_life.py", sources=(*LAW, *RENT),
        formula="1 - lifetime cost of the deployment optimum / that of the training optimum, at the same loss"),
    "regret_band": Meaning(
        label="Sizes that waste at most 5 %", unit="count", code="laws/optimum.py", sources=LAW,
        formula="sizes N with 1 - (least compute for the loss that N reaches) / (compute) of at most 5 %"),
    "total_s": Meaning(
        label="Step time", unit="seconds", code="physics/training.py", sources=KERNELS,
        formula="the sum of the exposed, disjoint terms below, times the level of a measured run where one is given"),
    "step_s": Meaning(
        label="Step time", unit="seconds", code="physics/training.py", sources=KERNELS,
        formula="the sum of the exposed, disjoint terms below"),
    "quantiles": Meaning(
        label="Budget from P10 to P90", unit="usd", code="solve/run/answers.py", sources=RENT,
        formula="hours at the quantile of the whole-run spread x the price; P80 suffices with a probability of 80 %"),
}  # fmt: skip

_FORMATS = {
    "speedup": Meaning(
        label="Speed-up", unit="factor", code="solve/plan/precisions.py", sources=(*KERNELS, *HARDWARE),
        formula="training time in the reference format / in this one, each in its own best layout"),
    "loss_gap_share": Meaning(
        label="Loss that the format costs", unit="share", code="laws/precision.py", sources=("loss of fewer bits",),
        formula="(loss in this format - in bf16) / loss, from published pairs of trainings (a partly pooled "
        "Student-t band)"),
    "pays_up_to_share": Meaning(
        label="Loss that the speed-up pays for", unit="share", code="solve/plan/break_even.py", sources=LAW,
        formula="the gap that as much more training as the speed-up buys would close"),
    "tokens_factor": Meaning(
        label="Training needed to close the gap", unit="factor", code="solve/plan/break_even.py", sources=LAW,
        formula="factor x on the tokens with L(N, x D) = L(N, D) - gap; the format pays where the speed-up is larger"),
    "probability_wins": Meaning(
        label="Chance that it pays", unit="share", code="solve/plan/break_even.py", sources=("loss of fewer bits",),
        formula="P(gap < what the speed-up pays for), both uncertain and independent"),
}  # fmt: skip

_SERVING = {
    "ttft_s": Meaning(
        label="Time to first token (mean)", unit="seconds", code="predict/service/regimes.py", sources=KERNELS,
        formula="wait in the queue + prefill pass"),
    "ttft_tail_s": Meaning(
        label="Time to first token (tail)", unit="seconds", code="predict/service/arrivals.py", sources=KERNELS,
        formula="the same, at the percent of requests asked for"),
    "tpot_s": Meaning(
        label="Time per output token (mean)", unit="seconds", code="physics/serving_step.py", sources=KERNELS,
        formula="(request - time to first token) / (output tokens - 1): decode steps of this batch"),
    "tpot_tail_s": Meaning(
        label="Time per output token (tail)", unit="seconds", code="predict/service/arrivals.py", sources=KERNELS,
        formula="the same, at the percent of requests asked for"),
    "replicas": Meaning(
        label="Replicas", unit="count", code="solve/serve/fleet.py",
        formula="peak rate / rate that one replica carries within the limits, rounded up, + spares"),
    "usd_per_hour": Meaning(
        label="Fleet price an hour", unit="usd", code="solve/serve/money.py", sources=RENT,
        formula="accelerators x price of an accelerator-hour"),
    "usd_per_million_tokens": Meaning(
        label="Price a million tokens", unit="usd", code="solve/serve/money.py", sources=RENT,
        formula="fleet price / tokens in and out at the mean demand"),
    "usd_per_million_input": Meaning(
        label="Price a million prompt tokens", unit="usd", code="solve/serve/money.py", sources=RENT,
        formula="share of the hour spent on prompts x fleet price / prompt tokens"),
    "usd_per_million_output": Meaning(
        label="Price a million output tokens", unit="usd", code="solve/serve/money.py", sources=RENT,
        formula="share of the hour spent on output x fleet price / output tokens"),
    "joules_per_output_token": Meaning(
        label="Energy an output token", unit="joules", code="predict/service/cost.py", sources=POWER,
        formula="power of the fleet x share of time on output / output tokens a second"),
    "load": Meaning(label="Load", unit="share", code="predict/service/arrivals.py",
                    formula="rate asked for / rate that the replicas carry at most"),
    "requests_per_s": Meaning(label="Requests a second", unit="count", code="predict/service/regimes.py",
                              sources=KERNELS, formula="clients / time of one request"),
    "output_tokens_per_s": Meaning(label="Output tokens a second", unit="count", code="predict/service/regimes.py",
                                   sources=KERNELS, formula="requests a second x output tokens"),
    "batch": Meaning(label="Requests running at once", unit="count", code="predict/service/regimes.py",
                     formula="those that arrive while one is answered, up to what the cache holds"),
}  # fmt: skip

MEANINGS: dict[str, Meaning] = {**_ANSWER, **_FORMATS, **_SERVING}
TERMS = dict(TERM_WORDS)
