"""--deadline and --start: dates read into the time that they leave, and refused where they leave none."""

from datetime import date, timedelta

import pytest

import hwmodel as hm
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.question.deadline import finish, read_deadline
from hwmodel.solve.question.parse import parse_request

FLEET = {"gpus": "512xH100", "params": "40B", "tokens": "2T"}


def test_days_between_two_dates_bind_like_time() -> None:
    # December has 31 days, January 31, February 28 in 2027: 90 from 1 December to 1 March.
    dated = hm.plan(**FLEET, deadline="2027-03-01", start="2026-12-01")
    timed = hm.plan(**FLEET, time="90d")
    assert dated.answer == timed.answer
    assert dated.risk.limits == timed.risk.limits
    assert dated.resolved.start == "2026-12-01"
    assert dated.resolved.deadline == "2027-03-01"


def test_a_leap_day_counts() -> None:
    assert read_deadline("2028-03-01", "2028-02-01").time_s == 29 * 86400.0


def test_a_duration_counts_from_the_start() -> None:
    assert read_deadline("45d", None) == (None, None, 45 * 86400.0)
    assert read_deadline("45d", "2027-01-01").deadline == "2027-02-15"


def test_without_a_start_today_is_taken_and_said() -> None:
    ends = date.today() + timedelta(days=60)
    request = parse_request(**FLEET, deadline=ends.isoformat())
    assert request.start == date.today().isoformat()
    assert request.time_s == 60 * 86400.0
    assert ("--start", request.start) in request.asked  # the command that reproduces the plan on another day


def test_finish_rounds_up_to_the_day_on_which_the_run_has_ended() -> None:
    assert finish("2027-01-01", 86400.0) == "2027-01-02"
    assert finish("2027-01-01", 86401.0) == "2027-01-03"
    assert finish("2027-01-01", 1e13) is None


def test_the_dates_of_the_quantiles_follow_their_days() -> None:
    plan = hm.plan(**FLEET, start="2027-01-01")
    for name, one in plan.answer.quantiles.items():
        assert plan.risk.finish[name] == finish("2027-01-01", one["elapsed_days"] * 86400.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"deadline": "2020-01-01"}, "does not lie after today"),
        ({"deadline": "2027-01-01", "start": "2027-01-01"}, "does not lie after the start"),
        ({"deadline": "2027-02-30"}, "cannot read --deadline"),
        ({"deadline": "01/03/2027"}, "cannot read --deadline"),
        ({"deadline": "45"}, "cannot read --deadline"),
        ({"deadline": "20270301"}, "cannot read --deadline"),
        ({"deadline": "45d", "start": "soon"}, "cannot read --start"),
        ({"deadline": "45d", "time": "45d"}, "give one of them"),
        ({"deadline": "45d", "confidence": "100%"}, "--confidence must lie between 0 and 1"),
        ({"deadline": "45d", "confidence": "0%"}, "--confidence"),
        ({"deadline": "45d", "confidence": "-5%"}, "--confidence"),
    ],
)
def test_what_is_no_deadline_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        hm.plan(**FLEET, **given)


def test_a_missed_deadline_names_its_chance_and_what_would_do() -> None:
    with pytest.raises(InfeasibleError, match=r"--deadline 2027-02-15 leaves 45d .* keeping it is \d+ %") as caught:
        hm.plan(gpus="512xH100", params="70B", tokens="2T", deadline="2027-02-15", start="2027-01-01")
    count = int(caught.value.remedy.split()[0].replace(",", ""))
    mended = hm.plan(gpus=f"{count}xH100", params="70B", tokens="2T", deadline="45d")
    assert mended.answer.elapsed_days.value <= 45.0
    fewer = hm.plan(gpus=f"{count - 8}xH100", params="70B", tokens="2T")
    assert fewer.answer.elapsed_days.value > 45.0
