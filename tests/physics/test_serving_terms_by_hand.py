"""One hand-worked case for each term of a serving pass and for its memory, on the machine of round numbers.

An engine that adds nothing decodes 8 sequences over a cache of 1,000 tokens, or prefills one prompt of 1,024. Figures
are worked out in the comments, not by calling the code.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from round_machine import BLOCK, HELD, LAYER, MACHINE, SHAPE

from hwmodel.physics.serving import decode_terms, memory, prefill_terms, sequences_that_fit, tokens_per_step
from hwmodel.physics.serving_products import products_s
from hwmodel.physics.serving_step import Pass, mixer_scan_s
from hwmodel.specs.serving import (
    DecodeTerms,
    Engine,
    ServingFormats,
    ServingLayout,
    ServingLoad,
    Speculation,
)

ENGINE = Engine(kernel_s=0.0, step_s=0.0, sequence_s=0.0, collective_s=0.0, imbalance=1.0)
BF16 = ServingFormats()
ALONE = ServingLayout()
EXPERTS = msgspec.structs.replace(SHAPE, blocks=(msgspec.structs.replace(BLOCK, n_experts=4.0, top_k=1.0),))


def decode(layout: ServingLayout = ALONE, shape: Any = SHAPE, formats: Any = BF16, **engine: float) -> DecodeTerms:
    return decode_terms(shape, MACHINE, formats, layout, msgspec.structs.replace(ENGINE, **engine), 8.0, 1000.0)


def product_bytes(m: float, *sides: tuple[float, float]) -> float:
    """Bytes of products (m, k) @ (k, n) in 2 bytes: operands read once, results written once."""
    return sum(2 * (m * k + n * k + m * n) for n, k in sides)


def test_products_read_their_weights() -> None:
    # Eight rows a weight: 16 FLOPs at 1e14 against 2 bytes at 1e12, so that the weights' bytes set the time.
    sides = ((3072, 1024), (1024, 1024), (4096, 1024), (1024, 4096))
    assert decode().gemm_s == pytest.approx(4 * product_bytes(8, *sides) / 1e12, rel=1e-12)
    assert decode().gemm_s == pytest.approx(4 * 2 * LAYER / 1e12, rel=0.02)


def test_products_of_a_prompt_compute() -> None:
    # 1,024 rows a weight: 2 FLOPs a weight and token.
    found = prefill_terms(SHAPE, MACHINE, BF16, ALONE, ENGINE, 1024.0, 1024.0)
    assert found.gemm_s == pytest.approx(4 * 2 * 1024 * LAYER / 1e14, rel=1e-12)
    # Causal: half of 1,024^2 pairs for 8 heads, two products of 128.
    assert found.attention_s == pytest.approx(4 * 2 * 8 * (1024**2 / 2) * 256 / 1e14, rel=1e-12)


def test_attention_reads_the_cache() -> None:
    # 1,000 keys and values of 8 heads of 128 for each of 8 sequences, and their queries and results.
    moved = 8 * (1000 * 8 * 256 * 2 + 8 * 256 * 2)
    assert decode().attention_s == pytest.approx(4 * moved / 1e12, rel=1e-12)
    # In one byte the cache is half of that, queries and results are not.
    half = decode(formats=ServingFormats(kv_bytes=1.0))
    assert half.attention_s == pytest.approx(4 * (8 * (1000 * 8 * 256 + 8 * 256 * 2)) / 1e12, rel=1e-12)


def test_experts() -> None:
    # 8 tokens over 4 experts of one choice: 4 (1 - (3/4)^8) = 3.5995 experts are read, 8 / 3.5995 rows each.
    touched = 4 * (1 - 0.75**8)
    one = product_bytes(8 / touched, (4096, 1024), (1024, 4096))
    assert decode(shape=EXPERTS).experts_s == pytest.approx(4 * touched * one / 1e12, rel=1e-9)
    # The router of four columns stays beside attention's products.
    sides = ((3072, 1024), (1024, 1024), (4, 1024))
    assert decode(shape=EXPERTS).gemm_s == pytest.approx(4 * product_bytes(8, *sides) / 1e12, rel=1e-12)


def test_memory_traffic() -> None:
    # Two norms with residuals, 8 passes of 2 bytes over d; rotary reads and writes the query and writes the cache's
    # key and value: 4 x 8 x 128; the network's 4,096 before and after its activation; 2 bytes each.
    moved = 8 * (16 * 1024 + 2 * (4 * 8 * 128 + 2 * 4096))
    assert decode().memory_bound_s == pytest.approx(4 * moved / 1e12, rel=1e-12)


def test_logits() -> None:
    assert decode().logits_s == pytest.approx(product_bytes(8, (8000, 1024)) / 1e12, rel=1e-12)
    # Of a prompt the last token alone.
    prompt = prefill_terms(SHAPE, MACHINE, BF16, ALONE, ENGINE, 1024.0, 1024.0)
    assert prompt.logits_s == pytest.approx(product_bytes(1, (8000, 1024)) / 1e12, rel=1e-12)


def test_tensor_parallel() -> None:
    # Two sums a layer of 8 x 1,024 x 2 bytes; with two ranks each sends the whole buffer once in all.
    found = decode(ServingLayout(tp=2.0))
    assert found.tp_s == pytest.approx(4 * 2 * 16384 / 1e11, rel=1e-9)
    # The last of eight ranks is a microsecond late, of two a third of that.
    late = decode(ServingLayout(tp=2.0), collective_s=1e-6)
    assert float(late.tp_s) - float(found.tp_s) == pytest.approx(4 * 2 * 1e-6 / 3, rel=1e-9)


def test_expert_exchange() -> None:
    # Two attention ranks of four tokens: each sends half of its copies of 2 KiB out and receives them back.
    found = decode(ServingLayout(dp=2.0, ep=2.0), shape=EXPERTS)
    assert found.ep_s == pytest.approx(4 * 2 * (4 * 2048 / 2) / 1e11, rel=1e-9)
    assert found.tp_s == 0.0


def test_pipeline_hops() -> None:
    # Two micro-batches of four sequences: each hands 4 x 2 KiB over once.
    found = decode(ServingLayout(pp=2.0))
    assert found.pp_s == pytest.approx(4 * 2048 / 1e11, rel=1e-9)
    # Three stages for four layers: the fullest has two, a step takes as long as six layers.
    assert decode(ServingLayout(pp=3.0)).attention_s == pytest.approx(
        6 / 4 * 4 * (8 / 3) * (1000 * 8 * 256 * 2 + 8 * 256 * 2) / 1e12, rel=1e-9
    )


def test_gaps_between_kernels() -> None:
    # Five for the pass; a layer has two norms, four of attention and three of the network, or nine of experts.
    assert decode(kernel_s=1e-6).kernel_gap_s == pytest.approx((5 + 4 * 9) * 1e-6, rel=1e-12)
    assert decode(shape=EXPERTS, kernel_s=1e-6).kernel_gap_s == pytest.approx((5 + 4 * 15) * 1e-6, rel=1e-12)
    # Norms ride on the sums of several ranks, where the engine fuses them.
    split = ServingLayout(tp=2.0)
    assert decode(split, kernel_s=1e-6).kernel_gap_s == pytest.approx((5 + 4 * 7) * 1e-6, rel=1e-12)
    assert decode(split, kernel_s=1e-6, norms_apart=1.0).kernel_gap_s == pytest.approx((5 + 4 * 9) * 1e-6, rel=1e-12)
    # Block scales: a kernel before each of four products.
    scaled = decode(formats=ServingFormats(scaled_blocks=1.0), kernel_s=1e-6)
    assert scaled.kernel_gap_s == pytest.approx((5 + 4 * 13) * 1e-6, rel=1e-12)


def test_host() -> None:
    assert decode(step_s=1e-3, sequence_s=1e-4).host_s == pytest.approx(1e-3 + 8e-4, rel=1e-12)


def test_speculation() -> None:
    # Three drafts of which each is accepted with one half: 1 + 1/2 + 1/4 + 1/8.
    assert tokens_per_step(Speculation(draft_tokens=3.0, acceptance=0.5)) == pytest.approx(1.875, rel=1e-12)


def test_memory_and_what_the_cache_holds() -> None:
    engine = msgspec.structs.replace(ENGINE, memory_fraction=0.9, reserve_bytes=4e9, kv_output_share=0.5)
    load = ServingLoad(prompt_tokens=1000.0, output_tokens=200.0)
    found = memory(SHAPE, BF16, ALONE, load, engine, 8e10)
    # Two bytes a parameter but those of the final norm; keys and values of 8 x 128 in 2 bytes for 4 layers.
    assert found.weights_bytes == pytest.approx(2 * HELD, rel=1e-12)
    assert found.kv_bytes_per_token == pytest.approx(4 * 2 * 8 * 128 * 2, rel=1e-12)
    # Nine tenths of 80 GB less 4 GB and the weights.
    assert found.kv_pool_bytes == pytest.approx(6.8e10 - 2 * HELD, rel=1e-12)
    # A running request holds its prompt of 1,000 and half of its 200 tokens of output, 16,384 bytes each.
    fit = sequences_that_fit(found, load, ALONE, engine)
    assert fit == pytest.approx((6.8e10 - 2 * HELD) / (1100 * 4 * 4096), rel=1e-12)


def test_every_copy_of_a_token_is_cast_for_its_expert() -> None:
    # 8 tokens for 2 of 4 experts each: 16 copies, cast before the product of width 1,024 and before that of 4,096, a
    # byte an element at 1e12 a second.
    block = msgspec.structs.replace(BLOCK, n_experts=4.0, top_k=2.0)
    shape = msgspec.structs.replace(SHAPE, blocks=(block,))
    cast = msgspec.structs.replace(MACHINE, gemm=msgspec.structs.replace(MACHINE.gemm, cast_bytes=1.0))
    with_casts, without = (
        products_s(shape, block, 8.0, ALONE, ENGINE, machine, machine.gemm, BF16)[1] for machine in (cast, MACHINE)
    )
    assert with_casts - without == pytest.approx(16 * (1024 + 4096) / 1e12, rel=1e-9)


def test_the_state_of_a_linear_mixer_is_read_and_written_for_prompts_too() -> None:
    # 8 sequences and 2 prompts, a state of 1e6 elements in 4 bytes, read and written: 8 x 10 x 1e6 bytes at 1e12 a
    # second, half of it on each of two ranks. The scan of a FLOP a token is nothing beside.
    block = msgspec.structs.replace(BLOCK, mixer_flop_per_token=1.0, mixer_state_elements=1e6)
    both = Pass(8.0, 1000.0, 2.0, 512.0, 512.0)
    assert mixer_scan_s(block, both, 2.0, MACHINE) == pytest.approx(8 * 10 * 1e6 / 2 / 1e12, rel=1e-12)
