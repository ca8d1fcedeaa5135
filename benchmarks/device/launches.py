"""What starting a kernel costs: on the device inside a graph, and on the host call by call; copies over PCIe."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from measure import Recorder, events_s, median, quantile, words
from products import random
from torch.nn import functional


def launches(record: Recorder) -> None:
    """Five hundred small kernels by graph and eagerly; host time of common calls; graph starts; PCIe."""
    x = torch.zeros(1024, device="cuda")
    graphs = {count: _graph(lambda: x.add_(1), count) for count in (1, 10, 100, 500, 2000)}
    for count, graph in graphs.items():
        _row(record, "graph_replay", {"kernels": count}, [events_s(graph.replay) / count for _ in range(50)], "events")
        _row(record, "graph_replay_host", {"kernels": count}, _host(graph.replay, 1), "host")
    _row(record, "eager_add_host", {"kernels": 500}, _host(lambda: x.add_(1), 500), "host")
    _row(record, "eager_add", {"kernels": 500}, [events_s(lambda: [x.add_(1) for _ in range(500)]) / 500
                                                 for _ in range(20)], "events")  # fmt: skip
    for name, call in _common().items():
        _row(record, f"{name}_host", {}, _host(call, 200), "host")
    _row(record, "synchronise_host", {}, _host(torch.cuda.synchronize, 200), "host")
    _transfers(record)


def _graph(call: Callable[[], Any], count: int) -> torch.cuda.CUDAGraph:
    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(count):
            call()
    graph.replay()
    torch.cuda.synchronize()
    return graph


def _host(call: Callable[[], Any], each: int) -> list[float]:
    """Host seconds a call, nothing waited for; the device is idle when it starts."""
    for _ in range(3):
        call()
    times = []
    for _ in range(20):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(each):
            call()
        times.append((time.perf_counter() - start) / each)
    torch.cuda.synchronize()
    return times


def _common() -> dict[str, Callable[[], Any]]:
    a, w = random(1, 4096), random(4096, 4096)
    gate, up, norm = random(1, 14336), random(1, 14336), random(4096)
    q, k = random(1, 32, 1, 128), random(1, 32, 1024, 128)
    layer = torch.nn.Linear(4096, 4096, bias=False, device="cuda", dtype=torch.bfloat16)
    return {
        "mm_1x4096x4096": lambda: torch.mm(a, w),
        "linear_module_4096": lambda: layer(a),
        "rms_norm_1x4096": lambda: functional.rms_norm(a, (4096,), norm),
        "silu_times_1x14336": lambda: functional.silu(gate) * up,
        "sdpa_1x32x1024x128": lambda: functional.scaled_dot_product_attention(q, k, k),
        "item": lambda: a[0, 0].item(),
    }


def _transfers(record: Recorder) -> None:
    """Pinned memory to the device and back."""
    for size in (2**12, 2**20, 2**26, 2**30):
        host = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        device = torch.empty(size, dtype=torch.uint8, device="cuda")
        for name, target, source in (("host_to_device", device, host), ("device_to_host", host, device)):

            def copy(target: torch.Tensor = target, source: torch.Tensor = source) -> None:
                target.copy_(source, non_blocking=True)

            copy()
            _row(record, name, {"bytes": size}, [events_s(copy) for _ in range(12)], "events", float(size))


def _row(record: Recorder, name: str, args: dict[str, Any], times: list[float], how: str, moved: float = 0.0) -> None:
    record.write({"name": name, "args": words(args), "seconds": median(times), "low": quantile(times, 0.1),
                  "high": quantile(times, 0.9), "how": how, "bytes": moved})  # fmt: skip
