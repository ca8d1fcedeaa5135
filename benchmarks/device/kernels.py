"""Kernel times of one NVIDIA device: `python3 kernels.py OUT_FOLDER [SECTION ...] [--seconds 60]`.

Needs PyTorch 2.9 or later with CUDA and nothing else. Writes OUT_FOLDER/SECTION.csv for each section; --seconds is the
most that a section may start new measurements for. hwmodel reads such files in tests and in docs/kernels.md as
measurements that nothing was fitted on.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from attention import flexible, new_tokens, whole_sequences
from launches import launches
from measure import Recorder
from moves import casts, eager_layer, experts, fused, layers, losses, sampling
from products import expert_products, plain_products

SECTIONS: dict[str, tuple[Callable[[Recorder], None], ...]] = {
    "products": (plain_products,),
    "experts": (expert_products,),
    "attention": (whole_sequences, new_tokens),
    "moves": (casts, losses, layers, sampling),
    "launches": (launches,),
    "compiled": (experts, eager_layer, flexible, fused),
}


def main() -> int:
    """Run the sections asked for, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all where none is named")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    strange = [name for name in given.sections if name not in SECTIONS]
    if strange:
        parser.error(f"no section {strange[0]!r}; there are {', '.join(SECTIONS)}")
    if not torch.cuda.is_available():
        parser.error("no CUDA device")
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}")
    for name in given.sections or SECTIONS:
        start = time.monotonic()
        record = Recorder(given.out / f"{name}.csv", given.seconds)
        for each in SECTIONS[name]:
            try:
                each(record)
            except Exception:  # what is measured stands in the file; the next may still work
                traceback.print_exc()
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
