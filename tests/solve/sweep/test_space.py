"""Spaces as written: ranges, files, defaults, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.errors import InputError
from hwmodel.solve.sweep.check import check_values
from hwmodel.solve.sweep.show import Rows
from hwmodel.solve.sweep.space import read_space

BASE: dict[str, Any] = {"base": {"tokens": "1T"}, "axes": {"gpus": ["256xH100", "512xH100"], "params": ["7B", "70B"]}}


def values(name: str, given: Any, **base: Any) -> tuple[Any, ...]:
    """The values of one axis."""
    return read_space({"base": base, "axes": {name: given}}).axes[0].values


def test_ranges_lists_and_files(tmp_path: Path) -> None:
    assert values("params", "1B..100B log 3") == (1e9, 1e10, 1e11)
    assert values("tokens", "1T..2T linear 5") == (1e12, 1.25e12, 1.5e12, 1.75e12, 2e12)
    assert values("time", "7d..28d step 7d") == tuple(86400.0 * d for d in (7, 14, 21, 28))
    assert values("gpus", "64xH100..4096xH100 log 7") == tuple(f"{2**i}xH100" for i in range(6, 13))
    assert values("seq_len", "4096..16384 step 4096") == ("4096", "8192", "12288", "16384")
    assert values("params", ["7B", "10B..20B step 5B"]) == (7e9, 1e10, 1.5e10, 2e10)
    (tmp_path / "sizes.txt").write_text("7B\n\n70B\n")
    (tmp_path / "fleets.csv").write_text("fleet,note\n8xH100,a\n16xH100,b\n")
    path = tmp_path / "space.yaml"
    path.write_text(
        "base: {tokens: 1T}\naxes:\n  params: {file: sizes.txt}\n  gpus: {file: fleets.csv, column: fleet}\n"
        "where: params > 1B\n"
    )
    space = read_space(path)
    assert [axis.values for axis in space.axes] == [(7e9, 7e10), ("8xH100", "16xH100")]
    assert space.where == ("params > 1B",)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("mfu", "30%..50% linear 3", (0.3, 0.4, 0.5)),
        ("pue", "1..2 linear 3", (1.0, 1.5, 2.0)),
        ("power", "100kW..10MW log 3", (1e5, 1e6, 1e7)),
        ("loss_factor", "0.98..1.02 linear 3", (0.98, 1.0, 1.02)),
        ("lifetime_budget", "$1M..100M log 3", (1e6, 1e7, 1e8)),
        ("recompute", "25%..75% linear 3", ("25%", "50%", "75%")),
        ("seed", "0..2 step 1", ("0", "1", "2")),
        ("tp", "1..8 log 4", ("1", "2", "4", "8")),
    ],
)
def test_ranges_of_any_quantity_are_read_with_its_units(name: str, text: str, expected: tuple[Any, ...]) -> None:
    assert values(name, text) == (pytest.approx(expected) if isinstance(expected[0], float) else expected)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("prefix_hit", "0%..90% linear 4", (0.0, 0.3, 0.6, 0.9)),
        ("ttft", "500ms..2s log 3", ("0.5s", "1s", "2s")),
        ("demand", "10req/s..1k req/min linear 2", "cannot read the range"),
        ("demand", "10req/s..1000req/s log 3", (10.0, 100.0, 1000.0)),
        ("concurrency", "1..100 log 3", ("1", "10", "100")),
        ("p", "90..99 linear 4", (90.0, 93.0, 96.0, 99.0)),
        ("prefix_hit", "0..90% log 4", "cannot go by logarithms from 0"),
        ("engine", "vllm..sglang linear 2", "axes.engine takes words, not a range"),
    ],
)
def test_ranges_of_serving_options(name: str, text: str, expected: Any) -> None:
    space = {"ask": "serve", "base": {"model": "llama-3.1-8b"}, "axes": {name: text}}
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            read_space(space)
        return
    found = read_space(space).axes[0].values
    assert found == (pytest.approx(expected) if isinstance(expected[0], float) else expected)


def test_a_time_in_a_file_has_a_unit(tmp_path: Path) -> None:
    """A number is seconds from Python; in a file 30 would be days, and 12:30:00 is 45,000 to YAML."""
    path = tmp_path / "space.yaml"
    for text in ("{axes: {gpus: [8xH100], time: [30]}}", "{base: {time: 12:30:00}, axes: {gpus: [8xH100]}}"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"time \d+ has no unit; write it like"):
            read_space(path)
    assert values("time", [86400.0]) == (86400.0,)


@pytest.mark.parametrize(
    ("name", "alike"),
    [
        ("gpus", ["8xH100", "16xH100", "8xh100-sxm"]),
        ("mfu", ["40%", 0.4]),
        ("seq_len", ["8k", 8000]),
        ("precision", ["bf16", "fp8", "BF16"]),
    ],
)
def test_values_that_ask_the_same_are_refused(name: str, alike: list[Any]) -> None:
    base: dict[str, Any] = {"tokens": "1T", "params": "7B", **({} if name == "gpus" else {"gpus": "8xH100"})}
    with pytest.raises(InputError, match=rf"axes.{name} holds .* which ask the same: each value once"):
        check_values(read_space({"base": base, "axes": {name: alike}}))
    check_values(read_space({"base": base, "axes": {name: alike[:-1]}}))


@pytest.mark.parametrize(
    ("name", "text", "given", "expected"),
    [
        ("a.txt", "\ufeff7B\r\n\r\n 13B \r\n70B", {}, (7e9, 13e9, 70e9)),
        ("b.csv", "\ufeffparams,n\r\n7B,1\r\n\r\n13B,2,9\r\n,3\r\n", {"column": "params"}, (7e9, 13e9)),
        ("c.txt", "1B..4B log 3\n70B\n", {}, (1e9, 2e9, 4e9, 70e9)),
        ("d.csv", "params,params\n7B,8B\n", {"column": "params"}, "2 columns 'params'"),
        ("e.csv", "params;n\n7B;1\n", {"column": "params"}, "unknown column 'params'.*nearest: params;n"),
        ("f.csv", "", {"column": "params"}, "no rows"),
        ("g.txt", "7B\n7e9\n", {}, "7000000000 twice"),
        ("h.txt", "7B\n\u22128B\n", {}, r"axes.params\[1\]"),
    ],
)
def test_files_as_editors_and_spreadsheets_write_them(
    tmp_path: Path, name: str, text: str, given: dict[str, str], expected: Any
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "space.yaml").write_text(f"axes: {{params: {{file: {name}{', column: params' if given else ''}}}}}\n")
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            read_space(tmp_path / "space.yaml")
        return
    assert read_space(tmp_path / "space.yaml").axes[0].values == expected


def test_a_space_where_some_points_can_be_asked_is_swept() -> None:
    """No value of one axis goes with the first of the others; the last of all go together."""
    axes = {"gpus": ["64xTPU-v5p", "64xA100"], "system": ["dgx-h100", "dgx-a100-80gb"], "params": ["7B"]}
    check_values(read_space({"base": {"tokens": "1T"}, "axes": axes}))


def test_cheap_axes_vary_fastest_and_shards_cover_every_point_once() -> None:
    space = read_space(
        {"base": {"tokens": "1T"}, "axes": {"time": ["30d", "60d"], "gpus": ["8xH100"], "params": "1B..9B linear 90"}}
    )
    assert [axis.name for axis in space.axes] == ["params", "gpus", "time"]
    covered = [point for shard in range(space.shards) for point in space.points_of(shard)]
    assert covered == list(range(180))
    assert space.shards >= 45


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"axis": {}}, "unknown key 'axis' in a sweep's space; nearest: axes"),
        ({"axes": {"gpuz": ["8xH100"]}}, "unknown option 'gpuz' in axes; nearest: gpus"),
        ({"base": {"tokenz": 1}}, "unknown option 'tokenz' in base"),
        ({"axes": {}}, "axes is empty"),
        ({"axes": {"params": []}}, r"axes.params has no values: the space would be empty"),
        ({"axes": {"params": ["7B", "7X"]}}, r"axes.params\[1\]"),
        ({"axes": {"params": "1B..7B"}}, "cannot read the range"),
        ({"axes": {"params": "7B..1B log 3"}}, "does not rise"),
        ({"axes": {"params": ["7B", "7e9"]}}, "twice"),
        ({"axes": {"params": "1B..2B log 1"}}, "at least 2"),
        ({"axes": {"params": "1B..2B log 9999999"}}, "at most"),
        ({"axes": {"params": "1B..2B log " + "9" * 5000}}, "cannot read the range"),
        ({"axes": {"region": "a..b step 1", "params": ["7B"]}}, "takes words, not a range"),
        ({"where": "abs(" * 200 + "params" + ")" * 200 + " > 1"}, "nested too deeply"),
        ({"where": "2**" * 500 + "2 > params"}, "nested too deeply"),
        ({"where": "1+" * 900 + "1 > params"}, "more than 150 operations"),
        ({"where": "params < 1e999"}, "1e999 is too large"),
        (
            {"where": "params > 10d", "axes": {"time": ["30d"], "params": ["7B"], "gpus": ["8xH100"]}, "base": {}},
            "a time stands alone beside a column of time",
        ),
        ({"axes": {"gpus": "8xH100..16xA100 log 2"}}, "one part a range"),
        ({"axes": {"tokens": ["1T"]}}, "in base and in axes"),
        ({"axes": {"params": {"file": "nowhere.txt"}}}, "nowhere.txt: cannot be read"),
        ({"axes": {"params": {"file": "/dev/zero"}}}, "too large"),
        ({"axes": {"params": {"file": None}}}, "write a file as"),
        ({"keep": {"columns": 3}}, "keep.columns must be names of answers"),
        ({"keep": {"top": 3}}, "keep.top must be names of answers"),
        ({"base": {"moe": True}}, "base holds moe"),
        ({"axes": {"sparsity": ["50%"], "params": ["7B"]}}, "axes holds sparsity"),
        ({"where": "parms > 1"}, "unknown name 'parms'"),
        ({"layouts": "some"}, "unknown value of layouts 'some'"),
        ({"layouts": 0}, "layouts must be a whole number from 1"),
        ({"layouts": True}, "unknown value of layouts 'True'"),
        ({"keep": {"topp": 3}}, "unknown key 'topp' in keep; nearest: top"),
        ({"keep": {"top": {"cost": 3}}}, "unknown answer 'cost' in keep.top; nearest: cost_usd"),
        ({"keep": {"pareto": ["cost_usd"]}}, "2 to 4"),
        ({"keep": {"top": {"recompute": 3}}}, "unknown answer 'recompute'"),
        ({"draws": -1}, "draws must be a whole number"),
        ({"shard_points": 0}, "shard_points must be"),
        (
            {
                "axes": {
                    "params": "1B..9B linear 900000",
                    "tokens": "1T..9T linear 900000",
                    "time": "1d..9d linear 9000",
                },
                "base": {"gpus": "8xH100"},
            },
            "7.29e.15 points .*at most 1e.12 are swept",
        ),
    ],
)
def test_one_line_for_each_mistake(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        read_space({**BASE, **change})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"axes": {"gpus": ["256xH100", "256xH1000"], "params": ["7B"]}},
            r"axes.gpus\[1\]: unknown accelerator 'H1000'",
        ),
        ({"base": {"tokens": "1T", "precision": "bf17"}}, "unknown precision"),
        ({"axes": {"law": ["besiroglu_2024", "besirolu"], "params": ["7B"]}}, r"axes.law\[1\]: unknown law"),
        ({"axes": {"gpus": ["256xH100", "many"], "params": ["7B"]}}, r"axes.gpus\[1\]"),
        ({"axes": {"tp": ["2", "two"], "gpus": ["8xH100"], "params": ["7B"]}}, r"axes.tp\[1\]"),
        (
            {"base": {}, "axes": {"gpus": ["8xV100"], "params": ["7B"], "precision": ["bf16"]}},
            "no point of the space can be asked",
        ),
        ({"base": {"tokens": "1T", "flops": 1e21}}, "no point of the space can be asked: .* give two of the three"),
    ],
)
def test_names_are_tried_before_the_sweep(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        check_values(read_space({**BASE, **change}))
    assert "\n" not in str(error.value)


def test_a_sweep_does_not_count_from_today() -> None:
    with pytest.raises(InputError, match="add start"):
        check_values(read_space({**BASE, "base": {"deadline": "2027-06-01"}}))
    check_values(read_space({**BASE, "base": {"deadline": "2027-06-01", "start": "2027-01-01"}}))


def test_a_format_that_one_part_lacks_is_no_mistake() -> None:
    check_values(
        read_space(
            {"base": {"tokens": "1T", "precision": "fp8"}, "axes": {"gpus": ["8xA100", "8xH100"], "params": ["7B"]}}
        )
    )


def test_a_quantity_is_a_number_however_it_is_written() -> None:
    """A limit of 40 ms is 0.04 s; 8k tokens are 8,000, 5k requests a minute 83.33 a second, 10 MW 1e7 W."""
    serving = read_space({
        "ask": "serve", "base": {"model": "llama-3.1-8b"},
        "axes": {"tpot": ["40ms", "0.1s"], "demand": ["5k req/min"], "input": ["8k"], "prefix_hit": ["0%", "50%"],
                 "precision": ["bf16", "bf16,fp8"], "usd_per_hour": ["h100=2", "h100=3"]},
    })  # fmt: skip
    axes = {axis.name: axis for axis in serving.axes}
    assert axes["tpot"].numbers == (0.04, 0.1)
    assert axes["demand"].numbers == pytest.approx((5000 / 60,))
    assert axes["input"].numbers == (8000.0,)
    assert axes["prefix_hit"].numbers == (0.0, 0.5)
    assert axes["precision"].numbers is None
    assert axes["usd_per_hour"].numbers is None
    assert {name: axes[name].unit for name in ("tpot", "demand", "input", "precision")} == {
        "tpot": "s", "demand": "1/s", "input": "1", "precision": "",
    }  # fmt: skip
    training = read_space({
        "base": {"tokens": "1T"},
        "axes": {"power": ["10MW"], "confidence": ["80%"], "mfu": ["40%"], "recompute": ["50%", "25%"],
                 "usd_per_hour": ["$2.5", 3], "deadline": ["2027-03-01"], "params": ["7B"]},
    })  # fmt: skip
    axes = {axis.column: axis for axis in training.axes}
    assert (axes["power_w"].numbers, axes["power_w"].unit) == ((1e7,), "W")
    assert axes["confidence"].numbers == (0.8,)
    assert axes["asked_mfu"].numbers == (0.4,)  # the answer of the name stands beside it
    assert axes["usd_per_hour"].numbers == (2.5, 3.0)
    assert axes["asked_recompute"].numbers is None
    assert axes["deadline"].numbers is None


def test_constraints_ask_for_quantities_in_their_units(tmp_path: Path) -> None:
    """Of limits of 40, 60 and 100 ms two are below 80; a part is found by any of its names."""
    space = {
        "ask": "serve", "base": {"model": "llama-3.1-8b", "demand": "20 req/s", "precision": "bf16"},
        "axes": {"tpot": ["40ms", "60ms", "100ms"], "parts": ["H100", "L40S"]},
        "where": ["tpot < 80ms", "part != 'l40s'"],
    }  # fmt: skip
    found = hm.sweep(space, tmp_path / "swept")
    assert [(row["tpot"], row["parts"]) for row in found.to_table().to_pylist()] == [(0.04, "H100"), (0.06, "H100")]
    schema = found.to_table().schema
    assert schema.field("tpot").metadata[b"unit"] == b"s"
    assert found.to_dict()["units"]["tpot"] == "s"
    assert len(Rows(tmp_path / "swept").best(5, where="tpot == 60 ms and part in ['h100']").rows) == 1
