"""A measured run sets the level only where it can be the run that its file describes."""

from __future__ import annotations

from pathlib import Path

import pytest

import hwmodel as hm
from hwmodel.errors import InputError
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.train import train

ASKED = {"gpus": "64xH100", "params": "7B", "tokens": "100B"}
RUN = {"gpus": "64xH100", "params": "7B", "precision": "bf16"}


def written(folder: Path, **fields: str) -> str:
    path = folder / "run.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in fields.items()), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def rate() -> float:
    return plan(**ASKED).answer.tokens_per_s.value


def test_a_slower_run_slows_every_answer(tmp_path: Path, rate: float) -> None:
    file = written(tmp_path, **RUN, tokens_per_s=f"{rate / 2:.0f}")
    assert plan(**ASKED, measured=file).answer.tokens_per_s.value == pytest.approx(
        rate / 2, rel=5e-3
    )  # batches of 100B and 1T tokens differ
    plain, slowed = train(gpus="64xH100", params="7B"), train(gpus="64xH100", params="7B", measured=file)
    assert slowed.step_s == pytest.approx(2 * plain.step_s, rel=5e-3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tokens_per_s": "4M"}, "% of the peak"),
        ({"step_time": "1ms"}, "% of the peak"),
        ({"tokens_per_s": "60k"}, "beyond a factor of 3"),
        ({"step_time": "10min"}, "beyond a factor of 3"),
        ({"tokens_per_s": "200k", "gpus": "64xA100"}, "the run was on a100-sxm4-80gb"),
        ({"tokens_per_s": "700k", "precision": "fp12"}, "unknown precision"),
        ({"tokens_per_s": "700k", "params": "", "model": "nothing"}, "unknown model"),
        ({"tokens_per_s": "700k", "params": ""}, "params"),
        ({"tokens_per_s": "700k", "speed": "3"}, "unknown option"),
    ],
)
def test_what_cannot_be_the_run_is_refused(tmp_path: Path, change: dict[str, str], says: str) -> None:
    fields = {key: value for key, value in (RUN | change).items() if value}
    with pytest.raises(InputError, match=says):
        plan(**ASKED, measured=written(tmp_path, **fields))


def test_another_setting_is_said(tmp_path: Path, rate: float) -> None:
    other = {"gpus": "64xH100", "params": "7B", "system": "gcp-a3-mega", "tokens_per_s": f"{rate:.0f}"}
    said = "\n".join(hm.plan(**ASKED, measured=written(tmp_path, **other)).warnings)
    assert "names no precision: its run is read as bf16" in said
    assert "another system: gcp-a3-mega, not dgx-h100" in said
