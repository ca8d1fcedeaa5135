"""Turns fitted kernel laws into catalogs/calibrations/kernels.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hwmodel.validation.fit.document import write_document
from hwmodel.validation.kernels import priors as priors
from hwmodel.validation.kernels.laws import over_catalog_peak
from hwmodel.validation.kernels.reports import ByFormat, Constants, KernelDocument, Residuals, ResidualsDocument
from hwmodel.validation.kernels.solver import FittedKernel, kin_mean, rounded

if TYPE_CHECKING:
    from hwmodel.validation.kernels.task import Task

FIT_ONLY = ("resident_bytes", "permute_bytes")
HEADER = """\
# Fitted constants of kernels; written by `hwmodel calibrate --kernels DIR`, never by hand.
# Fitted on: kernel tables of PyPI aiconfigurator-core 0.12.0 (Apache-2.0; engines TensorRT-LLM and SGLang, bursts of
# 3 warm-ups and 6 runs), screened against physics. Families without tables: see `assumed`.
# Their errors stand in kernels_residuals.yaml.
"""
RESIDUALS_HEADER = """\
# Errors of the kernel laws in percent: on the half of the shapes that the fit did not see, by part and engine, and on
# all held-out shapes of a part that the fit did not see at all. Written by `hwmodel calibrate --kernels DIR`.
"""


def _put(table: ByFormat, key: str, number_format: str, values: dict[str, float]) -> None:
    kept = {k: v for k, v in values.items() if k not in FIT_ONLY}
    if kept:
        table.setdefault(key, {}).setdefault(number_format, {}).update(kept)


def _spread(table: ByFormat, fits: dict[tuple[str, str], FittedKernel], scale_peak: bool) -> None:
    """Family constants (with the mean of their parts) and those of each part."""
    for (family, number_format), fitted in sorted(fits.items()):
        _put(table, family, number_format, {k: rounded(v) for k, v in fitted.of("").items()})
        for part, own in fitted.parts.items():
            values = dict(own)
            if scale_peak and "efficiency" in values:
                values["efficiency"] = rounded(values["efficiency"] * over_catalog_peak(part, number_format))
            _put(table, part, number_format, values)


def _generic(table: ByFormat, families: list[str]) -> Constants:
    """The mean of the measured families, by format."""
    out: Constants = {}
    for number_format in sorted({f for family in families for f in table.get(family, {})}):
        rows = [table[family][number_format] for family in families if number_format in table.get(family, {})]
        names = sorted({k for row in rows for k in row})
        out[number_format] = {k: rounded(kin_mean([row[k] for row in rows if k in row])) for k in names}
    return out


def _unmeasured(gemm: ByFormat, attention: ByFormat) -> None:
    """Families without tables: the shape constants of their kin (or of all) under a ceiling of their own."""
    for family, assumed in priors.UNMEASURED.items():
        ceiling = {"efficiency": assumed.efficiency, "throttle": assumed.throttle}
        for table in (gemm, attention):
            for number_format in sorted({*table[assumed.like], *table["generic"]}):
                own = table[assumed.like].get(number_format, {})
                kin = own if "efficiency" in own else table["generic"][number_format] | own
                base = gemm[assumed.like if kin is own else "generic"]["bf16"]["efficiency"]
                values = dict(kin) | {k: v for k, v in ceiling.items() if k in kin}
                values["efficiency"] = rounded(min(1.0, kin.get("efficiency", 0.5) * assumed.efficiency / base))
                _put(table, family, number_format, values)


def document(done: dict[str, Task]) -> KernelDocument:
    """The content of kernels.yaml: constants, and of each fit what serves it alone and how many rows it saw."""
    gemm: ByFormat = {}
    attention: ByFormat = {}
    _spread(gemm, done["gemm"].fits, scale_peak=True)
    _spread(gemm, done["grouped"].fits, scale_peak=False)
    for name in ("attention", "decode", "mla_decode"):
        _spread(attention, done[name].fits, scale_peak=False)
    families = sorted({family for family, _ in done["gemm"].fits})
    for family in families:
        for values in attention[family].values():
            values["backward_efficiency"] = priors.BACKWARD[family]
    gemm["generic"], attention["generic"] = _generic(gemm, families), _generic(attention, families)
    narrow = kin_mean([fitted.shared["weight_only_fraction"] for fitted in done["weight_only"].fits.values()])
    gemm["generic"]["bf16"]["weight_only_fraction"] = rounded(narrow)
    _unmeasured(gemm, attention)
    memory: Constants = {}
    for (family, _), fitted in sorted(done["memory"].fits.items()):
        memory[family] = {k: rounded(v) for k, v in fitted.of("").items()}
        memory |= {part: dict(constants) for part, constants in fitted.parts.items()}
    memory |= priors.MEMORY_UNMEASURED
    memory["generic"] = {k: rounded(kin_mean([m[k] for m in memory.values() if k in m])) for k in priors.MEMORY}
    flash2 = {"generic": {"slowdown": 1.0}} | {k: {"slowdown": v} for k, v in priors.FLASH2.items()}
    every = {
        f"{name} {family} {number_format}": fitted
        for name, task in done.items()
        for (family, number_format), fitted in task.fits.items()
    }
    constants = {key: {k: v for k, v in fitted.shared.items() if k in FIT_ONLY} for key, fitted in every.items()}
    return KernelDocument(
        gemm=gemm, attention=attention, attention_flash2=flash2, memory=memory, assumed=priors.UNMEASURED,
        fit_only={key: found for key, found in constants.items() if found},
        rows_fitted={key: fitted.rows for key, fitted in every.items()},
    )  # fmt: skip


def write(out: Path, done: dict[str, Task], residuals: Residuals) -> None:
    """Writes the constants, the residuals and what they were fitted on; the same tables give the same text."""
    write_document(out / "kernels.yaml", HEADER, document(done), width=200, compact=True)
    found = ResidualsDocument(residuals=residuals)
    write_document(out / "kernels_residuals.yaml", RESIDUALS_HEADER, found, width=200, compact=True)
