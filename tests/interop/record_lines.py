"""Log lines as the trainers' own print statements make them: `record_lines.py SITE [--write]`.

The statements are taken from the source by syntax tree and evaluated with made-up figures; nothing of a package is
imported. `job_lines.json` is what they print; `make verify` compares it with the packages.
"""

from __future__ import annotations

import ast
import datetime
import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RECORD = Path(__file__).parent / "job_lines.json"
WHEN = SimpleNamespace(now=lambda: datetime.datetime(2026, 11, 26, 9, 30))


def _strings(path: Path, function: str) -> Iterator[tuple[str, str]]:
    """Text and code of each formatted string of a function, in their order."""
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            found = [
                n for n in ast.walk(node)
                if isinstance(n, ast.JoinedStr)
                or (isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "format")
            ]  # fmt: skip
            for one in sorted(found, key=lambda n: (n.lineno, n.col_offset)):
                yield ast.get_source_segment(text, one) or "", ast.unparse(one)


def _made(path: Path, function: str, marks: tuple[str, ...], names: dict[str, Any]) -> list[str]:
    """The strings that hold these marks, evaluated. ValueError where the source has none of a mark."""
    strings = list(_strings(path, function))
    out = []
    for mark in marks:
        code = next((code for text, code in strings if mark in text), None)
        if code is None:
            raise ValueError(f"{path}: {function} prints no {mark!r}")
        out.append(str(eval(code, dict(names))))
    return out


def megatron(site: Path) -> list[str]:
    folder = site / "megatron-core" / "megatron" / "training"
    lines = []
    for step in (10, 20, 30, 40):
        names = {
            "datetime": WHEN, "iteration": step, "elapsed_time_per_iteration": 6.1 + step / 1000.0,
            "throughput": 412.34, "batch_size": 1024, "learning_rate": 1e-4, "loss_scale": 1.0, "grad_norm": 0.5,
            "args": SimpleNamespace(train_iters=1000, consumed_train_samples=1024 * step), "skipped_iters_key": "s",
            "total_loss_dict": {"s": 0, "n": 0}, "nan_iters_key": "n",
        }  # fmt: skip
        marks = (
            "%Y-%m-%d", " iteration {", "consumed samples", "elapsed time per iteration", "throughput per GPU",
            "learning rate", "global batch size", "loss scale", "grad norm", "skipped iterations", "nan iterations",
        )  # fmt: skip
        lines.append("".join(_made(folder / "training.py", "training_log", marks, names)))
        if step == 10:
            lines.append(_megatron_memory(folder))
    return lines


def _megatron_memory(folder: Path) -> str:
    cuda = SimpleNamespace(
        memory_allocated=lambda: 3e10, max_memory_allocated=lambda: 6e10,
        memory_reserved=lambda: 6.5e10, max_memory_reserved=lambda: 7e10,
    )  # fmt: skip
    names = {
        "torch": SimpleNamespace(cuda=cuda, distributed=SimpleNamespace(get_rank=lambda: 0)),
        "mega_bytes": 1024.0 * 1024.0,
    }
    path = folder / "utils" / "common_utils.py"
    marks = (" | allocated", " | max allocated", " | reserved", " | max reserved")
    figures = "".join(_made(path, "report_memory", marks, names))
    names["string"] = "(after 10 iterations) memory (MB)" + figures
    return _made(path, "report_memory", ("[Rank {}] {}",), names)[0]


def torchtitan(site: Path) -> list[str]:
    folder = site / "torchtitan" / "torchtitan"
    text = (folder / "tools" / "logging.py").read_text(encoding="utf-8")
    calls = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call) and "Formatter" in ast.unparse(n.func)]
    head = logging.Formatter(ast.literal_eval(calls[0].args[0]), datefmt="%Y-%m-%d %H:%M:%S")
    head.converter = time.gmtime
    lines = []
    for step in (1, 10, 20, 30):
        codes = {
            "red": 31,
            "green": 32,
            "orange": 33,
            "turquoise": 36,
            "blue": 34,
            "cyan": 36,
            "magenta": 35,
            "reset": 39,
        }
        names = {
            "color": SimpleNamespace(**{name: f"\x1b[{code}m" for name, code in codes.items()}),
            "step": step, "global_avg_loss": 8.5, "grad_norm": 1.25, "tps": 812.4 if step == 1 else 7120.6 + step,
            "tflops": 398.761, "mfu_str": "40.32%",
            "device_mem_stats": SimpleNamespace(max_reserved_gib=71.3, max_reserved_pct=90.21),
        }  # fmt: skip
        message = _made(folder / "components" / "metrics.py", "log", ("}step: {",), names)[0]
        record = logging.LogRecord("root", logging.INFO, "", 0, message, None, None)
        record.created = 1795685400.0
        record.msecs = 0.0
        lines.append(head.format(record))
    return lines


def maxtext(site: Path) -> list[str]:
    folder = site / "maxtext" / "maxtext"
    lines = _made(
        folder / "utils" / "max_utils.py", "print_mem_stats", ("Memstats: {", "Using (GB)"),
        {"label": "After params initialized", "used": 21.5, "limit": 94.75, "d": "TPU_0(process=0,(0,0,0,0))"},
    )  # fmt: skip
    for step in range(6):
        scalars = {
            "perf/step_time_seconds": 41.0 if step == 0 else 3.2 + step / 1000.0,
            "perf/per_device_tflops_per_sec": 310.5, "perf/per_device_tokens_per_sec": 8192 / (3.2 + step / 1000.0),
            "learning/total_weights": 524288,
        }  # fmt: skip
        names = {"step": step, "scalars": scalars, "loss": 9.1, "lm_loss": 9.1, "perplexity": 8955.3}
        marks = ("completed step: ", "seconds: ", "TFLOP/s/device", "Tokens/s/device", "total_weights", "loss: {loss")
        parts = _made(folder / "common" / "metric_logger.py", "_log_training_metrics", marks, names)
        lines.append(", ".join(parts))
    return lines


def lines_of(site: Path) -> dict[str, list[str]]:
    """The lines of each trainer whose package lies below the folder."""
    return {"megatron": megatron(site), "torchtitan": torchtitan(site), "maxtext": maxtext(site)}


def main(site: Path, write: bool) -> int:
    """Write the record, or compare it with the packages: 1 where they differ."""
    found = json.dumps(lines_of(site), indent=1) + "\n"
    if write:
        RECORD.write_text(found, encoding="utf-8")
    return 0 if RECORD.read_text(encoding="utf-8") == found else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "--write" in sys.argv))
