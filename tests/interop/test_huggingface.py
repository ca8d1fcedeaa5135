"""The importer against public parameter counts, and against files that are no config.json."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.errors import HwModelError, InputError
from hwmodel.interop.huggingface import from_dict, read_config
from hwmodel.physics.serving_memory import kv_bytes_per_token, state_bytes_per_sequence
from hwmodel.physics.shape import attention_flop_per_token, layers, parameters

CONFIGS = Path(__file__).resolve().parents[1] / "golden" / "hf_configs"

# file -> (total, active) of the importer, published total, published active. Counts with all
# digits are those of the published checkpoints; the others round as their owners do. Published active counts leave
# the input embedding out in places, so they get a wider tolerance.
COUNTS: dict[str, tuple[int, int, int | float, float | None]] = {
    "MiniMaxAI--MiniMax-M2.5": (228_689_764_864, 11_030_553_088, 230e9, 10e9),
    "Qwen--Qwen3-0.6B": (596_049_920, 596_049_920, 0.6e9, None),
    "Qwen--Qwen3-235B-A22B": (235_093_634_560, 22_190_763_520, 235e9, 22e9),
    "Qwen--Qwen3-30B-A3B": (30_532_122_624, 3_353_032_704, 30.5e9, 3.3e9),
    "Qwen--Qwen3-32B": (32_762_123_264, 32_762_123_264, 32.8e9, None),
    "Qwen--Qwen3-8B": (8_190_735_360, 8_190_735_360, 8.2e9, None),
    "Qwen--Qwen3-Coder-480B-A35B-Instruct": (480_154_875_392, 35_474_765_312, 480e9, 35e9),
    "Qwen--Qwen3-Next-80B-A3B-Thinking": (79_674_391_296, 3_874_929_408, 80e9, None),
    "Qwen--Qwen3.5-122B-A10B": (122_111_526_912, 9_771_288_576, 122e9, 10e9),
    "Qwen--Qwen3.5-27B": (26_895_998_464, 26_895_998_464, 27e9, None),
    "Qwen--Qwen3.5-35B-A3B": (34_660_610_688, 3_454_988_928, 35e9, 3e9),
    "Qwen--Qwen3.5-397B-A17B": (396_346_350_336, 17_349_040_896, 397e9, 17e9),
    "XiaomiMiMo--MiMo-V2-Flash": (308_778_780_864, 15_445_936_320, 309e9, 15e9),
    "deepseek-ai--DeepSeek-V3": (671_026_419_200, 37_552_297_472, 671e9, 37e9),
    "deepseek-ai--DeepSeek-V3.2": (671_877_944_064, 38_403_822_336, 671e9, 37e9),
    "deepseek-ai--DeepSeek-V4-Flash": (284_332_241_239, 13_799_633_239, 284e9, 13e9),
    "deepseek-ai--DeepSeek-V4-Pro": (1_572_997_202_915, 49_779_082_211, 1.6e12, 49e9),
    "google--gemma-4-26B-A4B": (25_233_141_760, 3_822_530_560, 25.2e9, 3.8e9),
    "meta-llama--Llama-2-7b-hf": (6_738_415_616, 6_738_415_616, 6_738_415_616, None),
    "meta-llama--Llama-4-Maverick-17B-128E-Instruct": (400_711_848_960, 17_184_691_200, 400e9, 17e9),
    "meta-llama--Llama-4-Scout-17B-16E-Instruct": (107_769_861_120, 17_172_894_720, 109e9, 17e9),
    "meta-llama--Meta-Llama-3.1-405B": (405_853_388_800, 405_853_388_800, 405.853e9, None),
    "meta-llama--Meta-Llama-3.1-70B": (70_553_706_496, 70_553_706_496, 70_553_706_496, None),
    "meta-llama--Meta-Llama-3.1-8B": (8_030_261_248, 8_030_261_248, 8_030_261_248, None),
    "mistralai--Mixtral-8x22B-v0.1": (140_620_634_112, 39_152_031_744, 141e9, 39e9),
    "mistralai--Mixtral-8x7B-v0.1": (46_702_792_704, 12_879_925_248, 46.7e9, 12.9e9),
    "moonshotai--Kimi-K2-Instruct": (1_026_408_232_448, 32_861_500_928, 1.0e12, 32e9),
    "moonshotai--Kimi-K2.5": (1_026_408_232_448, 32_861_500_928, 1.0e12, 32e9),
    "moonshotai--Kimi-K3": (2_779_484_476_000, 105_364_017_760, 2.8e12, 104e9),
    "nvidia--Llama-3_3-Nemotron-Super-49B-v1": (49_867_145_216, 49_867_145_216, 49.9e9, None),
    "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (31_577_940_288, 3_580_076_352, 31.6e9, 3.6e9),
    "nvidia--NVIDIA-Nemotron-3-Super-120B-A12B-FP8": (120_668_707_840, 12_770_237_440, 120e9, 12e9),
    "nvidia--NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16": (549_308_993_536, 56_058_843_136, 550e9, 55e9),
    "nvidia--Nemotron-H-56B-Base-8K": (56_324_350_464, 56_324_350_464, 56.3e9, None),
    "openai--gpt-oss-120b": (116_829_156_672, 5_711_982_912, 116.83e9, 5.13e9),
    "openai--gpt-oss-20b": (20_914_757_184, 4_187_440_704, 20.91e9, 3.61e9),
    "openai-community--gpt2": (124_439_808, 124_439_808, 124_439_808, None),
    "stepfun-ai--Step-3.7-Flash": (195_832_712_256, 10_863_905_856, 196e9, 11e9),
    "zai-org--GLM-4.7-Flash": (29_943_393_920, 3_896_766_080, 30e9, None),
    "zai-org--GLM-5": (743_911_218_432, 41_784_728_832, 744e9, 40e9),
    "zai-org--GLM-5.2": (743_377_019_904, 41_250_530_304, 744e9, 40e9),
}


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_parameter_counts(name: str) -> None:
    total, active, public, public_active = COUNTS[name]
    shape = read_config(CONFIGS / f"{name}.json").shape
    terms = parameters(shape)
    assert (terms.total, terms.active) == (total, active)
    assert terms.total == pytest.approx(public, rel=1e-12 if isinstance(public, int) else 0.028)
    if public_active is not None:
        embedded = shape.vocab * shape.d_model
        assert min(abs(terms.active / public_active - 1), abs((terms.active - embedded) / public_active - 1)) < 0.11


def test_every_golden_file_is_counted() -> None:
    assert {p.stem for p in CONFIGS.glob("*.json")} == set(COUNTS)


def test_gpt_oss_active_count_without_the_input_embedding() -> None:
    """The model card prints 5.13B and 3.61B: the input embedding is left out."""
    for name, card in (("openai--gpt-oss-120b", 5.13e9), ("openai--gpt-oss-20b", 3.61e9)):
        shape = read_config(CONFIGS / f"{name}.json").shape
        assert parameters(shape).active - shape.vocab * shape.d_model == pytest.approx(card, rel=2e-3)


def blocks(name: str) -> list[dict[str, float]]:
    shape = read_config(CONFIGS / f"{name}.json").shape
    return [{f: getattr(b, f) for f in b.__struct_fields__} for b in shape.blocks]


def test_latent_attention_and_leading_dense_layers() -> None:
    dense, moe = blocks("deepseek-ai--DeepSeek-V3")
    assert (dense["count"], dense["d_ff"], dense["n_experts"]) == (3, 18432, 0)
    assert (moe["count"], moe["n_experts"], moe["top_k"], moe["d_ff_shared"]) == (58, 256, 8, 2048)
    assert (moe["kv_lora_rank"], moe["rope_dim"], moe["head_dim"], moe["v_head_dim"]) == (512, 64, 192, 128)


def test_sparse_attention_selects_but_keeps_all() -> None:
    for block in blocks("deepseek-ai--DeepSeek-V3.2"):
        assert block["select_tokens"] == 2048
        assert block["window_tokens"] == float("inf")


def test_layers_that_share_a_selection_do_not_select() -> None:
    """GLM-5.2: its list of indexers counts, beside the keys of the schedule that made it."""
    counts = {(b["n_experts"], b["index_heads"]): b["count"] for b in blocks("zai-org--GLM-5.2")}
    assert counts == {(0, 32): 3, (256, 0): 57, (256, 32): 18}
    assert {b["select_tokens"] for b in blocks("zai-org--GLM-5.2")} == {2048}


def test_windows_and_chunks() -> None:
    assert {b["window_tokens"]: b["count"] for b in blocks("openai--gpt-oss-120b")} == {128: 18, float("inf"): 18}
    scout = blocks("meta-llama--Llama-4-Scout-17B-16E-Instruct")
    assert {b["window_tokens"]: b["count"] for b in scout} == {8192: 36, float("inf"): 12}
    mimo = blocks("XiaomiMiMo--MiMo-V2-Flash")
    assert sum(b["count"] for b in mimo if b["window_tokens"] == 128 and b["n_kv_heads"] == 8) == 39


def test_interleaved_experts() -> None:
    maverick = blocks("meta-llama--Llama-4-Maverick-17B-128E-Instruct")
    assert sum(b["count"] for b in maverick if b["n_experts"] == 128) == 24
    assert {b["d_ff"] for b in maverick if b["n_experts"] == 0} == {16384}


def test_linear_layers_keep_a_state_and_no_cache() -> None:
    linear = [b for b in blocks("Qwen--Qwen3.5-27B") if b["mixer_state_elements"] > 0]
    assert [b["count"] for b in linear] == [48]
    assert linear[0]["n_kv_heads"] == 0
    assert linear[0]["mixer_state_elements"] == 48 * 128 * 128 + 3 * (2 * 16 * 128 + 48 * 128)
    mamba = [b for b in blocks("nvidia--Nemotron-H-56B-Base-8K") if b["mixer_state_elements"] > 0]
    assert [b["count"] for b in mamba] == [54]


def test_experts_in_a_narrower_space() -> None:
    routed = {name: [b for b in blocks(name) if b["n_experts"] > 0] for name in (
        "nvidia--NVIDIA-Nemotron-3-Super-120B-A12B-FP8", "moonshotai--Kimi-K3")}  # fmt: skip
    nemotron, kimi = routed.values()
    widths = {(b["expert_latent_dim"], b["d_ff"], b["d_ff_shared"]) for b in nemotron}
    assert widths == {(1024, 2688, 5376)}
    assert {(b["expert_latent_dim"], b["d_ff"], b["d_ff_shared"]) for b in kimi} == {(3584, 3072, 2 * 3072)}
    # Biases of the shared expert (5,376 and 4,096) and of the products around the routed ones, in 40 layers.
    path = CONFIGS / "nvidia--NVIDIA-Nemotron-3-Super-120B-A12B-FP8.json"
    biased = from_dict(json.loads(path.read_text()) | {"mlp_bias": True}, path).shape
    more = parameters(biased).total - parameters(read_config(path).shape).total
    assert more == 40 * (5376 + 4096 + 1024 + 4096)


def test_searched_architecture_has_layers_without_attention() -> None:
    shape = read_config(CONFIGS / "nvidia--Llama-3_3-Nemotron-Super-49B-v1.json").shape
    assert layers(shape) == 80
    assert sum(b.count for b in shape.blocks if b.n_heads == 0) > 0


def test_a_table_a_layer_without_width_holds_nothing() -> None:
    """Gemma 4's larger models state the vocabulary of tables that they do not have."""
    data = json.loads((CONFIGS / "google--gemma-4-26B-A4B.json").read_text())
    text = {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 262144}
    stated = {**data, "text_config": {**data["text_config"], **text}}
    plain, given = from_dict(data, Path("config.json")), from_dict(stated, Path("config.json"))
    assert (given.shape, given.notes) == (plain.shape, plain.notes)


