"""Fits latency and bandwidth of collectives and writes catalogs/calibrations/collectives.yaml."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwmodel.ops import Num
from hwmodel.physics import collectives
from hwmodel.specs.kernels import Network
from hwmodel.validation.fit.document import write_document
from hwmodel.validation.kernels.laws import Law, Values, part
from hwmodel.validation.kernels.reports import CollectivesDocument, Constants, LinkScores, Scores
from hwmodel.validation.kernels.solver import Bounds, FittedKernel, columns_of, fit, kin_mean, rounded, score
from hwmodel.validation.kernels.tables import Column, Columns, concatenate, read, take

LINK: Bounds = {
    "link_efficiency": (0.8, 0.1, 1.0),
    "link_ring_efficiency": (0.8, 0.1, 1.0),
    "link_reduce_efficiency": (0.95, 0.1, 1.3),
    "link_alltoall_efficiency": (0.75, 0.1, 1.0),
    "link_latency_s": (5e-6, 5e-7, 3e-5),
    "link_rank_latency_s": (8e-7, 1e-8, 2e-5),
    "reduce_rank_latency_s": (1.5e-6, 1e-8, 2e-5),
    "alltoall_rank_latency_s": (3e-7, 1e-8, 2e-5),
    "link_ramp_s": (4e-5, 1e-6, 3e-4),
    "reduce_ramp_s": (6e-5, 1e-6, 1e-3),
    "pair_loss": (1.0, 0.01, 2.5),
}
BUS: Bounds = {"bus_sharing": (0.5, 1e-3, 5.0)}
# Two boxes whose tables were read say 1.6 and 0.1; published serving runs of boxes of four and eight L40S 0.15 to 0.3.
BUS_SHARING = 0.2
FAST: Bounds = {
    "fast_latency_s": (4e-6, 5e-7, 3e-5),
    "fast_rank_latency_s": (1e-7, 1e-9, 5e-6),
    "fast_efficiency": (0.8, 0.1, 1.2),
    "fast_ramp_s": (1e-5, 1e-7, 2e-4),
}
# Ranks from which NCCL reduces inside the switch (stas00/ml-engineering@744d01e network/README.md, SHARP table).
IN_SWITCH = {"hopper": 5.0, "blackwell": 6.0}
# All-reduce of 8 ranks: bytes and microseconds (the same source, NVLink tables).
LARGE_ALL_REDUCE = {
    "h200-sxm-141gb": ((1073741824.0, 4053.34), (4294967296.0, 15887.11), (17179869184.0, 62341.42)),
    "b200-sxm6-180gb": ((1073741824.0, 2597.74), (4294967296.0, 10148.24), (17179869184.0, 35551.42)),
}
# Published 4-node all-reduce sweeps, read per NIC; without a source for the NIC, an efficiency of 0.8 is assumed.
NIC: Bounds = {
    "nic_efficiency": (0.8, 0.2, 1.0),
    "nic_latency_s": (1.5e-5, 1e-6, 4e-4),
    "nic_ramp_s": (1e-4, 1e-6, 5e-3),
}
# No sweep was read for these; `derived` from link counts and kin (docs/kernels.md), NIC rates from trial fits on runs.
ASSUMED = {
    "volta": {"like": "ampere"},
    "cdna": {"like": "ampere"},
    "gaudi": {"like": "ampere"},
    "trainium": {"like": "ampere"},
    "ascend": {"like": "ampere"},
    "rubin": {"like": "blackwell"},
}
# One published reading each, of eight Gaudi 3: 256 MB all-reduced at 513 GB/s and 16 MB a rank gathered at 509 GB/s of
# the 525 GB/s of 21 ports of 200 Gb/s (docs.habana.ai, Management and Monitoring, Collectives Performance). Of MI300X
# AMD says 48 GB/s a link of 64 (rocm.blogs.amd.com, mi300x-rccl-xgmi): 0.75, where the kin's share is 0.76.
PUBLISHED = {"gaudi": {"link_ring_efficiency": 0.977, "link_efficiency": 0.97}}
TPU = {"link_latency_s": 2e-6, "link_efficiency": 0.85, "link_ring_efficiency": 0.85, "link_alltoall_efficiency": 0.8}
SCALE_OUT_ASSUMED = {"infiniband": {"nic_efficiency": 0.85}, "roce": {"nic_efficiency": 0.8}}


def link_rows(directory: Path) -> Columns:
    """NCCL measurements in one box: bytes, ranks, `kind` 0 all-gather, 1 reduce-scatter, 2 all-reduce, 3 all-to-all."""
    rows = read(directory, "nccl", {"op_name": "op", "num_gpus": "ranks", "message_size": "size", "nccl_dtype": "kv"})
    rows.numbers["size"] = rows["size"] * np.where(rows.words["kv"] == "half", 2.0, 1.0)
    rows = take(rows, rows.words["kv"] == "half")  # one-byte sums get no in-switch reduction
    return _with_links(concatenate([rows, *(_published(rows, name) for name in LARGE_ALL_REDUCE)]))


def _published(like: Columns, name: str) -> Columns:
    """Published all-reduces of 8 ranks beyond the sizes of the tables, weighted as six rows each."""
    points = [p for p in LARGE_ALL_REDUCE[name] for _ in range(6)]
    text = {"part": name, "engine": "nccl", "kernel": "NCCL", "op": "all_reduce", "kv": "half"}
    numbers = {name: np.full(len(points), 8.0) for name in like.numbers}
    numbers |= {"size": np.array([p[0] for p in points]), "t": np.array([p[1] for p in points]) * 1e-6}
    return Columns(numbers=numbers, words={name: np.full(len(points), text[name]) for name in like.words})


def fast_rows(directory: Path) -> Columns:
    """All-reduce kernels of serving engines in one box, replayed from a graph."""
    rows = read(directory, "custom_allreduce", {"num_gpus": "ranks", "message_size": "size"})
    rows.numbers["size"] = rows["size"] * 2.0
    inside = (rows["ranks"] <= 8) & np.isin(rows.words["kernel"], ["TRTLLM", "SGLang_CustomAllReduce_graph"])
    wide = np.isin(rows.words["part"], ["gb200", "gb300"]) & (rows.words["kernel"] == "SGLang_CustomAllReduce_graph")
    return _with_links(take(rows, inside & ~(wide & (rows["ranks"] > 4)) & (rows.words["part"] != "l40s")))


def _with_links(rows: Columns) -> Columns:
    names, codes = np.unique(rows.words["part"], return_inverse=True)
    parts = [part(str(n)) for n in names]
    rate = np.array([p.link_uni_bytes_per_s or p.host_link_uni_bytes_per_s for p in parts])
    rows.numbers["link"] = rate[codes]
    rows.words["family"] = np.array([p.family for p in parts])[codes]
    rows.numbers["switch_ranks"] = np.array([IN_SWITCH.get(p.family, np.inf) for p in parts])[codes]
    return rows


def _net(rows: Columns, v: Values) -> Network:
    own = {k: x for k, x in v.items() if k in Network.__struct_fields__}
    specs: dict[str, Num] = {"domain": 8.0, "link_bytes_per_s": rows["link"], "nic_bytes_per_s": 1e9}
    specs |= {"in_switch": 1.0, "in_switch_ranks": rows["switch_ranks"]}
    return Network(**(specs | own))


def in_box(rows: Columns, v: Values) -> Num:
    """Seconds of the rows' collectives."""
    return collective_s(rows, _net(rows, v))


