"""How the process of a command treats memory and cores: it is short, keeps nearly all that it makes until it exits, and
multiplies no large matrices."""

from __future__ import annotations

import atexit
import gc
import os
import sys

COLLECT_AFTER = 100_000  # objects made and not freed; Python's own 700 are for programs that run on
# M_TRIM_THRESHOLD and M_TOP_PAD of glibc's malloc.h, in bytes: free memory that is kept, and what is taken at once.
MALLOC = ((-1, 64 << 20), (-2, 16 << 20))


def collect_rarely() -> None:
    """Look for cycles of garbage rarely, and not at the end: a command keeps nearly all that it makes until it exits,
    so that looking for them finds nothing, in a tenth of the time of `plan`."""
    gc.set_threshold(COLLECT_AFTER)
    atexit.register(gc.freeze)


def keep_freed_memory() -> None:
    """Have the C library keep what is freed and take memory in large pieces: columns come and go thousands of times,
    and fetching their pages from the system anew takes a tenth of the time of `serve --parts all`. Other C libraries
    than glibc are left as they are."""
    if sys.platform != "linux":
        return
    import ctypes  # NumPy loads it too

    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for parameter, size in MALLOC:
            library.mallopt(parameter, size)


def start_no_algebra() -> None:
    """Have NumPy, imported after this, start no threads for products of matrices, unless the user says how many: one
    for each core, they wait for work that never comes, in a fifth of the processor time of `import numpy`."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
