"""Who may ask, what a request can reach, and what a hostile one costs: over real sockets against a real process."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web_client import Answer, Served, start, stop

from hwmodel.api.options import CompareOptions, PlanOptions, ServeOptions, TrainOptions
from hwmodel.errors import InputError
from hwmodel.web import answers
from hwmodel.web.answers import Job, Reply, reply
from hwmodel.web.app import page_files
from hwmodel.web.fields import FILES, VERBS
from hwmodel.web.guard import Access, Head, access, refused
from hwmodel.web.limits import Limits
from hwmodel.web.pool import CROWDED, WorkerPool, WorkerProcess, _context
from hwmodel.web.question import read_json, read_question
from hwmodel.web.server import bound

PLAN = {"gpus": "8xH100", "tokens": "10B"}


def one_line(got: Answer) -> str:
    """The message of a refusal: one line of ours."""
    message = got.message
    assert message
    assert "\n" not in message
    assert "Traceback" not in message
    return message


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80"])
@pytest.mark.parametrize("path", ["/", "/api/form", "/api/plan"])
def test_a_foreign_host_is_not_answered(server: Served, host: str, path: str) -> None:
    got = server.post(path, PLAN, host=host) if path == "/api/plan" else server.get(path, host=host)
    assert got.status == 403
    one_line(got)


def test_our_own_names_are_answered(server: Served) -> None:
    for host in ("localhost", f"127.0.0.1:{server.port}", f"localhost:{server.port}", "[::1]:1", "LOCALHOST:9000"):
        assert server.get("/", host=host).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1"])
def test_a_foreign_origin_is_not_answered(server: Served, origin: str) -> None:
    got = server.post("/api/plan", PLAN, origin=origin, host=f"127.0.0.1:{server.port}")
    assert got.status == 403
    one_line(got)


def test_the_own_origin_is_answered_and_a_cross_site_fetch_is_not(server: Served) -> None:
    host = f"127.0.0.1:{server.port}"
    assert server.post("/api/plan", PLAN, origin=f"http://{host}", host=host).status == 200
    assert server.post("/api/plan", PLAN, sec_fetch_site="cross-site").status == 403


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that others could reach: bound to every address of this machine."""
    served = start(tmp_path_factory.mktemp("guarded"), "--host", "0.0.0.0")
    yield served
    stop(served)


def test_off_loopback_the_api_asks_for_the_token(guarded: Served) -> None:
    assert len(guarded.token) >= 32
    assert guarded.get("/").status == 200  # the page itself holds no secret, and must come before its token can be used
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": guarded.token}):
        got = guarded.post("/api/plan", PLAN, **headers)
        assert got.status == 401
        one_line(got)
    assert guarded.get("/api/form").status == 401
    assert guarded.post("/api/plan", PLAN, authorization=f"Bearer {guarded.token}").status == 200
    named = {"authorization": f"Bearer {guarded.token}", "host": "evil.example"}
    assert guarded.post("/api/plan", PLAN, **named).status == 403
    assert guarded.token not in guarded.log.read_text()


def test_loopback_alone_needs_no_token() -> None:
    assert access("127.0.0.1", "secret").token is None
    assert access("::1", "secret").token is None
    assert access("0.0.0.0", "secret").token == "secret"
    allowed = Access(names=frozenset({"box"}), token="secret")
    head = {"host": "192.0.2.7:8765", "authorization": "Bearer secret"}
    assert refused(allowed, Head("/api/plan", head)) is None  # a plain address cannot be another's name
    assert refused(allowed, Head("/api/plan", head | {"host": "box.example"})) is not None


