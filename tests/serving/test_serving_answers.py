"""Questions that serving has to answer: published figures of single configurations, none of them a row of a fit."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.cli.serve import command
from hwmodel.errors import HwModelError, InfeasibleError, InputError
from hwmodel.physics.serving import kv_bytes_per_token, weights_bytes
from hwmodel.physics.serving_launches import kernels
from hwmodel.physics.serving_queue import closed_loop
from hwmodel.predict.formats import formats_of
from hwmodel.specs.serving import ClosedLoad, Engine, EnginePasses, ServingLayout

CATALOG = load_catalog()


def ask(text: str) -> dict[str, Any]:
    result = CliRunner().invoke(command, [*text.split(), "--format", "json"], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)["answer"]


def refused(text: str) -> HwModelError:
    with pytest.raises(HwModelError) as caught:
        CliRunner().invoke(command, text.split(), catch_exceptions=False)
    return caught.value


@pytest.mark.parametrize("output", [1, 30, 300, 1000])
def test_a_million_tokens_are_read_faster_by_ranks_than_by_heads(output: int) -> None:
    """vllm-project/recipes#762: DeepSeek-V4-Flash, 8 x B200, eight clients: 85 s under DP8, 315 s under TP8. Every
    tensor-parallel rank scores all entries for the selection; attention-data ranks take a prompt each."""
    flash = f"--model deepseek-v4-flash --part b200 --precision fp8 --concurrency 8 --input 1000000 --output {output}"
    ranks = ask(f"{flash} --dp 8 --ep 8")["ttft_s"]["value"]
    heads = ask(f"{flash} --tp 8")["ttft_s"]["value"]
    assert ranks < heads
    assert ranks == pytest.approx(85.0, rel=0.4)
    assert heads == pytest.approx(315.0, rel=0.4)


def test_who_waits_where_prompts_come_faster_than_steps_take_them() -> None:
    """ai-dynamo/aiconfigurator#1146: Qwen3-8B, one H200, 9,000 in, 30 out: once steps are full of prompt, more clients
    wait for their first token and not between tokens (94, 237, 309 ms and 7.4 s of TTFT were measured). Its generator
    lets a step take in a whole prompt, the batch and 1,500 tokens (generator/rule_plugin/vllm.rule)."""
    text = "--model qwen3-8b --part h200 --precision bf16 --engine vllm --input 9000 --output 30 --concurrency"
    few, some, many = (ask(f"{text} {n}") for n in (16, 32, 64))
    assert few["tpot_s"]["value"] == pytest.approx(0.094, rel=0.15)
    assert some["tpot_s"]["value"] == pytest.approx(0.237, rel=0.25)
    assert many["tpot_s"]["value"] == pytest.approx(0.309, rel=0.2)
    assert ask(f"{text} 128")["tpot_s"]["value"] == pytest.approx(many["tpot_s"]["value"], rel=0.02)
    stated = ask(f"{text} 64 --step-tokens 8192")["tpot_s"]["value"]
    assert stated == pytest.approx(many["tpot_s"]["value"] * 8192.0 / 11012.0, rel=0.03)
    assert many["ttft_s"]["value"] == pytest.approx(7.4, rel=0.4)
    assert many["requests_per_s"]["value"] * many["request_s"]["value"] == pytest.approx(64.0)


def test_full_steps_by_hand() -> None:
    """Half a prompt of 0.2 s in a step of 10 ms, ten tokens out: five decode at once at 110 ms a token."""
    engine = Engine(prefill_stall=1.0, burst=0.0, request_s=0.0, stream_steps=0.0)
    at = EnginePasses(step_s=0.01, mixed_s=0.21, first_s=0.2, service_s=0.2)
    many = ClosedLoad(clients=40.0, places=1e9, output_tokens=10.0, most_prompts=0.5)
    s = closed_loop(at, 0.21, many, engine)
    assert s.tpot_s == pytest.approx(0.01 + 0.5 * 0.2)
    # Of ten rounds all but the first stand behind 39 others, each for 0.22 s; the first behind half of them.
    assert s.ttft_s == pytest.approx(40.0 * 0.22 - 9.0 * 0.11 - 0.05 * 39.0 * 0.22)
    assert s.requests_per_s == pytest.approx(40.0 / (40.0 * 0.22 - 0.05 * 39.0 * 0.22))
    # Of two, one prompt of 0.2 s in T = 0.2 + 0.09 / (1 - 0.2 / T): T^2 - 0.49 T + 0.04 = 0, T = 0.3865097.
    free = closed_loop(at, 0.21, msgspec.structs.replace(many, clients=2.0, rounds=1.0), engine)
    assert free.request_s == pytest.approx(0.3865097, rel=1e-6)
    assert free.tpot_s == pytest.approx(0.1865097 / 9.0, rel=1e-6)
    assert free.ttft_s == pytest.approx(0.2)


def test_padded_experts_leave_no_room() -> None:
    """vllm-project/vllm#27508: gpt-oss-120b takes 65.97 GiB once loaded; one H100 holds less than a request of 131k."""
    shape, recipe = CATALOG.model("gpt-oss-120b"), CATALOG.serving_precision("mxfp4")
    loaded = weights_bytes(shape, formats_of(shape, recipe), ServingLayout())
    assert loaded / 2**30 == pytest.approx(65.97, rel=0.02)
    text = "--model gpt-oss-120b --part h100 --precision mxfp4 --engine vllm --concurrency 1 --output 1k --input"
    assert isinstance(refused(f"{text} 130k"), InfeasibleError)
    assert ask(f"{text} 60k")["cache_requests"]["value"] > 1.0


