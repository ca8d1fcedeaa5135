"""Files drawn from a seed: real processes write to and read from nodes that are made in a private folder.

A draw picks a command, a kind of target (file, link, pipe, device, folder, name that no file can bear), a kind of input
(table, catalog overlay, model file, in good and bad forms), a umask, a limit on the size of files (a full disk), an
environment; it holds when every node stays what it was, files appear whole or not at all, and the words are one line.
"""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checks import Asked

import hwmodel
from hwmodel.errors import InfeasibleError, InputError

INSTALLED = str(Path(hwmodel.__file__).resolve().parent.parent)
COMMANDS = {
    "plan": ["plan", "--gpus", "8xH100", "--params", "1B", "--tokens", "10B"],
    "train": ["train", "--gpus", "8xH100", "--params", "1B"],
    "serve": ["serve", "--model", "llama-3.1-8b", "--part", "h100", "--concurrency", "8"],
    "law": ["law", "eval", "besiroglu_2024", "--params", "1B", "--tokens", "1T"],
    "list": ["catalog", "list", "precisions"],
    "schema": ["schema", "plan"],
}
SUFFIXED = ("plan", "train", "serve")  # commands whose file says the format by its ending
ENDINGS = ["md", "md", "json", "csv", "csv", "txt", "html", "", "MD", "pdf", "json.gz"]
TARGETS = [
    "new", "new", "old", "link", "dangling", "chain", "loop", "hard", "pipe", "pipe", "unread", "pipe-link", "null",
    "full", "zero", "socket", "folder", "absent", "below-file", "long", "long-path", "newline", "unicode", "dash",
    "dots", "stdout",
]  # fmt: skip
INPUTS = ["none"] * 4 + [
    "prices", "measured", "histogram", "plan-file", "config", "fit", "validate", "overlay", "overlay", "overlay",
]  # fmt: skip
FORMS = [
    "good", "good", "missing", "folder", "empty", "binary", "utf-16", "nul", "loop", "pipe", "long-line", "html",
    "formula", "bom", "crlf", "endless",
]  # fmt: skip
OVERLAYS = ["good", "html", "formula", "stray", "broken", "pipe", "folder", "upper", "yml", "deep", "empty", "binary"]
UNREAD = ("stray", "broken", "pipe", "folder", "upper", "yml", "deep")  # overlays that no reader reads
WORLDS = [
    {}, {}, {"XDG_CACHE_HOME": "relative"}, {"XDG_DATA_HOME": "relative"}, {"XDG_CACHE_HOME": "/proc/none"},
    {"HOME": "/proc/none"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"COLUMNS": "1"}, {"COLUMNS": "x"},
    {"NO_COLOR": "1"},
]  # fmt: skip
NAMES = {"html": "<img src=x onerror=alert(1)>", "formula": "=HYPERLINK(1)", "good": "My part"}
PIPE_S = 30.0
LONGEST_S = 120.0  # of any of these commands, on a busy machine


def files(draw: random.Random) -> Asked:
    """A command, where it writes, what it reads, and the world around it."""
    read = draw.choice(INPUTS)
    form = draw.choice(OVERLAYS if read == "overlay" else FORMS)
    verb = draw.choice(list(COMMANDS)) if read in ("none", "overlay") else "plan"
    return {"verb": verb, "target": draw.choice(TARGETS), "ending": draw.choice(ENDINGS) if verb in SUFFIXED else "",
            "read": read, "form": form, "umask": draw.choice([0o022, 0o077, 0o002, 0o000]),
            "limit": draw.choice([None] * 6 + [0, 1, 4096]), "world": draw.choice(WORLDS),
            "at_once": draw.choice([1, 1, 1, 1, 4])}  # fmt: skip


