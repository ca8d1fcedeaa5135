"""A file of runs into a fit: which form its columns ask for, what it must not be read as, and what to doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hwmodel.errors import InputError, unknown
from hwmodel.interop.loss_checks import check_protocol, check_units
from hwmodel.interop.loss_runs import LossRuns
from hwmodel.laws.fit_leverage import leverage, said
from hwmodel.laws.fit_loss import LossFit, Progress, additive_model, fit_additive, fit_power, power_model, tied_model
from hwmodel.laws.fit_repeats import RepeatFit, fit_repeats
from hwmodel.laws.fit_slices import AllocationFit, fit_envelope, fit_isoflop
from hwmodel.laws.forms import Constants
from hwmodel.solve.law.fit import Fit, Fitted, TakenColumn

FORMS = ("additive", "tied", "repeated", "power-floor", "isoflop", "envelope")
ALLOCATION_DRAWS = 1000
REPEAT_DRAWS = 1000
FRESH = 1.05  # epochs up to which a run counts as one without repeats


def fit_runs(
    runs: LossRuns, form: str = "auto", *, base: Constants | None = None, bootstraps: int = 4000,
    seed: int = 42, progress: Progress | None = None,
) -> Fitted:  # fmt: skip
    """Fit the form asked; `auto` goes by the columns: N, D and loss additive, compute and loss a power law.

    `base` holds the single-epoch constants of `repeated`; without it the runs of one epoch give them.
    Raises InputError for units that cannot be, tokens without sizes, and runs that do not identify the form.
    """
    check_options(form, bootstraps, seed, based=base is not None)
    warnings = list(check_units(runs))
    form = _form(runs) if form == "auto" else form
    doubts = [w for w in check_protocol(runs) if form != "repeated" or "repeat their data" not in w]
    warnings += doubts
    if form in ("isoflop", "envelope"):
        fit: Fit = _allocation(runs, form, seed)
    elif form == "repeated":
        fit = _repeated(runs, base, bootstraps, seed, warnings)
    elif form == "power-floor":
        fit = _power(runs, bootstraps, seed, progress, warnings)
    else:
        fit = fit_additive(
            runs.need("params"), runs.need("tokens"), runs.loss, tied=form == "tied", bootstraps=bootstraps, seed=seed,
            progress=progress,
        )  # fmt: skip
    if isinstance(fit, LossFit):
        warnings = [*fit.warnings, *hangs_on(runs, fit, form), *unbounded(fit), *warnings]
    columns = tuple(TakenColumn(quantity=c.quantity, header=c.header, unit=c.unit) for c in runs.taken)
    return Fitted(
        fit=fit,
        form=form,
        warnings=tuple(warnings),
        columns=columns,
        params_convention=runs.convention,
        notes=runs.notes,
    )


def check_options(form: str, bootstraps: int, seed: int, *, based: bool) -> None:
    """Raises InputError for a form that is none, a base that it would not use, and resamplings that give nothing."""
    if form not in ("auto", *FORMS):
        raise unknown("form", form, ("auto", *FORMS))
    if based and form != "repeated":
        raise InputError("--base goes with --form repeated: it is the single-epoch law that the decays are fitted on")
    if not 20 <= bootstraps <= 100_000:
        raise InputError("--bootstraps: 20 to 100,000 (fewer give no intervals)")
    if not 0 <= seed < 2**32:
        raise InputError("--seed: a whole number from 0 to 4294967295")


def unbounded(fit: LossFit) -> list[str]:
    """Warnings of constants that some resamplings of the runs do not bound."""
    names = [name for name, error in fit.standard_errors.items() if error is None]
    return [f"{name} is not identified: some resamplings of the runs leave it unbounded" for name in names]


def _form(runs: LossRuns) -> str:
    """What the columns ask for."""
    if runs.params is not None:
        return "additive"
    if runs.tokens is not None and runs.flop is None and runs.budget is None:
        raise InputError(
            "tokens and loss without a size: runs of several sizes would be read as one law of tokens. Name the size "
            "with --column params=HEADER (a non-embedding count will do), or say --form power-floor where all runs "
            "are of one size"
        )
    return "power-floor"


def _allocation(runs: LossRuns, form: str, seed: int) -> AllocationFit:
    """Slices by the nominal budget where the file has one."""
    params, flop = runs.need("params"), runs.need("flop")
    if form == "envelope":
        return fit_envelope(params, flop, runs.loss, draws=ALLOCATION_DRAWS, seed=seed)
    return fit_isoflop(params, flop, runs.loss, budget=runs.budget, draws=ALLOCATION_DRAWS, seed=seed)


def _power(runs: LossRuns, bootstraps: int, seed: int, progress: Progress | None, warnings: list[str]) -> LossFit:
    """A law of one variable: the one that the file has, compute before others."""
    given = [n for n in ("flop", "params", "tokens") if getattr(runs, n) is not None]
    variable = given[0] if len(given) == 1 else "flop"
    if variable == "flop" and runs.flop is None and runs.budget is not None:
        warnings.append("compute is the nominal budget: runs that ended early or late are read as if they had met it")
    if variable == "flop" and runs.params is not None:
        warnings.append("a law of compute holds for runs at the best size of each budget; others lie above it")
    if variable == "tokens":
        warnings.append("a law of tokens alone: it holds for one size only, and only if all runs are of it")
    return fit_power(runs.need(variable), runs.loss, variable, bootstraps=bootstraps, seed=seed, progress=progress)


def _repeated(runs: LossRuns, base: Constants | None, bootstraps: int, seed: int, warnings: list[str]) -> RepeatFit:
    """Decays of repeats on a base: the one given, or one fitted to the runs of a single epoch."""
    params, tokens, unique = runs.need("params"), runs.need("tokens"), runs.need("unique_tokens")
    if base is None:
        fresh = tokens <= FRESH * unique
        try:
            single = fit_additive(
                params[fresh], tokens[fresh], runs.loss[fresh], bootstraps=100, seed=seed, held_out=False
            )
        except InputError as error:
            raise InputError(
                f"--form repeated needs a single-epoch law, and the {int(fresh.sum())} runs of one epoch do not give "
                f"one ({error}); name one with --base, such as muennighoff_2023"
            ) from error
        base = single.constants
        warnings += [f"single-epoch base: {w}" for w in single.warnings]
    found = fit_repeats(base, params, tokens, unique, runs.loss, bootstraps=min(bootstraps, REPEAT_DRAWS), seed=seed)
    level = float(np.median(found.residuals))
    if abs(level) > 0.02:
        warnings.append(f"the base lies {abs(100 * level):.0f} % {'above' if level > 0 else 'below'} these runs: the "
                        "decays absorb a part of that")  # fmt: skip
    for name, (low, high) in found.intervals.items():
        if low is None or high is None:
            warnings.append(
                f"{name} is not identified: the runs leave it open {'downwards' if low is None else 'upwards'}"
            )
    return found


_MODELS: dict[str, Callable[..., Any]] = {"additive": additive_model, "tied": tied_model}


def hangs_on(runs: LossRuns, fit: LossFit, form: str) -> list[str]:
    """Warnings of constants that a few runs decide."""
    if form in _MODELS:
        model = _MODELS[form](runs.need("params"), runs.need("tokens"), runs.loss)
    else:
        variable = fit.form.removeprefix("power_of_")
        model = power_model(runs.need(variable), runs.loss)
    names = [i for i, name in enumerate(model.names) if name not in ("log_A", "log_B", "log_K")]
    return said(leverage(model, fit.theta[: len(model.names)], names), runs.lines)
