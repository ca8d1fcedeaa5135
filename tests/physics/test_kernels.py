"""Kernels: shapes of the laws, limits that they never beat, and the accuracy of the shipped constants."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from round_machine import GEMM

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.errors import InputError
from hwmodel.physics import kernels
from hwmodel.physics.machine import gemm_constants, machine, sustained
from hwmodel.physics.serving_products import _product_s
from hwmodel.specs.kernels import GemmConstants, Machine
from hwmodel.validation.kernels import sample as kernel_sample
from hwmodel.validation.kernels.reports import Scores

SAMPLE = Path(__file__).parents[1] / "data" / "kernels_sample.csv"
PARTS = ("a100", "h100", "h200", "b200-sxm", "gb300", "l40s", "mi300x", "gaudi2", "tpu-v5p", "trainium2")
MEASURED = ("a100", "h100", "b200-sxm")
sizes = st.integers(1, 40000).map(float)


def of(name: str, recipe: str = "bf16") -> Machine:
    catalog = load_catalog()
    part = catalog.part(name)
    system = catalog.default_system(part.id) if part.default_system else None
    if system is None:
        from hwmodel.physics.machine import box

        system = box(part)
    return machine(part, system, catalog.precision(recipe), kernel_calibration())


@pytest.mark.parametrize("name", PARTS)
def test_gemm_never_beats_peak_or_bandwidth(name: str) -> None:
    c = of(name).gemm
    m, n, k = (np.array(v, dtype=float).ravel() for v in np.meshgrid([1, 7, 128, 4096], [16, 1024, 28672], [64, 8192]))
    t = kernels.gemm_s(m, n, k, c)
    assert np.all(t >= 2 * m * n * k / c.peak_flop_per_s)
    assert np.all(t >= ((m + n) * k * 2.0 + 2.0 * m * n) / c.hbm_bytes_per_s)
    assert np.all(t > c.launch_s)


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, sizes)
def test_scalar_equals_array(m: float, n: float, k: float) -> None:
    c = of("h100").gemm
    column = kernels.gemm_s(np.array([m, m]), np.array([n, n]), np.array([k, k]), c)
    assert kernels.gemm_s(m, n, k, c) == pytest.approx(column[0], rel=1e-12)
    grouped = kernels.grouped_gemm_s(np.array([m]), n, k, 8.0, c)
    assert kernels.grouped_gemm_s(m, n, k, 8.0, c) == pytest.approx(grouped[0], rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, sizes, st.sampled_from(MEASURED))
def test_gemm_grows_with_each_side(m: float, n: float, k: float, name: str) -> None:
    """Doubling a side never makes a product faster; ragged waves may make one row more free, never cheaper by much."""
    c = of(name).gemm
    t = kernels.gemm_s(m, n, k, c)
    for other in (kernels.gemm_s(2 * m, n, k, c), kernels.gemm_s(m, 2 * n, k, c), kernels.gemm_s(m, n, 2 * k, c)):
        assert other >= t * 0.999
    assert kernels.gemm_s(m + 1, n, k, c) >= t * 0.9


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([1.0, 4.0, 32.0]),
    st.sampled_from([64.0, 1024.0, 8192.0]),
    st.sampled_from([8.0, 32.0]),
    st.sampled_from([64.0, 128.0]),
)
def test_attention_limits(batch: float, s: float, heads: float, width: float) -> None:
    c = of("h100").attention
    forward = kernels.attention_forward_s(batch, s, s, heads, 8.0, width, width, np.inf, c)
    flop = 4.0 * batch * heads * width * s * s / 2.0
    assert forward >= flop / c.peak_flop_per_s
    assert kernels.attention_forward_s(batch, s, 2 * s, heads, 8.0, width, width, np.inf, c) > forward
    assert kernels.attention_forward_s(batch, s, s, heads, 8.0, width, width, s / 4, c) <= forward * 1.5
    assert kernels.attention_backward_s(batch, s, s, heads, 8.0, width, width, np.inf, c) > forward
    slow = of("h100").attention_flash2
    assert kernels.attention_forward_s(batch, s, s, heads, 8.0, width, width, np.inf, slow) >= forward
    decode = kernels.attention_decode_s(batch, s, heads, 8.0, width, width, 2.0, c)
    assert decode >= batch * s * 8.0 * 2.0 * width * 2.0 / c.hbm_bytes_per_s
    assert kernels.attention_decode_s(batch, s, heads, 8.0, width, width, 1.0, c) <= decode
    latent = kernels.mla_decode_s(batch, s, heads, 512.0, 64.0, 2.0, c)
    assert latent >= batch * s * 576.0 * 2.0 / c.hbm_bytes_per_s


def test_chunked_prefill_costs_what_its_pairs_cost() -> None:
    """A prompt in two halves sees the pairs of the whole: their sum stays near one long pass."""
    c = of("h100").attention
    whole = kernels.attention_forward_s(1.0, 32768.0, 32768.0, 32.0, 8.0, 128.0, 128.0, np.inf, c)
    first = kernels.attention_forward_s(1.0, 16384.0, 16384.0, 32.0, 8.0, 128.0, 128.0, np.inf, c)
    second = kernels.attention_forward_s(1.0, 16384.0, 32768.0, 32.0, 8.0, 128.0, 128.0, np.inf, c)
    assert first + second == pytest.approx(whole, rel=0.05)


def test_unfused_attention_pays_for_its_scores() -> None:
    m = of("a100")
    args = (8.0, 2048.0, 2048.0, 16.0, 128.0, 128.0)
    few = kernels.unfused_attention_s(*args, 4.0, m.gemm_high, m.memory)
    many = kernels.unfused_attention_s(*args, 16.0, m.gemm_high, m.memory)
    scores = 8.0 * 16.0 * 2048.0**2
    assert many - few == pytest.approx(12.0 * scores * 2.0 / (m.memory.hbm_bytes_per_s * m.memory.hbm_fraction))
    assert few > kernels.attention_forward_s(8.0, 2048.0, 2048.0, 16.0, 16.0, 128.0, 128.0, np.inf, m.attention)


def test_sustained_is_the_long_limit() -> None:
    """Under load nothing is faster than in a burst, and very long products are the same."""
    for name in MEASURED:
        burst, load = of(name).gemm, sustained(of(name)).gemm
        assert kernels.gemm_s(4096.0, 4096.0, 4096.0, load) >= kernels.gemm_s(4096.0, 4096.0, 4096.0, burst)
        side = 2.0e5
        ratio = kernels.gemm_s(side, side, side, load) / kernels.gemm_s(side, side, side, burst)
        assert ratio == pytest.approx(1.0, abs=0.01)


def test_sustained_ceilings_lie_near_published_best_rates() -> None:
    """Long products against the best sustained rates (stas00/ml-engineering@744d01e): typical is below best."""
    published = {"a100": 271.2, "h100": 794.5, "b200-sxm": 1745.0, "b300-sxm": 1769.0, "gb200": 1822.0}
    for name, best in published.items():
        c = sustained(of(name)).gemm
        rate = 2 * 8192.0**3 / kernels.gemm_s(8192.0, 8192.0, 8192.0, c) / 1e12
        assert 0.72 * best < rate < 1.02 * best, name


def test_casts_cost_and_bf16_needs_none() -> None:
    assert kernels.cast_s(1e8, of("h100").gemm) == 0.0
    c = of("h100", "fp8").gemm
    assert kernels.cast_s(1e8, c) > 3e8 / c.hbm_bytes_per_s
    wide, narrow = kernels.gemm_s(8192.0, 8192.0, 8192.0, of("h100").gemm), kernels.gemm_s(8192.0, 8192.0, 8192.0, c)
    assert 1.5 < wide / narrow < 2.1


def test_columns_of_constants_and_draws_broadcast() -> None:
    """Rows of different parts stand side by side; draws of shape (d, 1) give (d, rows)."""
    a, b = of("a100").gemm, of("h100").gemm
    both = GemmConstants(**{f: np.array([getattr(a, f), getattr(b, f)]) for f in a.__struct_fields__})
    t = kernels.gemm_s(np.array([512.0, 512.0]), 4096.0, 4096.0, both)
    assert t == pytest.approx([kernels.gemm_s(512.0, 4096.0, 4096.0, c) for c in (a, b)])
    drawn = msgspec.structs.replace(a, efficiency=np.array([[0.8], [0.7], [0.6]]))
    assert kernels.gemm_s(np.array([64.0, 4096.0]), 4096.0, 4096.0, drawn).shape == (3, 2)


def test_formats_that_the_part_lacks_are_refused() -> None:
    for name, recipe in (("a100", "fp8"), ("v100", "bf16")):
        with pytest.raises(InputError, match="lacks"):
            of(name, recipe)


def test_every_part_of_the_catalog_with_a_tensor_format_has_constants() -> None:
    catalog = load_catalog()
    for name in ("v100", "t4", "a100-pcie-80gb", "h20-96gb", "gh200-96gb", "rtx-4090", "mi355x", "tpu-v6e", "gaudi3"):
        part = catalog.part(name)
        high = "bf16" if part.peak_dense_flop_per_s.get("bf16") else "fp16"
        c, found = gemm_constants(part, high, kernel_calibration())
        assert found != "measured"
        assert 0.2 < 2 * 8192.0**3 / kernels.gemm_s(8192.0, 8192.0, 8192.0, c) / c.peak_flop_per_s < 1.0


GOLDEN = {  # median absolute error in percent on held-out shapes, by table and format, over the parts
    ("gemm", "bf16"): 6.3,
    ("gemm", "fp8"): 3.8,
    ("gemm", "fp8_block"): 3.9,
    ("gemm", "nvfp4"): 5.5,
    ("attention", "bf16"): 8.2,
    ("attention", "fp8"): 5.9,
    ("decode", "bf16"): 10.4,
    ("mla_decode", "bf16"): 7.5,
    ("grouped", "bf16"): 8.1,
    ("grouped", "fp8_block"): 13.2,
    ("nccl", "bf16"): 6.1,
}


@pytest.fixture(scope="module")
def measured() -> dict[str, Scores]:
    return kernel_sample.errors(SAMPLE)


@pytest.mark.parametrize(("table", "number_format"), list(GOLDEN))
def test_held_out_accuracy(table: str, number_format: str, measured: dict[str, Scores]) -> None:
    """The median over parts of the median error; nobody makes it worse unseen."""
    found = [v.median_ape for k, v in measured[table].items() if k.endswith(" " + number_format)]
    assert len(found) >= (4 if number_format == "nvfp4" else 6)
    assert np.median(found) <= GOLDEN[table, number_format] * 1.1
    assert np.median(found) > 1.0  # a sample that the constants reproduce would have been looked up


def test_speed_of_gemm_on_columns() -> None:
    """A column of 16k products costs a few dozen passes: far below a microsecond each."""
    c = of("h100").gemm
    m, n, k = (np.random.default_rng(0).integers(64, 16384, 16384).astype(float) for _ in range(3))
    kernels.gemm_s(m, n, k, c)
    started = time.perf_counter()
    for _ in range(5):
        kernels.gemm_s(m, n, k, c)
    assert (time.perf_counter() - started) / 5 / 16384 < 4e-7


def test_the_empty_part_of_the_last_wave_counts_in_part() -> None:
    # (1408, 1000) @ (1000, 2560) is 11 x 10 tiles of 128 x 256. On 60 units that is 1.83 waves: 10 tiles of the second
    # stay empty, 327,680 elements, of which half count. 2 FLOPs an element and step of 1,000, at 1e14 a second.
    c = msgspec.structs.replace(GEMM, units=60.0, wave=0.5)
    assert kernels.gemm_s(1408.0, 2560.0, 1000.0, c) == pytest.approx(
        (1408 * 2560 + 0.5 * 327_680) * 2e3 / 1e14, rel=1e-12
    )


@pytest.mark.parametrize("recipe", ["bf16", "fp8"])
def test_what_costs_nothing_as_a_number_costs_nothing_as_a_column(recipe: str) -> None:
    """Launches of captured graphs and casts of 16 bits are left out where they are plain zeros: the same to the bit."""
    c = of("h100", recipe).gemm
    free = {"launch_s": 0.0, "group_launch_s": 0.0, "cast_launch_s": 0.0}
    if recipe == "bf16":
        assert c.cast_bytes == 0.0
        free["cast_bytes"] = 0.0
    m = np.array([1.0, 7.0, 300.0, 8192.0])
    plain = msgspec.structs.replace(c, **free)
    columns = msgspec.structs.replace(c, **{name: np.zeros(4) for name in free})
    for one, other in (
        (kernels.gemm_s(m, 4096.0, 1024.0, plain), kernels.gemm_s(m, 4096.0, 1024.0, columns)),
        (kernels.grouped_gemm_s(m, 512.0, 1024.0, 8.0, plain), kernels.grouped_gemm_s(m, 512.0, 1024.0, 8.0, columns)),
        (np.zeros(4) + kernels.cast_s(m * 1024.0, plain), kernels.cast_s(m * 1024.0, columns)),
        (_product_s(m, 4096.0, 1024.0, plain), _product_s(m, 4096.0, 1024.0, columns)),
    ):
        assert one.tolist() == other.tolist()
    casts = _product_s(m, 4096.0, 1024.0, plain) - kernels.gemm_s(m, 4096.0, 1024.0, plain)
    assert np.all(casts > 0.0) == (recipe == "fp8")
    launched = msgspec.structs.replace(plain, cast_launch_s=3e-6)  # counts where no byte does
    assert np.all(_product_s(m, 4096.0, 1024.0, launched) >= kernels.gemm_s(m, 4096.0, 1024.0, launched) + 3e-6)
