"""The shipped catalog: names, values, conflicts, defaults."""

from __future__ import annotations

import pytest

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.errors import InputError
from hwmodel.physics.shape import parameters


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


# Spellings of published run tables, and what people type.
PARTS = {
    "A100": "a100-sxm4-80gb", "a100": "a100-sxm4-80gb", "a100-80gb": "a100-sxm4-80gb", "A100_80G": "a100-sxm4-80gb",
    "a100-sxm-40gb": "a100-sxm4-40gb", "a100-sxm-80gb": "a100-sxm4-80gb", "h100-sxm-80gb": "h100-sxm5-80gb",
    "H100": "h100-sxm5-80gb", "NVIDIA H100-SXM-80GB": "h100-sxm5-80gb", "NVIDIA H100-PCIe-80GB": "h100-pcie-80gb",
    "NVIDIA H100-NVL-94GB": "h100-nvl-94gb", "h200-sxm-141gb": "h200-sxm-141gb", "H200": "h200-sxm-141gb",
    "b200-sxm": "b200-sxm6-180gb", "B200": "b200-sxm6-180gb", "b300-sxm": "b300-sxm6", "gb200": "gb200",
    "GB200-NVL72": "gb200", "gb300": "gb300", "h100-sxm-96gb-hbm2e-500w": "h100-sxm-96gb-hbm2e-500w",
    "v100-sxm-32gb": "v100-sxm3-32gb", "gaudi2": "gaudi2", "l40s": "l40s", "NVIDIA L40S": "l40s",
    "tpu-v3": "tpu-v3", "tpu-v4": "tpu-v4", "TPUv4": "tpu-v4", "tpu-v5e": "tpu-v5e", "tpu-v5p": "tpu-v5p",
    "tpu-v6e": "tpu-v6e", "trillium": "tpu-v6e", "tpu-v7": "tpu7x", "Google TPU v4": "tpu-v4",
    "AMD MI300X": "mi300x-192gb", "AMD Instinct MI300X-NPS1-SPX-192GB-750W": "mi300x-192gb", "MI250": "mi250-128gb",
    "AMD MI250": "mi250-128gb", "Nvidia GH200": "gh200-96gb", "H800-SXM-80GB": "h800-sxm5-80gb",
    "Amazon Trainium1": "trainium1", "mi355x": "mi355x-288gb",
}  # fmt: skip

SYSTEMS = {
    "A100": "dgx-a100-80gb", "a100-40gb": "dgx-a100-40gb", "h100": "dgx-h100", "h200": "hgx-h200", "b200": "dgx-b200",
    "gb200": "gb200-nvl72", "mi300x": "azure-nd-mi300x-v5", "tpu-v4": "tpu-v4-pod", "v100": "dgx-1-v100",
    "h800": "h800-sxm5-80gb-node", "l4": "l4-node",
}  # fmt: skip


@pytest.mark.parametrize(("name", "part"), sorted(PARTS.items()))
def test_part_names(catalog: Catalog, name: str, part: str) -> None:
    assert catalog.part(name).id == part


@pytest.mark.parametrize(("name", "system"), sorted(SYSTEMS.items()))
def test_default_systems(catalog: Catalog, name: str, system: str) -> None:
    found = catalog.default_system(name)
    assert found.id == system
    assert found.part == catalog.part(name).id
    assert catalog.system(found.id) == found


def test_counts(catalog: Catalog) -> None:
    assert len(catalog.parts()) == 67
    assert len(catalog.systems()) >= 39
    ids = [s.id for s in catalog.systems()]
    assert all(set(i) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for i in ids), ids


def test_unknown_names_say_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(InputError, match=r"a100"):
        catalog.part("A10O")
    with pytest.raises(InputError, match=r"could be"):
        catalog.part("a100-s")


def test_units_are_si(catalog: Catalog) -> None:
    a100 = catalog.part("A100")
    assert a100.hbm_bytes == 80 * 1024**3
    assert a100.hbm_bytes_per_s == 2039e9
    assert a100.peak_dense_flop_per_s["bf16"] == 312e12
    assert a100.peak_dense_flop_per_s["int8"] == 624e12
    assert catalog.default_system(a100).nic_uni_bytes_per_s == 200e9 / 8
    assert catalog.part("tpu-v4").link_uni_bytes_per_s == 6 * 50e9
    assert catalog.part("tpu-v5p").link_uni_bytes_per_s == 600e9


