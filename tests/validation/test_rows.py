"""Reading rows of measured runs: what is stated, what is searched, what is refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.stacks import stack_id, training_calibration
from hwmodel.errors import InputError
from hwmodel.physics.shape import parameters
from hwmodel.predict.service.setting import CLOSED, SATURATED, STATIC
from hwmodel.predict.training import run_space
from hwmodel.specs.training_calibration import TrainingCalibration
from hwmodel.validation.predicted.training import PreparedRows, predicted, prepare, sequence_s, stacks_of
from hwmodel.validation.rows.machines import Resolver, recipe_name
from hwmodel.validation.rows.networks import fabric_of, nic_gbit_per_accelerator
from hwmodel.validation.rows.tables import CellError, read_table
from hwmodel.validation.rows.throughput_rows import throughput_setting
from hwmodel.validation.rows.training_rows import case_of, recompute_words, zero_stage

ROW = {
    "id": "r1", "source": "s", "model": "m", "n_layers": "32", "d_model": "4096", "n_heads": "32", "n_kv_heads": "8",
    "d_ff": "14336", "ffn_kind": "swiglu", "vocab": "128256", "seq_len": "8192", "n_accel": "64",
    "accelerator": "h100-sxm-80gb", "precision": "bf16", "global_batch_seqs": "128", "framework": "Megatron-LM",
    "year": "2024", "tokens_per_s_per_accel": "9000",
}  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "rate"),
    [
        ("DGX A100 NVSwitch + 8x200Gb/s HDR IB", 200.0),
        ("4x200Gb/s RDMA per node", 100.0),
        ("8xH100 NVLink; 400Gb/s RDMA per GPU", 400.0),
        ("800 Gb/s a node", 100.0),
        ("1600 Gbps node-node RoCE", 200.0),
        ("24x100GbE RoCE per card (21 in-node)", 300.0),
        ("Storage: 2x ConnectX-7 IB NDR 400Gb/s, Compute: 8x ConnectX-7 IB NDR 400Gb/s, Management: ", 400.0),
        ("Management: 1x Bluefield-2 DPU Ethernet 100Gb/Sec, Compute: 8x ConnectX-7 InfiniBand NDR 4", 400.0),
        ("2x Mellanox ConnectX-5 Ex 100Gb/s Ethernet", None),
        ("NVLINK Gen4 900 GB/s + NVSWITCH Gen3", None),
        ("18x NVLink 900GB/s", None),
        ("", None),
        # Bytes, terabits, whose rate it is, how many ports: however they are written.
        ("50 GB/s per GPU", 400.0),
        ("25GB/s/GPU RoCE", 200.0),
        ("400 GB/s per GPU IB", 400.0),  # no accelerator has 3,200 Gbit/s: bits
        ("100 GB/s per node", 100.0),
        ("1.6 Tb/s per node", 200.0),
        ("EFA 3.2 Tbps per instance", 400.0),
        ("NVLink 900 GB/s per GPU; 400Gb/s IB per GPU", 400.0),
        ("NVLink 900GB/s and 8x200Gb/s IB", 200.0),
        ("InfiniBand (8 NICs x 400 Gb/s)", 400.0),
        ("200Gb/s HDR InfiniBand x4 per node", 100.0),
        ("HDR100 per GPU", 100.0),
        ("NDR InfiniBand 200 Gb/s, one NIC per GPU", 200.0),
        ("A100 80GB per GPU, HDR IB", None),  # memory is no rate
        ("4x400Gb/s RDMA GPU direct", 200.0),  # the last letter of a word is no "a"
    ],
)
def test_network_rates_are_read_per_accelerator(cell: str, rate: float | None) -> None:
    assert nic_gbit_per_accelerator(cell, 8.0) == rate


@pytest.mark.parametrize(
    ("cell", "rate"),
    [
        ("InfiniBand 200Gb/s", 200.0),
        ("IB NDR200", 200.0),
        ("InfiniBand 800Gb/s", 400.0),  # no more than the node has
        ("3200 Gbps EFA", 400.0),
        ("1600 Gbps EFA", 200.0),
        ("EFA 400 Gbps", 50.0),
        ("RoCE 1.6 Tb/s", 200.0),
        ("100 Gbps Ethernet", None),  # the host's
        ("H100 80GB, IB", None),
    ],
)
def test_rates_of_nobody_are_those_of_a_port_or_of_an_instance(cell: str, rate: float | None) -> None:
    assert nic_gbit_per_accelerator(cell, 8.0, 400.0) == rate
    assert nic_gbit_per_accelerator(cell, 8.0) is None


@pytest.mark.parametrize("cell", ["400 Gb/s " * 20000, "8x " * 20000, "200gb x " * 20000, "1" * 5000 + " Gb/s per gpu"])
def test_a_cell_of_a_hundred_thousand_characters_is_read_as_soon_as_another(cell: str) -> None:
    """The patterns of a rate would take hours over it; a number of five thousand digits is none."""
    before = time.process_time()
    rate = nic_gbit_per_accelerator(cell, 8.0, 400.0)
    assert time.process_time() - before < 1.0
    assert rate is None or rate <= 400.0


def test_half_the_network_in_a_cell_is_half_the_network_of_its_machine() -> None:
    resolver = Resolver(load_catalog(), kernel_calibration())
    for whole, half in (
        ("8x400Gb/s IB", "8x200Gb/s IB"), ("3.2 Tbps EFA", "1.6 Tbps EFA"), ("50 GB/s per GPU", "25 GB/s per GPU"),
        ("InfiniBand 400 Gb/s", "InfiniBand 200 Gb/s"), ("3200 Gbps per node", "1600 Gbps per node"),
    ):  # fmt: skip
        rates = [resolver.machine("h100", "bf16", cell, 8.0)[3].nic_uni_bytes_per_s for cell in (whole, half)]
        assert rates == [pytest.approx(50e9), pytest.approx(25e9)], whole


def test_fabrics_and_formats_by_words() -> None:
    assert fabric_of("8xH100 NVLink + EFA") == "efa"
    assert fabric_of("8x400Gb/s NDR IB") == "infiniband"
    assert fabric_of("NVLink") is None
    catalog = load_catalog()
    assert recipe_name("", catalog.part("H100")) == "bf16"
    assert recipe_name("", catalog.part("V100")) == "fp16"
    assert recipe_name("MXFP8 (1D)", catalog.part("B200")) == "mxfp8"
    with pytest.raises(CellError, match="no known format"):
        recipe_name("posit", catalog.part("H100"))


def test_sharding_and_recompute_cells() -> None:
    assert zero_stage("fsdp-full(zero3)") == 3.0
    assert zero_stage("fsdp-shard-grad-op(zero2)") == 2.0
    assert zero_stage("distributed-optimizer(zero1)") == 1.0
    assert zero_stage("") is None
    for cell, stage in (("ZeRO++", 3), ("ZeRO-Infinity", 3), ("ZeRO-Offload", 2), ("NO_SHARD", 0), ("HYBRID_SHARD", 3),
                        ("dist-opt", 1), ("zero", 1), ("2", 2)):  # fmt: skip
        assert zero_stage(cell) == stage, cell
    with pytest.raises(CellError):
        zero_stage("sideways")
    assert recompute_words("full") == ("full",)
    assert recompute_words("") == ()
    assert len(recompute_words("policy:custom")) > 3
    assert recompute_words("layernorm moe_act") == ("layernorm,moe_act",)
    assert recompute_words("25%") == ("25%",)
    for cell in ("on", "1", "True", "every layer", "gradient checkpointing", "activation_checkpointing"):
        assert recompute_words(cell) == ("full",), cell
    assert recompute_words("activation checkpointing (selective)") == ("selective",)
    assert recompute_words("0") == recompute_words("off") == ("none",)


def test_memory_is_counted_in_the_unit_and_by_the_counter_that_a_row_names() -> None:
    """By hand: a mebibyte is 1,048,576 bytes; nvidia-smi shows what the device holds, PyTorch's counters less."""
    units = {"": 2**30, "GiB": 2**30, "GB": 1e9, "GB (decimal)": 1e9, "GB or GiB, not stated": 2**30, "MiB": 1048576,
             "MB": 1e6}  # fmt: skip
    for cell, size in units.items():
        assert case_of(ROW | {"peak_mem_unit": cell}).memory_unit_bytes == size, cell
    kinds = {"": "", "nvidia-smi": "device", "max_memory_reserved": "reserved", "Allocated": "allocated"}
    for cell, kind in kinds.items():
        assert case_of(ROW | {"peak_mem_kind": cell}).memory_kind == kind, cell
    for column, cell in (("peak_mem_unit", "%"), ("peak_mem_kind", "guessed"), ("sequence_parallel", "perhaps")):
        with pytest.raises(CellError, match=column):
            case_of(ROW | {column: cell})
    words = {"enabled": 1.0, "disabled": 0.0, "yes": 1.0, "off": 0.0, "": None}
    for cell, flag in words.items():
        assert case_of(ROW | {"sequence_parallel": cell}).sequence_parallel == flag, cell


