"""Fits what quantising costs on published rows: few constants, a level a source, sources left out for the interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from hwmodel.catalog.calibrations import calibrations_dir
from hwmodel.catalog.quantised import quantised_rows
from hwmodel.laws.quantised import Z80, quantised_nats
from hwmodel.specs.quantised import QuantisedConstants, QuantisedRow
from hwmodel.validation.fit.document import write_document
from hwmodel.validation.fit.sources_left_out import Errors, half_width, left_out
from hwmodel.version import __version__

HEADER = "# Written by `hwmodel calibrate --quantised`.\n"
BENCHMARK_RESOLUTION = 0.003  # share of a score: the noise of averages over five to twelve tasks
LEAST_NATS = 0.02  # below it a benchmark shows its noise
SOURCE_SD, ROW_SD = 0.4, 0.4  # natural logs: levels of sources, rows about them; as the residuals of the fit come out
SIZE_EXPONENT = 0.5068 - 0.3439  # arXiv 2411.04330: D^0.5068 / N^0.3439; fitting it as well helps no source left out
NOT_FITTED = {
    "size_exponent": SIZE_EXPONENT,
    "log_sd": 0.5,
    "mixture_log_sd": 0.4,
    "score_lost_per_nat": 0.2,
    "score_log_sd": 1.0,
}


class QuantisedParameter(msgspec.Struct, frozen=True, kw_only=True, rename={"width": "prior_width"}):
    """A constant of the fit: its prior (logs where `log`), and what the prior rests on."""

    name: str
    prior: float
    width: float
    log: bool = True
    why: str


PARAMETERS = (
    QuantisedParameter(name="weight4_nats", prior=0.04, width=3.0, why="free"),
    QuantisedParameter(
        name="weight_slope", prior=1.0, width=1.0, log=False, why="error variance falls fourfold a bit: 1.4"
    ),
    QuantisedParameter(name="activation8_nats", prior=0.01, width=3.0, why="free"),
    QuantisedParameter(name="activation_slope", prior=0.5, width=1.0, log=False, why="free"),
    QuantisedParameter(name="cache8_nats", prior=0.0006, width=3.0, why="free"),
    QuantisedParameter(name="float8_factor", prior=1.0, width=0.5, why="8-bit floats against integers in activations"),
    QuantisedParameter(
        name="cache_slope", prior=0.5, width=0.15, log=False,
        why="no 4-bit cache alone is published in nats; benchmarks lose 2.4 % (5 rows) where 8 bits lose nothing",
    ),
    QuantisedParameter(
        name="power_of_two_factor", prior=2.6, width=0.15,
        why="mxfp4 against nvfp4 on benchmarks, same models and methods: 3.1 times the loss (8 pairs), 1.2 by bits",
    ),
    QuantisedParameter(
        name="mixture_factor", prior=0.5, width=1.0, why="k-quants of mixtures keep attention at 6 to 8 bits"
    ),
    QuantisedParameter(
        name="small_exponent", prior=0.35, width=0.2, log=False,
        why="AMD Quark on Qwen1.5: 0.62B loses 2.7 to 3.7 times what 7.7B does in the same bits (GPTQ, AWQ, FP8; no "
        "vote: their training is not stated), of which tokens a parameter and N^0.16 explain 1.3",
    ),
    QuantisedParameter(
        name="tokens_exponent", prior=0.5068, width=0.15, log=False, why="arXiv 2411.04330, D^0.5068 / N^0.3439"
    ),
)  # fmt: skip


# Source, model, bits of weights, activations and cache, powers of two as scales, 8-bit floats: what makes rows alike.
Recipe = tuple[str, str, float, float, float, float, float]


def recipe_of(row: QuantisedRow) -> Recipe:
    """What a row has in common with others of its source, model and recipe."""
    bits = (row.weight_bits, row.activation_bits, row.cache_bits)
    return (row.source, row.model, *bits, row.power_of_two, row.float8)


class Vote(msgspec.Struct, frozen=True):
    """The median of one source's rows for one model in the same bits."""

    source: str
    row: QuantisedRow
    log_nats: float


