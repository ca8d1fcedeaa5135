"""Model files of every family: counts, caches and states against those of the classes and of the cards."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.errors import HwModelError, InputError
from hwmodel.interop.huggingface import Imported, from_dict, guard, read_config
from hwmodel.interop.huggingface.families import FAMILIES, SAME_AS
from hwmodel.interop.huggingface.ignored import ASSUMED, IGNORED, NOTED
from hwmodel.interop.huggingface.others import NOT_DECODERS, NOT_MODELLED
from hwmodel.physics.serving_memory import kv_bytes_per_token, state_bytes_per_sequence
from hwmodel.physics.shape import layers, parameters
from hwmodel.specs import Shape

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
HERE = Path("config.json")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines()]


DEFAULTS, COUSINS = rows("hf_defaults"), rows("hf_cousins")


def named(row: dict[str, Any]) -> str:
    return str(row["config"]["model_type"])


def read_or_why(config: dict[str, Any]) -> tuple[Shape | None, str]:
    """The shape, or why the file is refused."""
    try:
        return from_dict(config, HERE).shape, ""
    except HwModelError as error:
        return None, str(error)


def outcome(row: dict[str, Any]) -> tuple[str, str]:
    """right, refused, language (one of several modalities, the others said to be left out) or wrong; and why."""
    shape, why = read_or_why(dict(row["config"]))
    if shape is None:
        return "refused", why
    total = parameters(shape).total
    close = any(abs(total / want - 1) < 1e-5 for want in (row["params"], row["params"] - row.get("mtp_params", 0)))
    said = any("other modalities" in note for note in shape.notes)
    return ("right" if close else "language" if said else "wrong"), f"{total:,.0f} against {row['params']:,}"


# Decoders whose file says too little, or whose parts no shape holds: the reason that the refusal must name.
REFUSED = {"blt": "patches of bytes", "glm4_moe": "no head_dim"}


@pytest.mark.parametrize("row", DEFAULTS, ids=named)
def test_the_defaults_of_every_family(row: dict[str, Any]) -> None:
    kind, (state, why) = named(row), outcome(row)
    if kind in NOT_DECODERS:
        assert state == "refused"
        assert NOT_DECODERS[kind] in why
    elif kind in REFUSED:
        assert state == "refused"
        assert REFUSED[kind] in why
    else:
        assert state in ("right", "language"), why


LISTS = ("layer_types", "layers_block_type", "mlp_layer_types", "attention_layers", "attention_types",
         "per_layer_config", "full_attn_idxs", "indexer_types", "num_attention_heads_per_layer")  # fmt: skip


@pytest.mark.parametrize("row", [r for r in DEFAULTS if any(key in r["config"] for key in LISTS)], ids=named)
def test_without_its_lists_a_file_means_what_its_family_does_or_is_refused(row: dict[str, Any]) -> None:
    """Each list here is what the family's own code makes where a file leaves it out."""
    whole = from_dict(dict(row["config"]), HERE).shape
    cut, why = read_or_why({k: v for k, v in row["config"].items() if k not in LISTS})
    if cut is None:
        assert any(word in why for word in ("layer", "index", "conv", "linear", "swa_", "num_hidden_layers"))
        return
    assert parameters(cut).total == pytest.approx(parameters(whole).total, rel=1e-9)
    assert kv_bytes_per_token(cut, context=131072) == pytest.approx(kv_bytes_per_token(whole, context=131072))
    assert state_bytes_per_sequence(cut) == state_bytes_per_sequence(whole)


def test_most_decoders_are_right() -> None:
    decoders = [row for row in DEFAULTS if named(row) not in NOT_DECODERS]
    states = [outcome(row)[0] for row in decoders]
    assert states.count("right") >= 87
    assert states.count("wrong") == 0
    assert states.count("refused") <= 2


def test_cousins_of_other_sizes_and_patterns() -> None:
    wrong = []
    for row in COUSINS:
        if not row["params"]:
            with pytest.raises(InputError, match=r"encoder|sound|vision|permuted"):
                from_dict(dict(row["config"]), HERE)
            continue
        total = parameters(from_dict(dict(row["config"]), HERE).shape).total
        if abs(total / row["params"] - 1) > 5e-5:
            wrong.append(f"{named(row)}: {total:,.0f} against {row['params']:,}")
    assert not wrong


# Drawn files that leave something out which no reader may assume: what the refusal must say.
DRAWN_REFUSED = ("no head_dim is stated", "but the model has")


