"""Fits log L = log sum_k exp(theta . x_k) by the sum of Huber losses, many starts or resamples at once.

The recipe of Hoffmann et al. 2022 and its replication (arXiv 2404.10102): Huber (delta 1e-3) on the log of the loss,
summed (averaging it stopped the original early), analytic gradient, a grid of starts. Every start or bootstrap is one
row of an array; all rows take the same damped step at once, and rows that have converged leave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DELTA = 1e-3
CHUNK_CELLS = 60_000  # rows x points at a time: the work arrays stay in cache, and in memory for large sets

Weights = Array | Callable[[int], Array]  # rows x points, or the next so many rows of them


class LogSum(msgspec.Struct, frozen=True, kw_only=True):
    """A sum of exponentials of linear terms. `terms[k]` lists (index of the parameter, its column or constant)."""

    names: tuple[str, ...]
    terms: tuple[tuple[tuple[int, Any], ...], ...]
    target: Any  # log of the measured losses

    def shares(self, theta: Array) -> tuple[list[Array], Array]:
        """(each term's share of the sum, residual in log), both rows x points."""
        logs = [_linear(theta, term) for term in self.terms]
        top = logs[0]
        for other in logs[1:]:
            top = np.maximum(top, other)
        parts = [value - top for value in logs]
        for part in parts:
            np.maximum(part, -700.0, out=part)
            np.exp(part, out=part)
        total = parts[0] + parts[1]
        for part in parts[2:]:
            total += part
        inverse = 1.0 / total
        for part in parts:
            part *= inverse
        residual: Array = np.log(total, out=total)
        residual += top
        residual -= self.target
        return parts, residual

    def jacobian(self, parts: Sequence[Array], fixed: Sequence[int]) -> Array:
        """Derivative of the log loss by each parameter, rows x parameters x points; zero for the fixed ones."""
        rows, points = parts[0].shape
        jacobian = np.empty((rows, len(self.names), points))
        seen = set(fixed)
        for part, term in zip(parts, self.terms):
            for index, column in term:
                if index in fixed:
                    continue
                if index in seen:
                    jacobian[:, index] += part * column
                else:
                    np.multiply(part, column, out=jacobian[:, index])
                    seen.add(index)
        for index in fixed:
            jacobian[:, index] = 0.0
        return jacobian


class Products(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of each term, and their products for each two terms: what a normal matrix is made of.

    An entry is a sum over points of (share of one term) x (share of another) x (product of two columns), so that one
    small matrix product gives those of two terms, and no derivative of every point by every parameter is stored.
    """

    indices: tuple[tuple[int, ...], ...]  # of each term's parameters
    columns: tuple[Any, ...]  # of each term: points x its parameters
    pairs: tuple[tuple[int, int, Any], ...]  # (term, other, points x products of their columns)

    @classmethod
    def of(cls, model: LogSum) -> Products:
        """Those of a model, made once a descent."""
        points = len(model.target)
        columns = [
            np.stack([np.broadcast_to(np.asarray(c, dtype=np.float64), points) for _, c in term], axis=1)
            for term in model.terms
        ]
        pairs = tuple(
            (k, m, np.einsum("pi,pj->pij", columns[k], columns[m]).reshape(points, -1))
            for k in range(len(columns))
            for m in range(k, len(columns))
        )
        indices = tuple(tuple(index for index, _ in term) for term in model.terms)
        return cls(indices=indices, columns=tuple(columns), pairs=pairs)

    def slope_and_curvature(self, count: int, parts: Sequence[Array], slope: Array, bend: Array) -> tuple[Array, Array]:
        """(gradient, normal matrix) of each row, `slope` and `bend` weighing the points."""
        gradient, normal = np.zeros((len(slope), count)), np.zeros((len(slope), count, count))
        for part, places, column in zip(parts, self.indices, self.columns):
            sums = (slope * part) @ column
            for i, place in enumerate(places):
                gradient[:, place] += sums[:, i]
        bent = [bend * part for part in parts]
        for k, m, column in self.pairs:
            sums = ((bent[k] * parts[m]) @ column).reshape(len(slope), len(self.indices[k]), -1)
            for i, first in enumerate(self.indices[k]):
                for j, second in enumerate(self.indices[m]):
                    normal[:, first, second] += sums[:, i, j]
                    if k != m:
                        normal[:, second, first] += sums[:, i, j]
        return gradient, normal


def _linear(theta: Array, term: tuple[tuple[int, Any], ...]) -> Array:
    """Sum of the term's parameters times their columns, rows x points (or rows x 1 for a constant)."""
    value: Any = 0.0
    for index, column in term:
        value = value + theta[:, index : index + 1] * column
    result: Array = value
    return result


def _huber(residual: Array, weights: Array | None) -> Array:
    size = np.abs(residual)
    each = np.where(size < DELTA, 0.5 * residual * residual, DELTA * (size - 0.5 * DELTA))
    total: Array = (each if weights is None else each * weights).sum(axis=1)
    return total


def objective(model: LogSum, theta: Array, weights: Array | None = None) -> Array:
    """Sum of Huber losses of each row of parameters."""
    return _huber(model.shares(theta)[1], weights)


def minimise(
    model: LogSum,
    starts: Array,
    weights: Weights | None = None,
    *,
    fixed: Sequence[int] = (),
    tolerance: float = 1e-12,
    iterations: int = 300,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Array, Array]:
    """Local minima from each row of `starts` (under each row of `weights`): (parameters, objectives).

    `progress(done, of)` is called after each chunk of rows.
    """
    found, values = [], []
    size = max(1, CHUNK_CELLS // len(model.target))
    for first in range(0, len(starts), size):
        part = slice(first, min(first + size, len(starts)))
        held = weights(part.stop - first) if callable(weights) else None if weights is None else weights[part]
        theta, value = _descend(model, starts[part].copy(), held, tuple(fixed), tolerance, iterations)
        found.append(theta)
        values.append(value)
        if progress is not None:
            progress(part.stop, len(starts))
    return np.concatenate(found), np.concatenate(values)


class _Rows(msgspec.Struct):
    """The rows still moving: where they belong, their parameters, weights and current evaluation."""

    index: Any
    theta: Any
    weights: Any
    parts: Any
    residual: Any
    value: Any
    damping: Any
    soft: Any

    def keep(self, chosen: Any) -> _Rows:
        """The rows where `chosen` (a mask or indices) says so."""
        return _Rows(
            index=self.index[chosen],
            theta=self.theta[chosen],
            weights=None if self.weights is None else self.weights[chosen],
            parts=[p[chosen] for p in self.parts],
            residual=self.residual[chosen],
            value=self.value[chosen],
            damping=self.damping[chosen],
            soft=self.soft[chosen],
        )


def _descend(
    model: LogSum, theta: Array, weights: Array | None, fixed: tuple[int, ...], tolerance: float, iterations: int
) -> tuple[Array, Array]:
    """Damped Newton steps. Outside the quadratic zone of Huber a point bends the model only as far as `soft` allows.

    soft = 1 is the majorising (always descending, slow) step, soft = 0 the Newton step of the piecewise objective;
    it falls as steps succeed and rises when one fails.
    """
    count = len(theta)
    products = Products.of(model)
    parts, residual = model.shares(theta)
    rows = _Rows(np.arange(count), theta.copy(), weights, parts, residual, _huber(residual, weights),
                 np.full(count, 1e-3), np.ones(count))  # fmt: skip
    value = rows.value.copy()
    for _ in range(iterations):
        step = _step(model, products, rows, fixed)
        trial = rows.theta + step
        parts, residual = model.shares(trial)
        fresh = _huber(residual, rows.weights)
        better = fresh < rows.value
        gain = np.where(better, (rows.value - fresh) / np.maximum(rows.value, 1e-300), 0.0)
        _accept(rows, better, trial, parts, residual, fresh)
        rows.damping = np.clip(np.where(better, rows.damping * 0.1, rows.damping * 10.0), 1e-10, 1e10)
        harder = np.where(better, rows.soft, np.minimum(rows.soft * 10.0, 1.0))
        rows.soft = np.where(better & (gain < 0.05), np.maximum(rows.soft * 0.3, 0.003), harder)
        small = np.abs(step).max(axis=1) < 1e-9
        done = (better & (gain < tolerance)) | (rows.damping > 1e9) | (~better & small)
        if done.any():
            theta[rows.index[done]], value[rows.index[done]] = rows.theta[done], rows.value[done]
            rows = rows.keep(~done)
            if len(rows.index) == 0:
                return theta, value
    theta[rows.index], value[rows.index] = rows.theta, rows.value
    return theta, value


def _accept(rows: _Rows, better: Any, trial: Array, parts: list[Array], residual: Array, fresh: Array) -> None:
    if better.all():
        rows.theta, rows.parts, rows.residual, rows.value = trial, parts, residual, fresh
        return
    rows.theta[better], rows.value[better], rows.residual[better] = trial[better], fresh[better], residual[better]
    for old, new in zip(rows.parts, parts):
        old[better] = new[better]


def _step(model: LogSum, products: Products, rows: _Rows, fixed: tuple[int, ...]) -> Array:
    size = np.abs(rows.residual)
    slope = np.clip(rows.residual, -DELTA, DELTA)
    bend = np.where(size < DELTA, 1.0, rows.soft[:, None] * DELTA / np.maximum(size, DELTA))
    if rows.weights is not None:
        slope *= rows.weights
        bend *= rows.weights
    gradient, hessian = products.slope_and_curvature(len(model.names), rows.parts, slope, bend)
    held = list(fixed)
    gradient[:, held] = hessian[:, held, :] = hessian[:, :, held] = 0.0
    diagonal = np.einsum("bii->bi", hessian)
    lift = rows.damping[:, None] * diagonal + 1e-15
    lift[:, held] += 1.0
    step: Array = np.linalg.solve(hessian + lift[:, :, None] * np.eye(lift.shape[1]), -gradient[..., None])[..., 0]
    return step


def gradient(model: LogSum, theta: Array) -> Array:
    """Analytic gradient of the objective, rows x parameters."""
    parts, residual = model.shares(theta)
    slope = np.clip(residual, -DELTA, DELTA)
    result: Array = np.matmul(model.jacobian(parts, ()), slope[..., None])[..., 0]
    return result


def resampler(points: int, seed: int) -> Callable[[int], Array]:
    """Bootstrap samples, the next so many at each call: how often each point stands in each.

    numpy's RandomState draws them row by row, as in the replication, however the rows are cut into calls.
    """
    stream = np.random.RandomState(seed)

    def draw(count: int) -> Array:
        """So many samples more."""
        chosen = stream.choice(points, size=(count, points), replace=True)
        chosen += points * np.arange(count)[:, None]
        return np.bincount(chosen.ravel(), minlength=points * count).reshape(count, points).astype(np.float64)

    return draw
