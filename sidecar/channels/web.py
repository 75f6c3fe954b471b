"""What both HTTP transports share: the client, redirects, and words for what went wrong that give no secret away."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from sidecar.channel import Frame
from sidecar.channels import messages
from sidecar.errors import HandshakeFailed, Refused, Unreachable

CONNECT_TIMEOUT = 10.0
DRAIN_TIMEOUT = 5.0
LONGEST_SHOWN = 16
"""Parts of a URL's path of this length or more are not shown: many hosted servers put their token there."""

MAX_MESSAGE = 64 * 1024 * 1024
_MOST_REDIRECTS = 5
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


@cache
def tls() -> ssl.SSLContext:
    """The certificates that are trusted: loading them takes 40 ms in which nobody is served, so it is done once."""
    return httpx2.create_ssl_context()


def check_url(url: str, *schemes: str) -> httpx2.URL:
    """The URL taken apart. Raises Unreachable unless it has one of the schemes, and a host."""
    try:
        urlsplit(url)
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        parsed = httpx2.URL("")
    if parsed.scheme not in schemes or not parsed.host:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise Unreachable(f"The URL is not a valid {wanted} URL.", hint="Correct `url`.")
    return parsed


def place(url: str) -> str:
    """The URL as it may be shown: without userinfo, query, fragment, and the parts of its path that may be tokens."""
    parts = urlsplit(url)
    path = "/".join(segment if len(segment) < LONGEST_SHOWN else "***" for segment in parts.path.split("/"))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def failure(error: Exception, url: str) -> Unreachable:
    """The error for a connection that could not be made or that broke."""
    if isinstance(error, httpx2.ConnectTimeout | TimeoutError):
        return Unreachable(f"{place(url)} did not answer within {CONNECT_TIMEOUT:g} s.")
    if isinstance(error, httpx2.ConnectError):
        return Unreachable(f"{place(url)} could not be connected to: {reason_of(error)}.")
    return Unreachable(f"The connection to {place(url)} broke ({type(error).__name__}).")


def refusal(response: httpx2.Response, url: str) -> Refused:
    """The error for an HTTP status that is not success."""
    message = f"{place(url)} answered HTTP {response.status_code} {response.reason_phrase}".rstrip()
    if response.next_request is not None:
        message += f", a redirect to {place(str(response.next_request.url))}, which is not followed"
    return Refused(f"{message}.", data={"status": response.status_code})


def not_mcp(response: httpx2.Response, url: str) -> HandshakeFailed:
    """The error for an answer that succeeded but is no MCP."""
    return HandshakeFailed(f"{place(url)} answered with {content_type(response) or 'no content'}, which is not MCP.")


def content_type(response: httpx2.Response) -> str:
    """The media type of an answer, without parameters; empty if it does not say."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def is_event_stream(response: httpx2.Response) -> bool:
    """Whether the answer succeeded and is a stream of server-sent events."""
    return response.is_success and content_type(response) == "text/event-stream"


@asynccontextmanager
async def streaming(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> AsyncIterator[httpx2.Response]:
    """One HTTP exchange; redirects are followed while they keep method and origin (as 307 for a slash does).

    Credentials and messages are meant for the configured origin, so no other redirect is followed; its response is
    given as it is.
    """
    request = client.build_request(method, url, headers=dict(headers), content=content)
    for remaining in reversed(range(_MOST_REDIRECTS + 1)):
        response = await client.send(request, stream=True, follow_redirects=False)
        following = response.next_request
        if following is None or not remaining or not _same_target(request, following):
            break
        await response.aclose()
        request = following
    try:
        yield response
    finally:
        await response.aclose()


async def events(response: httpx2.Response) -> AsyncGenerator[httpx2.ServerSentEvent]:
    """The server-sent events of a response."""
    keep_alive(response)
    iterator = cast("Any", aiter(httpx2.EventSource(response, max_event_size=MAX_MESSAGE)))
    async with aclosing(iterator) as found:
        async for event in found:
            yield event


async def body(response: httpx2.Response) -> bytes:
    """The body of a response; raises httpx2.ReadError when it is longer than 64 MiB."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_MESSAGE:
            raise httpx2.ReadError("The answer is too long.")
        parts.append(part)
    return b"".join(parts)


async def drain(response: httpx2.Response) -> None:
    """Read what is left of a response that says nothing, so that its connection can be used again; 5 s at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            await response.aread()


def parse(data: str | bytes) -> list[Frame]:
    """The frames in a message: one, or several in a batch (revision 2025-03-26); none when it is not JSON-RPC.

    An answer that cannot be read is an error response (`Unread`).
    """
    raw = data.encode(errors="replace") if isinstance(data, str) else data
    try:
        return messages.read(raw, strict=False)
    except ValueError:
        unread = messages.instead(raw)
        return [] if unread is None else [unread]


def keep_alive(response: httpx2.Response) -> None:
    """Have the kernel find out when the peer of a silent stream is gone."""
    stream = response.extensions.get("network_stream")
    keep_socket_alive(stream.get_extra_info("socket") if stream is not None else None)


def keep_socket_alive(sock: socket.socket | None) -> None:
    """The same for a socket, where there is one."""
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE_OPTIONS.items():
            if option := getattr(socket, name, None):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


def checked_headers(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """Configured headers as they are sent. Raises Unreachable when HTTP does not allow one."""
    result = {}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or _NOT_IN_HEADER.search(value.strip()):
            raise Unreachable(
                f"The header {name!r} holds a character that HTTP does not allow.", hint="Correct it in `headers`."
            )
        result[name.encode()] = value.strip().encode(errors="surrogateescape")
    return result


def _same_target(sent: httpx2.Request, following: httpx2.Request) -> bool:
    here, there = sent.url, following.url
    upgraded = (here.scheme, there.scheme, here.port, there.port) == ("http", "https", None, None)
    same_origin = here.host == there.host and (upgraded or (here.scheme, here.port) == (there.scheme, there.port))
    return following.method == sent.method and same_origin and there.userinfo in (b"", here.userinfo)


def reason_of(error: BaseException) -> str:
    """The operating system's word for it, if there is one below the client's own exceptions."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):  # its errno is no number of the system's
            return str(cause)[:200]
        if isinstance(cause, OSError) and cause.errno in errno.errorcode and cause.errno is not None:
            return os.strerror(cause.errno)
    return str(error)[:200] or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _causes(inner)
        error = error.__cause__ or error.__context__