def test_drawn_files_of_every_family() -> None:
    """Files drawn from a seed, each counted by its class (`make model-files` draws others)."""
    drawn = os.environ.get("HWMODEL_DRAWN", GOLDEN / "hf_drawn.jsonl")
    rows = [json.loads(line) for line in Path(drawn).read_text().splitlines()]
    apart = NOT_DECODERS | NOT_MODELLED
    others = [row for row in rows if named(row) not in apart]
    states = {id(row): outcome(row) for row in others}
    off = [(named(row), why) for row in others for state, why in [states[id(row)]] if state == "wrong"]
    # The class's buffers (correction biases) are no parameters of it: a ten-thousandth in small models.
    assert [one for one in off if not nearly(one[1])] == []
    refused = [why for state, why in states.values() if state == "refused"]
    assert [why for why in refused if not any(reason in why for reason in DRAWN_REFUSED)] == []
    assert len(refused) <= 0.01 * len(others) + 1
    for row in rows:
        if named(row) in apart:
            state, why = outcome(row)
            assert state == "refused"
            assert apart[named(row)] in why


def nearly(found: str) -> bool:
    ours, theirs = (float(text.replace(",", "")) for text in found.split(" against "))
    return abs(ours / theirs - 1) < 5e-5


@pytest.mark.parametrize("row", DEFAULTS, ids=named)
def test_an_unknown_name_is_said_or_refused(row: dict[str, Any]) -> None:
    """The same files under a type that nobody knows: a plain decoder, said to be read as one, or a refusal."""
    data = {**row["config"], "model_type": "brand_new"}
    if isinstance(data.get("text_config"), dict):
        data["text_config"] = {**data["text_config"], "model_type": "brand_new"}
    try:
        found = from_dict(data, HERE)
    except InputError:
        return
    assert any("brand_new" in note and "plain decoder" in note for note in found.notes)
    assert found.shape.notes == found.notes
    assert named(row) not in NOT_DECODERS


# Name: total, active, cache bytes a token in 16 bits; None where the card rounds too far to say.
PUBLIC: dict[str, tuple[float, float | None, float | None]] = {
    "qnext": (79_674_391_296, 3_874_929_408, 24_576),
    "g4e4b": (7_463_013_376, None, 57_344),
    "g4-31b": (30_697_345_280, None, None),
    "Gemma-3n-E4B": (6_835_235_568, None, 20 * 2 * 2 * 256 * 2),
    "lfm8b": (8_339_930_560, 1_557_740_288, 12_288),
    "LFM2-1.2B": (1_170_340_608, None, 12_288),
    "apertus8b": (8_053_338_176, None, None),
    "afm45": (4_619_189_760, None, None),
    "lingmini": (16_255_643_392, 1_432_973_056, None),
    "Hunyuan-A13B-scalars": (80_393_183_232, 12_747_448_320, None),
    "Command-R7B": (8_028_033_024, None, None),
    "ernie21": (21_825_437_888, 3_352_150_208, 57_344),
    "nvidia--NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16": (549.3e9, 56.06e9, 12_288),
    "glm47f": (29_943_390_976, 3_896_763_136, 54_144),
    "dsv4pro": (1_572_997_179_491, 49.779e9, None),
    "step37": (195.83e9, 10.86e9, None),
    "qvl": (235_093_610_496, 22.19e9, None),
    "seedoss": (36_151_104_512, None, None),
    "Qwen2.5-Omni": (7_615_616_512, None, 57_344),
    "baichuan2-13b": (13_896_668_160, None, None),
    "Jamba-v0.1": (51_570_323_328, None, 4 * 2 * 8 * 128 * 2),
    "Granite-4.0-H-Small": (32_207_337_984, None, 4 * 2 * 8 * 128 * 2),
    "Falcon-H1-0.5B": (521_411_104, None, 36 * 2 * 2 * 64 * 2),
    "kimilin": (49_122_681_728, None, 7 * 576 * 2),
    # Cards: 456B and 45.9B active (without the vocabulary matrices); 16.26B and 1.43B; 1.1B; GLM 106B and 12B active.
    "MiniMax-M1": (456_089_655_296, 45.94e9 + 2 * 200_064 * 6144, 10 * 2 * 8 * 128 * 2),
    "Ling-mini-2.0-whole": (16_255_643_392, 1_432_973_056, None),
    "Ling-lite-1.5": (16_801_976_064, 2_753_154_816, None),
    "Hunyuan-A13B-lists": (80_393_183_232, 12_747_448_320, None),
    "OpenELM-1_1B": (1_079_891_456, None, None),
    "GLM-4.5-Air": (106_852_251_264, None, None),
}