def collective_s(rows: Columns, net: Network) -> Column:
    """Seconds of the rows' collectives on a network whose ranks all share a box."""
    size, n, op = rows["size"], rows["ranks"], rows.words["op"]
    gather = collectives.all_gather_s(size, n, n, net)
    reduce = collectives.all_reduce_s(size, n, n, net)
    exchange = collectives.all_to_all_s(size, n, n, net)
    return np.where(op == "all_reduce", reduce, np.where(op == "alltoall", exchange, gather))


def fast(rows: Columns, v: Values) -> Num:
    """Seconds of the engines' all-reduce kernels (without falling back to the library)."""
    slow: dict[str, Num] = {"link_latency_s": 1.0}
    return collectives.all_reduce_fast_s(rows["size"], rows["ranks"], _net(rows, dict(v) | slow))


def _fit_families(
    rows: Columns, law: Law, bounds: Bounds, report: dict[str, LinkScores], name: str
) -> dict[str, FittedKernel]:
    fits: dict[str, FittedKernel] = {}
    for family in np.unique(rows.words["family"]):
        mine = take(rows, rows.words["family"] == family)
        wanted = dict(bounds) | (BUS if family == "ada" and name == "nccl" else {})
        odd = np.round(np.log2(mine["size"])).astype(int) % 2 == 1
        if family == "ada":
            wanted.pop("pair_loss", None)
        fits[str(family)] = fit(take(mine, ~odd), law, wanted)
        test = take(mine, odd)
        sizes = score(test, law(test, columns_of(test, fits[str(family)])), _by(test))
        report[f"{name} {family}"] = LinkScores(sizes=sizes, parts_left_out=_parts_left_out(mine, law, wanted))
    return fits


def _parts_left_out(rows: Columns, law: Law, bounds: Bounds) -> Scores | None:
    """Errors of each part by a fit of its kin; None where there is but one."""
    names = np.unique(rows.words["part"])
    if len(names) < 2:
        return None
    found: Scores = {}
    for one in names:
        kin = fit(take(rows, rows.words["part"] != one), law, bounds)
        left = take(rows, rows.words["part"] == one)
        found |= score(left, law(left, columns_of(left, kin)))
    return found


def _by(rows: Columns) -> tuple[str, ...]:
    return ("part", "op") if "op" in rows.words else ("part",)