def votes(rows: Sequence[QuantisedRow]) -> list[Vote]:
    """Rows that count, a source, model and recipe once."""
    grouped: dict[Recipe, list[QuantisedRow]] = {}
    for row in rows:
        if row.why_not_counted or not row.nats_per_token or not row.params or not row.train_tokens:
            continue
        grouped.setdefault(recipe_of(row), []).append(row)
    return [
        Vote(key[0], same[0], median(math.log(one.nats_per_token or 1.0) for one in same))
        for key, same in grouped.items()
    ]


def constants_of(values: Sequence[float]) -> QuantisedConstants:
    """The record from the values of PARAMETERS (logs where the parameter says so)."""
    plain = {p.name: math.exp(v) if p.log else float(v) for p, v in zip(PARAMETERS, values, strict=True)}
    return msgspec.convert({**plain, **NOT_FITTED}, QuantisedConstants)


def predicted_log(c: QuantisedConstants, row: QuantisedRow) -> float:
    """ln of the predicted nats of a row's recipe, model and training."""
    assert row.params is not None
    assert row.train_tokens is not None
    nats = quantised_nats(
        c, row.weight_bits, row.activation_bits, row.cache_bits, row.params, row.train_tokens,
        power_of_two=row.power_of_two, mixture=row.mixture, float8=row.float8,
    )  # fmt: skip
    return math.log(float(nats))


