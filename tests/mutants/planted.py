"""Faults planted by hand: a file, the right text and the wrong one. Each must die in the tests of its folder."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """A wrong text in the place of a right one, and the tests that must notice."""

    file: str  # below hwmodel/
    right: str
    wrong: str
    tests: str  # folders below tests/, apart by a space


def _fault(file: str, right: str, wrong: str, tests: str = "") -> Fault:
    return Fault(file, right, wrong, tests or file.split("/")[0])


TRAINING, MEMORY, LAYER = "physics/training.py", "physics/memory.py", "physics/layer.py"
FORMULAS, EXCHANGE = "physics/formulas.py", "physics/data_parallel.py"
SCHEDULE = "physics/schedule.py"
PLANTED = (
    # Ten that nothing caught once.
    _fault("solve/plan/closing.py", "correction /= used", "correction *= used"),
    _fault("solve/question/request.py", "prompt_share=share / grown)", "prompt_share=share)"),
    _fault("physics/serving_queue.py", "queue = 0.5 * prefill_service_s * minimum(",
           "queue = 0.5 * prefill_service_s * maximum(", "physics serving"),
    _fault("physics/serving_queue.py", "return 0.5 * service_s * waiting_share",
           "return 1.0 * service_s * waiting_share", "physics serving"),
    _fault("predict/service/cost.py", "prompts * layout.dp * layout.pp)", "prompts * layout.pp)", "predict serving"),
    _fault(LAYER, '"cp_b": context_parallel(block, 2.0 * tokens,', '"cp_b": context_parallel(block, 1.0 * tokens,'),
    _fault("physics/collectives.py", "where(net.torus > 0, 2.0 * net.torus_axes, 1.0)",
           "where(net.torus > 0, 1.0 * net.torus_axes, 1.0)"),
    _fault("physics/kernels.py", "(2.0 * kv_lora_rank + rope_dim)", "(1.0 * kv_lora_rank + rope_dim)"),
    _fault("economics/energy.py", "FALLBACK_J_PER_FLOP * facts.load_fraction", "FALLBACK_J_PER_FLOP"),
    _fault("economics/goodput.py", "0.5 * interval_s", "1.0 * interval_s"),
    # Twelve that only the example budgets caught once.
    _fault(FORMULAS, "2.0 * (pp - 1.0)\n", "1.0 * (pp - 1.0)\n"),
    _fault(TRAINING, "return states + 2.0 * precision.gradient_bytes",
           "return states + precision.gradient_bytes"),
    _fault(LAYER, "_LOSS_BYTES = 4.0 + 2.0 * 4.0 + 2.0 * 2.0", "_LOSS_BYTES = 4.0 + 2.0 * 2.0"),
    _fault(EXCHANGE, "each = 2.0 * by_layer(w) + by_layer(g)", "each = by_layer(w) + by_layer(g)"),
    _fault(SCHEDULE, "chunks = (layout.vpp - 1.0) * layout.pp", "chunks = (layout.vpp + 1.0) * layout.pp"),
    _fault(LAYER, "_NORM_PASSES + 2.0 * 3.0", "_NORM_PASSES + 2.0 * 1.0"),
    _fault("economics/goodput.py", "sqrt(2.0 * write_s * mtbf_s)", "sqrt(write_s * mtbf_s)"),
    _fault("economics/goodput.py", "facts.interruptions_per_accelerator_hour * accelerators +",
           "facts.interruptions_per_accelerator_hour +"),
    _fault("economics/energy.py", "(facts.load_fraction - facts.idle_fraction) * busy", "facts.load_fraction * busy"),
    _fault(SCHEDULE, "behind = layout.pp - 1.0\n    plain", "behind = layout.pp\n    plain"),
    _fault(FORMULAS, "2.0 * micro_batches * vpp * (1.0 - overlap)", "2.0 * micro_batches * vpp * overlap"),
    _fault(MEMORY, "in_flight(stage, layout, of_all.micro_batches, stack)", "of_all.micro_batches"),
    # What requests that meet by chance wait.
    _fault("physics/serving_queue.py", "4.0 * (apart_s - met_s) * prompts_s", "4.0 * apart_s * prompts_s",
           "physics serving"),
)  # fmt: skip
