"""What the kernel laws predict for measured kernels: `python benchmarks/device/compare.py [FOLDER] [PART]`.

Reads the CSV files that kernels.py wrote and prints for each kind the rows, the median of predicted over measured, the
median and the 90th percentile of the absolute error. Nothing is fitted on these rows.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.physics import kernels
from hwmodel.physics.machine import box, gemm_constants, machine, sustained, sustained_gemm
from hwmodel.report.tables import table

HERE = Path(__file__).parent
WHOLE = float("inf")
Row = dict[str, str]
Law = Callable[[Row, dict[str, float]], float]


def laws(part_id: str, loaded: bool) -> dict[str, Law]:
    """Kind of measurement -> its law; `loaded` takes the constants of a chip under long load.

    PyTorch's own flash backend is FlashAttention-2, FlexAttention a Triton kernel of that design; cuDNN's is of today.
    """
    catalog, calibration = load_catalog(), kernel_calibration()
    part = catalog.part(part_id)
    products = {name: gemm_constants(part, name, calibration)[0] for name in ("bf16", "fp8")}
    whole = machine(part, box(part), catalog.precision("bf16"), calibration)
    if loaded:
        products = {name: sustained_gemm(c) for name, c in products.items()}
        whole = sustained(whole)

    def product(row: Row, a: dict[str, float]) -> float:
        return float(kernels.gemm_s(a["m"], a["n"], a["k"], products[row["dtype"].split("_")[0]]))

    def grouped(row: Row, a: dict[str, float]) -> float:
        c = products[row["dtype"].split("_")[0]]
        return float(kernels.grouped_gemm_s(a["rows"], a["n"], a["k"], a["experts"], c))

    def forward(row: Row, a: dict[str, float]) -> float:
        window = a.get("window") or WHOLE
        shape = (a["b"], a["s"], a["s"], a["h"], a["g"], a["d"], a["d"], window)
        law = kernels.attention_backward_s if "backward" in row["name"] else kernels.attention_forward_s
        return float(law(*shape, whole.attention if row["name"].endswith("cudnn") else whole.attention_flash2))

    def decode(row: Row, a: dict[str, float]) -> float:
        return float(kernels.attention_decode_s(a["b"], a["s"], a["h"], a["g"], a["d"], a["d"], 2.0, whole.attention))

    return {"mm": product, "grouped": grouped, "attention": forward, "attention_decode": decode}


def kind_of(row: Row, a: dict[str, float]) -> str:
    """What a row is counted under: few and many rows apart, kernels and formats too."""
    name, dtype = row["name"], row["dtype"]
    if name.startswith("mm_"):
        return f"{name} {dtype}, {'256 rows and fewer' if a['m'] <= 256 else '512 rows and more'}"
    if name.startswith("grouped_"):
        return f"{name} {dtype}, {'256 rows an expert and fewer' if a['rows'] <= 256 else '1,024 rows and more'}"
    if name == "attention_decode_flash":
        return f"{name}, {'heads of a group as rows' if a['packed'] else 'one row a head'}"
    return name


def law_of(name: str) -> str:
    """The law of a measurement's name."""
    return "attention_decode" if name.startswith("attention_decode") else name.split("_")[0]


def compared(folder: Path, part_id: str, loaded: bool = False) -> dict[str, list[float]]:
    """Kind -> predicted over measured, of every row that a law is for."""
    known, out = laws(part_id, loaded), defaultdict(list)
    for path in sorted(folder.glob("*.csv")):
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            if not row["seconds"] or row["how"] == "host" or law_of(row["name"]) not in known:
                continue
            a = {key: float(value) for key, _, value in (word.partition("=") for word in row["args"].split())}
            out[kind_of(row, a)].append(known[law_of(row["name"])](row, a) / float(row["seconds"]))
    return dict(out)


def summary(folder: Path, part_id: str) -> str:
    """The table."""
    short, long = compared(folder, part_id), compared(folder, part_id, loaded=True)
    body = []
    for kind, ratios in short.items():
        errors = sorted(abs(r - 1.0) for r in ratios)
        figures = (100 * statistics.median(errors), 100 * errors[int(0.9 * (len(errors) - 1))])
        body.append([kind, str(len(ratios)), f"{statistics.median(ratios):.2f}", *(f"{x:.0f}" for x in figures),
                     f"{statistics.median(long[kind]):.2f}"])  # fmt: skip
    return table(["kernel", "rows", "predicted / measured", "median error %", "90th percentile %", "under load"], body)


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "h100-sxm-80gb"
    print(summary(where, sys.argv[2] if len(sys.argv) > 2 else "h100-sxm5-80gb"))
