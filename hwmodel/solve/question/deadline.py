"""When a run starts and must have ended: dates as typed, read into the elapsed time that they leave."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

from hwmodel.errors import InputError
from hwmodel.units import SECONDS_PER_DAY, parse_duration_s

EXAMPLE = "2027-03-01"


class Window(NamedTuple):
    """When a run starts and must have ended (ISO dates), and the seconds between; None where nobody says it."""

    start: str | None = None
    deadline: str | None = None
    time_s: float | None = None


def read_deadline(deadline: Any, start: Any) -> Window:
    """What --deadline and --start leave.

    A deadline may be a date or a duration after the start, like 45d. A date needs a start: today's where none is given.
    Raises InputError for what is no date, or a deadline that does not lie after the start.
    """
    begins = None if start is None else _date(start, "--start")
    if deadline is None:
        return Window(None if begins is None else begins.isoformat())
    ends = _date_or_none(deadline)
    if ends is None:
        return _after(str(deadline), begins)
    begins = begins or date.today()
    if ends <= begins:
        since = "today" if start is None else f"the start, {begins.isoformat()}"
        raise InputError(f"--deadline {ends.isoformat()} does not lie after {since}; give a later date, or a --start")
    seconds = (ends - begins).days * SECONDS_PER_DAY
    return Window(begins.isoformat(), ends.isoformat(), seconds)


def _after(duration: str, begins: date | None) -> Window:
    """A deadline counted from the start."""
    try:
        seconds = parse_duration_s(duration, "--deadline")
    except InputError as error:
        raise InputError(
            f"cannot read --deadline {duration!r}; write a date like {EXAMPLE} or a time from the start like 45d"
        ) from error
    if begins is None:
        return Window(time_s=seconds)
    return Window(begins.isoformat(), finish(begins.isoformat(), seconds), seconds)


def finish(start: str, seconds: float) -> str | None:
    """The date on which so many seconds from the beginning of `start` have passed; None beyond the calendar."""
    try:
        return (date.fromisoformat(start) + timedelta(days=-(-seconds // SECONDS_PER_DAY))).isoformat()
    except OverflowError:
        return None


def _date(value: Any, option: str) -> date:
    found = _date_or_none(value)
    if found is None:
        raise InputError(f"cannot read {option} {str(value)!r} as a date; write it like {EXAMPLE}")
    return found


def _date_or_none(value: Any) -> date | None:
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if len(text) != len(EXAMPLE):  # other forms of ISO 8601 are easily misread
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
