"""The grammar of constraints: what it means on columns, the same in SQL, and what it refuses."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.errors import InputError
from hwmodel.solve.sweep.expression import read_expression

COLUMNS = {
    "a": np.array([1.0, 2.0, 3.0, np.nan]),
    "b": np.array([4.0, 1.0, 3.0, 1.0]),
    "name": np.array(["x", "y", "x", None], dtype=object),
}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
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
    found = read_expression(text, COLUMNS)
    assert list(np.flatnonzero(found.holds(COLUMNS, 4))) == rows


NUMBERS = st.one_of(st.sampled_from(["a", "b", "2", "0.5", "3M"]), st.integers(0, 9).map(str))
SUMS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda x: f"-{x}"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"min({t[0]}, {t[1]})"),
        inner.map(lambda x: f"({x} % 2.5)"),
        st.tuples(st.sampled_from(["log", "log10", "sqrt", "abs"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
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
    columns = {
        "a": np.array([1.0, 2.0, 3.0, 7.5, np.nan, 2.0]), "b": np.array([4.0, 1.0, 3.0, 0.5, 1.0, np.nan]),
        "name": np.array(["x", "y", None, "x", "y", None], dtype=object),
    }  # fmt: skip
    found = read_expression(text, columns)
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
        ("a > 30d", "no unit of time"),
        ("lambda: a", "unknown name|left over|no part"),
        ("[a > 1]", "expected"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        read_expression(text, [*COLUMNS, "tokens"]).holds({**COLUMNS, "tokens": COLUMNS["a"]}, 4)
    assert "\n" not in str(error.value)