def test_one_projection_is_no_shared_cache() -> None:
    """vllm-project/vllm#43308: Gemma 4 31B keeps 81,920 bytes a token in its ten global layers (K and V of 4 heads
    of 512, though one projection gives both); in 4 bits on one A100-80GB 2.0 to 2.5 requests of 262k fit."""
    shape = CATALOG.model("gemma-4-31b")
    per_token = kv_bytes_per_token(msgspec.structs.replace(shape, blocks=shape.blocks[1:]), 2.0)
    assert per_token == 81_920
    text = "--model gemma-4-31b --part a100 --precision w4a16 --engine vllm --concurrency 1 --input 261k --output 1k"
    holds = ask(text)["cache_requests"]
    assert 2.0 <= holds["value"] <= 2.5
    assert 1.0 < holds["low"] < holds["value"] < holds["high"] < 4.0


def test_two_nodes_are_no_measured_layout() -> None:
    """tt-inference-server#356: DeepSeek-R1 over two nodes of eight H100, one client: 23.1 ms a token lies inside, with
    an engine of 2025 (its month is not stated: September)."""
    text = "--model deepseek-r1 --part h100 --engine sglang --concurrency 1 --input 128 --output 128"
    late, early = (
        ask(f"{text} --precision fp8-block --tp 16{more}")["tpot_s"] for more in ("", " --engine-date 2025-09")
    )
    assert early["low"] < 0.0231 < early["high"]
    assert late["value"] < early["value"]
    inside = ask(f"{text} --tp 8 --precision w4a16")["tpot_s"]  # one domain: no wider than its runs
    assert late["high"] / late["value"] > inside["high"] / inside["value"]


def test_an_indexer_is_cache_and_launches() -> None:
    """DeepSeek-V3.2 keeps 576 + 128 elements a token and layer; V3, which selects nothing, 576."""
    with_index, without = CATALOG.model("deepseek-v3.2"), CATALOG.model("deepseek-v3")
    assert kv_bytes_per_token(with_index, 2.0) == 61 * (576 + 128) * 2.0
    assert kv_bytes_per_token(without, 2.0) == 61 * 576 * 2.0
    assert kernels(with_index) - kernels(without) == 61 * 15


