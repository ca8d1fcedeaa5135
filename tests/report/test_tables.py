"""The one table helper, and the one CSV writer."""

import csv
import io
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report.tables import record_table, table
from hwmodel.report.wide import width

ROOT = Path(__file__).resolve().parents[2]
CELLS = st.text("ab1.$-+=|\\<>&;*`\"'é中", max_size=8)


def test_figures_stand_to_the_right_in_every_form() -> None:
    header, rows = ["what", "days", "note"], [["a", "1.5", "x"], ["bb", "-", ""], ["c", "$20", "y"]]
    assert table(header, rows).splitlines() == [
        "| what | days | note |",
        "|---|--:|---|",
        "| a | 1.5 | x |",
        "| bb | - |  |",
        "| c | $20 | y |",
    ]
    assert table(header, rows, "text").splitlines() == [
        "what  days  note",
        "a      1.5  x",
        "bb       -",
        "c      $20  y",
    ]


def test_columns_of_words_or_of_nothing_stay_left() -> None:
    assert table(["a", "b"], [["12 days", "-"], ["none", ""]]).splitlines()[1] == "|---|---|"


def test_a_cell_ends_neither_its_column_nor_its_row() -> None:
    assert table(["a|b"], [["x|y\nz"]]).splitlines() == ["| a\\|b |", "|---|", "| x\\|y z |"]


def test_html_shows_markup_of_a_cell_as_text() -> None:
    drawn = table(["<i>"], [["<script>&"]], "html")
    assert "<script>" not in drawn
    assert "&lt;script&gt;&amp;" in drawn


@pytest.mark.parametrize("form", ["md", "text", "html"])
def test_a_table_without_rows_shows_its_header(form: str) -> None:
    assert "alone" in table(["alone"], [], form)


def test_records_show_ten_digits_and_nothing_for_none() -> None:
    drawn = record_table([{"a": 1 / 3, "b": None}, {"a": 2.0}])
    assert drawn.splitlines()[2:] == ["| 0.3333333333 |  |", "| 2 |  |"]
    assert record_table([]) == ""


class _Cells(HTMLParser):
    """Texts of the body's cells."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data.rstrip("\n")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4))
def test_every_cell_is_read_back(rows: list[list[str]]) -> None:
    parser = _Cells()
    parser.feed(table(["a", "b", "c"], rows, "html"))
    assert [cell.strip() for cell in parser.cells] == [cell for row in rows for cell in row]
    lines = table(["a", "b", "c"], rows).splitlines()[2:]
    assert [line[2:-2].replace("\\|", "\0").split(" | ") for line in lines] == [
        [cell.replace("|", "\0") for cell in row] for row in rows
    ]


def test_csv_is_read_back_and_runs_nothing() -> None:
    text = csv_text(["a", "b"], [["x,y", None], ["=1+1", 2.5]])
    assert list(csv.reader(io.StringIO(text))) == [["a", "b"], ["x,y", ""], ["'=1+1", "2.5"]]


def test_no_other_file_draws_tables_or_writes_csv() -> None:
    own = {"hwmodel/report/tables.py", "hwmodel/catalog/safe_text.py"}
    for path in sorted((ROOT / "hwmodel").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        if name in own:
            continue
        assert not re.search(r"^\W*\|:?-{3}", text, re.MULTILINE), name
        assert "csv.writer" not in text, name
        assert "DictWriter" not in text, name


@given(
    st.lists(st.lists(st.text("ab12,.- 租金，$%", max_size=14), min_size=3, max_size=3), max_size=5),
    st.integers(20, 60),
)
def test_a_text_table_keeps_within_its_width_and_loses_no_sign(rows: list[list[str]], columns: int) -> None:
    """Whatever the cells are (304,525 once ended the command), in Chinese too."""
    drawn = table(["名称", "value", "so on"], rows, "text", columns)
    assert max(map(width, drawn.splitlines()), default=0) <= columns
    cells = "".join(cell for row in rows for cell in row if cell != "-")
    assert not Counter(cells.replace(" ", "")) - Counter(drawn)


def test_figures_with_separators_stand_in_a_narrow_table() -> None:
    assert "304,525" in table(["", "a.json", "b.json"], [["hours", "304,525", "173,260"]], "text", 40)
