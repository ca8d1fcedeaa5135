"""What the records that all floors share compute of themselves, worked out in the comments."""

from __future__ import annotations

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.specs import Layout, MemoryTerms, StepTerms
from hwmodel.specs.economics import given_price
from hwmodel.specs.evidence import PrecisionPair, publication
from hwmodel.specs.intervals import Ends, FitConstants, fits_probability
from hwmodel.specs.law import Active, NonEmbedding, Optimum, PrintedNumber, Total
from hwmodel.specs.layout import layout_line, plan_layout, schedule_word
from hwmodel.specs.quantised import QuantisedRow
from hwmodel.specs.rl import ResponseLengths, RlTerms
from hwmodel.specs.serving import DecodeTerms, ServingLayout, ServingLoad
from hwmodel.specs.shape import ParameterTerms

change = msgspec.structs.replace


def test_terms_add_up() -> None:
    # 1 + 2 + ... + n of each record; of RL steps the eighth is hidden: 28 - 8.
    assert StepTerms(**{n: float(i) for i, n in enumerate(StepTerms.__struct_fields__, 1)}).total_s == 17 * 18 / 2
    assert MemoryTerms(**{n: float(i) for i, n in enumerate(MemoryTerms.__struct_fields__, 1)}).total_bytes == 28
    assert DecodeTerms(**{n: float(i) for i, n in enumerate(DecodeTerms.__struct_fields__, 1)}).total_s == 55
    assert RlTerms(**{n: float(i) for i, n in enumerate(RlTerms.__struct_fields__, 1)}).total_s == 20
    assert ParameterTerms(total=10.0, active=8.0, embedding=3.0, matmul_active=7.0, experts=1.0).non_embedding == 7.0


def test_accelerators_of_layouts() -> None:
    assert Layout(tp=2.0, cp=3.0, pp=5.0, dp=7.0, ep=11.0, vpp=13.0).accelerators == 210.0
    served = ServingLayout(tp=2.0, pp=3.0, dp=5.0, ep=4.0)
    assert (served.stage_accelerators, served.accelerators, served.moe_tp) == (10.0, 30.0, 2.5)
    load = ServingLoad(prompt_tokens=1000.0, output_tokens=300.0, cached_tokens=400.0)
    assert (load.new_tokens, load.mean_context) == (600.0, 1150.0)


def test_a_layout_in_whole_numbers_and_in_a_line() -> None:
    found = plan_layout(Layout(tp=8.0, pp=4.0, dp=16.0, schedule=3.0), 512.0, "selective", "none")
    assert (found.tp, found.cp, found.pp, found.dp, found.zero) == (8, 1, 4, 16, 1)
    assert (found.global_batch_seqs, found.recompute, found.offload) == (512, "selective", "none")
    words = [schedule_word(Layout(schedule=float(place))) for place in range(5)]
    assert words == ["1f1b", "zb-h1", "zb-h2", found.schedule, "dualpipev"]
    assert found.schedule == "dualpipe"
    line = "tp 8, cp 1, pp 4, vpp 1, ep 1, dp 16, zero 1, micro_batch 1"
    assert layout_line(found) == line
    # A rare size is named from two on.
    assert layout_line(change(found, etp=2)) == line.replace("ep 1,", "ep 1, etp 2,")


def test_how_operands_are_cast() -> None:
    bf16 = load_catalog().precision("bf16")
    assert (bf16.quantised, bf16.cast_kind) == (False, "")
    kinds = {
        (float("inf"), 3.0): "tensor", (128.0, 3.0): "block", (65.0, 1.0): "block", (64.0, 3.0): "mx",
        (32.0, 2.0): "mx", (32.0, 1.0): "four-bit",
    }  # fmt: skip
    for (block, mantissa), kind in kinds.items():
        assert change(bf16, scale_block=block, mantissa_bits=mantissa).cast_kind == kind
    assert change(bf16, scale_block=128.0, casts="row").cast_kind == "row"
    # A quarter of the layers in 16 bits: 1 + (2 - 1) / 4; what is wider already stays.
    mixed = change(bf16, weight_bytes=1.0, activation_bytes=4.0, bf16_layers=0.25)
    assert (mixed.mean_weight_bytes, mixed.mean_activation_bytes) == (1.25, 4.0)