def test_a_release_is_served_as_released() -> None:
    """One reading for `serve` and for a row: FP8 of DeepSeek-V3 runs in blocks, chosen, predicted, and said so."""
    at = "--model deepseek-v3 --precision fp8 --tp 8"
    assert ask(f"{at} --part h200 --concurrency 8")["precision"] == "fp8-block"
    assert ask(f"{at} --parts h200 --demand 1/s")["precision"] == "fp8-block"
    assert ask("--model llama-3.1-70b --precision fp8 --tp 8 --part h200 --concurrency 8")["precision"] == "fp8"
    said = CliRunner().invoke(command, [*at.split(), "--part", "h200", "--concurrency", "8"])
    assert "fp8 of deepseek-v3 is fp8-block, as it was released" in said.output


def test_block_scales_are_kernels_of_their_own() -> None:
    """DeepSeek-V3, by hand: three dense layers with 2 + 1 + 2 and 58 mixtures with 2 + 1 + 2 + 1 scaled inputs."""
    shape = CATALOG.model("deepseek-v3")
    plain, scaled = (formats_of(shape, CATALOG.serving_precision(r)) for r in ("fp8", "fp8-block"))
    assert kernels(shape, scaled) - kernels(shape, plain) == 3 * 5 + 58 * 6


def test_eight_bit_weights_and_cache_on_ampere() -> None:
    text = "--model llama-3.1-8b --part rtx-3090 --tp 2 --concurrency 8"
    narrow, wide = (ask(f"{text} --precision {recipe}") for recipe in ("w8a16-kv8", "w8a16"))
    assert narrow["cache_requests"]["value"] == pytest.approx(2.0 * wide["cache_requests"]["value"], rel=0.01)
    assert narrow["tpot_s"]["value"] <= wide["tpot_s"]["value"]


def test_two_parts_serve_one_demand() -> None:
    text = "--model llama-3.1-70b --precision fp8 --tpot 50ms --ttft 1s --demand 200"
    a = ask(f"{text} --prefill h200 --decode h100 --api-price 0.6,0.8")
    assert (a["prefill"]["part"], a["part"]) == ("h200-sxm-141gb", "h100-sxm5-80gb")
    assert a["accelerators"] == a["prefill"]["accelerators"] + a["replicas"] * a["accelerators_per_replica"]
    tokens = 3600 * 200 * 1300 / 1e6
    assert a["usd_per_million_tokens"]["value"] * tokens == pytest.approx(a["usd_per_hour"]["value"])
    few = refused(f"{text} --prefill 4xH200 --decode 16xH100")
    assert isinstance(few, InfeasibleError)
    assert "--prefill" in str(few)
    # The pools that the refusal names do carry it.
    _, need = str(few).split("have; ")
    assert ask(f"{text} {need.split(' carry')[0]}")["mode"] == "disaggregated"


def test_two_parts_in_a_closed_loop() -> None:
    text = "--model llama-3.1-70b --precision fp8 --concurrency 128"
    mixed = ask(f"{text} --prefill 4xH200 --decode 16xH100")
    assert (mixed["prefill"]["workers"], mixed["replicas"], mixed["accelerators"]) == (4, 16, 20)
    alone = ask(f"{text} --prefill 4xH100 --decode 16xH100 --tp 1 --prefill-tp 1")
    # Prefill is bound by arithmetic, in which both parts are alike; decoding is on the same part.
    assert mixed["tpot_s"]["value"] == pytest.approx(alone["tpot_s"]["value"], rel=0.05)
    assert mixed["usd_per_hour"]["value"] > alone["usd_per_hour"]["value"]
    assert mixed["watts"] > 1000.0


def test_pools_without_counts_keep_pace() -> None:
    text = "--model llama-3.1-70b --precision fp8 --part h200 --engine vllm --tp 4 --concurrency 256"
    a = ask(f"{text} --disaggregated")
    assert a["prefill"]["workers"] >= 1
    assert a["replicas"] >= 1
    stated = ask(f"{text} --pools {a['prefill']['workers']}:{a['replicas']}")
    assert a["tpot_s"]["value"] == stated["tpot_s"]["value"]
    assert a["tpot_s"]["high"] > stated["tpot_s"]["high"]  # counts that nobody stated widen


