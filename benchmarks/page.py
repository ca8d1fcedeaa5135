"""Fifty users of the page at once, against `hwmodel ui` on this machine: how long an answer takes, and is any lost.

    python benchmarks/page.py [--users 50] [--seconds 20]

A user opens the page (its files, the form), asks one of the common questions, and then drags: a new question every few
seconds, as one who reads does. Times are those of questions alone, from sending to the last byte.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

FILES = ("/", "/page.js", "/page.css", "/uPlot.esm.js", "/api/form", "/api/runs")
READING_S = (3.0, 12.0)  # between two questions of one user
FLEETS = ("64xH100", "256xH100", "512xH100", "1024xA100", "128xB200")


def question(draw: random.Random) -> tuple[str, dict[str, str]]:
    """One of the page's questions; a quarter are the ones that everybody opens with."""
    kind = draw.random()
    if kind < 0.25:
        return "plan", {"gpus": "512xH100", "tokens": "2T"}
    fleet, tokens = draw.choice(FLEETS), f"{draw.choice((0.2, 0.5, 1.0, 2.0, 5.0))}T"
    if kind < 0.6:
        return "plan", {"gpus": fleet, "tokens": tokens, "usd_per_hour": f"{draw.uniform(1, 5):.2f}"}
    if kind < 0.8:
        return "compare", {"gpus": "512xH100", "params": draw.choice(("7B", "13B", "70B")), "tokens": tokens,
                           "precision": "bf16,fp8"}  # fmt: skip
    if kind < 0.9:
        return "serve", {"model": "llama-3.1-70b", "demand": f"{draw.randrange(10, 400)} req/s", "tpot": "50ms"}
    return "plan", {
        "gpus": "512xH100",
        "params": "70B",
        "tokens": "2T",
        "inference_tokens": f"{draw.randrange(1, 40)}T",
    }


class User(threading.Thread):
    """One browser: a connection that stays open, its times and what went wrong."""

    def __init__(self, url: str, seed: int, until: float) -> None:
        super().__init__()
        self.draw, self.until = random.Random(seed), until
        split = urlsplit(url)
        self.connection = http.client.HTTPConnection(str(split.hostname), split.port, timeout=60)
        self.times: list[float] = []
        self.lost: list[str] = []

    def run(self) -> None:
        """Open the page, then ask until the time is up."""
        time.sleep(self.draw.uniform(0.0, READING_S[1]))
        for path in FILES:
            self._fetch("GET", path, None)
        while time.monotonic() < self.until:
            verb, asked = question(self.draw)
            began = time.monotonic()
            self._fetch("POST", f"/api/{verb}", json.dumps(asked).encode())
            self.times.append(time.monotonic() - began)
            time.sleep(self.draw.uniform(*READING_S))

    def _fetch(self, method: str, path: str, body: bytes | None) -> None:
        """One request; anything but an answer is written down."""
        try:
            self.connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            got = self.connection.getresponse()
            held = got.read()
            if got.status not in (200, 422):  # 422: it does not fit, which is an answer
                self.lost.append(f"{path}: {got.status} {held[:100]!r}")
        except OSError as error:
            self.lost.append(f"{path}: {error}")
            self.connection.close()


def main() -> None:
    """Start the server, the users, and print what they saw."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--users", type=int, default=50)
    options.add_argument("--seconds", type=float, default=30.0)
    asked = options.parse_args()
    server = subprocess.Popen([sys.executable, "-m", "hwmodel", "ui", "--port", "0"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for path in FILES:  # until the workers are warm
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
            connection.request("GET", path)
            connection.getresponse().read()
        users = [User(url, seed, time.monotonic() + asked.seconds) for seed in range(asked.users)]
        for user in users:
            user.start()
        for user in users:
            user.join()
    finally:
        server.terminate()
        server.wait()
    times, lost = sorted(t for user in users for t in user.times), [line for user in users for line in user.lost]
    p95 = times[int(0.95 * (len(times) - 1))]
    spread = f"median {statistics.median(times):.2f} s, p95 {p95:.2f} s, slowest {times[-1]:.2f} s"
    print(f"{asked.users} users, {len(times)} questions in {asked.seconds:g} s: {spread}; lost {len(lost)}")
    for line in lost[:5]:
        print(line)
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
