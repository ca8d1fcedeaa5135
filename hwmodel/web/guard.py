"""Who may ask, and how much: Host and Origin, a token off loopback, bounded bodies, headers, one log line a request."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hwmodel.web.answers import Reply, refusal
from hwmodel.web.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger("hwmodel.web")
FORBIDDEN = "not allowed"
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Names that the server answers to, and the token that the API asks for (none on loopback)."""

    names: frozenset[str]
    token: str | None = None


class Head(NamedTuple):
    """What a request says before its body: the path asked for, and its headers by their names in small letters."""

    path: str
    headers: Mapping[str, str]


def head_of(scope: Scope) -> Head:
    """The head of a request as ASGI tells of it."""
    headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
    return Head(path=str(scope["path"]), headers=headers)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address that is bound."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def access(host: str, token: str | None) -> Access:
    """Access for a bound address: the loopback names, or this machine's names and a token."""
    if is_loopback(host):
        return Access(names=frozenset({"localhost", "127.0.0.1", "[::1]", _bracketed(host)}))
    ours = {"localhost", socket.gethostname().lower(), socket.getfqdn().lower(), _bracketed(host.lower())}
    return Access(names=frozenset(ours), token=token)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def host_name(header: str) -> str:
    """The name in a Host header, without its port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]


def _is_address(name: str) -> bool:
    """Whether a name is a plain address: no name of a stranger's can be made to point to it."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def refused(allowed: Access, head: Head) -> Reply | None:
    """Why a request may not be answered, by its head alone; None where it may."""
    path, headers = head
    host = headers.get("host", "")
    name = host_name(host)
    if name not in allowed.names and not (allowed.token is not None and _is_address(name)):
        return refusal(403, "this server does not answer to that Host", FORBIDDEN)
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
        return refusal(403, "requests from another page's Origin are not answered", FORBIDDEN)
    if headers.get("sec-fetch-site") == "cross-site" and path.startswith("/api/"):
        return refusal(403, "requests from another site's page are not answered", FORBIDDEN)
    if allowed.token is not None and path.startswith("/api/"):
        given = headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {allowed.token}".encode()):
            return refusal(401, "the API needs the token that the server printed: Authorization: Bearer ...", FORBIDDEN)
    return None


class Guard:
    """Stands before the application: refuses, bounds, adds headers, and logs the verb and the time alone."""

    def __init__(self, app: ASGIApp, allowed: Access, limits: Limits) -> None:
        self.app, self.allowed, self.limits = app, allowed, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, head = time.monotonic(), head_of(scope)

        async def send_guarded(message: Message) -> None:
            """With our headers, whatever the application set."""
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", []) if pair[0].decode().lower() not in HEADERS]
                message["headers"] = kept + [(key.encode(), value.encode()) for key, value in HEADERS.items()]
            await send(message)

        answer = refused(self.allowed, head)
        body = answer if answer is not None else await self._body(head.headers, receive)
        if isinstance(body, Reply):
            await send_reply(body, send_guarded, close=True)
        else:
            await self.app(scope, _replayed(body, receive), send_guarded)
        LOG.info("%s %.0f ms", verb_of(head.path), 1e3 * (time.monotonic() - began))

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes | Reply:
        """The whole body, or why it is not taken: too long by its head or in fact, or too slow."""
        most = self.limits.body_bytes
        too_long = refusal(413, f"the body is longer than {most:,} bytes: a question is much shorter", "over the limit")
        stated = headers.get("content-length", "0")
        if not stated.isdecimal() or int(stated[:12]) > most:
            return too_long
        held = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_s):
                while True:
                    message = await receive()
                    held += message.get("body", b"")
                    if len(held) > most:
                        return too_long
                    if not message.get("more_body", False):
                        return bytes(held)
        except TimeoutError:
            return refusal(408, f"the body took longer than {self.limits.body_s:g} s", "over the limit")


def verb_of(path: str) -> str:
    """What is logged of a request: the verb where there is one, else that it was the page."""
    from hwmodel.web.fields import VERBS

    part = path.removeprefix("/api/").partition("/")[0] if path.startswith("/api/") else ""
    return part if part in VERBS else "api" if part else "page"


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body that was read, once more for the application; then what the connection says."""
    held = [body]

    async def replay() -> Message:
        """One message with all of it."""
        if held:
            return {"type": "http.request", "body": held.pop(), "more_body": False}
        return await receive()

    return replay


async def send_reply(reply: Reply, send: Send, *, close: bool = False) -> None:
    """A reply as it stands; `close` ends the connection, for a body that was not read."""
    headers = [(b"content-type", reply.media.encode()), (b"content-length", str(len(reply.body)).encode())]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
