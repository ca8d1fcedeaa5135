"""A small sample of the kernel tables (held-out shapes only), and the errors of the shipped constants on it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from hwmodel.catalog.calibrations import calibrations_dir, kernel_calibration, read_calibration
from hwmodel.physics import collectives, kernels, machine
from hwmodel.plain import Document
from hwmodel.specs.kernels import AttentionConstants, GemmConstants, KernelCalibration
from hwmodel.validation.kernels import laws as laws
from hwmodel.validation.kernels import tables as tables
from hwmodel.validation.kernels.solver import score
from hwmodel.validation.kernels.tables import Columns, take

TEXT = ("table", "part", "engine", "format", "op")
NUMBERS: tuple[str, ...] = ("m", "n", "k", "b", "s", "h", "g", "d", "w", "kv_bytes", "rows", "pairs", "experts")
NUMBERS += ("hidden", "width", "gated", "size", "ranks", "t")
ROWS = {"gemm": 120, "attention": 60, "decode": 60, "mla_decode": 40, "grouped": 50, "nccl": 100}


def read_sample(path: Path) -> dict[str, Columns]:
    """The sample by table."""
    with path.open(newline="", encoding="utf-8") as handle:
        records = list(csv.DictReader(handle))
    out: dict[str, Columns] = {}
    for name in ROWS:
        mine = [r for r in records if r["table"] == name]
        columns: Columns = {c: np.array([r[c] for r in mine]) for c in TEXT[1:]}
        columns |= {c: np.array([float(r[c]) for r in mine]) for c in NUMBERS if mine and mine[0][c] != ""}
        out[name] = columns
    return out


def _fields(c: GemmConstants | AttentionConstants) -> dict[str, Any]:
    return {name: getattr(c, name) for name in c.__struct_fields__}


def predict(name: str, rows: Columns, calibration: KernelCalibration | None = None) -> Any:
    """Seconds of the sample's rows from the shipped constants: cold operands, the engines' cast included."""
    cal = calibration or kernel_calibration()
    out = np.empty(len(rows["t"]))
    labels = np.char.add(np.char.add(rows["part"], "|"), rows["format"])
    for label in np.unique(labels):
        of_part, number_format = str(label).split("|")
        mask = labels == label
        out[mask] = _predict_one(name, take(rows, mask), of_part, number_format, cal)
    return out


def _predict_one(name: str, rows: Columns, of_part: str, number_format: str, cal: KernelCalibration) -> Any:
    spec = laws.part(of_part)
    if name == "nccl":
        return _collective(rows, of_part, cal)
    if name in ("gemm", "grouped"):
        peak = machine.format_peak(spec, laws.KIN_PEAK.get(number_format, number_format))
        c, _ = machine.gemm_constants(spec, number_format, cal, peak=peak)
        if name == "gemm":
            return kernels.gemm_s(rows["m"], rows["n"], rows["k"], c) + kernels.cast_s(rows["m"] * rows["k"], c)
        traffic = _permutation()[f"grouped {spec.family} {number_format}"]["permute_bytes"]
        return laws.grouped_layer_s(rows, c, traffic)
    a = machine.attention_constants(spec, number_format, cal.attention)
    if name != "attention":
        a = machine.attention_constants(spec, machine.high_format(spec), cal.attention, number_format)
    rows = dict(rows) | {"peak": a.peak_flop_per_s, "bandwidth": a.hbm_bytes_per_s, "units": a.units}
    law = {"attention": laws.prefill, "decode": laws.decode, "mla_decode": laws.mla_decode}[name]
    return law(rows, _fields(a))


def _permutation() -> dict[str, dict[str, float]]:
    """What the fit of grouped products charged to the permutation around them."""
    found: dict[str, dict[str, float]] = read_calibration(calibrations_dir() / "kernels.yaml", Document)["fit_only"]
    return found


def _collective(rows: Columns, of_part: str, cal: KernelCalibration) -> Any:
    spec = laws.part(of_part)
    net = machine.network(spec, machine.box(spec), cal)
    size, n = rows["size"], rows["ranks"]
    gather = collectives.all_gather_s(size, n, n, net)
    reduce = collectives.all_reduce_s(size, n, n, net)
    exchange = collectives.all_to_all_s(size, n, n, net)
    return np.where(rows["op"] == "all_reduce", reduce, np.where(rows["op"] == "alltoall", exchange, gather))


def errors(path: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Errors of the shipped constants on the sample, by table, part and format."""
    found = {}
    for name, rows in read_sample(path).items():
        found[name] = score(rows, predict(name, rows), ("part", "format"))
    return found