def _device(path: Path, minor: int) -> bool:
    """A character device as /dev holds them; False where this user may not make one."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
    except (OSError, AttributeError):
        return False
    return True


def _node(folder: Path, kind: str, ending: str) -> Path | None:
    """The target of that kind; None where this machine cannot make it."""
    dot = f".{ending}" if ending else ""
    path = folder / f"out{dot}"
    if kind in ("old", "link", "chain", "hard"):
        real = path if kind == "old" else folder / "real.txt"
        real.write_text("before", encoding="utf-8")
        real.chmod(0o640)
    if kind == "link":
        path.symlink_to("real.txt")
    elif kind == "chain":
        (folder / "middle").symlink_to("real.txt")
        path.symlink_to("middle")
    elif kind == "hard":
        os.link(folder / "real.txt", path)
    elif kind == "dangling":
        path.symlink_to("made-by-the-run")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind in ("pipe", "unread"):
        os.mkfifo(path)
    elif kind == "pipe-link":
        os.mkfifo(folder / "fifo")
        path.symlink_to("fifo")
    elif kind in ("null", "full", "zero"):
        return path if _device(path, {"null": 3, "zero": 5, "full": 7}[kind]) else None
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(os.path.relpath(path) if len(str(path)) > 100 else str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "below-file":
        (folder / "file").write_text("x", encoding="utf-8")
    return _named(folder, kind, dot) or path


def _named(folder: Path, kind: str, dot: str) -> Path | None:
    """Targets whose name alone is odd."""
    names = {"absent": f"no/such/out{dot}", "below-file": f"file/out{dot}", "long": "a" * 300 + dot,
             "long-path": "/".join(["d" * 200] * 25) + dot, "newline": f"two\nlines{dot}", "unicode": f"é漢\u202e{dot}",
             "dash": f"--out{dot}", "dots": f"..out..{dot}"}  # fmt: skip
    return folder / names[kind] if kind in names else None


TABLES = {
    "prices": "date,part,provider,kind,usd_per_hour\n2026-01-01,h100-sxm5-80gb,Own,on_demand,2\n",
    "measured": "id,source,model,params,n_layers,d_model,n_heads,seq_len,accelerator,n_accel,precision\n",
    "histogram": "prompt_tokens,output_tokens,count\n1000,300,5\n",
    "plan-file": "gpus: 8xH100\nparams: 1B\ntokens: 10B\n",
    "fit": "params,tokens,loss\n" + "".join(f"{n}e8,{d}e9,{3 + 1 / n + 1 / d}\n" for n in (1, 2, 4) for d in (2, 4, 8)),
    "validate": "id,source,model,params,n_accel,accelerator,weight_precision,batch_or_concurrency,input_len,output_len,"
    "metric,value\na,s,llama-3.1-8b,8e9,1,h100-sxm5-80gb,bf16,8,128,128,tokens/s,900\n",
    "config": json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512,
                          "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 1024,
                          "vocab_size": 32000}),
}  # fmt: skip


def _shaped(path: Path, text: str, form: str) -> None:
    """A file of that content in a good or a bad form."""
    if form == "missing":
        return
    if form == "folder":
        path.mkdir()
    elif form == "loop":
        path.symlink_to(path.name)
    elif form == "endless":
        if not _device(path, 5):
            path.write_bytes(b"")
    elif form == "pipe":
        os.mkfifo(path)
        threading.Thread(target=_feed, args=(path, text), daemon=True).start()
    else:
        plain = {
            "empty": b"", "binary": bytes(range(256)) * 9, "utf-16": text.encode("utf-16"),
            "nul": b"\0" + text.encode(), "long-line": text.encode() + b"x" * 3_000_000,
            "bom": b"\xef\xbb\xbf" + text.encode(),
            "crlf": text.replace("\n", "\r\n").encode(),
            "html": text.replace("Own", NAMES["html"]).encode(),
            "formula": text.replace("Own", NAMES["formula"]).encode(),
        }  # fmt: skip
        path.write_bytes(plain.get(form, text.encode()))


def _feed(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        return


def _overlay(root: Path, form: str) -> None:
    """A catalog of the user's own, in a good form or with a file that nothing reads."""
    place = root / "accelerators"
    place.mkdir(parents=True)
    record = f"- {{id: my-part, name: {json.dumps(NAMES.get(form, 'My part'))}, extends: h100-sxm5-80gb}}\n"
    odd = {"stray": root / "broken.yaml", "upper": place / "own.YAML", "yml": place / "own.yml",
           "deep": place / "deep" / "own.yaml"}.get(form, place / "own.yaml")  # fmt: skip
    odd.parent.mkdir(exist_ok=True)
    if form == "broken":
        odd.symlink_to("gone.yaml")
    elif form == "pipe":
        os.mkfifo(odd)
    elif form == "folder":
        odd.mkdir()
    else:
        odd.write_bytes({"empty": b"", "binary": bytes(range(256))}.get(form, record.encode()))


