"""Files: whole or not at all, links and pipes kept, the umask's permissions, nothing run by another program."""

from __future__ import annotations

import csv
import io
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.places import cache_dir
from hwmodel.catalog.reading import csv_lines, text_of
from hwmodel.catalog.safe_text import SafeCsv, markdown_safe
from hwmodel.catalog.writing import check_target, write_files, write_whole
from hwmodel.errors import CatalogError, InputError

SMALL = ("plan", "--gpus", "64xH100", "--params", "7B", "--tokens", "100B", "--quiet")


def run(*words: str, cwd: Path | None = None, stdout: int | io.BufferedWriter = subprocess.PIPE, umask: int = -1,
        **env: str) -> subprocess.CompletedProcess[str]:  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "hwmodel", *words], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120,
        cwd=cwd, env={**os.environ, **env}, umask=umask,
    )  # fmt: skip


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("before", encoding="utf-8")
    real.chmod(0o640)
    link.symlink_to(real)
    write_whole(link, "after")
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "after"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.txt", "real.txt"]


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    check_target(pipe)
    write_whole(pipe, "through")
    reader.join(10)
    assert got == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_that_nobody_reads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwmodel.catalog.writing.PIPE_WAIT_S", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="cannot write --out"):
        write_whole(pipe, "lost")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_umask_is_kept(tmp_path: Path) -> None:
    assert run(*SMALL, "--out", "budget.json", cwd=tmp_path, umask=0o077).returncode == 0
    assert stat.S_IMODE((tmp_path / "budget.json").stat().st_mode) == 0o600


def test_four_runs_into_one_folder_all_succeed(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "hwmodel", *SMALL, "--out", "same.md"]
    runs = [subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE) for _ in range(4)]
    assert [one.wait(120) for one in runs] == [0] * 4
    for one in runs:
        one.communicate()
    names = {p.name for p in tmp_path.iterdir()}
    assert "same.md" in names
    assert all(name.startswith("same") for name in names)


def test_files_of_one_answer_come_together_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_files({tmp_path / "figure.svg": b"<svg/>", tmp_path / "absent" / "report.md": "text"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [SMALL, ("catalog", "list", "systems"), ("--version",), ("plan", "--help")])
def test_a_full_disk_is_one_line(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(*words, stdout=full)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_a_closed_stdout_is_one_line() -> None:
    command = f"{sys.executable} -m hwmodel {' '.join(SMALL)} >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "standard output is closed" in done.stderr


@pytest.mark.parametrize("name", ["a" * 300 + ".md", "absent/x.md"])
def test_a_path_that_cannot_be_is_refused_before_any_work(tmp_path: Path, name: str) -> None:
    done = run(*SMALL, "--out", name, cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot write --out" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_id_of_300_letters_is_refused() -> None:
    done = run("fit", "--save", "a" * 300, "runs.csv")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "internal" not in done.stderr


def test_calibrate_outside_a_checkout_asks_for_out(tmp_path: Path) -> None:
    done = run("calibrate", cwd=tmp_path)
    assert done.returncode == 2
    assert "--out" in done.stderr


@pytest.mark.parametrize(
    "file",
    [
        "broken.yaml",
        "accelerator/typo.yaml",
        "systems/deep/x.yaml",
        "models/x.yml",
        "precisions/x.yaml",
        "price/x.csv",
        "accelerators/x.csv",
        "boxes/x.yaml",
        "accelerators/x.YAML",
        "prices/x.CSV",
    ],
)
def test_a_file_that_nothing_reads_is_refused(tmp_path: Path, file: str) -> None:
    place = tmp_path / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("- id: x\n", encoding="utf-8")
    with pytest.raises(CatalogError, match="nothing reads it there"):
        load_catalog((tmp_path,))


def _pipe(place: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("make", [Path.mkdir, _pipe, lambda place: place.symlink_to("gone.yaml")])
def test_a_record_that_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    place = tmp_path / "accelerators" / "own.yaml"
    place.parent.mkdir()
    make(place)
    with pytest.raises(CatalogError, match="no file that can be read"):
        load_catalog((tmp_path,))


@pytest.mark.parametrize("words", [("validate",), ("fit",), ("plan",), ("plan", "--gpus", "8xH100", "--prices")])
def test_a_pipe_is_read_once(tmp_path: Path, words: tuple[str, ...]) -> None:
    """`<(...)`: what came through stays, also where an error asks for its line; a second reading would never end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("no table\n", encoding="utf-8"), daemon=True)
    writer.start()
    done = run(*words, str(pipe))
    assert done.returncode in (2, 4)
    assert done.stderr.count("\n") == 1


def test_what_never_ends_is_too_large(tmp_path: Path) -> None:
    zero = tmp_path / "zero"
    try:
        os.mknod(zero, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        zero.open("rb").close()
    except OSError:
        pytest.skip("no device of its own can be made here")
    for read in (lambda: text_of(zero, "--prices", 1000), lambda: list(csv_lines(zero))):
        with pytest.raises(InputError, match="too large"):
            read()


def test_links_in_a_circle_are_one_line(tmp_path: Path) -> None:
    loop = tmp_path / "loop.md"
    loop.symlink_to(loop.name)
    for act in (lambda: check_target(loop), lambda: write_whole(loop, "x")):
        with pytest.raises(InputError, match="symbolic links"):
            act()
    assert loop.is_symlink()


def test_an_empty_catalog_option_is_not_this_folder() -> None:
    for words in (("--catalog", ""), ("--catalog", "missing")):
        assert run(*SMALL, *words).returncode == 2


def test_a_relative_cache_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir().is_absolute()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "hwmodel"


def test_the_cache_goes_by_content(tmp_path: Path) -> None:
    """A file of the same size and time but other content is another catalog."""
    file = tmp_path / "accelerators" / "own.yaml"
    file.parent.mkdir()
    line = "- {{id: my-h100, name: Mine {}, extends: h100-sxm5-80gb}}\n"
    file.write_text(line.format("A"), encoding="utf-8")
    then = file.stat()
    assert load_catalog((tmp_path,)).part("my-h100").name == "Mine A"
    file.write_text(line.format("B"), encoding="utf-8")
    os.utime(file, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert load_catalog((tmp_path,)).part("my-h100").name == "Mine B"


def test_names_are_text_in_markdown_and_csv(tmp_path: Path) -> None:
    file = tmp_path / "accelerators" / "own.yaml"
    file.parent.mkdir()
    name = "<img src=x onerror=alert(1)>"
    file.write_text(f"- {{id: my-h100, name: '{name}', extends: h100-sxm5-80gb}}\n", encoding="utf-8")
    shown = run("plan", "--gpus", "8xMY_H100", "--params", "1B", "--catalog", str(tmp_path), "--format", "md").stdout
    assert "<img" not in shown
    assert "&lt;img" in shown
    assert markdown_safe("a < b, <b>, </b>, <!-- -->") == "a < b, &lt;b>, &lt;/b>, &lt;!-- -->"
    stream = io.StringIO()
    SafeCsv(stream).writerow(["=1+1", "+cmd", "-2.5", "@x", "-", "+3 %", -4.0, "plain", "-1e-5"])
    cells = next(csv.reader(io.StringIO(stream.getvalue())))
    assert cells == ["'=1+1", "'+cmd", "-2.5", "'@x", "-", "+3 %", "-4.0", "plain", "-1e-5"]