TRICKS = [
    "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/etc/passwd",
    "/index.html/../../pyproject.toml", "/static/app.js", "/.%00/index.html", "/api/../etc/passwd", "/api/plan/../form",
    "/index.html%00.js", "/api/plan/report/x", "/C:/windows/win.ini", "/..\\..\\pyproject.toml", "/%252e%252e/x",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_no_address_becomes_a_path(server: Served, path: str) -> None:
    got = server.get(path)
    assert got.status in (404, 405)
    one_line(got)
    assert b"root:" not in got.body


def test_only_the_files_of_the_page_are_served(server: Served) -> None:
    for address, held in page_files().items():
        assert server.get(address).body == held.body


@pytest.mark.parametrize("name", ["measured", "prices", "catalogs", "catalog", "histogram", "out", "from", "export"])
def test_options_that_take_files_are_refused(server: Served, name: str) -> None:
    got = server.post("/api/plan", PLAN | {name: "/etc/passwd"})
    assert got.status == 400
    assert "over HTTP reads none" in one_line(got)


PATHS = ["/etc/passwd", "./config.json", "~/x", "..\\x", "config.json", "a/b.json", "/dev/zero"]


def test_what_a_request_says_is_never_opened() -> None:
    opened: list[str] = []
    watching = [True]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching[0] and event in ("open", "os.listdir", "os.scandir"):
            opened.append(str(arguments[0]))

    reply(Job(verb="plan", form="json", body=b'{"gpus": "8xH100", "tokens": "10B"}'))  # loads what questions need
    sys.addaudithook(watch)
    marked = "marked-by-a-request"
    for name in ("model", "gpus", "system", "law", "precision", "region", "reliability", "stack", "price_kind"):
        for path in PATHS:
            body = f'{{"gpus": "8xH100", "tokens": "10B", "{name}": "{path}/{marked}"}}'.replace("\\", "\\\\").encode()
            assert reply(Job(verb="plan", form="json", body=body)).status in (400, 422)
            launch = b'{"question": ' + body + b', "targets": "megatron"}'
            assert reply(Job(verb="plan", form="launch", body=launch)).status in (400, 422)
    watching[0] = False
    assert not [name for name in opened if marked in name]


@pytest.mark.parametrize("path", PATHS)
def test_a_model_is_a_name_never_a_file(server: Served, path: str) -> None:
    assert server.post("/api/train", {"gpus": "8xH100", "model": path}).status == 400


BAD_BODIES = [
    b"", b"[]", b"7", b"null", b"{", b'{"gpus": NaN}', b'{"gpus": "8xH100", "gpus": "16xH100"}', b"\xff\xfe",
    b"[" * 20_000, b'{"a":' * 5_000, b'{"tokens": 1e999}', b'{"tokens": ' + b"9" * 5_000 + b"}", b'{"tokens": true}',
    b'{"tokens": ["1T"]}', b'{"tokens": {"a": 1}}', b'{"tokens": "\\u0000"}', b'{"tokens": "' + b"1" * 400 + b'"}',
    b'{"unknown": 1}', b'{"moe": false}', b'{"disaggregated": "yes"}', "{“gpus”: 1}".encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
@pytest.mark.parametrize("path", ["/api/plan", "/api/serve", "/api/train/report", "/api/plan/launch"])
def test_a_body_that_is_no_question_is_one_line(server: Served, path: str, body: bytes) -> None:
    got = server.post(path, body)
    assert got.status == 400, got.body
    one_line(got)


def test_a_form_of_another_site_cannot_ask(server: Served) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        got = server.request("POST", "/api/plan", b'{"gpus": "8xH100", "tokens": "10B"}', {"content-type": media})
        assert got.status == 415


def test_a_huge_body_is_turned_away_by_its_head_and_in_fact(server: Served) -> None:
    stated = send(server, b"POST /api/plan HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999999\r\n\r\n")
    assert stated.startswith(b"HTTP/1.1 413")
    head = b"POST /api/plan HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    began = time.monotonic()
    in_fact = send(server, head + 64 * (b"1000\r\n" + b"x" * 4096 + b"\r\n"))
    assert in_fact.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - began < 5.0
    heads = send(server, b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 100_000)
    assert heads.startswith(b"HTTP/1.1 400")


def send(server: Served, data: bytes, wait_s: float = 15.0) -> bytes:
    """What comes back for these bytes until the server closes or `wait_s` pass."""
    with socket.create_connection((server.host, server.port), timeout=wait_s) as connection:
        held = b""
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                held += part
        except (TimeoutError, ConnectionError):
            pass
        return held


def test_who_dawdles_is_let_go_while_others_are_answered(server: Served) -> None:
    limits = Limits()
    slow = [socket.create_connection((server.host, server.port), timeout=30) for _ in range(60)]
    try:
        for connection in slow[:30]:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: loc")  # a head that never ends
        for connection in slow[30:50]:
            connection.sendall(b"POST /api/plan HTTP/1.1\r\nhost: localhost\r\ncontent-length: 40\r\n\r\n{")
        began = time.monotonic()
        assert server.get("/").status == 200  # and ten connections say nothing at all
        assert server.post("/api/plan", PLAN).status == 200
        for connection in slow:
            while connection.recv(65536):
                continue  # an answer may come before the end
        assert time.monotonic() - began < limits.head_s + limits.body_s + 5.0
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
     b"BREW / HTTP/1.1\r\nhost: localhost\r\n\r\n",
     b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
     b"POST /api/plan HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
)  # fmt: skip
def test_broken_http_is_a_4xx(server: Served, data: bytes) -> None:
    got = send(server, data, 2.0)
    assert re.match(rb"HTTP/1\.1 4\d\d", got), got
    assert b"Traceback" not in got


def test_every_answer_carries_the_policy(server: Served) -> None:
    for got in (server.get("/"), server.get("/none"), server.post("/api/plan", {}), server.get("/", host="x")):
        policy = got.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["cache-control"] == "no-store"
        assert "server" not in got.headers
        assert "access-control-allow-origin" not in got.headers


def test_the_log_holds_the_verb_and_the_time_alone(server: Served) -> None:
    server.post("/api/plan", PLAN | {"model": "secret-project-x"})
    server.get("/secret-address?token=secret")
    time.sleep(0.2)
    lines = [line for line in server.log.read_text().splitlines() if not line.startswith("starting;")]
    assert lines
    assert all(re.fullmatch(r"(plan|compare|serve|train|api|page) \d+ ms", line) for line in lines), lines


def test_a_fault_of_ours_says_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise ValueError("secret-inner-state")

    monkeypatch.setattr(answers, "solve", fails)
    got = reply(Job(verb="plan", form="json", body=b"{}"))
    assert (got.status, got.exit_code) == (500, 1)
    assert b"secret" not in got.body


@pytest.fixture(scope="module")
def small() -> Iterator[WorkerProcess]:
    """A worker that may hold little and take half a second."""
    worker = WorkerProcess(_context(), Limits(answer_s=0.5, memory_bytes=64 << 20))
    worker.start()
    yield worker
    worker.stop()


LONG = Job(verb="plan", form="json", body=b'{"gpus": "512xH100", "loss_like": "70B@1.4T", "inference_tokens": "20T", '
           b'"moe": "all"}')  # fmt: skip


def test_a_question_that_takes_too_long_is_ended_and_the_next_is_answered(small: WorkerProcess) -> None:
    began = time.monotonic()
    first: Reply = small.ask(LONG)
    assert time.monotonic() - began < CROWDED * 0.5 + 2.0
    assert first.status == 422
    assert b"longer than 0.5 s" in first.body
    assert small.ask(Job(verb="plan", form="json", body=b'{"gpus": "8xH1"}')).status == 400


HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("compare", {"gpus": ",".join(f"{64 * n}xH100" for n in range(1, 17)), "params": "1B,2B,3B,4B",
                 "tokens": "1T,2T,3T,4T"}),
    ("plan", {"gpus": "999999937xH100", "tokens": "1e20", "global_batch_tokens": "1e19"}),
    ("plan", {"gpus": "1e9xH100", "params": "1e20", "tokens": "1e20"}),
    ("serve", {"model": "deepseek-v3", "demand": "1e18 req/s", "parts": "all", "input": "1e18"}),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "question"), HOSTILE)
