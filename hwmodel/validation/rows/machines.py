"""From what a row calls its accelerator, network and format to a machine and a recipe."""

from __future__ import annotations

import re

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.errors import HwModelError, InputError
from hwmodel.physics.machine import machine
from hwmodel.specs import Part, Precision, System
from hwmodel.specs.kernels import KernelCalibration, Machine
from hwmodel.validation.rows.networks import fabric_of, nic_gbit_per_accelerator
from hwmodel.validation.rows.tables import CellError

# Systems that a cell names by their scale-up domain.
_SYSTEM_WORDS = (("a3 mega", "gcp-a3-mega"), ("a3-mega", "gcp-a3-mega"), ("gcp a3", "gcp-a3-high"), ("p4d", "aws-p4d"))

FORMATS = ("nvfp4", "mxfp8", "mxfp4", "fp8", "int8", "bf16", "fp16", "tf32", "fp32", "fp4")


# Formats as other tools spell them; `fp8-mx` is the microscaled recipe.
_SPELLED = (
    ("bfloat16", "bf16"), ("float(8|16|32)", r"fp\1"), ("^(half|16-true)$", "fp16"), ("fp8-mx", "mxfp8"),
    ("(?<!fp8-)e[45]m[23]", "fp8"),
)  # fmt: skip


# How FP8 operands are scaled, as tools and papers say it, where it is not by the tensor (the plain recipe).
_SCALED = ((r"block|1\s*x\s*128", "fp8-block"), (r"\brow", "fp8-row"), (r"delayed", "fp8-delayed"))


def recipe_name(cell: str, part: Part) -> str:
    """The format that a precision cell names; blank: the part's high-precision one."""
    words = cell.lower().replace("_", "-")
    for other, usual in _SPELLED:
        words = re.sub(other, usual, words)
    for name in FORMATS:
        if name in words:
            if name == "bf16" and not part.peak_dense_flop_per_s.get("bf16"):
                return "fp16"
            if name == "fp16" and "fp16" not in part.peak_dense_flop_per_s:
                return "bf16"  # nobody states fp16: the part is made for bf16
            return name
    if words and not re.fullmatch(r"(16-)?mixed.*|amp.*", words):
        raise CellError(f"precision {cell!r} names no known format")
    return "bf16" if part.peak_dense_flop_per_s.get("bf16") else "fp16"


# Parts as free text names them, where the whole text is no name of the catalog's.
_PARTS = re.compile(
    r"(?<![a-z0-9])(g[bh][23]00|[abh][12378]00[a-z]?|v100s?|a800|h800|h20|l40s?|l4|t4|p100"
    r"|mi\d{3}[xa]?|gaudi[ -]?\d|trainium[ -]?\d|trn\d|"
    r"(?:tpu[ -]?)v\d[ep]?|rtx[ -]?\d{4})(?![0-9])",
    re.I,
)
_GIGABYTES = re.compile(r"(\d{2,3})\s*g[i]?b", re.I)


def part_names(given: str) -> list[str]:
    """Names to try for an accelerator that free text describes: itself, then the part it mentions with its memory."""
    names = [given]
    given = re.sub(r"^\s*\d+\s*x\s*", "", given, flags=re.I)  # 8xH100
    given = re.sub(r"v(\d)[ -]?lite(pod)?", r"v\1e", given, flags=re.I)  # TPU v5 lite
    found = _PARTS.search(given)
    if found:
        word = found.group(1).lower().replace("v100s", "v100")
        memory = _GIGABYTES.search(given)
        form = "pcie" if "pcie" in given.lower() else "sxm"
        if memory:
            names += [f"{word}-{form}-{memory.group(1)}gb", f"{word}-{memory.group(1)}gb"]
        names += [f"{word}-{form}", word]
    return names


def find_part(catalog: Catalog, given: str) -> Part:
    """The part that a cell names. Raises InputError naming the nearest where none does."""
    failure: InputError | None = None
    for name in part_names(given):
        try:
            return catalog.part(name)
        except InputError as error:
            failure = failure or error
    assert failure is not None
    raise failure


