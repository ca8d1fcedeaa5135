"""`hwmodel ui` as its own process on a free port, and a small client for it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.data["error"]["message"])


class Served:
    """A running server."""

    def __init__(self, url: str, process: subprocess.Popen[str], log: Path) -> None:
        self.url, self.process, self.log = url.partition("#")[0], process, log
        self.token = url.partition("#token=")[2]
        split = urlsplit(self.url)
        self.host, self.port = str(split.hostname), int(split.port or 0)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            got = connection.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path: str, data: Any, **headers: str) -> Answer:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.request("POST", path, body, sent)


def start(place: Path, *words: str) -> Served:
    """`hwmodel ui --port 0` with more words, its standard error in a file."""
    log = place / "ui.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "hwmodel", "ui", "--port", "0", *words],
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith("http://"), log.read_text()
    return Served(url, process, log)


def stop(served: Served) -> None:
    served.process.terminate()
    served.process.wait(timeout=30)
    assert served.process.stdout is not None
    served.process.stdout.close()
