"""The kernel laws against kernels measured on a device by benchmarks/device, which no constant was fitted on."""

from __future__ import annotations

import csv
import importlib.util
import statistics
from pathlib import Path
from types import ModuleType

import pytest

DEVICE = Path(__file__).parents[3] / "benchmarks/device"


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare", DEVICE / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Median of predicted over measured under load, and how far from 1 it may be: what it was when the rows were measured,
# rounded up. The grouped products of PyTorch are faster than those of the serving engines that were fitted.
BARS = {
    "mm_forward bf16, 512 rows and more": 0.05, "mm_input_gradient bf16, 512 rows and more": 0.05,
    "mm_weight_gradient bf16, 512 rows and more": 0.05, "mm_forward bf16, 256 rows and fewer": 0.05,
    "mm_forward fp8_row, 512 rows and more": 0.05, "mm_forward fp8_tensor, 512 rows and more": 0.08,
    "attention_forward_cudnn": 0.1, "attention_backward_cudnn": 0.1, "attention_forward_flash": 0.15,
    "attention_backward_flash": 0.15, "attention_decode_flash, one row a head": 0.08,
    "grouped_forward bf16, 1,024 rows and more": 0.45,
}  # fmt: skip


def test_medians_by_kind(compare: ModuleType) -> None:
    found = compare.compared(DEVICE / "h100-sxm-80gb", "h100-sxm5-80gb", loaded=True)
    off = {kind: abs(statistics.median(found[kind]) - 1.0) for kind in BARS}
    assert {kind: x for kind, x in off.items() if x > BARS[kind]} == {}
    assert len(found["mm_forward bf16, 512 rows and more"]) == 50


def test_no_measured_product_beats_the_part(compare: ModuleType) -> None:
    """Peaks and bandwidth of the catalog bound what was measured."""
    from hwmodel.catalog import load_catalog

    part = load_catalog().part("h100-sxm5-80gb")
    peaks = {"bf16": part.peak_dense_flop_per_s["bf16"], "fp8": part.peak_dense_flop_per_s["fp8"]}
    seen = 0
    for path in (DEVICE / "h100-sxm-80gb").glob("*.csv"):
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            if row["seconds"] and row["name"].startswith(("mm_", "grouped_")) and row["how"] != "host":
                seen += 1
                assert float(row["flop"]) / float(row["seconds"]) < (peaks[row["dtype"].split("_")[0]] or 0.0)
                assert float(row["bytes"]) / float(row["seconds"]) < float(part.hbm_bytes_per_s)
    assert seen > 300
