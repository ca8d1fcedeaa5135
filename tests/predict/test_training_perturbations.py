"""Each term of a training step moves with its own hardware, layers and tokens, and with nothing else.

Parts are an H100 with half of one thing, in an overlay on which nothing was measured; every layout is stated.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.specs import StepTerms

DENSE: dict[str, Any] = {"model": "dense-32", "tp": 4, "pp": 4}
MIXTURE: dict[str, Any] = {"model": "experts-32", "tp": 1, "pp": 1, "ep": 16}
TERMS = [name for name in StepTerms.__struct_fields__ if name.endswith("_s")]
# What follows from other terms: idle stages and waits for the slowest rank are shares of them, gradients hide under the
# backward pass, launches under kernels.
DERIVED = {"pp_bubble_s", "jitter_s", "dp_exposed_s", "host_s"}
PRODUCTS = {"gemm_s", "attention_s", "logits_s", "recompute_s"}
# By what is halved: the terms that it may move, and those that it nearly doubles.
OWN = {
    "peak": (PRODUCTS, {"gemm_s", "attention_s", "logits_s"}),
    "memory": (PRODUCTS | {"memory_bound_s", "optimizer_s"}, {"memory_bound_s", "optimizer_s"}),
    "link": ({"tp_s"}, {"tp_s"}),
    "nic": ({"pp_transfer_s", "ep_s"}, set()),
}


def _cell(value: float, unit: str) -> str:
    return f"{{value: {value:g}, unit: {unit}, source: recalled, status: unconfirmed}}"


def _model(name: str, layers: int, block: str) -> str:
    return (
        f"- id: {name}-{layers}\n  name: {name}-{layers}\n  source: recalled\n  status: unconfirmed\n  shape:\n"
        f"    d_model: 4096\n    vocab: 128256\n    blocks:\n"
        f"      - {{count: {layers}, n_heads: 32, n_kv_heads: 8, head_dim: 128, {block}, gated: 1}}\n"
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts `whole`, `renamed` (the same), `peak`, `memory` and `link` (half of it); models of 32 and 36 layers."""
    folder = tmp_path_factory.mktemp("halves")
    halves = {
        "whole": "", "renamed": "",
        "peak": f"  peak_dense: {{bf16: {_cell(989.4 / 2, 'TFLOP/s')}}}\n  clock: {{tensor: {_cell(915, 'MHz')}}}\n",
        "memory": f"  memory: {{bandwidth: {_cell(3350 / 2, 'GB/s')}}}\n",
        "link": f"  link: {{bandwidth_uni: {_cell(450 / 2, 'GB/s')}}}\n",
    }  # fmt: skip
    parts = [f"- id: {name}\n  name: {name}\n  extends: h100-sxm5-80gb\n{half}" for name, half in halves.items()]
    blocks = {"dense": "d_ff: 14336", "experts": "d_ff: 4096, n_experts: 16, top_k: 2"}
    models = [_model(name, layers, block) for name, block in blocks.items() for layers in (32, 36)]
    for kind, records in (("accelerators", parts), ("models", models)):
        (folder / kind).mkdir()
        (folder / kind / "halves.yaml").write_text("".join(records))
    return folder


def stepped(catalog: Path, part: str = "whole", **asked: Any) -> dict[str, float]:
    """Seconds of a step of 64 accelerators by term, and of all of it."""
    question = {
        "precision": "bf16", "seq_len": 4096, "cp": 1, "vpp": 1, "micro_batch": 1, "zero": 1, "recompute": "full",
        "global_batch": 256, "stack": "megatron-core",
    }  # fmt: skip
    found = hm.train(gpus=f"64x{part}", **(question | asked), catalogs=[str(catalog)])
    terms = {name: float(getattr(found.step, name)) for name in TERMS if name != "total_s"}
    return terms | {"total_s": float(found.step.total_s)}


@pytest.mark.parametrize("kind", ["dense", "experts"])
@pytest.mark.parametrize("half", list(OWN))
def test_half_of_one_thing_slows_its_own_terms_alone(catalog: Path, half: str, kind: str) -> None:
    layout = DENSE if kind == "dense" else MIXTURE
    whole = stepped(catalog, **layout)
    found = stepped(catalog, **layout, nic_gbit_s=200) if half == "nic" else stepped(catalog, half, **layout)
    moves, doubles = OWN[half]
    for name in set(whole) - DERIVED - {"total_s"}:
        slower = found[name] / whole[name] if whole[name] > 0.0 else 1.0
        assert 1.0 <= slower <= 2.0 + 1e-9, (name, slower)
        assert slower == 1.0 or name in moves, name
        assert slower > 1.7 or name not in doubles or whole[name] == 0.0, name
    assert whole["total_s"] <= found["total_s"] <= 2.0 * whole["total_s"]