def test_what_is_left_out_is_said() -> None:
    assert any("encoders" in n for n in read_config(CONFIGS / "moonshotai--Kimi-K2.5.json").notes)
    assert any("multi-token" in n for n in read_config(CONFIGS / "deepseek-ai--DeepSeek-V3.json").notes)


def test_folder_gives_the_name(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text((CONFIGS / "Qwen--Qwen3-8B.json").read_text())
    assert read_config(folder).shape.name == "my-model"


PLAIN = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
}  # fmt: skip


def test_unknown_family_is_read_as_plain_and_said() -> None:
    found = from_dict({**PLAIN, "model_type": "brand_new"}, Path("config.json"))
    assert parameters(found.shape).total == 8_030_261_248
    assert "brand_new" in found.notes[0]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "bert", "hidden_size": 768}, "encoder"),
        ({"model_type": "t5", "d_model": 512}, "encoder-decoder"),
        ({"model_type": "clip"}, "vision"),
        ({"_class_name": "UNet2DConditionModel"}, "diffusion"),
        ({**PLAIN, "is_encoder_decoder": True}, "encoder-decoder"),
        ({**PLAIN, "model_type": "rwkv6", "rwkv_head": 1}, "not known"),
        ({}, "model_type"),
        ({"model_type": "llama"}, "truncated"),
        ({**PLAIN, "hidden_size": "4096"}, "hidden_size"),
        ({**PLAIN, "hidden_size": float("nan")}, "hidden_size"),
        ({**PLAIN, "hidden_size": -1}, "outside"),
        ({**PLAIN, "num_hidden_layers": 10**9}, "outside"),
        ({**PLAIN, "num_hidden_layers": True}, "number"),
        ({**PLAIN, "num_attention_heads": 31, "num_key_value_heads": None}, "multiple"),
        ({**PLAIN, "num_key_value_heads": 5}, "divide"),
        ({**PLAIN, "vocab_size": None}, "vocab_size"),
        ({**PLAIN, "tie_word_embeddings": "yes"}, "true or false"),
        ({**PLAIN, "layer_types": ["full_attention"]}, "32 entries"),
        ({**PLAIN, "block_configs": [1] * 32}, "block_configs"),
        ({**PLAIN, "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 9}, "outside"),
        ({**PLAIN, "model_type": "nemotron_h", "hybrid_override_pattern": "MX" * 16}, "kind of layer"),
        ({**PLAIN, "model_type": "nemotron_h"}, "hybrid_override_pattern"),
        ({**PLAIN, "model_type": ["llama"]}, "model_type"),
    ],
)
def test_refusals_name_file_and_key(config: dict[str, object], words: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    with pytest.raises(InputError) as refused:
        read_config(path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"model_type": "lla', "[1, 2]", "null", "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, "1" * 6000,
     '{"model_type": "llama", "hidden_size": 1e999}', "\x00\x01"],
)  # fmt: skip
def test_broken_text_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_config(path)
    assert "\n" not in str(refused.value)


