"""The commands that docs/sweeps.md gives for a batch system, run as it would: the bytes of an undisturbed sweep."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import SMALL, bytes_of

PAGE = Path(__file__).parents[3] / "docs" / "sweeps.md"
TASKS = 5  # stands for the page's 50


def job_array() -> tuple[range, str]:
    """The indices of the page's job script and its body, of TASKS tasks instead of the page's."""
    blocks = re.findall(r"```bash\n(#!/bin/bash\n.*?)```", PAGE.read_text().replace("\n  ", "\n"), re.DOTALL)
    assert len(blocks) == 1
    first, last = map(int, re.findall(r"#SBATCH --array=(\d+)-(\d+)", blocks[0])[0])
    count = last - first + 1
    body, counts = re.subn(rf"/{count}\b", f"/{TASKS}", blocks[0])
    assert counts == 1, "the count of --shard is not that of --array"
    return range(first, first + TASKS), body


def run_task(place: Path, script: str, index: int, listed: int) -> None:
    """One task as Slurm starts it: its own index, and how many tasks this submission lists."""
    (place / "job.sh").write_text(script)
    here = place / "bin"
    here.mkdir(exist_ok=True)
    command = here / "hwmodel"
    command.write_text(f'#!/bin/bash\nexec "{sys.executable}" -m hwmodel "$@"\n')
    command.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{here}:{os.environ['PATH']}",
        "SLURM_ARRAY_TASK_ID": str(index),
        "SLURM_ARRAY_TASK_COUNT": str(listed),
    }
    done = subprocess.run(["bash", "job.sh"], cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the space that the page's script names."""
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SMALL, sort_keys=False))
    return tmp_path


def test_a_job_array_and_two_of_its_tasks_again_give_the_bytes_of_one_process(
    place: Path, undisturbed: dict[str, str]
) -> None:
    indices, script = job_array()
    lost = {indices[1], indices[3]}
    for index in set(indices) - lost:
        run_task(place, script, index, TASKS)
    assert bytes_of(place / "fleets") != undisturbed
    for index in lost:
        run_task(place, script, index, len(lost))
    assert bytes_of(place / "fleets") == undisturbed
