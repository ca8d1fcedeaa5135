"""Small changes of hardware, model, load and layout move a stated setting's prediction a little, and the right way.

The parts and models are those of an overlay on which nothing was measured, so that no table of kernels speaks for one
and not for its neighbour; every layout is stated, so that no search answers a change by another layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import hwmodel as hm

FACTORS = (0.25, 0.5, 0.75, 0.95, 1.0, 1.05, 1.3, 2.0, 4.0)
NARROWER = (0.25, 0.5, 0.75, 0.95, 1.0)  # of a link, which may not pass its headline
LAYERS = (30, 31, 32, 33, 34)
ODD = (1, 2, 3, 5, 7, 8, 9, 13, 16, 31, 33, 64, 65, 127)
LOADS = ({"concurrency": 1}, {"concurrency": 64}, {"concurrency": 16, "input": 8000})
ROUNDING = 1e-9


def _part(name: str, section: str, field: str, value: float, unit: str) -> str:
    cell = f"{{value: {value:g}, unit: {unit}, source: recalled, status: unconfirmed}}"
    return f"- id: {name}\n  name: {name}\n  extends: h100-sxm5-80gb\n  {section}:\n    {field}: {cell}\n"


def _model(name: str, layers: int, experts: str = "") -> str:
    block = f"count: {layers}, n_heads: 32, n_kv_heads: 8, head_dim: 128, d_ff: 14336, gated: 1{experts}"
    return (
        f"- id: {name}\n  name: {name}\n  source: recalled\n  status: unconfirmed\n  shape:\n    d_model: 4096\n"
        f"    vocab: 128256\n    blocks:\n      - {{{block}}}\n"
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts `memory-F`, `link-F`, `room-F` (a factor of an H100's) and models `dense-L` and `experts-L` of L layers."""
    folder = tmp_path_factory.mktemp("near")
    for name in ("accelerators", "models"):
        (folder / name).mkdir()
    parts = [_part(f"memory-{f:g}", "memory", "bandwidth", 3350 * f, "GB/s") for f in FACTORS]
    parts += [_part(f"link-{f:g}", "link", "bandwidth_uni", 450 * f, "GB/s") for f in NARROWER]
    parts += [_part(f"room-{f:g}", "memory", "capacity", 80 * f, "GiB") for f in FACTORS if f >= 0.5]
    (folder / "accelerators" / "near.yaml").write_text("".join(parts))
    models = [_model(f"dense-{n}", n) for n in LAYERS]
    models += [_model(f"experts-{n}", n, ", n_experts: 8, top_k: 2") for n in LAYERS]
    models += [_model("llama-3.1-405b-of-another-name", 32)]
    (folder / "models" / "near.yaml").write_text("".join(models))
    return folder


def served(catalog: Path, **asked: Any) -> Any:
    """One engine, or pools, of a stated layout."""
    question = {"model": "dense-32", "parts": "memory-1", "precision": "fp8", "tp": 4, "input": 1000, "output": 300}
    return hm.serve(**(question | asked), catalogs=[str(catalog)]).answer


def trained(catalog: Path, part: str = "memory-1", count: int = 64, **asked: Any) -> Any:
    """One training step of a stated layout."""
    question = {
        "model": "dense-32", "precision": "bf16", "seq_len": 4096, "tp": 2, "pp": 1, "micro_batch": 1, "zero": 1,
        "recompute": "full", "global_batch": 4 * count,
    }  # fmt: skip
    return hm.train(gpus=f"{count}x{part}", **(question | asked), catalogs=[str(catalog)])