def test_caps_of_an_engine_are_settings() -> None:
    text = "--model llama-3.1-8b --part h100 --precision fp8 --concurrency 256"
    free, capped = ask(text), ask(f"{text} --max-running 32")
    assert capped["batch"] == 32.0
    assert capped["ttft_s"]["value"] > 3.0 * free["ttft_s"]["value"]
    assert capped["tpot_s"]["value"] < free["tpot_s"]["value"]
    long = "--model llama-3.1-8b --part h100 --precision fp8 --concurrency 128 --input 9000 --output 30"
    assert ask(f"{long} --step-tokens 2048")["tpot_s"]["value"] < 0.5 * ask(long)["tpot_s"]["value"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--prefill 4xH200", "--decode"),
        ("--prefill 0xH200 --decode 2xH100", "no accelerators"),
        ("--prefill 4xH200 --decode 4xH100 --aggregated", "drop one"),
        ("--prefill 4xH200 --decode 4xH100 --pools 1:1", "--pools"),
        ("--max-running 0 --part h100", "--max-running"),
        ("--engine-date lately --part h100", "2025-09"),
        ("--api-price 3 --part h100", "0.6,2.4"),
        ("--part h100 --gpus 8 --pools 1:1", "--pools"),
        ("--part h100 --gpus 8 --disaggregated", "or --disaggregated"),
        ("--part h100 --gpus 8 --prefill-tp 2", "or --prefill-tp"),
    ],
)
def test_bad_pools_and_caps_are_refused(more: str, words: str) -> None:
    error = refused(f"--model llama-3.1-70b --precision fp8 --concurrency 8 {more}")
    assert isinstance(error, InputError)
    assert words in str(error)


def test_an_offer_by_the_token_breaks_even() -> None:
    """By hand: at the break-even demand the offer costs what the fleet does."""
    text = "--model llama-3.1-70b --precision fp8 --part h100 --tpot 50ms --demand 200"
    result = CliRunner().invoke(
        command, [*text.split(), "--api-price", "0.6,0.8", "--format", "json"], catch_exceptions=False
    )
    found = json.loads(result.stdout)
    a, api = found["answer"], found["api"]
    request_usd = 1000 * 0.6e-6 + 300 * 0.8e-6
    assert api["api_usd_per_hour"] == pytest.approx(200 * 3600 * request_usd)
    replicas = api["requests_per_s"]["value"] * 3600 * request_usd / (a["usd_per_hour"]["value"] / a["replicas"])
    assert replicas == pytest.approx(round(replicas))
    assert api["requests_per_s"]["value"] <= (replicas - 1) * a["requests_per_s_per_replica"]["value"] * (1 + 1e-9)
    cheap = CliRunner().invoke(
        command, [*text.split(), "--api-price", "0.001,0.001", "--format", "json"], catch_exceptions=False
    )
    assert json.loads(cheap.stdout)["api"]["requests_per_s"] is None


@pytest.mark.parametrize("output", [1, 2, 64])
@pytest.mark.parametrize("clients", [8, 256])
def test_a_longer_prompt_comes_no_sooner(output: int, clients: int) -> None:
    """However many wait: where steps are full of prompt the first token waits for such steps, not for empty ones."""
    text = f"--model gpt-h1024-l12 --part mi300x --precision bf16 --engine sglang --concurrency {clients}"
    times = [ask(f"{text} --output {output} --input {n}")["ttft_s"]["value"] for n in (8, 16, 32, 100, 500, 900)]
    assert times == sorted(times)


def test_each_pool_says_what_its_part_rests_on() -> None:
    thin, sound = "4xMI300X", "4xH100"
    for prefill, decode in ((thin, sound), (sound, thin)):
        found = hm.serve("llama-3.1-8b", demand="2 req/s", prefill=prefill, decode=decode).to_dict()
        assert list(found["rests_on"]) == ["mi300x-192gb"], (prefill, decode)
    alone = hm.serve("llama-3.1-8b", demand="2 req/s", parts="mi300x").to_dict()
    assert list(alone["rests_on"]) == ["mi300x-192gb"]
    assert any(line.startswith("mi300x read as") for line in alone["notes"]), alone["notes"]
