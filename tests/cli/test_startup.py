"""What a command does not wait for."""

from __future__ import annotations

import subprocess
import sys

WATCHED = """
import gc, sys
from hwmodel.cli import main
found = []
gc.callbacks.append(lambda phase, info: found.append(info) if phase == "start" else None)
try:
    main(["plan", "--gpus", "64xA100", "--tokens", "100B", "--format", "json"])
except SystemExit:
    pass
unwanted = {"pandas", "scipy", "sympy", "matplotlib", "jinja2", "numpy.ma", "yaml", "rich", "tabulate"}
print(sum(info["generation"] == 2 for info in found), sorted(unwanted & set(sys.modules)), file=sys.stderr)
"""


def test_a_plan_imports_nothing_heavy_and_looks_for_no_garbage() -> None:
    subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, check=True)  # fills the cache
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "0 []"
