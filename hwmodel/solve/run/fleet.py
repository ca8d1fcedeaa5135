"""A fleet at work: the best layout of a size, tokens a second against size, and what time and money buy."""

from __future__ import annotations

import math
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.economics import (
    Z80,
    elapsed_over_productive,
    goodput,
    quantile_z,
    whole_run_log_factor,
    whole_run_log_spread,
)
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.ops import Num
from hwmodel.physics import shape as shapes
from hwmodel.physics.machine import format_peak
from hwmodel.predict.fastest import fastest
from hwmodel.predict.layouts import Cases
from hwmodel.predict.policy import policy
from hwmodel.predict.search import Evaluation, Laid, choice, evaluate
from hwmodel.predict.uncertainty import StepShares, is_mixture, step_shares
from hwmodel.solve.question.setting import Fleeted, Rungs, Setting, step_doubt
from hwmodel.solve.run.batch import BatchPolicy, batch_policy
from hwmodel.solve.run.billing import billed_hours
from hwmodel.solve.run.power import accelerators_within
from hwmodel.solve.run.trend import Trend
from hwmodel.specs import Precision, Shape
from hwmodel.specs.intervals import CERTAIN, Ends
from hwmodel.specs.kernels import Machine
from hwmodel.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, format_count, format_duration

# A budget without a time sizes the fleet for a run of this length, and says so.
OPEN_FLEET_TIME_S = 90.0 * SECONDS_PER_DAY
# Sizes at which the throughput of a fleet is computed; between them it is interpolated on the log scale.
LADDER_STEP = 10.0**0.25
LADDER_SPAN = (1e8, 3e13)
TOKENS_PER_PARAM = 20.0  # of a run whose tokens are open, where only its spread asks for them
# 6 N a token count the embedding, which no product reads: up to 7 % of a buildable shape (`physics.shape.shapes_for`).
OVER_PEAK = 1.1