@pytest.mark.parametrize(
    ("part", "fmt"),
    [("a100", "fp8"), ("a100-40gb", "nvfp4"), ("v100", "bf16"), ("t4", "bf16"), ("h100", "nvfp4"), ("l4", "mxfp8"),
     ("mi300x", "mxfp4"), ("mi250x", "fp8"), ("tpu-v4", "fp8"), ("rtx-4090", "nvfp4")],
)  # fmt: skip
def test_formats_the_hardware_lacks(catalog: Catalog, part: str, fmt: str) -> None:
    peaks = catalog.part(part).peak_dense_flop_per_s
    assert fmt in peaks
    assert peaks[fmt] is None


def test_an_absent_format_is_unknown_not_none(catalog: Catalog) -> None:
    assert "fp8" not in catalog.part("tpu-8t").peak_dense_flop_per_s
    assert "mxfp8" not in catalog.part("b200").peak_dense_flop_per_s


# The right value of every conflict that the notes decide: (part, field) -> value, unit, a losing figure.
CONFLICTS = {
    ("h100", "peak_dense.bf16"): (989.4, 1979), ("a100", "peak_dense.fp8"): ("none", 624),
    ("h100", "memory.bandwidth"): (3350, 3000), ("b200", "memory.bandwidth"): (7700, 8000),
    ("b200", "memory.capacity"): (180, 192), ("b300", "peak_dense.int8"): (153.5, 4500),
    ("gb300", "peak_dense.int8"): (165, 5000), ("b300", "peak_dense.nvfp4"): (14000, 13500),
    ("b300", "power.tdp"): (1100, 1000), ("mi300x", "memory.bandwidth"): (5300, 10300),
    ("mi325x", "memory.capacity"): (256, 288), ("mi355x", "peak_dense.bf16"): (2516.6, 2300),
    ("mi355x", "peak_dense.fp8"): (5033.2, 4600), ("gaudi3", "peak_dense.bf16"): (1677, 1835),
    ("tpu-v3", "peak_dense.bf16"): (123, 140), ("tpu-v4", "link.per_link_uni"): (50, 45),
    ("tpu-v5p", "link.per_link_uni"): (100, 90), ("rtx-4090", "peak_dense.bf16"): (165.2, 330.3),
    ("v100", "power.tdp"): (300, 250), ("cerebras-wse3", "peak_dense.fp16"): (15000, 125000),
    ("ascend-910c", "peak_dense.bf16"): (752, 800), ("h800", "peak_dense.fp64"): (1.0, 29.65),
    ("h100-pcie", "memory.type"): ("HBM2e", "HBM3"), ("tpu-v5e", "power.tdp"): ("not published", 225),
}  # fmt: skip


@pytest.mark.parametrize("key", sorted(CONFLICTS))
def test_conflicts_keep_both_sides(catalog: Catalog, key: tuple[str, str]) -> None:
    right, wrong = CONFLICTS[key]
    part, field = catalog.part(key[0]), key[1]
    record = catalog.sourced("accelerator", part.id, field)
    assert record.value == right
    assert wrong in [o.value for o in record.other]
    assert all(o.why for o in record.other)


def test_every_value_names_a_source(catalog: Catalog) -> None:
    for part in catalog.parts():
        facts = catalog.provenance("accelerator", part.id)
        assert facts
        for record in facts.values():
            assert catalog.source(record.source).title


def test_recalled_and_unconfirmed_figures_are_listed(catalog: Catalog) -> None:
    assert "tdp_w" in catalog.part("cerebras-wse2").unconfirmed
    assert "scale_out_uni_bytes_per_s" in catalog.part("ascend-910b2").unconfirmed  # a source of its kin alone
    assert "nic_uni_bytes_per_s" not in catalog.system("mi355x-platform").unconfirmed
    assert "nic_uni_bytes_per_s" in catalog.default_system("l4").unconfirmed


def test_no_default_system_rests_on_a_recalled_network(catalog: Catalog) -> None:
    """Where a part has a system with a sourced network, the default is one of those."""
    for part in catalog.parts():
        known = [s for s in catalog.systems_of(part.id) if "nic_uni_bytes_per_s" not in s.unconfirmed]
        if known:
            assert "nic_uni_bytes_per_s" not in catalog.default_system(part).unconfirmed, part.id


def test_tpus_after_v3_have_no_rating(catalog: Catalog) -> None:
    for name in ("tpu-v4", "tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu7x"):
        assert catalog.part(name).tdp_w is None
    assert catalog.part("tpu-v5p").average_power_w == 331


