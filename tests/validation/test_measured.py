"""What a measured row of a cluster says of its other rows."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodel.validation.board.measured import BETWEEN, HOST, NETWORK, ODD, WITHIN, expected_shift


def row(host: float, network: float) -> np.ndarray:
    return np.array([BETWEEN, HOST * host, NETWORK * network])


def shift(own: np.ndarray, seen: list[np.ndarray], errors: list[float]) -> float:
    return expected_shift(own, np.array(seen), np.ones(len(seen)), np.array(errors))


def test_without_host_and_network_it_is_the_shrunk_level() -> None:
    expected = 0.1 * BETWEEN**2 / (BETWEEN**2 + WITHIN**2)
    assert shift(row(0, 0), [row(0, 0)], [0.1]) == pytest.approx(expected)


def test_a_host_bound_row_tells_more_of_host_bound_rows() -> None:
    seen = [row(0.6, 0.0)]
    assert shift(row(0.6, 0.0), seen, [0.4]) > 2.0 * shift(row(0.0, 0.0), seen, [0.4])


def test_two_rows_tell_host_from_level() -> None:
    seen, errors = [row(0.0, 0.0), row(0.7, 0.0)], [0.0, 0.5]
    assert abs(shift(row(0.0, 0.0), seen, errors)) < 0.1
    assert shift(row(0.7, 0.0), seen, errors) > 0.35


def test_one_odd_run_moves_no_more_than_two_spreads() -> None:
    spread = float(np.hypot(BETWEEN, WITHIN))
    assert shift(row(0, 0), [row(0, 0)], [4.0]) == pytest.approx(ODD * BETWEEN**2 / spread)


def test_many_runs_that_agree_are_believed() -> None:
    assert shift(row(0, 0), [row(0, 0)] * 40, [1.0] * 40) == pytest.approx(1.0, rel=0.01)


def test_a_row_that_shares_little_moves_little() -> None:
    seen, errors = np.array([row(0, 0)]), np.array([0.2])
    half, whole = (expected_shift(row(0, 0), seen, np.array([a]), errors) for a in (0.5, 1.0))
    assert half == pytest.approx(0.5 * whole, rel=0.05)


def test_rows_of_another_cluster_do_not_pass_for_this_one() -> None:
    # Two clusters that share an engine and a part disagree: taken for one, they would turn the answer's sign.
    seen, errors = np.array([row(0.1, 0.0), row(0.3, 0.0)]), np.array([0.0, -0.4])
    alike, among = np.array([1.0, 0.5]), np.array([[1.0, 0.5], [0.5, 1.0]])
    assert -0.4 < expected_shift(row(0.8, 0.0), seen, alike, errors, among) < 0.0
    assert expected_shift(row(0.8, 0.0), seen, alike, errors) > 0.0
