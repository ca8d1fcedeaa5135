"""Commands around the four verbs: sweeps, exports, fits and validations of drawn spaces, answers and tables."""

from __future__ import annotations

import csv
import math
import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import questions
from checks import Asked, finite, near, number, readable

import hwmodel as hm
from hwmodel.errors import HwModelError
from hwmodel.interop.export import TARGETS, launch_files

ROWS_TAKEN = 6


def sweep(draw: random.Random) -> Asked:
    """A space of two axes, closed by tokens."""
    part = draw.choice(["H100", "A100", "B200", "MI300X"])
    fleets = [f"{int(2 ** draw.uniform(3, 11))}x{part}" for _ in range(2)]
    base = {"tokens": f"{10 ** draw.uniform(9, 13):.4g}", "precision": "bf16"}
    return {"base": base, "axes": {"gpus": list(dict.fromkeys(fleets)), "params": ["1B", questions.params(draw)]}}


def hold_sweep(asked: Asked, draw: float) -> None:
    """A row that has an answer is the plan of its point, and one without has none there either."""
    rows = hm.sweep(asked).to_table().to_pylist()
    assert len(rows) == len(asked["axes"]["gpus"]) * len(asked["axes"]["params"]), "points"
    row = rows[int(draw * len(rows))]
    try:
        answer = hm.plan(**asked["base"], gpus=row["gpus"], params=row["params"]).to_dict()["answer"]
    except HwModelError:
        assert row["status"] != "ok", "a row where the plan has no answer"
        return
    assert row["status"] == "ok", f"no row where the plan answers: {row['reason']}"
    near(row["elapsed_days"], number(answer["elapsed_days"]), "a row and its plan", 1e-9)
    near(row["tokens_per_s"], number(answer["tokens_per_s"]), "a row and its plan", 1e-9)


def export(draw: random.Random) -> Asked:
    """A layout searched by `train`, for one target."""
    asked = {"gpus": f"{8 * int(2 ** draw.uniform(0, 6))}x{draw.choice(['H100', 'A100', 'B200'])}"}
    models = ["llama-3.1-8b", "llama-3.1-70b", "qwen3-30b-a3b", "mixtral-8x7b", "qwen3-32b"]
    return asked | {
        "model": draw.choice(models),
        "target": draw.choice([n for n, t in TARGETS.items() if t.training and not t.wrapper]),
    }


def hold_export(asked: Asked, draw: float) -> None:
    """Files name the question; what a target cannot say is refused."""
    found = hm.train(**{name: value for name, value in asked.items() if name != "target"})
    written = launch_files(readable(found), (asked["target"],), "the answer")
    assert written.files, "no file"
    assert any("hwmodel train" in text for text in written.files.values()), "no file names its question"


def fit(draw: random.Random) -> Asked:
    """Runs of a known law with noise: its constants, the number of runs and their scatter."""
    return {"alpha": draw.uniform(0.25, 0.45), "beta": draw.uniform(0.25, 0.45), "floor": draw.uniform(1.4, 2.0),
            "runs": draw.randint(8, 60), "noise": 10 ** draw.uniform(-4, -2),
            "seed": draw.randrange(10**6)}  # fmt: skip


def hold_fit(asked: Asked, draw: float) -> None:
    """The fitted law gives the runs' losses back within their scatter, or the runs are refused."""
    inner = random.Random(asked["seed"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "runs.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["params", "tokens", "loss"])
            for _ in range(asked["runs"]):
                n, d = 10 ** inner.uniform(7, 9.7), 10 ** inner.uniform(9, 11.5)
                loss = asked["floor"] + 400 / n ** asked["alpha"] + 400 / d ** asked["beta"]
                table.writerow([n, d, loss * math.exp(inner.gauss(0, asked["noise"]))])
        found = hm.fit(path, bootstraps=40)
    finite(found.to_dict(), signed=True)


@cache
def table_of(name: str) -> list[dict[str, str]]:
    """Rows of a table of measured runs."""
    with (Path(__file__).resolve().parents[2] / "catalogs" / "runs" / f"{name}.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        return list(csv.DictReader(file))


def validate(draw: random.Random) -> Asked:
    """A few rows of a shipped table, some cells of them changed."""
    name = draw.choice(["training", "serving", "throughput", "whole"])
    rows = [dict(row) for row in draw.sample(table_of(name), ROWS_TAKEN)]
    for _ in range(draw.randint(0, 2)):
        row = draw.choice(rows)
        key = draw.choice(list(row))
        row[key] = draw.choice(["", "0", "-1", "nan", "1e308", "x", row[key] * 2, "8"])
    return {"name": name, "rows": rows}


def hold_validate(asked: Asked, draw: float) -> None:
    """Each row is predicted or refused with a reason; figures are finite, intervals hold their values."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(asked["rows"][0]))
            table.writeheader()
            table.writerows(asked["rows"])
        data: dict[str, Any] = readable(hm.validate(path))
    for row in data["rows"]:
        assert row["status"] == "predicted" or row["reason"], "no reason"
        if row["status"] == "predicted" and row["low"] is not None:
            assert row["low"] <= row["predicted"] <= row["high"], "interval"


QUESTIONS = {"sweep": sweep, "export": export, "fit": fit, "validate": validate}
HOLDS = {"sweep": hold_sweep, "export": hold_export, "fit": hold_fit, "validate": hold_validate}
