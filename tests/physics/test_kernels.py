"""Kernels: scalar equals array, never faster than the roofline."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.physics.kernels import gemm_s
from hwmodel.physics.machine import gemm_constants
from hwmodel.specs import Part

PART = Part(
    id="test-hopper",
    name="Test Hopper",
    vendor="nvidia",
    family="hopper",
    hbm_bytes=8e10,
    hbm_bytes_per_s=3.35e12,
    peak_dense_flop_per_s={"bf16": 989.4e12, "fp8": 1978.9e12, "nvfp4": None},
    units=132.0,
    link_uni_bytes_per_s=450e9,
)


def test_gemm_scalar_equals_array_and_roofline() -> None:
    c, _ = gemm_constants(PART, "bf16", kernel_calibration())
    m = np.array([1.0, 64.0, 1000.0, 8192.0])
    t = gemm_s(m, 4096.0, 4096.0, c)
    for mi, ti in zip(m, t, strict=True):
        assert gemm_s(float(mi), 4096.0, 4096.0, c) == pytest.approx(ti, rel=1e-12)
    assert np.all(t >= 2 * m * 4096 * 4096 / 989.4e12)