def test_a_hostile_question_ends_in_one_line_of_4xx(server: Served, verb: str, question: dict[str, Any]) -> None:
    got = server.post(f"/api/{verb}", question)
    assert 400 <= got.status < 500
    one_line(got)
    assert server.post("/api/plan", PLAN).status == 200


def test_who_leaves_the_queue_costs_nothing_and_equal_questions_are_asked_once() -> None:
    async def scene() -> tuple[list[Reply], int]:
        pool = WorkerPool(Limits(workers=1))
        asked = []

        class Slow(WorkerProcess):
            def ask(self, job: Job) -> Reply:
                asked.append(job)
                time.sleep(0.2)
                return Reply(status=200, body=job.body, exit_code=0)

        pool.idle.put_nowait(Slow(None, Limits()))
        jobs = [Job(verb="plan", form="json", body=text) for text in (b"1", b"2", b"2", b"3", b"4")]
        tasks = [asyncio.create_task(pool.ask(job)) for job in jobs]
        await asyncio.sleep(0.05)
        tasks[3].cancel()  # the third question is still in the queue
        tasks[1].cancel()  # the second has another who waits for it
        kept = await asyncio.gather(*(tasks[i] for i in (0, 2, 4)))
        kept.append(await pool.ask(jobs[0]))  # known by now
        pool.threads.shutdown()
        return kept, len(asked)

    replies, asked = asyncio.run(scene())
    assert [reply.body for reply in replies] == [b"1", b"2", b"4", b"1"]
    assert asked == 3