def test_network_of_clouds(catalog: Catalog) -> None:
    gbit = {s.id: s.nic_uni_bytes_per_s * 8e-9 for s in catalog.systems()}
    expected = {"aws-p4d": 50, "aws-p5": 400, "aws-p6-b200": 400, "aws-p6-b300": 800, "gcp-a3-high": 100,
                "gcp-a3-mega": 200, "azure-nd-mi300x-v5": 400, "dgx-a100-80gb": 200, "tpu-v5e-pod": 25}  # fmt: skip
    assert {k: gbit[k] for k in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "model"),
    [("deepseek-ai/DeepSeek-R1", "deepseek-v3"), 
     ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"), ("Llama3.1-8B", "llama-3.1-8b"),
     
     ("GPT-3 175B (MLPerf)", "gpt-3-175b"),
     ("LLAMA3_70B", "llama-3-70b"), ("GPT OSS 120B", "gpt-oss-120b"), ("GPT-J-6B", "gpt-j-6b"),
     ("LLaMA-1 65B", "llama-65b"), 
     ("Mistral-7B", "mistral-7b"), ("meta-llama/Meta-Llama-3-8B-Instruct", "llama-3-8b"),
     
     ("PaLM-540B", "palm-540b"), ("Falcon-180B", "falcon-180b"), ("MPT-30B", "mpt-30b")],
)  # fmt: skip
def test_model_spellings(catalog: Catalog, name: str, model: str) -> None:
    assert catalog.model_entry(name).id == model


@pytest.mark.parametrize(
    ("model", "params"),
    [("gpt-2-xl", 1_557_611_200), ("gpt-j-6b", 6_050_882_784), ("gpt-neox-20b", 20_554_567_680),
     ("pythia-12b", 11_846_072_320), ("bloom-176b", 176_247_271_424), ("llama-2-70b", 68_976_648_192),
     ("mistral-7b", 7_241_732_096), ("qwen2-72b", 72_706_203_648), ("yi-34b", 34_388_917_248),
     ("bloomberggpt-50b", 50_558_868_480), ("llama-3.1-70b", 70_553_706_496)],
)  # fmt: skip
def test_public_parameter_counts_to_the_last_digit(catalog: Catalog, model: str, params: int) -> None:
    assert parameters(catalog.model(model)).total == params


@pytest.mark.parametrize(("model", "params"), [("palm-540b", 540.35e9), ("chinchilla", 70e9), ("gopher", 280e9)])
def test_published_sizes(catalog: Catalog, model: str, params: float) -> None:
    assert parameters(catalog.model(model)).total == pytest.approx(params, rel=2e-3)


def test_models_that_are_not_modelled_say_why(catalog: Catalog) -> None:
    for name, why in (("T0-XXL", "encoder-decoder"), ("Megatron-BERT", "encoder"), ("MaxText-128B", "not stated")):
        with pytest.raises(InputError, match=why):
            catalog.model(name)


def test_precisions(catalog: Catalog) -> None:
    for name in ("bf16", "fp16", "fp8", "fp8-block", "mxfp8", "nvfp4"):
        assert catalog.precision(name).id == name
    assert catalog.precision("mxfp8").fallback_formats == ("fp8",)
    assert catalog.precision("bf16").weight_bytes == 2
    assert not catalog.precision("bf16").quantised
    assert catalog.precision("fp8").quantised
    assert catalog.serving_precision("fp4").id == "nvfp4"
    assert catalog.serving_precision("w4a16").weight_only


def test_energy_and_regions(catalog: Catalog) -> None:
    assert catalog.energy().grid_region == "United States"
    assert catalog.energy(region="France").grid_kg_co2e_per_kwh < 0.1
    assert catalog.energy(region="FRA") == catalog.energy(region="France")
    assert catalog.energy(region="europe-west9").grid_kg_co2e_per_kwh == pytest.approx(0.034)
    assert catalog.energy(system="tpu-v5p-pod").load_fraction == 0.43
    assert catalog.energy(system="dgx-h100").load_fraction == 0.76
    with pytest.raises(InputError, match="unknown region"):
        catalog.energy(region="Atlantis")


def test_reliability(catalog: Catalog) -> None:
    facts = catalog.reliability("llama-3-16k")
    per_job_hour = facts.interruptions_per_accelerator_hour * 16384 + facts.software_interruptions_per_hour
    assert per_job_hour / 16384 * 8 * 24 * 1000 == pytest.approx(3.79, rel=0.01)
    assert catalog.reliability("meta-rsc-1").interruptions_per_accelerator_hour * 8 * 24e3 == pytest.approx(
        6.5, rel=1e-3
    )


def test_laws_are_found(catalog: Catalog) -> None:
    assert catalog.law("chinchilla_2022").id == "chinchilla_2022/approach3"
    with pytest.raises(InputError, match="besiroglu"):
        catalog.law("besirogl_2024")


def test_every_source_states_its_licence(catalog: Catalog) -> None:
    for name, source in catalog.data.sources.items():
        assert source.title, name
        assert source.licence, name
        assert source.redistributable or source.licence, name
