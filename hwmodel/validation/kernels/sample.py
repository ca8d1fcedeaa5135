"""A small sample of the kernel tables (held-out shapes only), and the errors of the shipped constants on it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from hwmodel.catalog.calibrations import calibrations_dir, kernel_calibration, read_calibration
from hwmodel.ops import Num
from hwmodel.physics import kernels, machine
from hwmodel.specs.kernels import KernelCalibration
from hwmodel.validation.kernels import laws as laws
from hwmodel.validation.kernels.collectives import collective_s
from hwmodel.validation.kernels.reports import KernelDocument, Scores
from hwmodel.validation.kernels.solver import score
from hwmodel.validation.kernels.tables import Column, Columns, labels, take

TABLES = ("gemm", "attention", "decode", "mla_decode", "grouped", "nccl")
TEXT = ("part", "engine", "format", "op")
NUMBERS: tuple[str, ...] = ("m", "n", "k", "b", "s", "h", "g", "d", "w", "kv_bytes", "rows", "pairs", "experts")
NUMBERS += ("hidden", "width", "gated", "size", "ranks", "t")
ATTENTION = {"attention": laws.prefill_s, "decode": laws.decode_s, "mla_decode": laws.mla_decode_s}


def read_sample(path: Path) -> dict[str, Columns]:
    """The sample by table."""
    with path.open(newline="", encoding="utf-8") as handle:
        records = list(csv.DictReader(handle))
    out: dict[str, Columns] = {}
    for name in TABLES:
        mine = [r for r in records if r["table"] == name]
        numbers = {c: np.array([float(r[c]) for r in mine]) for c in NUMBERS if mine and mine[0][c] != ""}
        out[name] = Columns(numbers=numbers, words={c: np.array([r[c] for r in mine]) for c in TEXT})
    return out


def predict(name: str, rows: Columns, calibration: KernelCalibration | None = None) -> Column:
    """Seconds of the sample's rows from the shipped constants: cold operands, the engines' cast included."""
    cal = calibration or kernel_calibration()
    out = np.empty(len(rows))
    groups = labels(rows, ("part", "format"), "|")
    for label in np.unique(groups):
        of_part, number_format = str(label).split("|")
        mask = groups == label
        out[mask] = _predict_one(name, take(rows, mask), of_part, number_format, cal)
    return out


def _predict_one(name: str, rows: Columns, of_part: str, number_format: str, cal: KernelCalibration) -> Num:
    spec = laws.part(of_part)
    if name == "nccl":
        return collective_s(rows, machine.network(spec, machine.box(spec), cal))
    if name in ("gemm", "grouped"):
        peak = machine.format_peak(spec, laws.KIN_PEAK.get(number_format, number_format))
        c, _ = machine.gemm_constants(spec, number_format, cal, peak=peak)
        if name == "gemm":
            return kernels.gemm_s(rows["m"], rows["n"], rows["k"], c) + kernels.cast_s(rows["m"] * rows["k"], c)
        fit_only = read_calibration(calibrations_dir() / "kernels.yaml", KernelDocument).fit_only
        traffic = fit_only[f"grouped {spec.family} {number_format}"]["permute_bytes"]
        return laws.grouped_layer_s(rows, c, traffic)
    a = machine.attention_constants(spec, number_format, cal.attention)
    if name != "attention":
        a = machine.attention_constants(spec, machine.high_format(spec), cal.attention, number_format)
    return ATTENTION[name](rows, a)


def errors(path: Path) -> dict[str, Scores]:
    """Errors of the shipped constants on the sample, by table, part and format."""
    return {name: score(rows, predict(name, rows), ("part", "format")) for name, rows in read_sample(path).items()}