def test_a_full_queue_is_said_at_once() -> None:
    async def scene() -> Reply:
        pool = WorkerPool(Limits(workers=1, waiting=0))
        return await pool.ask(LONG)

    assert asyncio.run(scene()).status == 503


def test_a_worker_that_dies_is_replaced(small: WorkerProcess) -> None:
    assert small.ask(Job(verb="plan", form="json", body=b'{"gpus": "8xH1"}')).status == 400
    small.process.kill()
    small.process.join()
    assert small.ask(Job(verb="plan", form="json", body=b'{"gpus": "8xH1"}')).status == 400


def test_an_address_that_cannot_be_had_is_one_line() -> None:
    with bound("127.0.0.1", 0) as held, pytest.raises(InputError, match="--port 0 takes a free one"):
        bound("127.0.0.1", held.getsockname()[1])
    with pytest.raises(InputError, match="cannot listen"):
        bound("no-such-host.invalid", 0)


def test_a_question_leaves_out_what_is_empty() -> None:
    assert read_question("plan", {"gpus": "8xH100", "tokens": "", "params": None}) == {"gpus": "8xH100"}
    with pytest.raises(InputError, match="nearest: tokens"):
        read_question("plan", {"token": "1T"})
    with pytest.raises(InputError, match="twice"):
        read_json(b'{"a": {"b": 1, "b": 2}}')


def test_the_static_folder_holds_only_what_is_served() -> None:
    folder = Path(answers.__file__).parent / "static"
    assert len(page_files()) == len([path for path in folder.iterdir() if path.is_file()])


@pytest.mark.parametrize(
    ("verb", "typed"),
    [("plan", PlanOptions), ("compare", CompareOptions), ("train", TrainOptions), ("serve", ServeOptions)],
)
def test_a_question_has_the_options_of_the_verb_and_no_file(verb: str, typed: Any) -> None:
    known = set(getattr(typed, "__origin__", typed).__annotations__) | ({"model"} if verb == "serve" else set())
    bought = {"own"} if verb == "plan" else set()
    assert set(VERBS[verb].fields) == (known | bought) - {*FILES, "shape"}
