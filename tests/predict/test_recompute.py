"""Recomputation by module, offload to the host, experts shared by tensor ranks: words, memory and seconds."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.stacks import training_stack
from hwmodel.errors import InputError
from hwmodel.physics.memory import peak_memory
from hwmodel.physics.training import step
from hwmodel.predict.layouts import Cases, layout_space, modes_of
from hwmodel.predict.policy import policy
from hwmodel.predict.recompute import MODULES, OFFLOADS, offload_mode, offload_word, recompute_mode, recompute_word
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import fleeted, resolve
from hwmodel.solve.train import train
from hwmodel.specs import Layout, MemoryTerms, StepTerms, Workload

CATALOG = load_catalog()
SETTING = fleeted(resolve(parse_request(gpus="8xH100", params="8B")))
SETTING_FLEET = np.array([64.0])
STACKS = ("generic", "torchtitan", "megatron-lm-2021")
LOAD = Workload(seq_len=8192.0, global_batch_seqs=64.0)
WORDS = ("none", "selective", "full", "40%", "75%", *MODULES, "layernorm,moe_act")


def layout(word: str = "none", offload: str = "none", stack: str = "generic", **sizes: float) -> Layout:
    """A layout that recomputes and offloads what the words say."""
    return Layout(**dict(recompute_mode(word, training_stack(stack))), **dict(offload_mode(offload)), **sizes)


def terms(model: str, one: Layout) -> tuple[StepTerms, MemoryTerms]:
    """Step and memory of a model in a layout on H100."""
    shape = CATALOG.model(model)
    seconds = step(shape, SETTING.machine, SETTING.precision, one, LOAD, SETTING.stack)
    return seconds, peak_memory(shape, SETTING.precision, one, LOAD, SETTING.stack)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("word", WORDS)
def test_words_come_back(word: str, stack: str) -> None:
    habits = training_stack(stack)
    # Beside unfused attention "selective" is the attention core, and is called so.
    same = {"core_attn": "selective"} if stack == "megatron-lm-2021" else {}
    plain = {"layernorm,moe_act": "selective"} if stack == "generic" else {}
    assert recompute_word(layout(word, stack=stack), habits) == (same | plain).get(word, word)


@pytest.mark.parametrize("wrong", ["lots", "0%", "100%", "-5%", "1.5", "50", "layernorm,everything", ","])
def test_other_recompute_words_are_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="unknown recompute mode"):
        recompute_mode(wrong, training_stack())


@pytest.mark.parametrize("mixed", ["full,none", "selective,layernorm", "layernorm+full"])
def test_words_that_stand_by_themselves_are_not_mixed(mixed: str) -> None:
    with pytest.raises(InputError, match="stands by itself; give it alone"):
        recompute_mode(mixed, training_stack())


@pytest.mark.parametrize("wrong", ["lots", "none,optimizer", "", "weights"])
def test_other_offload_words_are_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="offload"):
        offload_mode(wrong)
    assert offload_word(layout(offload="optimizer,activations")) == "activations,optimizer"


@pytest.mark.parametrize(
    ("model", "module"),
    [
        ("llama-3.1-8b", "layernorm"), ("llama-3.1-8b", "mlp"), ("qwen3-235b-a22b", "moe_act"),
        ("qwen3-235b-a22b", "moe"), ("deepseek-v3", "mla_up_proj"), ("deepseek-v3", "shared_experts"),
    ],
)  # fmt: skip
def test_a_module_trades_memory_for_time_and_less_than_the_layer(model: str, module: str) -> None:
    sizes = {"dp": 8.0, "ep": 8.0 if "llama" not in model else 1.0}
    kept, some, whole = (terms(model, layout(word, **sizes)) for word in ("none", module, "full"))
    assert kept[1].activations_bytes > some[1].activations_bytes > whole[1].activations_bytes
    assert kept[0].total_s < some[0].total_s < whole[0].total_s
    assert 0.0 < some[0].recompute_s + some[0].ep_s - kept[0].ep_s < whole[0].recompute_s + whole[0].ep_s


def test_a_dense_network_is_no_expert() -> None:
    one, other = terms("llama-3.1-8b", layout("moe", dp=8.0)), terms("llama-3.1-8b", layout("none", dp=8.0))
    assert one[1].activations_bytes == other[1].activations_bytes


def test_the_experts_again_are_dispatched_again() -> None:
    kept, again = (terms("qwen3-235b-a22b", layout(word, dp=64.0, ep=64.0))[0] for word in ("none", "moe"))
    assert again.ep_s == pytest.approx(1.5 * kept.ep_s, rel=0.01)


def test_activations_on_the_host_cost_what_the_link_cannot_hide() -> None:
    kept, moved = (terms("llama-3.1-8b", layout(offload=word, dp=8.0)) for word in ("none", "activations"))
    assert moved[1].activations_bytes < 0.25 * kept[1].activations_bytes
    assert moved[0].offload_s >= 0.0 == kept[0].offload_s
    slow = msgspec.structs.replace(SETTING.machine, host_link_bytes_per_s=1e9)
    shape, recipe, stack = CATALOG.model("llama-3.1-8b"), SETTING.precision, SETTING.stack
    slower = step(shape, slow, recipe, layout(offload="activations", dp=8.0), LOAD, stack)
    # Eight micro-batches of some 40 GB each way over 1 GB/s.
    assert slower.offload_s > 8 * 40.0


def test_the_optimizer_on_the_host_leaves_no_states() -> None:
    kept, moved = (terms("llama-3.1-8b", layout(offload=word, dp=8.0)) for word in ("none", "optimizer"))
    assert kept[1].optimizer_bytes == pytest.approx(12.0 * 8.03e9 / 8.0, rel=1e-3)
    assert moved[1].optimizer_bytes == 0.0
    each = 8.03e9 / 8.0
    assert moved[0].offload_s == pytest.approx(each * (6.0 / 64e9 + 1.0 / 9e8), rel=0.01)
    assert moved[0].optimizer_s == 0.0


def test_ranks_that_share_experts_hold_what_megatron_holds() -> None:
    """mixtral-8x7b, TP 4, PP 4, EP 1 on 64 H100: 5.4 GiB of weights a rank (NVIDIA/Megatron-LM#4050)."""
    given = {"model": "mixtral-8x7b", "gpus": "64xH100", "tp": 4, "pp": 4, "ep": 1, "seq_len": 4096}
    found = train(**given)
    assert found.layout.etp == 4.0
    assert found.fits
    weights = max(float(stage.weights_bytes) for stage in found.memory.values())
    assert weights / 2**30 == pytest.approx(5.4, abs=0.3)
    assert not train(**given, etp=1, zero=1).fits


def test_the_published_layout_of_deepseek_v3_starts() -> None:
    """arXiv 2412.19437 sections 3.2 and 3.3.3: DualPipe over 16 ranks, 64 ranks of experts, ZeRO-1, norms, latents'
    expansion and the product of SwiGLU computed again, its inputs kept in 8 bits, 2,048 parts of 80 GB."""
    found = train(
        model="deepseek-v3", gpus="2048xH800", stack="hai-llm", precision="fp8-block", seq_len=4096, global_batch=15360,
        tp=1, pp=16, vpp=1, ep=64, micro_batch=1, zero=1, schedule="dualpipe",
        recompute="layernorm,moe_act,mla_up_proj",
    )  # fmt: skip
    assert found.fits


def test_selective_recomputation_is_the_policy_of_the_stack() -> None:
    """torchtitan keeps attention's outputs and every second product: half of the products are computed again."""
    asked = {"model": "llama-3.1-8b", "gpus": "8xH100", "tp": 1, "zero": 3, "micro_batch": 1, "seq_len": 8192}
    found = train(**asked, stack="torchtitan", recompute="selective")
    assert float(found.layout.recompute_products) == 0.5
    plain = train(**asked, stack="torchtitan", recompute="none").step
    again = float(found.step.recompute_s) / float(plain.gemm_s)
    assert 0.5 / 3.0 < again < 0.5 / 3.0 + 0.1


def test_the_space_holds_both_ways_to_share_experts() -> None:
    cases = Cases(
        shape=CATALOG.model("mixtral-8x7b"), accelerators=SETTING_FLEET, batch_cap_seqs=SETTING_FLEET * 4.0,
        batch_given=True, seq_len=4096.0,
    )  # fmt: skip
    space = layout_space(cases, 8.0, policy(SETTING.stack, {"tp": 4.0}))
    assert set(space.layout.etp) == {1.0, 4.0}
    ways = space.layout.tp * space.layout.cp * space.layout.dp
    assert (ways % (space.layout.ep * space.layout.etp) == 0).all()


def test_a_search_repeats_the_expansion_of_latents() -> None:
    """The mode is tried where attention has latents and nowhere else, and the search never ends below a stated word."""
    usual = policy(SETTING.stack, {})
    expansion = (("recompute_up_projections", 1.0),)
    assert expansion in modes_of(CATALOG.model("deepseek-v3"), usual)
    for model in ("mixtral-8x7b", "qwen3-235b-a22b", "llama-3.1-8b"):
        assert expansion not in modes_of(CATALOG.model(model), usual)
    run = {"gpus": "512xH100", "model": "deepseek-v3", "precision": "bf16", "global_batch": 4096, "seq_len": 4096}
    searched = train(**run)
    stated = [train(**run, recompute=word) for word in ("50%", "mla_up_proj")]
    assert float(searched.step.total_s) <= min(float(one.step.total_s) for one in stated if one.fits) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "llama-3.1-8b", "etp": 2, "tp": 2}, "no experts"),
        ({"model": "mixtral-8x7b", "etp": 4, "tp": 2}, "does not divide --tp 2"),
        ({"model": "mixtral-8x7b", "offload": "weights"}, "unknown offload"),
        ({"model": "mixtral-8x7b", "recompute": "norms"}, "unknown recompute mode"),
    ],
)
def test_wrong_options_say_what_to_do(asked: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        train(gpus="64xH100", **asked)


def test_offloads_are_fields_of_a_layout() -> None:
    assert {*OFFLOADS.values(), *MODULES.values()} <= set(Layout.__struct_fields__)