def public(name: str) -> Imported:
    return read_config(GOLDEN / "hf_public" / f"{name}.json")


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_models(name: str) -> None:
    total, active, cache = PUBLIC[name]
    shape = public(name).shape
    terms = parameters(shape)
    assert terms.total == pytest.approx(total, rel=1e-6 if isinstance(total, int) else 2e-4)
    if active is not None:
        assert terms.active == pytest.approx(active, rel=1e-6 if isinstance(active, int) else 2e-3)
    if cache is not None:
        assert kv_bytes_per_token(shape) == cache


def test_every_public_file_is_counted() -> None:
    assert {p.stem for p in (GOLDEN / "hf_public").glob("*.json")} == set(PUBLIC)


def test_one_projection_for_keys_and_values_is_no_shared_cache() -> None:
    """Gemma 4 31B: the ten full layers keep K and V of four heads of 512 (Gemma 4 card: attention_k_eq_v)."""
    shape = public("g4-31b").shape
    full = 10 * 4 * (512 + 512) * 2
    assert kv_bytes_per_token(shape, context=1e9) == pytest.approx(full, rel=1e-3)
    assert sum(b.count * b.v_from_k for b in shape.blocks) == 10


def test_layers_that_borrow_a_cache_hold_none() -> None:
    """Gemma 4 E4B: 18 of 42 layers read the cache of an earlier one; beyond the window four full layers grow."""
    shape = public("g4e4b").shape
    assert sum(b.count * b.borrows_kv for b in shape.blocks) == 18
    assert kv_bytes_per_token(shape, context=1e9) == pytest.approx(16_384, rel=1e-3)


def test_states_of_recurrent_layers() -> None:
    """Qwen3-Next: 36 layers of 32 x 128 x 128 beside a convolution of 3 x 8,192; LFM2: two steps of a convolution."""
    assert state_bytes_per_sequence(public("qnext").shape) == 4 * 36 * (32 * 128 * 128 + 3 * 8192)
    assert state_bytes_per_sequence(public("LFM2-1.2B").shape) == 4 * 10 * 2 * 2048
    assert state_bytes_per_sequence(public("kimilin").shape) == 4 * 20 * (32 * 128 * 128 + 3 * 3 * 4096)
    jamba = 4 * 28 * (8192 * 16 + 3 * 8192)
    assert state_bytes_per_sequence(public("Jamba-v0.1").shape) == jamba


def test_layers_passed_more_than_once_cost_more_than_they_hold() -> None:
    by_name = {named(row): row["config"] for row in DEFAULTS}
    looped = from_dict(by_name["dory"], HERE).shape
    assert layers(looped) == 16 + 2 * 40 + 16
    assert parameters(looped).matmul_active > parameters(looped).active
    shared = from_dict(by_name["zamba2"], HERE).shape
    assert sum(b.count for b in shared.blocks if b.reuse > 1) == 9


PLAIN: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 8,
    "num_key_value_heads": 2, "intermediate_size": 4096, "vocab_size": 32000, "rms_norm_eps": 1e-6,
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layer_kinds", ["a", "b"]),
        ("odd_list", [1, 2, 3]),
        ("global_layer_interval", 6),
        ("moe_every_n", 2),
        ("expert_capacity_layers", 3),
        ("share_kv_between_layers", 2),
        ("kv_cache_groups", 4),
        ("per_layer_input_dim", 256),
        ("ssm_heads", 16),
        ("recurrent_depth", 3),
        ("num_loops", 4),
        ("cla_share_factor", 2),
        ("memory_tokens", 128),
        ("second_config", {"num_experts": 7}),
    ],
)
@pytest.mark.parametrize("kind", ["llama", "brand_new"])
def test_a_key_that_nobody_reads_is_named(key: str, value: object, kind: str) -> None:
    with pytest.raises(InputError, match=key) as refused:
        from_dict({**PLAIN, "model_type": kind, key: value}, HERE)
    assert "\n" not in str(refused.value)
    for off in (None, False, 0, [], ""):
        from_dict({**PLAIN, "model_type": kind, key: off}, HERE)


@pytest.mark.parametrize(("key", "value"), [("bottleneck_width", 64), ("second_config", {"hidden_size": 7})])
def test_a_width_is_refused_of_an_unknown_type_and_noted_of_a_known_one(key: str, value: object) -> None:
    with pytest.raises(InputError, match=key):
        from_dict({**PLAIN, "model_type": "brand_new", key: value}, HERE)
    found = from_dict({**PLAIN, key: value}, HERE)
    assert any(key in note for note in found.notes)
    assert parameters(found.shape) == parameters(from_dict(PLAIN, HERE).shape)


