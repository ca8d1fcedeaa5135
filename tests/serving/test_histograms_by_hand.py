"""Lengths of requests from a histogram, worked out in the comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.errors import InputError
from hwmodel.solve.serve.question import read_histogram

ROWS = "prompt_tokens, output_tokens, count\n300, 150, 1\n\n900, 900, 0\n100, 50, 3\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "lengths.csv"
    path.write_text(text)
    return path


def test_means_spread_and_longest(tmp_path: Path) -> None:
    # Three requests of 100 + 50 tokens and one of 300 + 150; a row without any counts for nothing. The mean prompt is
    # 600 / 4, that of its square (30,000 + 90,000) / 4 = 30,000 over 150^2 = 22,500.
    found = read_histogram(written(tmp_path, ROWS))
    assert (found.prompt_tokens, found.output_tokens, found.longest_tokens) == (150.0, 75.0, 450.0)
    assert found.prompt_variance == pytest.approx(1 / 3)
    assert found.prompts == ((100.0, 0.75), (300.0, 1.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt_tokens,output_tokens,count\n", "at least one row"),
        ("", "at least one row"),
        ("prompt_tokens,count\n1,2\n", "needs the columns"),
        ("prompt_tokens,output_tokens,count\n1,2,0\n", "all counts are zero"),
        ("prompt_tokens,output_tokens,count\n1,2,3\n1,2,-1\n", "line 3: counts must not be negative"),
        ("prompt_tokens,output_tokens,count\n0,2,1\n", "line 2: counts must not be negative, lengths above zero"),
        ("prompt_tokens,output_tokens,count\n1,0,1\n", "lengths above zero"),
        ("prompt_tokens,output_tokens,count\n1,inf,1\n", "lengths above zero"),
        ("prompt_tokens,output_tokens,count\n1,two,1\n", "line 2: .* must be numbers"),
        ("prompt_tokens,output_tokens,count\n1,2\n", "line 2: .* must be numbers"),
    ],
)
def test_what_is_no_histogram(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_histogram(written(tmp_path, text))
