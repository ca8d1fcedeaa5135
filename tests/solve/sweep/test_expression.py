"""The grammar of constraints: what it means on columns, the same in SQL, and what it refuses."""

from __future__ import annotations

import re

import duckdb
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwmodel.errors import InputError
from hwmodel.solve.sweep.expression import read_expression
from hwmodel.solve.sweep.names import KnownName

KNOWN = {
    "a": KnownName(), "b": KnownName(), "tokens": KnownName(), "name": KnownName(text=True),
    "time_s": KnownName(unit="s"), "elapsed_days": KnownName(unit="day"), "hours": KnownName(unit="h"),
    "fleet": KnownName(text=True, values=("8xH100", "8xA100")), "part": KnownName(text=True, read=str.lower),
}  # fmt: skip
COLUMNS = {
    "a": np.array([1.0, 2.0, 3.0, np.nan]),
    "b": np.array([4.0, 1.0, 3.0, 1.0]),
    "name": np.array(["x", "y", "x", None], dtype=object),
}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("b / (a - 2) > 0", [2]),  # of a = 1, 2, 3: -4, nothing, 3
        ("not b / (a - 2) > 0", [0]),
        ("(a - 2) ** 0.5 >= 0", [1, 2]),  # of -1 there is none
        ("10 ** (a * 200) > 1", [0]),  # 10^400 is beyond numbers
        ("a < b", [0]),
        ("a <= b and not b == 3", [0]),
        ("a >= 2 or b > 3", [0, 1, 2]),
        ("1 < a < 3", [1]),
        ("a + b * 2 == 9", [0, 2]),
        ("(a + b) * 2 == 10", [0]),
        ("2 ** a ** 2 > 15", [1, 2]),
        ("-a < -2", [2]),
        ("name == 'x'", [0, 2]),
        ('name in ["y", "z"]', [1]),
        ("a in [1, 3]", [0, 2]),
        ("min(a, b) == 1", [0, 1]),
        ("a % 2 == 1", [0, 2]),
        ("log10(a * 10) == 1", [0]),
        ("a * 1B >= 3B", [2]),
        ("a / 100 == 2%", [1]),
        ("a != 2", [0, 2]),
        ("not not a == 1", [0]),
        ("a * 50% == 1", [1]),
        ("b - a - 1 == 2", [0]),
    ],
)
def test_what_an_expression_means(text: str, rows: list[int]) -> None:
    found = read_expression(text, KNOWN)
    assert list(np.flatnonzero(found.holds(COLUMNS, 4))) == rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # a day has 86,400 s, an hour 3,600; a column of days counts days
        ("time_s < 2d", "(\"time_s\" < '172800.0'::DOUBLE)"),
        ("elapsed_days <= 36 h", "(\"elapsed_days\" <= '1.5'::DOUBLE)"),
        ("90min < hours", "('1.5'::DOUBLE < \"hours\")"),
        ("a < $5M", "(\"a\" < '5000000.0'::DOUBLE)"),
        ("part in ['H100', 'B200']", "(\"part\" IN ('h100', 'b200'))"),
        ("fleet != '8xA100'", "(\"fleet\" <> '8xA100')"),
    ],
)
def test_times_and_texts_are_read_as_the_column_beside_them_has_them(text: str, said: str) -> None:
    assert read_expression(text, KNOWN).sql() == said


def test_sql_of_a_deep_nest_stays_short() -> None:
    nest = "min(" * 40 + "a" + ", b)" * 40
    with pytest.raises(InputError, match="nested too deeply"):
        read_expression(f"{nest} > 1", KNOWN).sql()


NUMBERS = st.one_of(st.sampled_from(["a", "b", "2", "0.5", "3M"]), st.integers(0, 9).map(str))
SUMS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda x: f"-{x}"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"min({t[0]}, {t[1]})"),
        inner.map(lambda x: f"({x} % 2.5)"),
        inner.map(lambda x: f"({x} % (a - 2))"),
        st.tuples(st.sampled_from(["log", "log10", "sqrt", "abs", "exp"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
    ),
    max_leaves=5,
)
COMPARED = st.one_of(
    st.tuples(SUMS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), SUMS).map(" ".join),
    st.tuples(st.just("name"), st.sampled_from(["==", "!="]), st.sampled_from(["'x'", "'z'"])).map(" ".join),
    st.sampled_from(["name in ['y', 'z']", "a in [2, 3, b]"]),
)
CONDITIONS = st.recursive(
    COMPARED,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda x: f"not ({x})"),
    ),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(CONDITIONS)
def test_columns_and_sql_agree(text: str) -> None:
    """Rows that lack a value included: what they would be is unknown, and they do not meet it."""
    assume(re.search(r"\b(a|b|name)\b", text))  # what names no column is refused
    columns = {
        "a": np.array([1.0, 2.0, 3.0, 7.5, np.nan, 2.0]), "b": np.array([4.0, 1.0, 3.0, 0.5, 1.0, np.nan]),
        "name": np.array(["x", "y", None, "x", "y", None], dtype=object),
    }  # fmt: skip
    found = read_expression(text, KNOWN)
    rows = duckdb.sql(
        f"SELECT {found.sql()} FROM (VALUES (1.0::DOUBLE, 4.0::DOUBLE, 'x'), (2, 1, 'y'), (3, 3, NULL), "
        "(7.5, 0.5, 'x'), (NULL, 1, 'y'), (2, NULL, NULL)) t(a, b, name)"
    ).fetchall()
    assert [bool(row[0]) for row in rows] == list(found.holds(columns, 6))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a <", "expected"),
        ("a ; b", "no part of an expression"),
        ("__import__('os')", "unknown function"),
        ("a.real > 1", "no part"),
        ("c > 1", "unknown name 'c'"),
        ("tokns > 1", "nearest: tokens"),
        ("a + 1", "not a condition"),
        ("(a > 1) + b > 1", "a condition stands where a value belongs"),
        ("not a", "not a condition"),
        ("a > 1 and b", "not a condition"),
        ("min(a > 1, b) > 0", "[Ee]xpected|condition stands"),
        ("name > 3", "do not compare"),
        ("(a > 1", r"'\)' expected"),
        ("a > 1 b", "left over"),
        ("", "empty"),
        ("min(a) > 1", "takes 2"),
        ("(" * 70 + "a" + ")" * 70 + " > 1", "nested too deeply"),
        ("a > " + "1 + " * 900 + "1", "longer"),
        ("a > 30d", "stands alone beside a column of time"),
        ("time_s / 2 > 30d", "stands alone beside a column of time"),
        ("time_s > 30d + 1", "stands alone beside a column of time"),
        ("time_s in [30d, 5]", "stands alone beside a column of time"),
        ("a > 30 req", "'req' is left over: .* a unit of time alone"),
        ("name < 'x'", "== or !="),
        ("name == 3", "name is a text"),
        ("fleet == 3", "fleet is a text, like fleet == '8xH100'"),
        ("name + 1 > 2", "arithmetic takes numbers alone"),
        ("-name == 2", "arithmetic takes numbers alone"),
        ("fleet == '8xh100'", "unknown value of fleet '8xh100'.*nearest: 8xH100"),
        ("1 < 2", "names no column"),
        ("lambda: a", "unknown name|left over|no part"),
        ("[a > 1]", "expected"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        read_expression(text, KNOWN)
    assert "\n" not in str(error.value)
