"""C text to a function of this process, where a compiler is; what was compiled once is kept in the user's cache."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

FLAGS = ("-O3", "-march=native", "-fopenmp-simd", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
         "-fno-tree-loop-im", "-fno-tree-pre", "--param", "vect-epilogues-nomask=0", "-shared", "-fPIC")  # fmt: skip
# glibc's vectors of exp, log and pow; without them each is called alone.
LIBRARIES = (("-DVECTOR_LIBRARY", "-lmvec", "-lm"), ("-lm",))
MOST_SECONDS = 60.0
OFF = "HWMODEL_COMPILER"  # names a compiler; empty: none is used


@cache
def compiler() -> str | None:
    """The C compiler to use, None where there is none or none is wanted."""
    named = os.environ.get(OFF)
    if named is not None:
        return shutil.which(named) if named else None
    return next((path for name in ("gcc", "clang", "cc") if (path := shutil.which(name))), None)


def load(text: str, folder: Path, *, make: bool = True) -> ctypes.CDLL | None:
    """The library of a text, compiled unless `folder` has it; None where that cannot be or must not be."""
    with_what = compiler()
    if with_what is None:
        return None
    said = "\0".join((text, *FLAGS, _version(with_what), platform.machine(), _processor()))
    path = folder / f"{hashlib.blake2b(said.encode(), digest_size=16).hexdigest()}.so"
    found = _opened(path) if path.is_file() else None
    if found is None and make and _compiled(with_what, text, path):
        found = _opened(path)
    return found


@cache
def _version(path: str) -> str:
    """What tells a compiler from another: its file, as the disk has it. To ask it takes longer than what it made."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{os.path.realpath(path)} {found.st_size} {found.st_mtime_ns}"


@cache
def _processor() -> str:
    """What instructions this processor has: a folder may be shared between machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() + platform.node()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.node())


def _compiled(with_what: str, text: str, path: Path) -> bool:
    """Compile under a name of its own, then rename: another process may do the same."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            source, made = Path(folder) / "search.c", Path(folder) / "search.so"
            source.write_text(text, encoding="utf-8")
            for libraries in LIBRARIES:
                command = [with_what, *FLAGS, str(source), "-o", str(made), *libraries]
                done = subprocess.run(command, capture_output=True, timeout=MOST_SECONDS, check=False)
                if done.returncode == 0 and _opened(made) is not None:
                    os.replace(made, path)
                    return True
    except (OSError, subprocess.SubprocessError):
        return False
    return False


def _opened(path: Path) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def at(column: NDArray[Any]) -> ctypes.c_void_p:
    """A column as C takes it."""
    assert column.flags.c_contiguous
    return ctypes.c_void_p(column.ctypes.data)


def whole(number: int) -> ctypes.c_longlong:
    """A whole number as C takes it."""
    return ctypes.c_longlong(number)
