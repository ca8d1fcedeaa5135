"""The peak roofline of a setting: what the hardware's peak figures alone would promise."""

from __future__ import annotations

from hwmodel.physics.serving import kv_bytes_per_token, weights_bytes
from hwmodel.physics.serving_products import touched_experts
from hwmodel.physics.shape import expert_params, forward_flop_per_token
from hwmodel.predict.service import STATIC
from hwmodel.validation.predicted.serving_bench import ServingCase
from hwmodel.validation.rows.serving_rows import MeasuredQuantity


def step_roofline_s(case: ServingCase, batch: float) -> float:
    """Seconds of a decode step at the peak bandwidth or the peak rate, whichever is slower."""
    w, load = case.service.worker, case.service.load
    context = load.prompt_tokens + 0.5 * load.output_tokens
    n = float(w.layout.accelerators)
    read = float(weights_bytes(case.shape, w.formats, w.layout)) * n / w.layout.dp
    for block in case.shape.blocks:
        if block.n_experts:
            hit = touched_experts(block.n_experts, block.top_k, batch)
            idle = block.count * (block.n_experts - hit) * expert_params(case.shape, block)
            read -= float(idle) * w.formats.weight_bytes
    cache = float(kv_bytes_per_token(case.shape, w.formats.kv_bytes, 1.0, context)) * context * batch
    moved = (max(read, 0.0) + cache) / (n * w.machine.memory.hbm_bytes_per_s)
    flop = float(forward_flop_per_token(case.shape, 1.0)) * batch
    return max(float(moved), flop / (n * float(w.machine.gemm.peak_flop_per_s)))


def prefill_roofline_s(case: ServingCase, prompts: float) -> float:
    """Seconds of prefill at the peak rate."""
    w, load = case.service.worker, case.service.load
    tokens = float(load.new_tokens)
    flop = float(forward_flop_per_token(case.shape, load.prompt_tokens)) * tokens * prompts
    return flop / (float(w.layout.accelerators) * float(w.machine.gemm.peak_flop_per_s))


def roofline(case: ServingCase, asked: MeasuredQuantity) -> float | None:
    """The asked quantity at peak, in its unit."""
    s, load = case.setting, case.service.load
    batch = max(s.concurrency, 1.0) if s.concurrency else 64.0
    step, first = step_roofline_s(case, batch), prefill_roofline_s(case, 1.0)
    prompts = batch if s.regime == STATIC else 1.0
    output = float(load.output_tokens)
    request = prefill_roofline_s(case, prompts) + output * step
    times = {"ttft": first, "tpot": step, "request": request}
    if asked.kind in times:
        return times[asked.kind] * (1e3 if asked.milliseconds else 1.0)
    if asked.kind == "prefill_mfu":
        return 100.0
    if asked.kind == "input_rate":
        read = case.instances * float(load.new_tokens) / first
        return read / s.accelerators if asked.per_accelerator else read
    busy = prefill_roofline_s(case, batch) + output * step
    tokens = output + float(load.prompt_tokens if asked.kind == "total_rate" else 0.0)
    rate = case.instances * batch * tokens / busy
    return float(rate / s.accelerators if asked.per_accelerator else rate)