def test_recipes_are_those_of_the_catalog_by_any_of_their_names() -> None:
    """A cell and `--precision` mean the same by the same word."""
    catalog = load_catalog()
    resolver, part = Resolver(catalog, kernel_calibration()), catalog.part("B200")
    for recipe in catalog.precisions():
        if recipe.gemm_format != "tf32":
            assert resolver.recipe(recipe.id, part).gemm_format == recipe.gemm_format, recipe.id
    for cell, recipe in (
        ("fp8-block", "fp8-block"), ("FP8 blockwise", "fp8-block"), ("FP8 (1x128 scales)", "fp8-block"),
        ("FP8-DS", "fp8-delayed"), ("fp8, delayed scaling", "fp8-delayed"), ("float8 rowwise", "fp8-row"),
        ("FP8-CS", "fp8"), ("fp8", "fp8"), ("FP8 current scaling", "fp8"), ("nvfp4-full", "nvfp4-full"),
        ("half", "fp16"),
    ):  # fmt: skip
        assert resolver.recipe(cell, part).id == recipe, cell


def test_blank_shape_follows_from_parameters() -> None:
    case = case_of(ROW | {"d_model": "", "n_heads": "", "n_kv_heads": "", "d_ff": "", "params_total": "8e9"})
    assert parameters(case.shape).total == pytest.approx(8e9, rel=0.05)
    assert not case.shape_complete
    moe = case_of(ROW | {"architecture": "moe", "params_total": "30e9", "params_active": "3e9", "d_model": ""})
    assert parameters(moe.shape).total == pytest.approx(30e9, rel=0.1)
    assert parameters(moe.shape).active == pytest.approx(3e9, rel=0.1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"accelerator": ""}, "accelerator is blank"),
        ({"seq_len": ""}, "seq_len is blank"),
        ({"n_accel": "many"}, "not a number"),
        ({"tp": "1.5"}, "whole number"),
        ({"micro_batch": "-1"}, "above zero"),
        ({"d_model": "", "params_total": ""}, "params_total"),
    ],
)
def test_rows_that_cannot_be_expressed_say_why(change: dict[str, str], reason: str) -> None:
    with pytest.raises(CellError, match=reason):
        case_of(ROW | change)