@pytest.mark.parametrize("word", ["mixture_of_depths", "linear_attention", "minimax_m3_sparse", 3, None])
def test_a_kind_of_layer_that_is_none_of_ours_never_becomes_attention(word: object) -> None:
    with pytest.raises(InputError, match=r"layer_types|softmax attention"):
        from_dict({**PLAIN, "layer_types": ["full_attention", word, "full_attention", "full_attention"]}, HERE)


def test_what_readers_assume_is_checked() -> None:
    for key, value in ASSUMED.items():
        assert from_dict({**PLAIN, key: value}, HERE).shape == from_dict(PLAIN, HERE).shape
        with pytest.raises(InputError, match=key):
            from_dict({**PLAIN, key: not value}, HERE)


def test_every_ignored_key_has_a_reason_and_is_ignored() -> None:
    assert all(len(reason.split()) > 1 for reason in IGNORED.values())
    assert not set(IGNORED) & (set(NOTED) | set(ASSUMED))
    found = from_dict({**PLAIN, "rope_scaling": {"factor": 8}, "bad_words_ids": [1], "initializer_range": 0.1}, HERE)
    assert found.shape == from_dict(PLAIN, HERE).shape


def test_ignored_keys_are_read_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()
    monkeypatch.setattr(guard, "check", lambda c, kind, known: read.update(c.seen & c.data.keys()))
    for row in (*DEFAULTS, *COUSINS):
        if named(row) not in NOT_DECODERS and named(row) not in REFUSED:
            from_dict(dict(row["config"]), HERE)
    assert read & set(IGNORED) <= {"hidden_act", "model_type"}


def test_names_of_families_do_not_clash() -> None:
    assert not set(FAMILIES) & set(NOT_DECODERS)
    assert set(SAME_AS.values()) <= set(FAMILIES)
    assert not set(SAME_AS) & set(FAMILIES)


def test_objects_inside_are_guarded_too() -> None:
    data = json.loads((GOLDEN / "hf_public" / "kimilin.json").read_text())
    data["linear_attn_config"]["extra_ssm_heads"] = 4
    with pytest.raises(InputError, match="extra_ssm_heads"):
        from_dict(data, HERE)


def test_two_matrices_by_the_activation() -> None:
    gated = from_dict({**PLAIN, "model_type": "brand_new", "hidden_act": "silu"}, HERE).shape
    plain = from_dict({**PLAIN, "model_type": "brand_new", "hidden_act": "relu2"}, HERE).shape
    assert parameters(gated).total - parameters(plain).total == 4 * 1024 * 4096


def test_truncated_is_said_only_of_files_without_a_decoders_keys() -> None:
    with pytest.raises(InputError, match="truncated"):
        from_dict({"model_type": "llama"}, HERE)
    with pytest.raises(InputError, match="does not say how large") as refused:
        from_dict({k: v for k, v in PLAIN.items() if k != "intermediate_size"}, HERE)
    assert "truncated" not in str(refused.value)


def test_monstrous_numbers_and_large_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vocab_size"):
        from_dict({**PLAIN, "vocab_size": 10**400}, HERE)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**PLAIN, "quantization_config": {"ignore": ["model.layers.0.x" * 4] * 80_000}}))
    assert path.stat().st_size > 5_000_000
    assert parameters(read_config(path).shape).total == parameters(from_dict(PLAIN, HERE).shape).total


def test_a_language_model_two_wrappers_deep() -> None:
    inner = {k: v for k, v in PLAIN.items() if k != "model_type"}
    found = from_dict({"model_type": "qwen2_5_omni", "thinker_config": {"text_config": inner}}, HERE)
    biased = 4 * (8 + 2 + 2) * 128
    plain = parameters(from_dict(PLAIN, HERE).shape).total
    assert parameters(found.shape).total == plain + biased
    assert any("other modalities" in note for note in found.notes)


JUNK = (None, True, False, 0, 1, -1, 3, 10**400, 0.5, float("nan"), "", "auto", "LLG", [], [1], [0] * 32, [None] * 32,
        ["full_attention"] * 5, {}, {"head_dim": 4})  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*DEFAULTS, *COUSINS]), st.data())
def test_a_hostile_value_in_any_family_gives_a_shape_or_one_line(row: dict[str, Any], data: st.DataObject) -> None:
    config = dict(row["config"])
    config[data.draw(st.sampled_from(sorted(config)))] = data.draw(st.sampled_from(JUNK))
    shape, why = read_or_why(config)
    assert "\n" not in why
    if shape is not None:
        terms = parameters(shape)
        assert 0 < terms.active <= terms.total
        assert kv_bytes_per_token(shape) >= 0