# All-reduce over 4 nodes of 8: bytes and microseconds (stas00/ml-engineering@744d01e, network/README.md and
# network/benchmarks/README.md). The second sweep names no NIC; its plateau sets the rate that it is read at.
EFA_P6_B200 = (
    (2097152, 391.45), (4194304, 429.97), (8388608, 462.78), (16777216, 504.51), (33554432, 712.93),
    (67108864, 829.55), (134217728, 1313.77), (268435456, 2270.26), (536870912, 3181.97), (1073741824, 5747.05),
    (2147483648, 11172.2), (4294967296, 22053.05), (8589934592, 43752.46), (17179869184, 87181.76),
)  # fmt: skip
UNSTATED_4_NODES = (
    (32768, 69.01), (65536, 78.87), (131072, 83.26), (262144, 98.05), (524288, 110.78), (1048576, 118.6),
    (2097152, 170.8), (4194304, 201.65), (8388608, 236.85), (16777216, 346.06), (33554432, 661.09),
    (67108864, 1531.49), (134217728, 2947.37), (268435456, 5714.69), (536870912, 11190.83), (1073741824, 22096.39),
)  # fmt: skip


def _across(
    points: tuple[tuple[int, float], ...], nic: float, link: dict[str, float], part: str
) -> tuple[FittedKernel, LinkScores]:
    size = np.array([p[0] for p in points], dtype=float)
    seconds = np.array([p[1] for p in points]) * 1e-6
    rows = Columns(numbers={"size": size, "t": seconds}, words={"part": np.full(len(size), part)})

    def law(r: Columns, v: Values) -> Num:
        constants = {k: value for k, value in (link | dict(v)).items() if k in Network.__struct_fields__}
        specs: dict[str, Num] = {"domain": 8.0, "link_bytes_per_s": 900e9, "nic_bytes_per_s": nic}
        specs |= {"in_switch": 1.0, "in_switch_ranks": 6.0, "nic_rank_latency_s": constants["nic_latency_s"] / 3.0}
        return collectives.all_reduce_s(r["size"], 32.0, 8.0, Network(**(specs | constants)))

    fitted = fit(rows, law, NIC)
    return fitted, LinkScores(in_sample=score(rows, law(rows, columns_of(rows, fitted))))


def _scale_out(link: dict[str, float], report: dict[str, LinkScores]) -> Constants:
    efa, report["scale-out efa, 4 nodes"] = _across(EFA_P6_B200, 50e9, link, "aws-p6-b200")
    plateau = 2.0 * UNSTATED_4_NODES[-1][0] / 8.0 * 0.75 / (UNSTATED_4_NODES[-1][1] * 1e-6)
    other, report["scale-out unstated, 4 nodes"] = _across(UNSTATED_4_NODES, plateau / 0.8, link, "unstated")
    out = {}
    for name, fitted in (("generic", other), ("efa", efa)):
        own = fitted.of("")
        own["nic_rank_latency_s"] = own["nic_latency_s"] / 3.0
        out[name] = {k: rounded(v) for k, v in own.items()}
    out["generic"]["nic_efficiency"] = 0.8
    return out | SCALE_OUT_ASSUMED


HEADER = """\
# Fitted constants of collectives; written by `hwmodel calibrate --kernels DIR`, never by hand.
# In a box: NCCL and engine all-reduce tables of PyPI aiconfigurator-core 0.12.0 (Apache-2.0). Across boxes: two
# published 4-node all-reduce sweeps (stas00/ml-engineering@744d01e, facts only). `residuals` in percent.
"""


def calibrate_collectives(directory: Path, out: Path) -> dict[str, LinkScores]:
    """Fits the tables in `directory`, writes `out`/collectives.yaml; returns the errors on held-out sizes and parts."""
    report: dict[str, LinkScores] = {}
    nccl = _fit_families(link_rows(Path(directory)), in_box, LINK, report, "nccl")
    quick = _fit_families(fast_rows(Path(directory)), fast, FAST, report, "fast")
    table: Constants = {}
    for family, fitted in nccl.items():
        extra = quick[family].of("") if family in quick else {}
        table[family] = {k: rounded(v) for k, v in (fitted.of("") | extra).items()}
        if family in IN_SWITCH:
            table[family] |= {"in_switch": 1.0, "in_switch_ranks": IN_SWITCH[family]}
        else:
            table[family].pop("link_reduce_efficiency")
    switched = [table[f] for f in ("ampere", "hopper", "blackwell")]
    names = sorted({k for row in switched for k in row} - {"in_switch", "in_switch_ranks"})
    table["generic"] = {k: rounded(kin_mean([row[k] for row in switched if k in row])) for k in names}
    table["pcie"] = table.pop("ada") if "ada" in table else {}
    # How far accelerators share a bus is a trait of the box, not of the part: the middle of three kinds of boxes
    # (docs/kernels.md).
    table["pcie"]["bus_sharing"] = BUS_SHARING
    table["ada"] = dict(table["pcie"])
    for family, assumed in ASSUMED.items():
        table[family] = table[assumed["like"]] | PUBLISHED.get(family, {})
    table["tpu"] = table["generic"] | TPU
    across = _scale_out(table["blackwell"], report)
    document = CollectivesDocument(collectives=table, scale_out=across, residuals=report)
    write_document(Path(out) / "collectives.yaml", HEADER, document, width=200, compact=True)
    return report
