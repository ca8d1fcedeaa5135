"""The wheel, installed elsewhere, answers the main job without the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_installed_wheel_plans(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    # The dependencies are those of the environment that runs the tests; only hwmodel itself comes from the wheel.
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = subprocess.run([str(python), "-c", "import site; print(site.getsitepackages()[0])"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    unpack = [sys.executable, "-m", "zipfile", "-e", str(wheel), site]
    subprocess.run(unpack, check=True, timeout=60)
    ours = {path.name for path in ROOT.iterdir()}
    own_site = Path(next(p for p in sys.path if p.endswith("site-packages")))
    for entry in own_site.iterdir():
        if "hwmodel" not in entry.name.lower() and entry.suffix != ".pth" and entry.name not in ours:
            link = Path(site) / entry.name
            if not link.exists():
                link.symlink_to(entry)
    code = "import hwmodel, sys; print(hwmodel.__file__); from hwmodel.cli import main; main(sys.argv[1:])"
    words = ["plan", "--gpus", "1024xA100", "--tokens", "1.4T", "--format", "json", "--quiet"]
    done = subprocess.run([str(python), "-c", code, *words], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where, _, answer = done.stdout.partition("\n")
    assert str(tmp_path) in where
    assert 76e9 < json.loads(answer)["answer"]["params"]["value"] < 77e9