def test_huge_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as handle:
        handle.truncate(50_000_000)
    begin = time.perf_counter()
    with pytest.raises(InputError, match="at most"):
        read_config(path)
    assert time.perf_counter() - begin < 0.5


def test_binary_and_missing(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_config(path)
    with pytest.raises(InputError, match="no such file"):
        read_config(tmp_path / "nothing.json")


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted({k for p in CONFIGS.glob("*.json") for k in json.loads(p.read_text())} - {"text_config"})


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(COUNTS)), st.sampled_from(KEYS), junk)
def test_a_hostile_value_never_crashes(name: str, key: str, value: object) -> None:
    """Any value under any key gives a shape or one line of refusal."""
    data = json.loads((CONFIGS / f"{name}.json").read_text())
    data[key] = value
    message = ""
    try:
        total = parameters(from_dict(data, Path("config.json")).shape).total
    except HwModelError as error:
        total, message = 1, str(error)
    assert total > 0
    assert "\n" not in message


def test_compressed_and_sparse_attention_cost_less() -> None:
    """DeepSeek-V4 keeps a compressed cache; V3.2 reads 2048 of the tokens that it keeps."""
    v4 = read_config(CONFIGS / "deepseek-ai--DeepSeek-V4-Flash.json").shape
    plain = msgspec.structs.replace(
        v4, blocks=tuple(msgspec.structs.replace(b, kv_compression=1.0, shared_kv=0.0) for b in v4.blocks)
    )
    assert kv_bytes_per_token(v4) < 0.1 * kv_bytes_per_token(plain)
    sparse = read_config(CONFIGS / "deepseek-ai--DeepSeek-V3.2.json").shape
    full = read_config(CONFIGS / "deepseek-ai--DeepSeek-V3.json").shape
    # The selection itself scores every entry: 64 heads of 128 where attention has 128 of 192 and 128.
    index = 61 * 131072 * 64 * 128
    assert attention_flop_per_token(sparse, 131072) - index < 0.05 * attention_flop_per_token(full, 131072)
    held = kv_bytes_per_token(sparse, context=131072) / kv_bytes_per_token(full, context=131072)
    assert held == pytest.approx((576 + 128) / 576)  # the latent, and the index keys beside it


def test_catalog_shapes_are_those_of_their_files() -> None:
    """A model of the catalog that names a file holds, keeps and computes what the reader makes of that file."""
    measures = (
        lambda s: parameters(s).total,
        lambda s: parameters(s).matmul_active,
        lambda s: kv_bytes_per_token(s, context=131072),
        lambda s: attention_flop_per_token(s, 131072),
        state_bytes_per_sequence,
    )
    compared = 0
    for entry in load_catalog().models():
        path = CONFIGS / f"{Path(entry.locator).name.removesuffix('_config.json')}.json"
        if entry.shape is None or not path.exists():
            continue
        compared += 1
        read = read_config(path).shape
        assert [m(entry.shape) for m in measures] == pytest.approx([m(read) for m in measures], rel=1e-9), entry.id
    assert compared == len(COUNTS)