def test_ends_and_chances() -> None:
    assert Ends(1.0, 3.0).flipped == Ends(3.0, 1.0)
    assert Ends(1.0, 3.0).half_width == 2.0
    # (1.25 / 1)^(1 / 0.5) = 1.5625: one over 2.5625. A chance of 0.8 leaves (1/0.8 - 1)^0.5 = 0.5 of the middle.
    c = FitConstants(middle=1.0, width=0.5, least=0.8)
    assert fits_probability(1.25, c) == pytest.approx(1 / 2.5625)
    assert c.most_full == pytest.approx(0.5)
    assert fits_probability(change(c, middle=2.0).most_full, change(c, middle=2.0)) == pytest.approx(0.8)


def test_counts_of_parameters() -> None:
    assert Total(6e9) / Total(3e9) == 2.0
    assert NonEmbedding(6e9) - NonEmbedding(2e9) == 4e9
    with pytest.raises(InputError, match="cannot compare total with active parameter counts"):
        _ = Total(6e9) / Active(3e9)
    best = Optimum(params=5e9, tokens=1e11, flop=3e21, loss=2.0, params_convention="non_embedding")
    assert best.count == NonEmbedding(5e9)
    printed = PrintedNumber(given={"params": 7, "tokens": 1.5, "law": "kaplan_2020"}, want="loss")
    assert printed.numbers == {"params": 7, "tokens": 1.5}


def test_response_lengths() -> None:
    # A quarter of 100, a half of 200 and a quarter of 800 tokens.
    lengths = ResponseLengths(tokens=(100.0, 200.0, 800.0), shares=(0.25, 0.5, 0.25))
    assert (lengths.mean, lengths.longest) == (325.0, 800.0)


def quantised(recipe: str, activations: float, active: float | None = None) -> QuantisedRow:
    return QuantisedRow(source="s", model="m", recipe=recipe, method="gptq", metric="nats", weight_bits=4.0,
                        activation_bits=activations, cache_bits=16.0, params=1e10, active_params=active)  # fmt: skip


def test_kinds_of_quantised_rows() -> None:
    mixtures = [quantised("int4", 16.0, active).mixture for active in (None, 9.1e9, 9e9, 8.9e9)]
    assert mixtures == [False, False, False, True]
    assert not change(quantised("int4", 16.0, 1e9), params=None).mixture
    eight = (("fp8", 8.0), ("w4a8-int", 8.0), ("fp8-weight", 16.0))
    assert [quantised(*one).float8 for one in eight] == [True, False, False]
    four = (("nvfp4", 4.0), ("mxfp4", 4.0), ("int4", 4.0), ("nvfp4", 16.0))
    assert [quantised(*one).float4 for one in four] == [True, True, False, False]
    assert [quantised(recipe, 8.0).power_of_two for recipe in ("mxfp8", "fp8")] == [True, False]


def test_what_counts_as_one_source() -> None:
    assert publication("arXiv 2509.25149 sec. 3, fig. 2") == "arXiv 2509.25149"
    assert publication("arXiv 2509.25149 Table 2") == "arXiv 2509.25149"
    assert publication("arXiv 2509.25149") == "arXiv 2509.25149"
    assert publication("arXiv 2509.25149 data set, row 2") == "arXiv 2509.25149 data set"
    assert publication("NVIDIA blog, table 1") == "NVIDIA blog"
    assert publication("blog 1 Table 2") == "blog 1 Table 2"
    pair = PrecisionPair(source="NVIDIA blog, table 1", group="fp8", format="fp8", metric="val_loss", change=0.001)
    assert (pair.publication, pair.of_loss, pair.counted) == ("NVIDIA blog", True, True)
    other = change(pair, metric="speedup_end_to_end", why_not_counted="no warm-up")
    assert (other.of_loss, other.counted) == (False, False)


def test_a_price_that_is_given() -> None:
    price = given_price("h100", 2.5)
    assert price.median_usd_per_accelerator_hour == 2.5
    assert (price.low_usd_per_accelerator_hour, price.high_usd_per_accelerator_hour) == (2.5, 2.5)
    assert (price.part, price.kind, price.n_quotes, price.providers) == ("h100", "given", 1, ("given",))
