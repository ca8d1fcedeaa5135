"""What a training software stack adds to the hardware: fixed costs, overlaps, kernel generation, defaults."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num
from hwmodel.specs.layout import SCHEDULES

GENERIC = "generic"  # the stack that stands for any of its year


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """Constants of one training stack of one era. `generic` is the default; others differ where runs say so.

    Levels and factors are dimensionless; 1 leaves the kernels' own times as they are. The values stand, with what they
    were fitted on, in `catalogs/calibrations/training.yaml` and `stacks.yaml`.
    """

    id: str = GENERIC
    title: str = ""
    year: float = 0.0

    # Time of the kernels.
    level: Num = 1.0  # all device time of the step
    sustained: Num = 1.0  # products of 8 bits in training over the kernel law's time for a long load
    sustained_four: Num = 1.0  # the same for products of 4 bits
    sustained_high: Num = 1.0  # the same for products of 16 bits
    attention_generation: Num = 3.0  # 3: fused kernels of today, 2: FlashAttention-2, 0: scores written to memory
    attention_backward: Num = 1.0  # time of the backward pass of attention over what the kernel law gives
    attention_old: Num = 1.0  # time of FlashAttention-2 kernels over what the kernel law gives
    score_passes: Num = 5.0  # times that an unfused forward pass moves each attention score
    memory_passes: Num = 1.0  # traffic of element-wise operations over that of the fused minimum
    accumulate_passes: Num = 0.7  # share of the gradient accumulation's traffic that wgrad products do not hide
    expert_casts: Num = 1.0  # share of the casts of experts' operands that are not fused into kernels around them
    grouped: Num = 0.0  # efficiency of experts' products over plain ones; 0: that of the inference kernels measured
    imbalance: Num = 1.2  # busiest expert-parallel rank over the mean

    # Host.
    host_op_s: Num = 8e-6  # time to launch one kernel
    launch_blocking: Num = 0.0  # 1: the host waits for each kernel before it launches the next (CUDA_LAUNCH_BLOCKING)
    host_backward: Num = 1.5  # launches of a backward pass over those of a forward one
    host_mixed: Num = 0.3  # share of the shorter of host and device time that shows where both are equal
    launches_layer: Num = 16.0  # kernels launched in one layer's forward pass
    launches_tensor: Num = 4.0  # beside these with tensor parallelism: two collectives, each a launch and a wait
    launches_moe: Num = 18.0  # launched beside these where the layer has experts
    launches_expert: Num = 4.0  # and for each expert that the rank holds
    host_pipeline: Num = 1.0  # launch cost over the plain one where pipeline ranks also exchange activations
    host_tensor: Num = 0.0  # launch cost added per extra tensor-parallel rank, as a fraction of the plain one
    # Parameters a second and accelerator that an optimizer on the host updates. Assumed (unconfirmed): 28 bytes moved a
    # parameter, of the 200 GB/s that a two-socket host sustains, shared by eight accelerators.
    host_adam_params_per_s: Num = 9e8
    step_s: Num = 5e-3  # fixed time a step: data, logging, gradient-norm synchronisation

    # Overlap.
    tp_overlap: Num = 0.25  # fraction of tensor-parallel communication hidden under matrix products
    cp_overlap: Num = 0.8
    ep_overlap: Num = 0.8  # share of a layer's compute that hides expert traffic, where micro-batches interleave
    ep_always: Num = 0.0  # 1: expert traffic hides so in every layout, also inside a scale-up domain
    dp_overlap: Num = 0.72  # fraction of the backward pass that data-parallel communication can hide under
    zero_overlap: Num = -1.0  # the same where optimizer states are sharded (ZeRO 1, 2); below 0: as `dp_overlap`
    dp_floor: Num = 0.07  # fraction of data-parallel communication that stays exposed
    fsdp_overlap: Num = 0.85  # the same fraction where weights are gathered for each pass
    pp_overlap: Num = 0.5
    network_fraction: Num = 1.0  # sustained network bandwidth over that of the collective benchmarks
    contention: Num = 0.0  # time that each doubling of the domains of a group adds to its network transfers
    jitter: Num = 0.01  # slowdown a doubling of the number of nodes
    jitter_nodes: Num = 256.0  # nodes beyond which it grows no more (runs of 512 to 1,344 nodes are no slower)

    # Habits.
    bubble: Num = 1.0  # idle time of a pipeline over that of its schedule
    schedules: tuple[str, ...] = SCHEDULES[:1]  # pipeline schedules that it has, by the words of `--schedule`
    head_balanced: Num = 0.0  # 1: layers are moved off the stage that holds the head
    default_zero: Num = 1.0
    default_vpp_layers: Num = 0.0  # layers of one virtual stage where unstated; 0: no interleaving
    default_sequence_parallel: Num = 1.0
    selective_products: Num = 0.0  # share of the products that "selective" repeats, beside norms and activations
    gradient_comm_bytes: Num = 0.0  # reduced gradient, where the stack overrides the recipe; 0: the recipe's
    gradient_bytes: Num = 0.0  # accumulated gradient, where the stack overrides the recipe; 0: the recipe's

    # Memory.
    in_flight: Num = 1.0  # micro-batches kept over those that 1F1B needs
    activation_overhead: Num = 1.0  # saved activations over the sum of their tensors
    narrow_saved: Num = 0.0  # 1: what enters the activation of a feed-forward network is kept in the products' format
    workspace_layers: Num = 0.25  # gradients and temporaries of the backward pass, in layers' worth of activations
    gathered_bytes: Num = 4.0  # an element of the inputs that sequence-parallel ranks gather before a product
    late_bytes: Num = 0.0  # an element of them, of those freed late on a single stage, while memory is free
    logits_bytes: Num = 6.0  # bytes kept for one logit at the peak
    logits_sharded_bytes: Num = 0.0  # the same of trainers that shard weights (ZeRO 3); 0: as the others
    logs_reserved: Num = 0.0  # 1: the memory that its logs print is what the allocator has reserved
    parameter_buffer_bytes: Num = 0.5  # bytes beside weights, gradients and moments, a parameter held
    context_bytes: Num = 1.5e9  # device context and communicators
    fragmentation: Num = 0.05  # of what the allocator holds

    unconfirmed: tuple[str, ...] = ()
