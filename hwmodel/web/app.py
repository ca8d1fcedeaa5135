"""The routes: the page's files, what it reads once, and the questions."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hwmodel.web.answers import INTERNAL, JSON, MEANING, STATUS, Job, Reply, refusal
from hwmodel.web.fields import VERBS
from hwmodel.web.guard import Access, Guard
from hwmodel.web.limits import Limits
from hwmodel.web.pool import BUSY, OVER, WorkerPool

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from hwmodel.plain import JsonValue

Handler = Callable[[Request], Awaitable[Response]]
MEDIA = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}  # fmt: skip
EXIT_HEADER = "hwmodel-exit-code"


def page_files() -> dict[str, Response]:
    """Each file of the page by its address. They are read once: no address ever becomes a path."""
    folder = files("hwmodel.web") / "static"
    found = {}
    for entry in folder.iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if suffix in MEDIA:
            address = "/" if entry.name == "index.html" else f"/{entry.name}"
            found[address] = Response(entry.read_bytes(), media_type=MEDIA[suffix])
    return found


def respond(reply: Reply) -> Response:
    """A reply over HTTP, with the exit code of the command line in its head."""
    headers = {} if reply.exit_code is None else {EXIT_HEADER: str(reply.exit_code)}
    return Response(reply.body, status_code=reply.status, media_type=reply.media, headers=headers)


def application(access: Access, limits: Limits) -> ASGIApp:
    """The whole server behind its guard. Starting it starts the workers."""
    pool = WorkerPool(limits)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        """The workers live as long as the server."""
        await pool.start()
        try:
            yield
        finally:
            await pool.stop()

    app = Starlette(
        routes=[*_questions(pool), *_readings(), *_pages()],
        lifespan=lifespan,
        exception_handlers={404: _no_place, 405: _no_method, Exception: _fault},
    )
    return Guard(app, access, limits)


def _questions(pool: WorkerPool) -> list[Route]:
    """A route for each verb and form of its answer."""
    forms = {"": "json", "/report": "report", "/launch": "launch"}
    return [
        Route(f"/api/{verb}{ending}", _asked(pool, verb, form), methods=["POST"])
        for verb in VERBS
        for ending, form in forms.items()
        if not (verb == "compare" and form == "launch")
    ]


def _asked(pool: WorkerPool, verb: str, form: str) -> Handler:
    """The handler of one route."""

    async def handle(request: Request) -> Response:
        """The pool's reply."""
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != JSON:
            return respond(refusal(415, f"send the question as {JSON}", "bad input"))
        job = Job(verb=verb, form=form, body=await request.body())
        asking, leaving = asyncio.ensure_future(pool.ask(job)), asyncio.ensure_future(_left(request))
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not asking.done():
            asking.cancel()
            return respond(refusal(503, BUSY, OVER))  # nobody reads it
        return respond(asking.result())

    return handle


async def _left(request: Request) -> None:
    """Until who asked closes the connection, as the page does when a slider has moved on."""
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _readings() -> list[Route]:
    """What is read but not asked; worked out once."""
    from hwmodel.catalog import load_catalog
    from hwmodel.web.form import form
    from hwmodel.web.openapi import document
    from hwmodel.web.runs import published

    catalog = load_catalog()
    told: dict[str, msgspec.Struct | Mapping[str, JsonValue]] = {
        "/api/form": form(catalog), "/api/runs": published(catalog), "/api/openapi.json": document(),
    }  # fmt: skip
    return [_told(address, data) for address, data in told.items()]


def _told(address: str, data: msgspec.Struct | Mapping[str, JsonValue]) -> Route:
    """A route that says one thing: a record or a JSON object."""
    body = json.dumps(msgspec.to_builtins(data), ensure_ascii=False).encode()

    async def handle(_request: Request) -> Response:
        """The same bytes each time."""
        return Response(body, media_type=JSON)

    return Route(address, handle, methods=["GET"])


def _pages() -> list[Route]:
    """The page's files."""

    def handler(response: Response) -> Handler:
        """What answers with one file."""

        async def handle(_request: Request) -> Response:
            """The file."""
            return response

        return handle

    return [Route(address, handler(response), methods=["GET"]) for address, response in page_files().items()]


async def _no_place(_request: Request, _error: Exception) -> Response:
    return respond(refusal(404, "there is nothing at this address", "bad input"))


async def _no_method(request: Request, _error: Exception) -> Response:
    return respond(refusal(405, f"{request.method[:10]} is not answered here", "bad input"))


async def _fault(_request: Request, _error: Exception) -> Response:
    return respond(refusal(STATUS[1], INTERNAL, MEANING[1], 1))