def test_half_the_network_slows_what_leaves_a_node(catalog: Path) -> None:
    """Stages send to the next node, experts to fifteen others; a lone node has no network to wait for."""
    for layout, name in ((DENSE, "pp_transfer_s"), (MIXTURE, "ep_s")):
        whole, half = (stepped(catalog, **layout, nic_gbit_s=rate)[name] for rate in (400, 200))
        assert half / whole > 1.7, name
    alone = {"tp": 2, "pp": 1, "model": "dense-32", "global_batch": 32}
    steps = [hm.train(gpus="8xwhole", seq_len=4096, micro_batch=1, zero=1, recompute="full", nic_gbit_s=rate, **alone,
                      catalogs=[str(catalog)]).step_s for rate in (400, 25)]  # fmt: skip
    assert steps[0] == steps[1]


@pytest.mark.parametrize("layout", [DENSE, MIXTURE], ids=["dense", "experts"])
def test_a_part_of_another_name_is_the_same_part(catalog: Path, layout: dict[str, Any]) -> None:
    assert stepped(catalog, **layout) == stepped(catalog, "renamed", **layout)


@pytest.mark.parametrize("layout", [DENSE, MIXTURE], ids=["dense", "experts"])
def test_four_layers_more_take_an_eighth_more_of_what_layers_do(catalog: Path, layout: dict[str, Any]) -> None:
    """One on each of four stages: 36 layers for 32; the head, and what stages send, as before."""
    before, after = (stepped(catalog, **layout | {"model": layout["model"].replace("32", n)}) for n in ("32", "36"))
    for name in ("gemm_s", "attention_s", "memory_bound_s", "recompute_s", "tp_s", "ep_s"):
        assert after[name] == pytest.approx(before[name] * 36 / 32, rel=1e-9), name
    for name in ("logits_s", "pp_transfer_s"):
        assert after[name] == before[name], name


def test_sequences_twice_as_long_of_as_many_tokens_ask_more_of_attention_alone(catalog: Path) -> None:
    """A query sees twice the keys (a kernel of short sequences is filled less); products of twice the rows are a little
    nearer to their peak."""
    lengths = (4096, 8192, 16384, 32768)
    found = [stepped(catalog, **DENSE, seq_len=n, global_batch=64 * 32768 // n) for n in lengths]
    for before, after in pairwise(found):
        assert 1.45 < after["attention_s"] / before["attention_s"] < 2.0
        for name in ("gemm_s", "logits_s", "tp_s"):  # fewer, longer messages and products
            assert 0.85 < after[name] / before[name] <= 1.0, name
        # Gradients are added up half as often.
        assert 0.75 < after["memory_bound_s"] / before["memory_bound_s"] < 1.0
    assert found[3]["attention_s"] / found[2]["attention_s"] > 1.8
    twice = stepped(catalog, **DENSE, seq_len=8192, global_batch=512)
    for name in ("gemm_s", "attention_s", "memory_bound_s", "logits_s", "tp_s"):
        assert twice[name] / found[1][name] == pytest.approx(2.0, rel=1e-9), name


def test_twice_the_fleet_and_batch_keep_what_a_rank_does(catalog: Path) -> None:
    """Only what ranks exchange, divide and wait for changes."""
    one = stepped(catalog, **DENSE)
    question = {"precision": "bf16", "seq_len": 4096, "cp": 1, "vpp": 1, "micro_batch": 1, "zero": 1}
    other = hm.train(gpus="128xwhole", **DENSE, **question, recompute="full", global_batch=512, stack="megatron-core",
                     catalogs=[str(catalog)]).step  # fmt: skip
    for name in set(TERMS) - {"total_s", "dp_exposed_s", "optimizer_s", "jitter_s"}:
        assert float(getattr(other, name)) == one[name], name
    assert float(other.optimizer_s) < one["optimizer_s"]
    assert float(other.jitter_s) > one["jitter_s"]