def assert_falls(values: Sequence[float], most: float = 1.0) -> None:
    """Never rises, and by no more than `most` from one to the next (a share of the larger)."""
    for before, after in pairwise(values):
        assert after <= before * (1.0 + ROUNDING), values
        assert after >= before * (1.0 - most), values


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("model", ["dense-32", "experts-32"])
@pytest.mark.parametrize(("kind", "factors"), [("memory", FACTORS), ("link", NARROWER)])
def test_faster_memory_and_links_never_serve_slower(
    catalog: Path, kind: str, factors: Sequence[float], model: str, load: dict[str, int]
) -> None:
    found = [served(catalog, parts=f"{kind}-{f:g}", model=model, **load) for f in factors]
    for name in ("ttft_s", "tpot_s"):
        times = [getattr(one, name).value for one in found]
        assert_falls(times)
        # No more than the hardware changed.
        for (f, t), (g, u) in pairwise(zip(factors, times, strict=True)):
            assert u >= t * f / g * (1.0 - ROUNDING), (name, f, g)
    assert_falls([one.requests_per_s.value for one in found][::-1])


def test_another_name_is_the_same_model(catalog: Path) -> None:
    """A name that holds another model's says nothing."""
    for question in ({"concurrency": 16}, {"concurrency": 16, "pools": "1:2"}):
        one, other = (served(catalog, model=m, **question) for m in ("dense-32", "llama-3.1-405b-of-another-name"))
        assert one == other
    one, other = (trained(catalog, model=m) for m in ("dense-32", "llama-3.1-405b-of-another-name"))
    assert (one.step_s, one.answer.peak_memory_bytes) == (other.step_s, other.answer.peak_memory_bytes)


@pytest.mark.parametrize("kind", ["dense", "experts"])
def test_one_more_layer_takes_one_more_layer(catalog: Path, kind: str) -> None:
    """Each of thirty layers and more is a thirtieth at most, and each the same."""
    tokens = [served(catalog, model=f"{kind}-{n}", concurrency=16).tpot_s.value for n in LAYERS]
    steps = [trained(catalog, model=f"{kind}-{n}").step_s for n in LAYERS]
    for times in (tokens, steps):
        more = [b - a for a, b in pairwise(times)]
        assert min(more) > 0.0
        assert max(more) < times[0] / 30.0
        assert max(more) == pytest.approx(min(more), rel=0.02)


@pytest.mark.parametrize("asked", [{}, {"model": "experts-32"}, {"tp": 1, "pools": "2:3"}])
def test_more_clients_wait_longer_and_are_served_faster_in_all(catalog: Path, asked: dict[str, Any]) -> None:
    """Odd numbers of them too: nothing goes by powers of two."""
    found = [served(catalog, concurrency=n, **asked) for n in ODD]
    for times in ([one.ttft_s.value for one in found], [one.tpot_s.value for one in found]):
        assert_falls(times[::-1])
    rates = [one.requests_per_s.value for one in found]
    assert_falls(rates[::-1])
    for (n, rate), (m, after) in pairwise(zip(ODD, rates, strict=True)):
        assert after <= rate * m / n * (1.0 + ROUNDING)


def test_longer_prompts_wait_longer(catalog: Path) -> None:
    """Across the tokens that captured graphs (512) and steps (8,192) take, a token more is a token more."""
    lengths = (1, 100, 333, 511, 513, 1000, 2047, 2049, 4000, 8191, 8193, 12000, 20001)
    found = [served(catalog, concurrency=16, input=n) for n in lengths]
    for times in ([one.ttft_s.value for one in found], [one.request_s.value for one in found]):
        assert_falls(times[::-1])
    for n in (511, 2047, 8191):
        before, after = (served(catalog, concurrency=16, input=m).request_s.value for m in (n, n + 2))
        assert after < before * 1.01


SHORT = ({}, {"model": "experts-32"}, {"engine": "sglang"}, {"input": 9000, "engine": "vllm"})


@pytest.mark.parametrize("asked", SHORT)
def test_longer_answers_take_longer(catalog: Path, asked: dict[str, Any]) -> None:
    """From the first token on, though prompts are then all that the engine does."""
    lengths = (1, 2, 3, 5, 8, 13, 20, 30, 31, 60, 100, 333, 1000, 3001)
    assert_falls([served(catalog, **{"concurrency": 16, "output": n} | asked).request_s.value for n in lengths][::-1])