def prepared(*rows: dict[str, str]) -> tuple[PreparedRows, TrainingCalibration]:
    calibration = training_calibration()
    return prepare(list(rows), Resolver(load_catalog(), kernel_calibration()), calibration), calibration


def test_parts_and_formats_that_do_not_exist_are_refused() -> None:
    ready, _ = prepared(ROW | {"accelerator": "h1000"}, ROW | {"accelerator": "a100", "precision": "fp8"}, ROW)
    assert "nearest" in ready.reasons[0] or "could be" in ready.reasons[0]
    assert "lacks" in ready.reasons[1]
    assert ready.reasons[2] == ""


def test_layouts_that_do_not_multiply_are_refused() -> None:
    ready, _ = prepared(ROW | {"tp": "7", "pp": "1", "cp": "1"})
    assert "tp 7 does not divide" in ready.reasons[0]


def test_a_batch_too_small_for_the_fleet_says_so() -> None:
    """What binds is named: the batch and the accelerators, not a size of one."""
    ready, _ = prepared(ROW | {"tp": "", "pp": "", "cp": "1", "n_accel": "512", "global_batch_seqs": "1"})
    assert "share a global batch of 1 sequences" in ready.reasons[0]
    assert "cp 1" not in ready.reasons[0]


def test_what_is_blank_is_searched_and_the_stated_layout_lies_near() -> None:
    stated = ROW | {
        "tp": "1",
        "pp": "1",
        "cp": "1",
        "micro_batch": "1",
        "zero_stage_or_fsdp": "fsdp",
        "recompute": "full",
    }
    ready, calibration = prepared(ROW, stated)
    seconds = sequence_s(predicted(ready, stacks_of(ready, calibration)))
    assert 0.5 < float(seconds[0] / seconds[1]) <= 1.0


def test_two_cores_a_chip_are_chips() -> None:
    one = ROW | {"accelerator": "trainium2", "n_accel": "16", "tp": "8", "pp": "1", "dp": "4", "cp": "1"}
    ready, _ = prepared(one)
    assert ready.reasons[0] == ""
    run = ready.runs[0]
    assert run is not None
    assert run_space(run).layout.accelerators.max() == 16.0


