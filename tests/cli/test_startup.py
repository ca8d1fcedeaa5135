"""What a command does not wait for."""

from __future__ import annotations

import subprocess
import sys

import pytest

WATCHED = """
import gc, sys
from hwmodel.cli import main
found = []
gc.callbacks.append(lambda phase, info: found.append(info) if phase == "start" else None)
try:
    main(sys.argv[2:])
except SystemExit:
    pass
unwanted = set(sys.argv[1].split(",")) & set(sys.modules)
print(sum(info["generation"] == 2 for info in found), sorted(unwanted), file=sys.stderr)
"""
HEAVY = "pandas,scipy,sympy,matplotlib,jinja2,numpy.ma,yaml,rich,tabulate"
PLAN = "plan --gpus 64xA100 --tokens 100B --format json"
SERVE = "serve --parts all --model deepseek-v3 --tpot 50ms --demand 200"
TRAINING = "hwmodel.solve.plan,hwmodel.solve.budget,hwmodel.solve.life,hwmodel.predict.fastest"


@pytest.mark.parametrize(("asked", "unwanted"), [
    (PLAN, HEAVY), (SERVE, f"{HEAVY},{TRAINING}"), (f"{SERVE} --format md", f"{HEAVY},{TRAINING}"),
])  # fmt: skip
def test_an_answer_imports_nothing_heavy_and_looks_for_no_garbage(asked: str, unwanted: str) -> None:
    command = [sys.executable, "-c", WATCHED, unwanted, *asked.split()]
    subprocess.run(command, capture_output=True, check=True)  # fills the cache
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "0 []"
