"""The wheel, installed elsewhere, answers README's commands as the checkout does, and README prints its figures."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from hwmodel.cli.main import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = "import hwmodel, sys; print(hwmodel.__file__, file=sys.stderr); from hwmodel.cli import main; main(sys.argv[1:])"
MAIN_JOB = ["plan", "--gpus", "1024xA100", "--tokens", "1.4T"]


def commands_of(page: str) -> list[tuple[list[str], str]]:
    """Every `hwmodel ...` line of the code blocks of a page: its words and the comment behind it."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("hwmodel ")]
    return [(shlex.split(line, comments=True)[1:], line.partition(" # ")[2]) for line in lines]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python whose only hwmodel is the wheel; the dependencies are those of the environment that runs the tests."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr[-2000:]
    (wheel,) = place.glob("*.whl")
    venv.create(place / "env", with_pip=False)
    python = place / "env" / "bin" / "python"
    site = subprocess.run([str(python), "-c", "import site; print(site.getsitepackages()[0])"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), site], check=True, timeout=60)
    ours = {path.name for path in ROOT.iterdir()}
    for folder in (Path(p) for p in sys.path if p.endswith("site-packages")):
        for entry in folder.iterdir():
            link = Path(site) / entry.name
            foreign = "hwmodel" not in entry.name.lower() and entry.suffix != ".pth" and entry.name not in ours
            if foreign and not link.exists():
                link.symlink_to(entry)
    return python


def test_the_wheel_installs_manual_pages(installed: Path) -> None:
    (wheel,) = installed.parents[2].glob("*.whl")
    with zipfile.ZipFile(wheel) as held:
        pages = [name for name in held.namelist() if "/data/share/man/man1/" in name]
        plan = held.read(next(name for name in pages if name.endswith("hwmodel-plan.1"))).decode()
    # A process of its own: click keeps the help option of the context that first asked a command for it.
    code = "import json; from hwmodel.cli import man; print(json.dumps(man.pages()))"
    written = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    assert {Path(name).name for name in pages} == set(written)
    assert plan == written["hwmodel-plan.1"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that README's commands name: the one that the tutorial writes, and the sweeps of a clone;
    and no catalog of one's own."""
    (example,) = re.findall(r"```yaml\n# mine\.yaml\n(.*?)```", (ROOT / "docs/tutorial.md").read_text(), re.DOTALL)
    (tmp_path / "mine.yaml").write_text(example)
    shutil.copytree(ROOT / "docs/sweeps", tmp_path / "docs/sweeps")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def from_wheel(python: Path, folder: Path, words: list[str]) -> str:
    done = subprocess.run([str(python), "-c", CODE, *words], capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert str(python.parents[1]) in done.stderr.splitlines()[0]  # the module came from the wheel
    return done.stdout


def from_checkout(words: list[str]) -> str:
    if "--out" in words:  # what the wheel wrote stands there already
        out = Path(words[words.index("--out") + 1])
        out.rename(f"{out}-of-the-wheel")
    return CliRunner().invoke(cli, words, catch_exceptions=False).stdout


def test_every_command_of_readme_answers_alike_from_wheel_and_checkout(installed: Path, folder: Path) -> None:
    found = commands_of(README)
    assert len(found) >= 5
    assert MAIN_JOB in [words for words, _ in found] or " ".join(MAIN_JOB) in README
    for words, comment in [(MAIN_JOB, ""), *found]:
        printed = from_wheel(installed, folder, words)
        assert printed == from_checkout(words), words
        for amount in re.findall(r"\$?\d[\d.,]*\d|\$?\d", re.sub(r"\b[A-Za-z]+\d+\b", "", comment)):
            assert amount.lstrip("$") in printed, (words, amount)


@pytest.mark.parametrize("page", ["tutorial", "how-to"])
def test_every_command_of_the_guides_runs_from_the_wheel(installed: Path, folder: Path, page: str) -> None:
    found = commands_of((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    assert len(found) >= 12
    for words, _ in found:
        assert from_wheel(installed, folder, words) or "--out" in words, words


def test_readme_prints_the_figures_of_the_wheel(installed: Path, folder: Path) -> None:
    """Each sentence and row that README quotes of its answer stands in the answer, figure for figure."""
    printed = from_wheel(installed, folder, MAIN_JOB)
    flat = " ".join(printed.split())
    quoted = [line.removeprefix(">").strip() for line in README.splitlines() if line.startswith(">")]
    paragraphs = [" ".join(p.split()) for p in "\n".join(quoted).split("\n\n") if p and not p.startswith("|")]
    assert len(paragraphs) >= 3
    for paragraph in paragraphs:
        assert paragraph.rstrip(".") in flat, paragraph
    rows = [line for line in quoted if line.startswith("|") and any(c.isdigit() for c in line)]
    assert len(rows) >= 2
    for row in rows:
        assert row.replace(" ", "") in printed.replace(" ", ""), row


# Rows of README's table of accuracy, by how they begin, and the command that measures them: its mean over sources and
# that of one constant.
MEASURED = {
    "| hours of whole runs, a source left out": ["validate", "whole", "--leave-out", "source"],
}


@pytest.mark.parametrize("row", MEASURED)
def test_readme_prints_the_accuracy_that_its_commands_measure(row: str, installed: Path, folder: Path) -> None:
    (line,) = [line for line in README.splitlines() if line.startswith(row)]
    stated = [float(cell) for cell in line.split("|")[2:4]]
    overall = json.loads(from_wheel(installed, folder, [*MEASURED[row], "--format", "json"]))["overall"]
    measured = [100.0 * overall[key] for key in ("mean_of_source_medians", "baseline_mean_of_source_medians")]
    assert measured == pytest.approx(stated, abs=0.051)