def test_frameworks_name_stacks() -> None:
    calibration = training_calibration()
    names = {
        "Megatron-Bridge 26.04": "megatron-bridge", "NVIDIA NeMo Framework Release 24.09": "nemo",
        "torchtitan": "torchtitan",
        "llm-foundry (Composer + PyTorch FSDP)": "fsdp", "MaxText": "jax", "something new": "generic",
    }  # fmt: skip
    assert {k: stack_id(k, 2024.0, calibration) for k in names} == names
    assert stack_id("Megatron-LM", 2021.0, calibration) == "megatron-lm-2021"
    assert stack_id("Megatron-LM", 2025.0, calibration) == "megatron-core"


def test_files_are_told_apart_by_their_header(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("")
    with pytest.raises(InputError, match="empty"):
        read_table(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="also needs"):
        read_table(path)
    path.write_text("id,params_total,tokens,gpu\nx,1e9,1e12,A100\n")
    assert read_table(path)[0] == "whole"
    path.write_text("id,params_total,tokens,gpu\n")
    with pytest.raises(InputError, match="no rows"):
        read_table(path)
    with pytest.raises(InputError, match="No such file"):
        read_table(tmp_path / "missing.csv")


def test_cells_as_spreadsheets_write_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    head = (
        "id,source,model, n_layers ,d_model,seq_len,n_accel,accelerator,precision,global_batch_seqs,vocab,recompute\r\n"
    )
    cells = 'r,"a\r\nb",m,32.0,"4,096",\' 8e3 \',"1,024",H100,bf16,"1,024",3.2e4,none\r\n'.replace("'", "")
    path.write_bytes(b"\xef\xbb\xbf" + (head + cells).encode())
    case = case_of(read_table(path)[1][0])
    assert (case.shape.d_model, case.seq_len, case.n_accel, case.global_batch) == (4096.0, 8000.0, 1024.0, 1024.0)
    assert case.recompute == ("none",)
    with pytest.raises(CellError, match="d_model is not a number"):
        case_of(ROW | {"d_model": "40,96"})


THROUGHPUT = {"id": "t", "source": "s", "model": "Llama-3.1-8B", "n_accel": "1", "accelerator": "h100-sxm5-80gb",
              "weight_precision": "bf16", "tp": "1", "pp": "1", "batch_or_concurrency": "8", "input_len": "128",
              "output_len": "64", "metric": "tokens/s", "value": "100"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"input_len": "0"}, "input_len must be above zero"),
        ({"input_len": "0.0 ctx"}, "input_len must be above zero"),
        ({"input_len": "0 new + 64 cached"}, "input_len must be above zero"),
        ({"input_len": "1.2.3"}, "input_len is not a number"),
        ({"input_len": "9" * 70}, "beyond any run"),
        ({"output_len": "0"}, "output_len must be above zero"),
        ({"output_len": "x"}, "output_len is not a number"),
        ({"output_len": "1..5"}, "output_len is not a number"),
        ({"batch_or_concurrency": "0"}, "batch_or_concurrency must be above zero"),
        ({"batch_or_concurrency": "qps=0"}, "batch_or_concurrency must be above zero"),
        ({"batch_or_concurrency": "1.2.3"}, "batch_or_concurrency is not a number"),
        ({"batch_or_concurrency": "0 / GPU"}, "batch_or_concurrency must be above zero"),
        ({"batch_or_concurrency": "many"}, "not stated as a batch"),
    ],
)
def test_lengths_and_loads_of_throughput_rows_are_numbers_above_zero(change: dict[str, str], reason: str) -> None:
    assert throughput_setting(THROUGHPUT).load.prompt_tokens == 128
    assert throughput_setting(THROUGHPUT | {"input_len": "64 new + 1920 cached"}).load.new_tokens == 64
    with pytest.raises(CellError, match=reason):
        throughput_setting(THROUGHPUT | change)


def test_a_closed_loop_counts_its_rounds() -> None:
    """A hundred and fifty requests of eight clients are 18.75 rounds; a median request is none of the first."""
    loop = THROUGHPUT | {"batch_or_concurrency": "8", "metric": "TTFT", "notes": "150 requests"}
    assert throughput_setting(loop).regime == CLOSED
    assert throughput_setting(loop).load.rounds == 150.0 / 8.0
    assert throughput_setting(loop | {"notes": "4 requests"}).load.rounds == 1.0
    assert throughput_setting(loop | {"notes": "median of 150 requests"}).load.rounds >= 1e6
    assert throughput_setting(THROUGHPUT).load.rounds == 10.0


def test_a_latency_without_a_load_is_that_of_one_request() -> None:
    blank = THROUGHPUT | {"batch_or_concurrency": ""}
    alone = throughput_setting(blank | {"metric": "request latency ms"})
    assert (alone.regime, alone.concurrency) == (STATIC, 1.0)
    assert throughput_setting(blank).regime == SATURATED  # a rate that states no load is all that an engine gives