@pytest.mark.parametrize("engine", ["generic", "vllm", "trtllm"])
@pytest.mark.parametrize(("prompt", "output"), [(4000, 1), (9000, 2), (30000, 4), (1000, 20)])
def test_more_clients_of_short_answers_are_served_no_slower_in_all(
    catalog: Path, engine: str, prompt: int, output: int
) -> None:
    """Where most of a request's time goes before its first token, prompts of the others do not all fall into the rest
    of it; what is lost to chance near the capacity is a twentieth at most."""
    asked = {"engine": engine, "input": prompt, "output": output, "tp": 1, "precision": "bf16"}
    found = [served(catalog, concurrency=n, **asked) for n in (*ODD, 255, 511)]
    for times in ([one.ttft_s.value for one in found], [one.tpot_s.value for one in found]):
        assert_falls(times[::-1])
    rates = [one.requests_per_s.value for one in found]
    assert all(rate > 0.95 * max(rates[: i + 1]) for i, rate in enumerate(rates)), rates


def test_pools_of_more_workers_or_places_never_wait_longer(catalog: Path) -> None:
    """Prefill workers, decode workers, places on each (they stop to matter where all clients have one)."""

    def first(**asked: Any) -> float:
        return float(served(catalog, tp=1, concurrency=96, **asked).ttft_s.value)

    assert_falls([first(pools=f"{n}:3") for n in (1, 2, 3, 5, 8)])
    assert_falls([first(pools=f"2:{n}", max_running=16) for n in (1, 2, 3, 5, 6, 7)])
    waits = [first(pools="2:3", max_running=n) for n in (1, 2, 3, 7, 16, 31, 32, 33, 64)]
    assert_falls(waits)
    assert waits[-3] == pytest.approx(waits[-1], rel=1e-6)
    assert waits[3] > 2.0 * waits[-1]


def test_more_memory_never_serves_slower(catalog: Path) -> None:
    """Where the cache holds a part of 512 clients; a step more or fewer together moves the rate by a hundredth."""
    rooms = [f for f in FACTORS if f >= 0.5]
    found = [served(catalog, parts=f"room-{f:g}", tp=1, concurrency=512, input=4000) for f in rooms]
    assert_falls([one.ttft_s.value for one in found])
    rates = [one.requests_per_s.value for one in found]
    assert all(after > 0.99 * before for before, after in pairwise(rates)), rates


@pytest.mark.parametrize(("kind", "factors"), [("memory", FACTORS), ("link", NARROWER)])
@pytest.mark.parametrize("asked", [{}, {"tp": 4, "pp": 4}, {"model": "experts-32", "ep": 8}])
def test_faster_memory_and_links_never_train_slower(
    catalog: Path, asked: dict[str, Any], kind: str, factors: Sequence[float]
) -> None:
    steps = [trained(catalog, f"{kind}-{f:g}", **asked).step_s for f in factors]
    assert_falls(steps)
    for (f, t), (g, u) in pairwise(zip(factors, steps, strict=True)):
        assert u >= t * f / g * (1.0 - ROUNDING), (f, g)


def test_faster_networks_never_train_slower(catalog: Path) -> None:
    assert_falls([trained(catalog, nic_gbit_s=n).step_s for n in (25, 50, 100, 200, 400, 800)])


def test_odd_counts_of_accelerators_train_as_well_as_even_ones(catalog: Path) -> None:
    """Whole nodes, four sequences each: what an accelerator does falls slowly with the fleet, at no count suddenly."""
    counts = (8, 16, 24, 40, 56, 64, 72, 104, 128, 200, 264, 512)
    each = [trained(catalog, count=n).tokens_per_s / n for n in counts]
    assert_falls(each, most=0.1)


def test_larger_batches_train_faster_in_tokens(catalog: Path) -> None:
    """Odd numbers of micro-batches too; no more than what a step costs beside them is saved."""
    rates = [trained(catalog, global_batch=32 * n).tokens_per_s for n in (1, 2, 3, 5, 7, 8, 16, 31)]
    assert_falls(rates[::-1])
