"""Points of one closed run with the layouts of each: billed together, those that break a limit refused."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel import laws
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.solve.budget.limits import SLACK
from hwmodel.solve.plan.closing import TOKEN_ROUNDS, TOKEN_TOLERANCE
from hwmodel.solve.question.setting import Fleeted, step_doubt
from hwmodel.solve.run.billing import Bill, Rated, bill
from hwmodel.solve.run.fleet import Fleet, rate_of_size
from hwmodel.solve.run.result import Band
from hwmodel.solve.sweep.closing import Closed, Closing
from hwmodel.solve.sweep.searching import FIGURES, USED, Layouts, rates
from hwmodel.solve.sweep.table import PointTable, blank_table
from hwmodel.specs.intervals import CERTAIN, Ends
from hwmodel.units import SECONDS_PER_DAY, format_duration, format_usd

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
FIRST_TOKENS_PER_PARAM = 20.0  # where tokens that a rate closes begin; they follow by proportion
LIMITS = ("time_s", "budget_usd")
BILLED = ("train_days", "elapsed_days", "gpu_hours", "mfu", "tokens_per_s", "cost_usd", "energy_mwh", "co2e_t")
HELD = ("peak_memory_bytes", "reserved_memory_bytes")
TOO_FEW = "the time or money given leaves less than one training token"


class Billed:
    """Points of one closed run with the layouts of each, billed together."""

    def __init__(
        self,
        closing: Closing,
        setting: Fleeted,
        one: Closed,
        found: tuple[Layouts, Index],
        points: Index,
        limits: dict[str, Floats],
        accelerators: float,
    ) -> None:
        self.closing, self.setting, self.one = closing, setting, one
        self.layouts, self.place = found  # a row each, and the place of its point
        self.points = points[self.place]
        self.limits = {name: values[self.place] for name, values in limits.items()}
        self.figures = self.layouts.figures
        self.accelerators = accelerators

    def table(self) -> PointTable:
        """The rows, those that break a limit with the reason and no figures."""
        run, found = self._billed()
        table = blank_table(self.points, None)
        self._fill(table, run, found)
        self._refuse(table, run, found)
        return table

    def _billed(self) -> tuple[Rated, Bill]:
        """The runs with what they are billed, their tokens brought to the limit where it closes them."""
        run = self._rated()
        found = bill(self.setting, run)
        return self._at_the_limit(run, found) if self.closing.by_rate else (run, found)

    def _at_the_limit(self, run: Rated, found: Bill) -> tuple[Rated, Bill]:
        """The runs with the tokens that take all of the time or money: at the median they are in proportion, at another
        confidence the spread goes by a run's FLOPs, so that secants of logs follow it, as in a plan."""
        used, slope = self._used(found), np.ones(len(self.points))
        for _ in range(TOKEN_ROUNDS):
            before, tokens = used, np.asarray(run.tokens, dtype=float)
            run = msgspec.structs.replace(run, tokens=tokens * used ** (-1.0 / slope))
            found = bill(self.setting, run)
            if self.setting.request.confidence == 0.5:
                break
            used = self._used(found)
            if not (np.abs(used - 1.0) > TOKEN_TOLERANCE).any():
                break
            with np.errstate(all="ignore"):
                secant = np.log(used / before) / np.log(np.asarray(run.tokens) / tokens)
            slope = np.where(np.isfinite(secant) & (secant > 0.0), secant, slope)
        return run, found

    def most_tokens(self) -> Floats:
        """The tokens of each point in its fastest layout; 0 where none runs."""
        tokens = np.nan_to_num(np.asarray(self._billed()[0].tokens, dtype=float))
        most: Floats = np.maximum.reduceat(tokens, np.flatnonzero(np.diff(self.place, prepend=-1)))
        return most

    def _rated(self) -> Rated:
        one, setting = self.one, self.setting
        fleet = Fleet(setting, int(self.accelerators))
        given = fleet.given_rate(one.at.flop_params, one.at.shape)
        built = rates(float(setting.request.seq_len), self.figures)
        predicted = rate_of_size(built, one.at.shape_params, one.at.flop_params, setting.level)
        rate = np.where(np.isfinite(predicted), given, np.nan) if given else predicted
        doubt = CERTAIN if given else self._doubt()
        tokens = FIRST_TOKENS_PER_PARAM * one.params if self.closing.by_rate else one.tokens
        return Rated(
            accelerators=self.accelerators, used=np.prod(self.figures[:, USED], axis=1),
            params=one.params, tokens=np.full(len(self.points), tokens),
            six_nd_per_token=6.0 * one.at.flop_params, mfu_flop_per_token=one.mfu_flop_per_token, tokens_per_s=rate,
            doubt=doubt, peak_flop_per_s=fleet.peak_flop_per_s,
        )  # fmt: skip

    def _doubt(self) -> Ends:
        """Ends of the interval of each row's step."""
        mixture = is_mixture(self.one.at.shape)
        found = step_doubt(self.setting, self.setting.precision, mixture, self.accelerators, self.layouts.parts)
        down, up = (np.broadcast_to(end, len(self.points)) for end in found)
        return Ends(down, up)

    def _limit(self, name: str) -> Any:
        """The time or money of each row; None where none is given."""
        return self.limits[name] if name in self.limits else getattr(self.setting.request, name)

    def _used(self, found: Bill) -> Floats:
        """Share of the time or money given that each row takes, whichever is more."""
        share = np.zeros(len(self.points))
        time_s, usd = self._limit("time_s"), self._limit("budget_usd")
        if time_s is not None:
            share = np.maximum(share, found.elapsed_days.value * SECONDS_PER_DAY / time_s)
        if usd is not None and found.cost_usd is not None:
            share = np.maximum(share, found.cost_usd.value / usd)
        return share

    def _fill(self, table: PointTable, run: Rated, found: Bill) -> None:
        one, n = self.one, self.one.params
        for place, name in enumerate(FIGURES):
            table.fill(name, self.figures[:, place])
        table.fill("accelerators", self.accelerators)
        used = table.numbers["tp"] * table.numbers["cp"] * table.numbers["pp"] * table.numbers["dp"]
        table.fill("idle_accelerators", self.accelerators - used)
        for name in HELD:
            table.band(name, Band.around(table.numbers[name], Ends(*self.layouts.memory)))
        for name in BILLED:
            table.band(name, getattr(found, name))
        table.fill("goodput", found.goodput)
        table.fill("params", n)
        table.fill("tokens", run.tokens)
        table.fill("train_flop", 6.0 * one.at.flop_params * run.tokens)
        table.fill("lifetime_cost", self._whole_life(found))
        if self.closing.by_rate:
            table.fill("loss_nats", self.closing.loss(n, run.tokens))
            self._loss_ends(table, run)
        else:
            table.band("loss_nats", Band(*one.loss))
        for name, words in (
            ("recompute", self.layouts.recompute),
            ("offload", self.layouts.offload),
            ("schedule", self.layouts.schedule),
        ):
            table.texts[name] = np.array(words, dtype=object)
        table.text("accelerator", self.setting.part.id)
        table.text("system", self.setting.system.id)

    def _whole_life(self, found: Bill) -> Any:
        """The run's own bill and what it serves, as a plan has them."""
        one, own = self.one, found.cost_usd
        if not math.isnan(one.hour_cost):
            own = found.gpu_hours.scaled(one.hour_cost)
        return one.lifetime_cost if own is None or math.isnan(one.serve_cost) else own.value + one.serve_cost

    def _loss_ends(self, table: PointTable, run: Rated) -> None:
        """The band of each row's loss over the law's draws; the loss itself where the law has none."""
        model = self.closing.model
        if not self.closing.has_loss:
            return
        if model.drawn is None:
            for end in ("low", "high") if not laws.has_draws(model.law) else ():
                table.fill(f"loss_nats_{end}", table.numbers["loss_nats"])
            return
        bands: list[Any] = [model.loss_band(self.one.params, float(d)) for d in np.asarray(run.tokens)]
        for end in ("low", "high"):
            table.fill(f"loss_nats_{end}", np.array([getattr(band, end, math.nan) for band in bands]))

    def _refuse(self, table: PointTable, run: Rated, found: Bill) -> None:
        """Rows that do not fit, see less than a token or break a limit become refusals."""
        fits = np.isfinite(self.figures[:, FIGURES.index("step_s")])
        table.refuse(np.flatnonzero(~fits), "infeasible", "memory", "the layout does not fit")
        few = fits & ~(np.asarray(run.tokens) >= 1.0)
        table.refuse(np.flatnonzero(few), "infeasible", "tokens", TOO_FEW)
        if self.closing.by_rate:
            return
        broken = np.flatnonzero(fits & ~few & (self._used(found) > SLACK))
        for row in broken:
            binding, reason = self._broken(found, int(row))
            table.refuse(np.array([row]), "infeasible", binding, reason)

    def _broken(self, found: Bill, row: int) -> tuple[str, str]:
        """The limit that a row breaks, and how far; what would mend it is a question for `plan`."""
        time_s, usd = (self.limit_of(name, row) for name in LIMITS)
        elapsed_s = float(np.asarray(found.elapsed_days.value)[row]) * SECONDS_PER_DAY
        if time_s is not None and elapsed_s > time_s * SLACK:
            took, most = format_duration(elapsed_s), format_duration(time_s)
            return "time", f"the run takes {took} (with failures and restarts), {most} are allowed"
        assert usd is not None
        assert found.cost_usd is not None
        cost = format_usd(float(np.asarray(found.cost_usd.value)[row]))
        return "budget", f"the run costs {cost}, the budget allows {format_usd(usd)}"

    def limit_of(self, name: str, row: int) -> float | None:
        """The time or money of one row."""
        value = self._limit(name)
        return None if value is None else float(np.broadcast_to(value, len(self.points))[row])