def _words(asked: Asked, target: Path, inside: Path) -> list[str]:
    """The command as typed."""
    read, words = asked["read"], list(COMMANDS[asked["verb"]])
    path = inside / {"plan-file": "plan.yaml", "config": "config.json"}.get(read, "table.csv")
    if read == "overlay":
        root = inside / "own"
        _overlay(root, asked["form"])
        words += ["--catalog", str(root)] if asked["verb"] in (*SUFFIXED, "list", "law") else []
        if asked["verb"] == "plan" and asked["form"] in NAMES:
            words[2] = "8xMY-PART"
    elif read != "none":
        _shaped(path, TABLES[read], asked["form"])
        words = {"prices": [*words, "--prices", str(path)], "measured": [*words, "--measured", str(path)],
                 "histogram": [*COMMANDS["serve"], "--histogram", str(path)], "plan-file": ["plan", str(path)],
                 "config": ["plan", "--gpus", "8xH100", "--tokens", "10B", "--model", str(path)],
                 "fit": ["fit", str(path), "--bootstraps", "20"],
                 "validate": ["validate", str(path)]}[read]  # fmt: skip
    return words if asked["target"] == "stdout" else [*words, "--out", str(target)]


def _nodes(root: Path) -> dict[str, tuple[int, str, bytes]]:
    """Every node below a folder: its kind, where a link points, what a file holds."""
    found = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        held = path.read_bytes() if stat.S_ISREG(mode) else b""
        found[str(path.relative_to(root))] = (stat.S_IFMT(mode), os.readlink(path) if path.is_symlink() else "", held)
    return found


class _Reader:
    """What comes out of a pipe, read beside the runs that write into it."""

    def __init__(self, path: Path | None) -> None:
        self.got = b""
        self._open = True
        self._path = path
        self._thread = threading.Thread(target=self._read, daemon=True) if path else None
        if self._thread:
            self._thread.start()

    def _read(self) -> None:
        assert self._path is not None
        with self._path.open("rb") as stream:
            self.got = stream.read()

    def end(self) -> bytes:
        """All that came; a writer of nothing lets the reader go where no run opened the pipe."""
        if self._thread is None or self._path is None:
            return b""
        self._thread.join(0.2)
        if self._thread.is_alive():
            os.close(os.open(self._path, os.O_WRONLY | os.O_NONBLOCK))
        self._thread.join(PIPE_S)
        return self.got


