"""Serving a model: how it is laid out, what is asked of it, what an engine adds, and the terms of the answer."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num


class ServingLayout(msgspec.Struct, frozen=True, kw_only=True):
    """How one engine instance spreads a model; every field is a number or a column of numbers.

    Attention is sharded `tp` ways and replicated on `dp` data-parallel ranks; experts are sharded `ep` ways and each
    expert `moe_tp` ways, over the same tp * dp accelerators of a pipeline stage. `kv_split`: ranks that hold the same
    key-value heads share the batch between them instead of copying its cache (arXiv 2211.05102; 1: they copy).
    """

    tp: Num = 1.0
    pp: Num = 1.0
    dp: Num = 1.0
    ep: Num = 1.0
    kv_split: Num = 1.0

    @property
    def stage_accelerators(self) -> Num:
        return self.tp * self.dp

    @property
    def accelerators(self) -> Num:
        return self.tp * self.dp * self.pp

    @property
    def moe_tp(self) -> Num:
        return self.tp * self.dp / self.ep


class ServingFormats(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one element by tensor class. `experts_only` 1: only routed experts are in the low format."""

    weight_bytes: Num = 2.0
    high_bytes: Num = 2.0  # embeddings, head, norms; attention and shared layers where `experts_only`
    activation_bytes: Num = 2.0
    kv_bytes: Num = 2.0
    experts_only: Num = 0.0
    padded_hidden: Num = 1.0  # an expert's matrices are held at multiples of these of model width and of its own
    padded_inner: Num = 1.0
    network_only: Num = 0.0  # 1: attention keeps 16 bits, the feed-forward networks alone are in the low format
    scaled_blocks: Num = 0.0  # 1: activations take a scale for each block, in a kernel of its own


class ServingLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What each request asks. `cached_tokens` of the prompt are found in a prefix cache and not computed again."""

    prompt_tokens: Num
    output_tokens: Num
    cached_tokens: Num = 0.0
    rounds: Num = 10.0  # requests that each client of a closed loop sends in turn, all clients at once to begin with

    @property
    def new_tokens(self) -> Num:
        return self.prompt_tokens - self.cached_tokens

    @property
    def mean_context(self) -> Num:
        """Tokens in the cache of one sequence, averaged over its decode steps."""
        return self.prompt_tokens + 0.5 * self.output_tokens


class Speculation(msgspec.Struct, frozen=True, kw_only=True):
    """Speculative or multi-token decoding: `draft_tokens` proposed a step, each accepted with probability
    `acceptance` if all before it were; drafting one token costs `draft_share` of a step of the model."""

    draft_tokens: Num = 0.0
    acceptance: Num = 0.0
    draft_share: Num = 0.0


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """What a serving engine adds to its kernels: few constants an engine and generation (`era`), fitted on runs.

    Decode steps run as captured graphs: a kernel pays `kernel_s` in place of its stand-alone launch.
    """

    id: str = "generic"
    era: str = ""
    level: Num = 1.0  # all kernel time over that of the tuned kernels the constants were measured on
    gemm_level: Num = 1.0  # the same of matrix products in the recipe's format alone
    attention_level: Num = 1.0  # the same of attention over the cache
    kv_reread: Num = 0.0  # exponent of the query heads that share a key-value head by which its cache is read again
    kernel_s: Num = 4.0e-6  # gap and tail of one kernel of a captured graph
    norms_apart: Num = 0.0  # 1: a layer's two norms are kernels beside the sums of its ranks, 0: they ride on them
    attention_apart: Num = 0.0  # kernels of attention that others fuse: writing the cache, scaling what comes out
    step_s: Num = 3.0e-4  # scheduling, sampling and detokenising one step
    sequence_s: Num = 5.0e-6  # the same a running sequence
    collective_s: Num = 5.0e-6  # wait for the last of eight ranks in a collective; grows with log2(ranks)
    prefill_kernel_s: Num = 2.0e-5  # host cost of one eagerly launched kernel before the first token
    captured_tokens: Num = 0.0  # up to which a step that takes in a prompt replays captured graphs between attentions
    prefills_apart: Num = 0.0  # 1: prompts have passes of their own, no request decodes in them
    expert_host: Num = 1.5  # the same of an expert kernel, over that of others
    request_s: Num = 2.0e-2  # tokenising, routing and streaming one request
    stream_steps: Num = 1.0  # decode steps after which the first token reaches the client
    prefill_stall: Num = 1.0  # share of a request's prefill that the running requests wait for
    independence: Num = 1.0  # exponent of the tokens of a batch that route independently
    imbalance: Num = 1.2  # busiest expert-parallel rank over the mean
    burst: Num = 1.0  # prompts that the mean request of a client's first round finds ahead, over half of the others
    poll_steps: Num = 1.0  # steps after which the scheduler looks for new requests
    poll_steps_many: Num = 1.0  # the same once MANY clients or more are served
    batch_wait_steps: Num = 0.0  # steps that a prompt waits for others to share its pass
    balance_steps: Num = 0.0  # steps that prompts wait at most until every attention-data rank has one
    memory_fraction: Num = 0.9  # of the accelerator's memory that the engine may use
    free_fraction: Num = 1.0  # of what is free after loading that the cache takes
    reserve_bytes: Num = 4.0e9  # activations, graphs, communicators
    step_tokens: Num = 8192.0  # prompt tokens that an attention rank takes into one step
    whole_prompt_tokens: Num = 0.0  # up to which launch recipes widen a step, so that it takes in a whole prompt
    max_running: Num = 2048.0  # requests that one attention rank decodes at once (TensorRT-LLM's max_batch_size)
    limited_share: Num = 0.92  # of the rate that fills an engine, where no request may exceed limits on latency
    kv_output_share: Num = 0.5  # output tokens that a running request holds in the cache, as a share of all
    unconfirmed: tuple[str, ...] = ()


class DecodeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Exposed, disjoint seconds of one pass (a decode step or a prefill) of one engine instance; they sum to it."""

    gemm_s: Num
    experts_s: Num
    attention_s: Num
    memory_bound_s: Num
    logits_s: Num
    tp_s: Num
    ep_s: Num
    pp_s: Num
    kernel_gap_s: Num
    host_s: Num

    @property
    def total_s(self) -> Num:
        total: Num = 0.0
        for name in self.__struct_fields__:
            total = total + getattr(self, name)
        return total


class ServingMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on one accelerator of an engine; `kv_pool_bytes` is what is left for the cache (negative: does not fit)."""

    weights_bytes: Num
    reserve_bytes: Num
    kv_pool_bytes: Num
    kv_bytes_per_token: Num  # on this accelerator
    state_bytes_per_sequence: Num


class EnginePasses(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of the passes of one engine instance at its running batch, of which every regime of requests is made. A
    prompt holds each pipeline stage for its share of a pass alone, and attention-data ranks take one each."""

    step_s: Num  # a decode step
    mixed_s: Num  # a step with the prompts that come meanwhile, or their pass alone where they have their own
    first_s: Num  # the first pass of a prompt, its host counted
    service_s: Num  # what one prompt costs the requests beside it


class ClosedLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed number of clients of one engine instance, each of which asks again when it is answered."""

    clients: Num
    places: Num  # requests that run at once at most
    output_tokens: Num  # of an answer
    tokens_per_step: Num = 1.0  # that a running request gains
    most_prompts: Num = 1e9  # that a step takes in on all ranks and stages
    rounds: Num = 10.0  # requests that each client sends in turn, all clients at once to begin with
    ranks: Num = 1.0  # of attention-data parallelism


class ServiceTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What users see. TPOT leaves the first token out; rates count one whole engine instance.

    Seconds are means over requests. `running` requests decode together; `waiting` have no place in the cache.
    """

    ttft_s: Num
    tpot_s: Num
    request_s: Num
    step_s: Num
    prefill_s: Num
    running: Num
    waiting: Num
    requests_per_s: Num
    utilisation: Num  # share of time spent on prefill


class ServingCost(msgspec.Struct, frozen=True, kw_only=True):
    """Accelerator-seconds a token, split between prompt and output, and the operating point they hold at."""

    prompt_accelerator_s: Num
    output_accelerator_s: Num
    batch: Num
    tp: Num
    tpot_s: Num
    feasible: Num  # 1 where the model fits the layouts tried