class Resolver:
    """Machines of rows, each built once."""

    def __init__(self, catalog: Catalog, calibration: KernelCalibration) -> None:
        self.catalog = catalog
        self.calibration = calibration
        self._machines: dict[tuple[str, str, str, float | None], tuple[Machine, Precision, Part, System]] = {}

    def system(self, part: Part, cell: str, per_node: float | None) -> System:
        """The system of a part that an interconnect cell describes: the usual one with the stated network."""
        words = cell.lower()
        named = next((system for word, system in _SYSTEM_WORDS if word in words), None)
        system = self.catalog.default_system(part)
        if named is not None:
            known = {s.id: s for s in self.catalog.systems_of(part.id)}
            system = known.get(named, system)
        boxes = per_node or system.accelerators_per_node or 8.0
        nic = nic_gbit_per_accelerator(cell, boxes, system.nic_uni_bytes_per_s * 8e-9)
        alone = system.domain_accelerators == system.accelerators_per_node
        if per_node and alone and per_node < system.domain_accelerators:
            system = msgspec.structs.replace(system, domain_accelerators=per_node)
        if nic is not None and nic >= 6.0:
            system = msgspec.structs.replace(system, nic_uni_bytes_per_s=nic * 1e9 / 8.0)
        fabric = fabric_of(cell)
        if fabric is not None and system.fabric != "ici-dcn":
            system = msgspec.structs.replace(system, fabric=fabric)
        return system

    def part(self, given: str) -> Part:
        """The part that a cell names. Raises InputError naming the nearest where none does."""
        return find_part(self.catalog, given)

    def recipe(self, cell: str, part: Part) -> Precision:
        """The recipe that a precision cell names; int8 training is the fp8 recipe in the part's int8 units, mxfp4
        training the nvfp4 one in its mxfp4 units."""
        name = recipe_name(cell, part)
        if (variant := self._variant(cell, name)) is not None:
            return variant
        kin = {"int8": "fp8", "mxfp4": "nvfp4", "fp4": "nvfp4"}.get(name)
        if kin is not None:
            like = self.catalog.precision(kin)
            return like if name == "fp4" else msgspec.structs.replace(like, id=name, gemm_format=name)
        return self.catalog.precision(name)

    def _variant(self, cell: str, name: str) -> Precision | None:
        """The recipe that a cell calls by a name of the catalog's or says how it scales, where that is another than the
        usual one of its format `name`."""
        scaled = next((recipe for pattern, recipe in _SCALED if name == "fp8" and re.search(pattern, cell, re.I)), name)
        try:
            found = self.catalog.precision(cell)
        except InputError:
            if scaled == name:
                return None
            found = self.catalog.precision(scaled)
        return None if found.id in FORMATS else found

    def with_kin_peaks(self, part: Part) -> Part:
        """The part with peaks that nobody states filled from the format ratios of its family's parts."""
        peaks = dict(part.peak_dense_flop_per_s)
        own = peaks.get("bf16")
        for kin in self.catalog.parts():
            theirs = kin.peak_dense_flop_per_s.get("bf16")
            if kin.family != part.family or not own or not theirs:
                continue
            for name, peak in kin.peak_dense_flop_per_s.items():
                if name not in peaks and peak:
                    peaks[name] = own * peak / theirs
        return msgspec.structs.replace(part, peak_dense_flop_per_s=peaks)

    def machine(
        self, part_name: str, precision_cell: str, interconnect: str, per_node: float | None
    ) -> tuple[Machine, Precision, Part, System]:
        """Machine, recipe, part and system of a row. Raises CellError where the catalog does not know them."""
        key = (part_name, precision_cell, interconnect, per_node)
        if key not in self._machines:
            self._machines[key] = self._build(*key)
        return self._machines[key]

    def _build(
        self, part_name: str, precision_cell: str, interconnect: str, per_node: float | None
    ) -> tuple[Machine, Precision, Part, System]:
        try:
            part = self.part(part_name)
            recipe = self.recipe(precision_cell, part)
            part = self.with_kin_peaks(part)
            system = self.system(part, interconnect, per_node)
            return machine(part, system, recipe, self.calibration), recipe, part, system
        except InputError as error:
            raise CellError(str(error)) from error
        except HwModelError as error:
            raise CellError(str(error)) from error