def fit(found: Sequence[Vote], held: Sequence[str] = ()) -> list[float]:
    """Values of PARAMETERS, from their priors; `held` names those kept there (for the ablation)."""
    sources = sorted({vote.source for vote in found})
    place = {source: i for i, source in enumerate(sources)}
    start = [math.log(p.prior) if p.log else p.prior for p in PARAMETERS]
    free = [i for i, p in enumerate(PARAMETERS) if p.name not in held]

    def residuals(x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows (soft beyond one deviation), levels of sources, and priors."""
        values = list(start)
        for i, value in zip(free, x, strict=False):
            values[i] = value
        c, levels = constants_of(values), x[len(free) :]
        rows = np.array([v.log_nats - predicted_log(c, v.row) - levels[place[v.source]] for v in found]) / ROW_SD
        soft = np.sign(rows) * np.sqrt(2.0 * (np.sqrt(1.0 + rows * rows) - 1.0))
        priors = [(x[j] - start[i]) / PARAMETERS[i].width for j, i in enumerate(free)]
        return np.concatenate([soft, levels / SOURCE_SD, priors])

    solved = least_squares(residuals, np.concatenate([[start[i] for i in free], np.zeros(len(sources))]))
    values = list(start)
    for i, value in zip(free, solved.x, strict=False):
        values[i] = float(value)
    return values


def errors_left_out(found: Sequence[Vote], held: Sequence[str] = ()) -> Errors:
    """ln(measured over predicted) of each source by a fit that has not seen it."""
    return left_out(
        found,
        lambda vote: vote.source,
        lambda others: constants_of(fit(others, held)),
        lambda c, vote: vote.log_nats - predicted_log(c, vote.row),
    )


def spread(errors: Errors) -> float:
    """Standard deviation that puts 80 % of left-out rows inside, sources weighted alike."""
    return half_width(errors) / Z80


def scores(c: QuantisedConstants, rows: Sequence[QuantisedRow]) -> list[float]:
    """ln of the share of a benchmark's score lost for a predicted nat, one a model and recipe; gains of noise are left
    out with the smallest losses, below what a benchmark resolves (0.3 %)."""
    grouped: dict[Recipe, list[QuantisedRow]] = {}
    for row in rows:
        if row.recovery is not None and not row.why_not_counted and row.params and row.train_tokens:
            grouped.setdefault(recipe_of(row), []).append(row)
    found = []
    for same in grouped.values():
        nats = math.exp(predicted_log(c, same[0]))
        if nats > LEAST_NATS:
            lost = median(1.0 - (one.recovery or 1.0) for one in same)
            found.append(math.log(max(lost, BENCHMARK_RESOLUTION) / nats))
    return found


ABLATION: dict[str, tuple[str, ...]] = {
    "all constants": (),
    "tokens a parameter as published": ("tokens_exponent",),
    "activations held at their prior": ("activation8_nats", "activation_slope"),
    "mixtures as their prior": ("mixture_factor",),
    "small models as their prior": ("small_exponent",),
    "no difference of 8-bit floats": ("float8_factor",),
}


class QuantisedAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Sources left out, weighted alike: the median of |ln(measured / predicted)|, and the deviation that holds 80 %."""

    median_abs_log: float
    sd_of_80_percent: float


class QuantisedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The content of quantised.yaml."""

    constants: QuantisedConstants
    parameters: tuple[QuantisedParameter, ...] = PARAMETERS
    accuracy: dict[str, QuantisedAccuracy]


def document() -> QuantisedDocument:
    """The content of quantised.yaml: constants, accuracy on sources left out, ablation."""
    found = votes(quantised_rows())
    dense = [vote for vote in found if not vote.row.mixture]
    values = fit(found)
    errors = errors_left_out(found)
    # The width holds whether or not mixtures have a say in the constants.
    log_sd = max(spread(_dense_only(found, errors)), spread(errors_left_out(dense)))
    c = constants_of(values)
    between = _between_mixtures(found, c)
    models, sources = {v.row.model for v in found}, {v.source for v in found}
    fitted_on = (
        f"{len(found)} recipes of {len(models)} models in {len(sources)} sources, {len(dense)} of them dense "
        "(catalogs/runs/quantization_quality.csv)"
    )
    lost = scores(c, quantised_rows())
    record = msgspec.structs.replace(
        c,
        log_sd=log_sd,
        mixture_log_sd=between,
        score_lost_per_nat=math.exp(median(lost)),
        score_log_sd=float(np.quantile(np.abs(np.array(lost) - median(lost)), 0.8)) / Z80,
        fitted_on=fitted_on,
        code_version=__version__,
    )
    accuracy = {name: _accuracy(found, held) for name, held in ABLATION.items()}
    return QuantisedDocument(constants=record, accuracy=accuracy)


def _dense_only(found: Sequence[Vote], errors: Errors) -> Errors:
    """The errors of dense models alone, by source."""
    kept: Errors = {}
    for source, rows in errors.items():
        own = [vote for vote in found if vote.source == source]
        dense = [error for error, vote in zip(rows, own, strict=True) if not vote.row.mixture]
        if dense:
            kept[source] = dense
    return kept


def _between_mixtures(found: Sequence[Vote], c: QuantisedConstants) -> float:
    """Scatter of the levels of mixtures about their common factor."""
    by_model: dict[str, list[float]] = {}
    for vote in found:
        if vote.row.mixture:
            by_model.setdefault(vote.row.model, []).append(vote.log_nats - predicted_log(c, vote.row))
    return float(np.std([median(rows) for rows in by_model.values()]))


def _accuracy(found: Sequence[Vote], held: Sequence[str]) -> QuantisedAccuracy:
    errors = errors_left_out(found, held)
    middle = median(median(abs(e) for e in rows) for rows in errors.values())
    return QuantisedAccuracy(median_abs_log=middle, sd_of_80_percent=spread(errors))


def write(directory: Path | None = None) -> dict[str, QuantisedAccuracy]:
    """Fit and write quantised.yaml; gives the accuracy."""
    target = (directory or calibrations_dir()) / "quantised.yaml"
    return write_document(target, HEADER, document(), digits=5, width=110).accuracy