def _runs(asked: Asked, words: list[str], cwd: Path) -> Iterator[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each of the runs that go on at once."""

    def limited() -> None:
        if asked["limit"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"], asked["limit"]))

    world = {**os.environ, **asked["world"], "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": INSTALLED}
    begun = [
        subprocess.Popen(
            [sys.executable, "-m", "hwmodel", *words], cwd=cwd, env=world, umask=asked["umask"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limited,
        )
        for _ in range(asked["at_once"])
    ]  # fmt: skip
    for one in begun:
        try:
            out, err = one.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            one.kill()
            raise AssertionError(f"no end after {LONGEST_S:g} s: {' '.join(words)}") from None
        yield one.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _safe(text: str, ending: str) -> None:
    """No name of a user's file is code in what is written."""
    if ending.lower() in ("md", "html", ""):
        assert "<img src=x" not in text, "raw HTML of a name"
    if ending.lower() == "csv":
        assert not any(cell.startswith("=") for row in csv.reader(text.splitlines()) for cell in row), "a formula"
    if ending.lower() == "json" and text.strip():
        json.loads(text)


def hold_files(asked: Asked, draw: float) -> None:
    """Nodes stay what they were, files are whole, the umask's, and safe; a refusal is one line and leaves nothing."""
    with tempfile.TemporaryDirectory() as private:
        folder, inside, cwd = (Path(private, name) for name in ("out", "in", "cwd"))
        for one in (folder, inside, cwd):
            one.mkdir()
        target = _node(folder, asked["target"], asked["ending"])
        if target is None:
            return
        words = _words(asked, target, inside)
        before = _nodes(folder)
        pipe = {"pipe": target, "pipe-link": folder / "fifo"}.get(asked["target"])
        if pipe is not None and asked["at_once"] > 1:
            return  # several writers of one pipe mix what they write, as with any program
        reader = _Reader(pipe)
        ended = list(_runs(asked, words, cwd))
        got = reader.end()
        for code, out, err in ended:
            _one_end(asked, code, out, err)
        assert not list(cwd.iterdir()), f"left in the current folder: {sorted(p.name for p in cwd.iterdir())}"
        _folder_holds(asked, before, _nodes(folder), {code for code, _, _ in ended})
        if pipe is not None and ended[0][0] == 0:
            assert got, "nothing came through the pipe"
        codes = {code for code, _, _ in ended}
        if "--catalog" in words and asked["form"] in UNREAD:
            assert codes.isdisjoint({0}), f"{asked['form']}: a file that nothing reads is passed over"
    if codes == {2} or codes == {4}:
        raise InputError("refused")
    if codes == {3}:
        raise InfeasibleError("infeasible")


def _one_end(asked: Asked, code: int, out: str, err: str) -> None:
    """One run ended in a documented way, in few words."""
    assert code in (0, 2, 3, 4), f"exit {code}: {err[-200:]}"
    assert "Traceback" not in err, err[-300:]
    assert "internal" not in err, err[-300:]
    assert INSTALLED not in err + out, f"the install path is shown: {err[:200]}"
    if code:
        said = err.strip().splitlines()
        assert said, "a refusal said nothing"
        assert len([line for line in said if line.startswith("hwmodel:")]) == 1, f"several lines: {err[:300]}"
        assert len(said[-1]) < 1000, f"a line of {len(said[-1])} letters"
        assert not out, f"a refusal printed {out[:100]}"
    if not code and asked["target"] == "stdout":
        assert out.strip(), "nothing was printed"
        _safe(out, "")


def _folder_holds(asked: Asked, before: dict[str, Any], after: dict[str, Any], codes: set[int]) -> None:
    """Nodes as before but for the target and what stands beside it; all or nothing."""
    for name, (kind, link, held) in before.items():
        now = after.get(name)
        assert now is not None, f"{name!r} is gone"
        assert (now[0], now[1]) == (kind, link), f"{name!r} became another kind of node"
        if codes.isdisjoint({0}):
            assert now[2] == held, f"{name!r} was changed by a refusal"
    fresh = after.keys() - before.keys()
    assert not any(Path(name).name.startswith(".hwmodel") for name in fresh), f"left over: {sorted(fresh)}"
    if codes.isdisjoint({0}):
        assert not fresh, f"left by a refusal: {sorted(fresh)}"
    elif asked["target"] in ("new", "old", "unicode", "newline", "dash", "dots"):
        written = [held for name, (kind, _, held) in after.items() if stat.S_ISREG(kind) and not name.endswith(".svg")]
        assert any(written), "nothing was written"
        for held in written:
            _safe(held.decode("utf-8"), asked["ending"])


QUESTIONS = {"files": files}
HOLDS = {"files": hold_files}
