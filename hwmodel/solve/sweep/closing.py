"""From a question to a sized run: size, tokens and loss as `plan` closes them, before a layout is searched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from hwmodel import laws
from hwmodel.errors import HwModelError, InfeasibleError
from hwmodel.physics import shape as shapes
from hwmodel.predict.fastest import Kernels
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.solve.plan.closing import batch_of, check_mixture, size_of
from hwmodel.solve.plan.objectives import finite
from hwmodel.solve.plan.own_cost import chosen_by_cost
from hwmodel.solve.plan.sampled import with_chosen_samples
from hwmodel.solve.plan.solver import check_priced, loss_model_of, prepare
from hwmodel.solve.question.contradictions import check_contradictions
from hwmodel.solve.question.setting import Fleeted, Setting
from hwmodel.solve.run.answers import SizedShape, mfu_flop_per_token
from hwmodel.solve.run.batch import BatchPolicy, batch_policy
from hwmodel.solve.run.fleet import hourly_usd
from hwmodel.solve.run.result import Band, Value, value_of
from hwmodel.solve.run.sizing import Sized
from hwmodel.solve.run.solved import check_experts, sized_shape
from hwmodel.specs import LawSpec, Shape
from hwmodel.units import format_count


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A sized run. `tokens` are nan where the fleet's rate closes them within its time and money."""

    at: SizedShape
    params: float
    tokens: float
    loss: tuple[float, float, float]  # value and 80 % ends; nan where there is none
    batch: BatchPolicy
    mfu_flop_per_token: float
    what: str  # the model, for refusals
    accelerators: int | None = None
    lifetime_cost: float = math.nan  # trained at the trend of the sizes
    serve_cost: float = math.nan  # of it, beside a run's own bill
    hour_cost: float = math.nan  # of an accelerator-hour, where it is not in dollars

    @property
    def batch_cap_seqs(self) -> float:
        """Sequences of the largest batch."""
        return self.batch.seqs(self.params)

    @property
    def critical_tokens(self) -> float:
        """Critical batch [tokens] that it is by."""
        return self.batch.critical_tokens(self.params)


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Why a point has no answer."""

    status: str
    reason: str
    binding: str = ""


def refused(error: HwModelError) -> Refused:
    """An error of one point as a row's words."""
    if isinstance(error, InfeasibleError):
        return Refused(status="infeasible", reason=str(error), binding=error.binding)
    return Refused(status="refused", reason=str(error))


def closes_at_once(setting: Setting) -> bool:
    """Whether size and tokens follow without a search over layouts, so that points of this kind go in columns."""
    r = setting.request
    if r.inference_tokens is not None or r.lifetime_budget_usd is not None:
        return False
    if setting.part is not None and r.gpus is None:
        return False  # the count is solved
    if chosen_by_cost(setting):
        return False  # what each size costs on the fleet sizes it
    limited = r.time_s is not None or r.budget_usd is not None
    return not limited or _sized(setting) or r.flop is not None or r.has_loss_target


def _sized(setting: Setting) -> bool:
    r = setting.request
    return r.params is not None or r.model is not None or r.shape is not None


def closed_by_rate(setting: Setting) -> bool:
    """Whether time or money closes the tokens of a given size."""
    r = setting.request
    limited = r.time_s is not None or r.budget_usd is not None
    return limited and _sized(setting) and r.tokens is None and r.flop is None and not r.has_loss_target


class Closing:
    """Closes the points of one setting; what it found is kept, for points share sizes."""

    def __init__(self, setting: Setting, draws: int, kernels: Kernels) -> None:
        self.setting = setting = msgspec.structs.replace(setting, rungs={}, kept_kernels=kernels)
        self.draws = draws
        self.at_once = closes_at_once(setting)
        self.by_rate = self.at_once and closed_by_rate(setting)
        self.shape = setting.shape()
        self.has_loss = laws.has_loss(setting.law) and not (self.shape is not None and is_mixture(self.shape))
        self.model = loss_model_of(setting, draws)
        self.keys: dict[Shape, Any] = {}  # of searches, by shape
        self._found: dict[tuple[tuple[str, float], ...], Closed | Refused] = {}

    def __call__(self, quantities: Mapping[str, float]) -> Closed | Refused:
        """The run at these quantities (fields of the request), or why there is none."""
        key = tuple(quantities.items())
        if key not in self._found:
            request = msgspec.structs.replace(self.setting.request, **quantities)
            try:
                check_contradictions(request)
                setting = msgspec.structs.replace(self.setting, request=request)
                self._found[key] = self._closed(setting) if self.at_once else _prepared(setting)
                self._check_compared()
            except HwModelError as error:
                self._found[key] = refused(error)
        return self._found[key]

    def _check_compared(self) -> None:
        """Raises InputError where a plan compares its answer with others by an objective that nobody prices."""
        if self.has_loss and isinstance(self.setting, Fleeted) and self.setting.request.objective == "usd":
            hourly_usd(self.setting)

    def _closed(self, setting: Setting) -> Closed:
        check_priced(setting)
        shape, r = self.shape, setting.request
        params = float(shapes.parameters(shape).total) if shape is not None else r.params
        if self.by_rate:
            assert params is not None
            if shape is not None and is_mixture(shape):
                check_mixture(setting, shape)
            sized = Sized(params=params, tokens=math.nan, loss=None, solved={}, closed_by="fleet")
        else:
            sized = size_of(setting, self.model, shape, params, None)
        return _record(setting, sized, shape)

    def loss(self, params: Any, tokens: Any) -> Any:
        """Loss of the runs whose tokens the rate closed; nan for mixtures and laws without one."""
        return self.model.loss(params, tokens) if self.has_loss else math.nan * params


def _record(setting: Setting, sized: Sized, shape: Shape | None) -> Closed:
    at = sized_shape(sized, shape, timed=isinstance(setting, Fleeted))
    check_experts(setting.request, at.shape)
    size, tokens, batch = value_of(sized.params), value_of(sized.tokens), batch_policy(setting)
    if not math.isnan(tokens):
        batch = batch_of(batch, setting, size, tokens)
    return Closed(
        at=at, params=size, tokens=tokens, loss=_three(sized.loss, setting.law), batch=batch,
        mfu_flop_per_token=mfu_flop_per_token(setting, at),
        what=shape.name if shape is not None else f"a model of {format_count(size)} parameters",
    )  # fmt: skip


def _three(loss: Value, law: LawSpec) -> tuple[float, float, float]:
    """A loss and its ends: themselves under a law without draws, as in a plan; nan where a space asks for no draws."""
    if loss is None:
        return math.nan, math.nan, math.nan
    if isinstance(loss, Band):
        return loss.value, loss.low, loss.high
    end = math.nan if laws.has_draws(law) else float(loss)
    return float(loss), end, end


def _prepared(setting: Setting) -> Closed:
    """A point whose size and layout close together, as `plan` closes it."""
    found = prepare(with_chosen_samples(setting, prepare) if setting.request.samples_open else setting)
    one = _record(setting, found.sized, found.shape)
    if (life := found.lifetime) is not None:
        size = found.sized.n
        served = None if life.costs.objective == "flops" else finite(life.served(size))
        one = msgspec.structs.replace(
            one, lifetime_cost=finite(life.cost(size, found.sized.d)) or math.nan, serve_cost=served or math.nan,
            hour_cost=math.nan if life.costs.objective == "usd" else life.costs.per_accelerator_hour,
        )  # fmt: skip
    if found.solved is None:
        return one
    fleet = found.solved.fleet
    return msgspec.structs.replace(one, accelerators=fleet.accelerators, batch=fleet.batch)