class Fleet:
    """`accelerators` of one part, computing; evaluations of sizes are kept, for a plan asks for the same ones often."""

    def __init__(self, setting: Fleeted, accelerators: int, precision: Precision | None = None,
                 machine: Machine | None = None, experts: float = 1.0,
                 batch: BatchPolicy | None = None) -> None:  # fmt: skip
        self.setting = setting
        self.accelerators = accelerators
        self.precision = precision or setting.precision
        self.machine = machine or setting.machine
        self.batch = batch or batch_policy(setting)
        self.experts = experts  # above one: sizes are the active parameters of mixtures
        self.near: float | None = None  # the size that this fleet, or one nearly as large, was closed on at own batches
        self._rates: dict[float, float] = {}
        self._trends: dict[tuple[float, float], Trend] = {}
        self._doubts: dict[float, Ends] = {}
        self._last: tuple[Shape, float, Evaluation] | None = None  # what was asked of the whole fleet, and found

    def see(self, tokens: float) -> None:
        """Take the batch of a run on so many tokens from here on."""
        self.take(batch_policy(self.setting).seeing(tokens), self.near)

    def take(self, batch: BatchPolicy, near: float | None) -> None:
        """Take a batch from here on, and the size closed on at it; what was evaluated before is forgotten."""
        self.batch, self.near = batch, near
        self._rates, self._trends, self._doubts = {}, {}, {}

    @property
    def peak_flop_per_s(self) -> float:
        """Dense peak of one accelerator in the format of the matrix products."""
        return format_peak(self.setting.part, self.precision.gemm_format, self.precision.fallback_formats)

    def evaluate(
        self,
        shape: Shape,
        params: float,
        accelerators: list[int] | None = None,
        caps: tuple[float, ...] = (1.0,),
        offload: tuple[str, ...] = (),
        laid: Laid | None = None,
    ) -> Evaluation:
        """All layouts of a shape on this fleet, or under caps of the batch in factors of the usual one; on several
        fleets of its part those that may be the fastest of one. `laid`: what another machine laid out for it."""
        cap = np.maximum(np.floor(self.batch.seqs(params) * np.array(caps)), 1.0)
        usual = accelerators is None and caps == (1.0,) and not offload and laid is None
        last = self._last
        if usual and last is not None and last[:2] == (shape, float(cap[0])):
            return last[2]
        fleets = np.repeat(np.array(accelerators or [self.accelerators], dtype=float), len(caps))
        cases = Cases(
            shape=shape,
            accelerators=fleets,
            batch_cap_seqs=np.tile(cap, len(fleets) // len(caps)),
            batch_given=self.batch.given_seqs is not None,
            seq_len=float(self.setting.request.seq_len),
        )
        r = self.setting.request
        fixed = policy(
            self.setting.stack, r.layout, again=r.again, offload=offload or r.offloads, schedules=r.schedules
        )
        billed = billed_hours(self.setting, shape)
        question = (cases, self.machine, self.precision, self.setting.stack, fixed, billed)
        kernels = self.setting.kept_kernels
        if kernels is not None and laid is None:
            found = kernels.search(shape, fixed, partial(fastest, *question)).evaluation
        else:
            found = fastest(*question).evaluation if accelerators else evaluate(*question, laid)
        self._last = (shape, float(cap[0]), found) if usual else last
        return found

    def given_rate(self, params: float, shape: Shape | None = None) -> float | None:
        """Tokens a second by the user's --mfu, None without it; `shape` is the model's own where there is one."""
        r = self.setting.request
        if r.mfu is None:
            return None
        flop = 6.0 * params
        if r.flop_convention != "6nd":
            shape = shape or shapes.shape_for_params(params)
            six_nd = shapes.flop_per_token(shape, r.seq_len, "6nd")
            flop = flop * float(shapes.flop_per_token(shape, r.seq_len, r.flop_convention)) / float(six_nd)
        return self.accelerators * self.peak_flop_per_s * r.mfu / flop

    def rung(self, params: float) -> float:
        """FLOP/s (6 N a token) of the best layout at one rung of the ladder; 0 where nothing fits."""
        if params not in self._rates:
            kept = self._kept_rungs()
            key = (params, self.experts, self.accelerators, self.batch.tokens, self.batch.given_seqs)
            if key not in kept:
                shape = shapes.with_experts(shapes.shape_for_params(params), self.experts)
                n = float(shapes.parameters(shape).active)
                kept[key] = self.evaluate(shape, n).tokens_per_s(0) * 6.0 * n
            self._rates[params] = kept[key]
        return self._rates[params]

    def _kept_rungs(self) -> Rungs:
        """The rungs that this fleet's question shares with others; its own where it computes otherwise than they."""
        own = self.precision is self.setting.precision and self.machine is self.setting.machine
        kept = self.setting.rungs
        return kept if own and kept is not None else {}

    def holds_no_larger(self, params: float) -> bool:
        """Whether no layout of the next rung above a size fits: sizes between are not known to fit or not."""
        rung = math.floor(math.log(min(max(params, LADDER_SPAN[0]), LADDER_SPAN[1])) / math.log(LADDER_STEP) + 1e-9)
        return self.rung(LADDER_STEP ** (rung + 1)) == 0.0

    def tokens_per_s(self, params: float) -> float:
        """Tokens a second of the best layout at a size; 0 where nothing fits.

        The FLOP rate of buildable shapes is interpolated between the rungs, so that it does not jump with rounding.
        """
        given = self.given_rate(params)
        if given is not None:
            return given
        low, high = LADDER_SPAN
        rung = math.floor(math.log(min(max(params, low), high)) / math.log(LADDER_STEP))
        below, above = LADDER_STEP**rung, LADDER_STEP ** (rung + 1)
        weight = min(max(math.log(params / below) / math.log(LADDER_STEP), 0.0), 1.0)
        flop_per_s = (1 - weight) * self.rung(below) + weight * self.rung(above)
        if self.rung(above) == 0.0 and weight > 0.0:
            return 0.0
        return flop_per_s / (6.0 * params * self.setting.level)

    def flop_rates(self, params: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.float64]:
        """FLOP/s (6 N a token) at many sizes: the trend of the rungs of the ladder inside `span`, constant outside.

        Rungs scatter with the rounding of their shapes, which says nothing of the sizes between: a cubic in the
        logarithm goes through them. Sizes beyond the last rung that fits get next to nothing.
        """
        if span not in self._trends:
            self._trends[span] = Trend(*self._rungs(span))
        return self._trends[span].at(np.log(params))

    def _rungs(self, span: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sizes of the ladder around `span` and their FLOP/s, 1 where nothing fits."""
        first, last = (math.floor(math.log(end) / math.log(LADDER_STEP)) for end in span)
        rungs = np.array([LADDER_STEP**i for i in range(first, last + 2)])
        if self.setting.request.mfu is not None:
            return rungs, np.array([(self.given_rate(float(n)) or 0.0) * 6.0 * float(n) for n in rungs])
        return rungs, np.array([max(self.rung(float(n)), 1.0) for n in rungs]) / self.setting.level

    def goodput(self, params: float, used: int | None = None) -> float:
        """Share of elapsed time that trains, failures and restarts alone counted; idle accelerators fail nobody."""
        return float(goodput(float(used or self.accelerators), params, self.setting.reliability).goodput)

    @property
    def mixture(self) -> bool:
        """Whether the fleet trains a mixture of experts."""
        shape = self.setting.shape()
        return self.experts > 1.0 or (shape is not None and is_mixture(shape))

    def doubt(self, params: float) -> Ends:
        """Ends of the 80 % interval of steady time at the nearest rung of the ladder (of a step of products alone where
        no layout fits); none where the user gives the utilisation."""
        if self.setting.request.mfu is not None:
            return CERTAIN
        rung = LADDER_STEP ** round(math.log(min(max(params, LADDER_SPAN[0]), LADDER_SPAN[1])) / math.log(LADDER_STEP))
        if rung not in self._doubts:
            shape = shapes.with_experts(shapes.shape_for_params(rung), self.experts)
            self._doubts[rung] = self.doubt_of(self.evaluate(shape, float(shapes.parameters(shape).active)), 0)
        return self._doubts[rung]

    def doubt_of(self, found: Evaluation, case: int) -> Ends:
        """Ends of the 80 % interval of a step in the best layout of a case."""
        row, parts = int(found.best[case]), StepShares()
        if row >= 0:
            parts = step_shares(choice(found, row, self.machine, self.precision, self.setting.stack).step)
        return step_doubt(self.setting, self.precision, self.mixture, self.accelerators, parts)

    def whole_run_log_factor(self, used: int | None = None) -> float:
        """Median log of the hours billed over those of steady time and failures."""
        year = self.setting.request.year
        c = self.setting.whole_run
        return float(whole_run_log_factor(float(used or self.accelerators), year or c.year, c))

    def elapsed_over_productive(
        self, params: float, doubt: Ends | None = None, z: float | None = None, used: int | None = None
    ) -> float:
        """Elapsed over steady time at the confidence asked (or at the normal quantile `z`); `doubt` of the steady time,
        where it is known; `used`: accelerators that train, all of them if not given."""
        z, log_sd = quantile_z(self.setting.request.confidence) if z is None else z, 0.0
        if z != 0.0:  # the median needs no spread
            own = doubt or self.doubt(params)
            side = own.up if z > 0.0 else own.down
            tokens = self.setting.request.tokens or TOKENS_PER_PARAM * params
            spread = whole_run_log_spread(6.0 * params * tokens, self.setting.whole_run)
            log_sd = math.hypot(float(side) / Z80, float(spread))
        share, factor = self.goodput(params, used), self.whole_run_log_factor(used)
        return float(elapsed_over_productive(share, factor, z, log_sd))

    def productive_s_available(self, params: float, used: int | None = None) -> float:
        """Steady seconds that --time and --budget leave a size at the confidence asked; infinite without them. `used`:
        accelerators that train, all of them if not given."""
        r, limits = self.setting.request, [math.inf]
        beyond = self.elapsed_over_productive(params, used=used)
        if r.time_s is not None:
            limits.append(r.time_s / beyond)
        if r.budget_usd is not None:
            elapsed_s = r.budget_usd / (self.accelerators * hourly_usd(self.setting)) * SECONDS_PER_HOUR
            limits.append(elapsed_s / beyond)
        return min(limits)

    def tokens_affordable(self, params: float, correction: float = 1.0) -> float:
        """Tokens that a size sees in the time and money given (infinite where none is).

        `correction`: the rate of the shape at hand over the one interpolated between buildable shapes.
        """
        return self.tokens_per_s(params) * self.productive_s_available(params) * correction

    def tokens_at_peak(self, params: float, correction: float = 1.0) -> float:
        """Tokens that a size would see in them at the peak of every accelerator: none sees more (`tokens_affordable`),
        and no layout is looked for. A utilisation that is given is asked for at once."""
        if self.setting.request.mfu is not None:
            return self.tokens_affordable(params, correction)
        peak = OVER_PEAK * self.accelerators * self.peak_flop_per_s / (6.0 * params * self.setting.level)
        return peak * self.productive_s_available(params) * correction


def hourly_usd(setting: Setting) -> float:
    """Median rent of one accelerator-hour; InputError where no quote is known."""
    if setting.price is None:
        part = setting.part.id if setting.part else "this part"
        kind = f" ({setting.request.price_kind})" if setting.request.price_kind else ""
        raise InputError(
            f"no price of {part}{kind} is known: give one with --usd-per-hour 2.50 or --prices FILE, "
            "or count in --objective flops, kwh or co2e"
        )
    return setting.price.median_usd_per_accelerator_hour


def node_multiples(per_node: int, most: int = 131_072) -> list[int]:
    """Fleet sizes worth trying: single accelerators up to a node, then whole nodes, a sixth apart."""
    counts = [2**i for i in range(per_node.bit_length()) if 2**i < per_node]
    nodes, last = 1, 0
    while nodes * per_node <= most:
        if nodes != last:
            counts.append(nodes * per_node)
        last, nodes = nodes, max(nodes + 1, round(nodes * 1.19))
    return counts


def rate_of_size(tokens_per_s: Num, shape_params: Num, params: Num, level: Num = 1.0) -> Num:
    """Tokens a second of the size asked, from those of the shape built near it: by their parameters that 6 N counts.
    `level`: measured over predicted seconds of a cluster."""
    return tokens_per_s * (shape_params / params) / level


class _Within(msgspec.Struct, frozen=True, kw_only=True):
    """Which fleets finish a run within the time and the money: its setting, shape, size and tokens."""

    setting: Fleeted
    shape: Shape
    params: float  # all of them
    flop_params: float  # those that 6 N counts: the active ones of a mixture of experts
    tokens: float
    limit_s: float

    def first(self, counts: list[int]) -> int | None:
        """The first of some fleets, in the order given, that finishes; None where none does."""
        probe = Fleet(self.setting, max(counts), batch=batch_policy(self.setting).seeing(self.tokens))
        evaluation = probe.evaluate(self.shape, self.params, counts)
        used = evaluation.space.accelerators
        for case, count in enumerate(counts):
            row = int(evaluation.best[case])
            if row >= 0 and self._finishes(count, int(used[row]), evaluation, case):
                return count
        return None

    def _finishes(self, count: int, used: int, found: Evaluation, case: int) -> bool:
        """Whether a fleet is in time and within the money, at its predicted tokens a second or the --mfu given."""
        fleet = Fleet(self.setting, count)
        built = float(shapes.parameters(self.shape).active)
        given = fleet.given_rate(self.flop_params, self.shape)
        rate = given or float(rate_of_size(found.tokens_per_s(case), built, self.flop_params, self.setting.level))
        # The median needs no spread, and a spread the terms of the layout.
        doubt = CERTAIN if given or self.setting.request.confidence == 0.5 else fleet.doubt_of(found, case)
        elapsed_s = self.tokens / rate * fleet.elapsed_over_productive(self.params, doubt, used=used)
        budget = self.setting.request.budget_usd
        if budget is not None and count * elapsed_s * hourly_usd(self.setting) / SECONDS_PER_HOUR > budget:
            return False
        return elapsed_s <= self.limit_s


FLEETS_AT_ONCE = 12  # whole nodes tried between a fleet that is too slow and one that is not


def _fewest(within: _Within, few: int, enough: int, per_node: int) -> int:
    """The fewest whole nodes above `few` accelerators, which are too few, and up to `enough`."""
    while enough - few > per_node:
        nodes = np.unique(np.linspace(few // per_node + 1, enough // per_node, FLEETS_AT_ONCE).astype(int))
        counts = [int(n) * per_node for n in nodes]
        enough = within.first(counts) or enough
        few = max([n for n in counts if n < enough], default=few)
    return enough


def fleet_size(setting: Fleeted, shape: Shape, params: float, tokens: float, flop_params: float) -> int:
    """Accelerators for a run whose count is open: the fewest that finish within the time and the money, in whole nodes
    beyond one.

    `params` are all parameters, `flop_params` those that 6 N counts (the active ones of a mixture of experts).

    Raises InfeasibleError where no fleet does it.
    """
    r = setting.request
    per_node = int(setting.system.accelerators_per_node)
    counts = node_multiples(per_node)
    if r.power_w is not None:
        most = accelerators_within(r.power_w, setting)
        counts = [*(n for n in counts if n < most), most]
    limit_s = r.time_s if r.time_s is not None else OPEN_FLEET_TIME_S
    within = _Within(
        setting=setting, shape=shape, params=params, flop_params=flop_params, tokens=tokens, limit_s=limit_s
    )
    enough = within.first(counts)
    if enough is not None:
        few = max([n for n in counts if n < enough], default=0)
        return _fewest(within, few, enough, per_node) if enough > per_node else enough
    raise InfeasibleError(
        f"no fleet of {setting.system.id} up to {counts[-1]} accelerators trains {format_count(params)} parameters "
        f"on {format_count(tokens)} tokens within {format_duration(limit_s)} and the money given; give more of them, a "
        "smaller size or less data",
        binding="time" if r.time_s is not None else "budget",
        remedy="more time or money",
    )


def fleet_for_budget(setting: Fleeted, budget_usd: float) -> int:
    """Accelerators that spend the whole budget in the time given (or OPEN_FLEET_TIME_S), in whole nodes."""
    r = setting.request
    time_s = r.time_s if r.time_s is not None else OPEN_FLEET_TIME_S
    count = budget_usd / (hourly_usd(setting) * time_s / SECONDS_PER_HOUR)
    per_node = int(setting.system.accelerators_per_node)
    if count < 1:
        raise InfeasibleError(
            f"the budget does not pay for one accelerator over {format_duration(time_s)}; shorten --time or raise "
            "--budget",
            binding="budget",
            remedy="a shorter time",
        )
    if count >= per_node:
        return int(count // per_node) * per_node
    return 2 ** int(math.log2(count))
