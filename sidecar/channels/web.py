"""Helpers of the HTTP transports: requests with redirects, parsing of responses, and error texts without secrets."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2

from bridge.models import FRAMING_HEADERS, OWN_HEADERS
from sidecar.channels import messages
from sidecar.channels.challenge import challenge
from sidecar.errors import HandshakeFailed, LargeAnswerFailed, Refused, Unreachable
from sidecar.large.process import JSON
from sidecar.large.reader import Message, ReadLarge
from sidecar.protocol.channel import Frame
from sidecar.protocol.large_values import Pieces

CONNECT_TIMEOUT = 10.0
MASKED_LENGTH = 16
"""Path segments of this length or more are masked: many hosted servers have a token in the path."""

_MAX_REDIRECTS = 5
_HOSTNAME_MISMATCH = 62  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH
_MAX_PHRASE = 80
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
"""Control characters, and lone surrogates other than those of `surrogateescape`, which stand for bytes."""
_KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


@cache
def tls() -> ssl.SSLContext:
    """The TLS context with the trusted certificates. Cached, as loading them blocks the event loop for 40 ms.

    Raises:
        Unreachable: SSL_CERT_FILE or SSL_CERT_DIR cannot be read.
    """
    try:
        return httpx2.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one
        why = f"The certificates of trusted authorities cannot be read: {reason_of(error)}."
        raise Unreachable(why, hint="Correct SSL_CERT_FILE or SSL_CERT_DIR, and restart the hub.") from None


def check_url(url: str, *schemes: str) -> httpx2.URL:
    """Parse a URL. Raises Unreachable unless it has one of the schemes and a host."""
    try:
        port = urlsplit(url).port  # raises ValueError above 65535
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):  # UnicodeEncodeError is one
        port, parsed = None, httpx2.URL("")
    if parsed.scheme not in schemes or not parsed.host or port == 0:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise Unreachable(f"The URL is not a valid {wanted} URL.", hint="Correct `url`.")
    return parsed


def place(url: str) -> str:
    """The URL for messages: without userinfo, query and fragment, and with long path segments masked."""
    parts = urlsplit(url)
    path = "/".join(segment if len(segment) < MASKED_LENGTH else "***" for segment in parts.path.split("/"))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def failure(error: Exception, url: str, connect_timeout: float | None = None) -> Unreachable:
    """The error for a connection that could not be opened or was broken."""
    if isinstance(error, httpx2.ConnectTimeout | TimeoutError):
        return Unreachable(f"{place(url)} did not answer within {connect_timeout or CONNECT_TIMEOUT:g} s.")
    if isinstance(error, httpx2.ConnectError):
        return Unreachable(f"{place(url)} could not be connected to: {reason_of(error)}.", hint=tls_hint(error))
    return Unreachable(f"The connection to {place(url)} broke ({type(error).__name__}).")


def tls_hint(error: BaseException) -> str | None:
    """The hint for a TLS error; None for other errors."""
    cause = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if cause is None:
        return None
    if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code == _HOSTNAME_MISMATCH:
        return "Use the host name that the server's certificate is for in `url`."
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            "If the certificate is of your own authority, name the file with that authority's certificate in "
            "SSL_CERT_FILE in the environment that starts the hub, and restart the hub."
        )
    if getattr(cause, "reason", "") == "WRONG_VERSION_NUMBER":
        return "The server does not speak TLS at this port: use http:// (or ws://) in `url`, or the port that does."
    return "Check that the server speaks TLS 1.2 or later at this port, and that `url` has the right port."


def refusal(response: httpx2.Response, url: str) -> Refused:
    """The error for a response whose HTTP status is not a success."""
    following = response.next_request
    return refused(
        url,
        response.status_code,
        response.reason_phrase,
        location="" if following is None else str(following.url),
        challenges=response.headers.get("www-authenticate", ""),
        authorized="authorization" in response.request.headers,
    )


def refused(
    url: str, status: int, phrase: str, *, location: str = "", challenges: str = "", authorized: bool = False
) -> Refused:
    """The error for an HTTP status. `location`: target of a redirect; `challenges`: `WWW-Authenticate`."""
    error = _refused(url, status, phrase, location, challenges, authorized)
    error.challenge = challenges
    return error


def _refused(url: str, status: int, phrase: str, location: str, challenges: str, authorized: bool) -> Refused:
    message = f"{place(url)} answered {named(status, phrase)}"
    data: dict[str, Any] = {"status": status}
    if location:
        message += f", a redirect to {place(location)}, which is not followed"
    if status != 401:
        return Refused(f"{message}.", data=data)
    wanted = challenge(challenges, url, authorized)
    if wanted.metadata:
        data["resource_metadata"] = wanted.metadata
    return Refused(f"{message}{wanted.text}.", hint=wanted.hint, data=data)


def named(status: int, phrase: str) -> str:
    """A status with its reason phrase, for messages."""
    shown = "".join(char for char in phrase[:_MAX_PHRASE] if char.isprintable())
    return f"HTTP {status} {shown}".rstrip()


def not_mcp(response: httpx2.Response, url: str) -> HandshakeFailed:
    """The error for a successful response that is not MCP."""
    return HandshakeFailed(f"{place(url)} answered with {content_type(response) or 'no content'}, which is not MCP.")


def content_type(response: httpx2.Response) -> str:
    """The media type of a response, without parameters; empty if there is none."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def is_event_stream(response: httpx2.Response) -> bool:
    """Whether the response is a success and a stream of server-sent events."""
    return response.is_success and content_type(response) == "text/event-stream"


@asynccontextmanager
async def streaming(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> AsyncIterator[httpx2.Response]:
    """Send a request; yields the response, whose body is not read yet.

    Redirects are followed if they keep method and origin (such as a 307 that adds a slash). Other redirects are
    returned as they are, since credentials and messages are meant for the configured origin only.
    """
    request = client.build_request(method, url, headers=dict(headers), content=content)
    for remaining in reversed(range(_MAX_REDIRECTS + 1)):
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


def parse(data: str | bytes | bytearray) -> list[Frame]:
    """Parse a message: one frame, or several of a batch (revision 2025-03-26); none if it is not JSON-RPC.

    An answer that cannot be parsed becomes an error response (`UnreadableAnswer`).
    """
    raw = data.encode(errors="replace") if isinstance(data, str) else bytes(data)
    try:
        return messages.read(raw, strict=False)
    except ValueError:
        unread = messages.instead(raw)
        return [] if unread is None else [unread]


async def parse_large(pieces: Pieces, read_large: ReadLarge) -> list[Frame]:
    """As `parse`, for a large message, which does not block the event loop."""
    return await frames_of_large(pieces, read_large(pieces, JSON))


async def frames_of_large(pieces: Pieces, read: asyncio.Future[Message]) -> list[Frame]:
    """As `parse`, for a large message that `read` is parsing."""
    error = None
    try:
        return messages.frames_in((await read).value, strict=False)
    except ValueError:
        pass
    except LargeAnswerFailed as failed:
        error = failed
    unread = messages.instead(pieces.ends(messages.SCANNED, messages.TAIL), error)
    return [] if unread is None else [unread]


def keep_alive(response: httpx2.Response) -> None:
    """Enable TCP keep-alive on the connection of a response, to detect that the peer of an idle stream is gone."""
    stream = response.extensions.get("network_stream")
    keep_socket_alive(stream.get_extra_info("socket") if stream is not None else None)


def keep_socket_alive(sock: socket.socket | None) -> None:
    """Enable TCP keep-alive on a socket, if there is one."""
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE_OPTIONS.items():
            if option := getattr(socket, name, None):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


def checked_headers(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """Validate and encode configured headers, without those that the hub sets itself.

    Raises:
        Unreachable: a header is invalid, or belongs to the HTTP connection.
    """
    result = {}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or _NOT_IN_HEADER.search(value.strip()):
            raise Unreachable(
                f"The header {name!r} holds a character that HTTP does not allow.", hint="Correct it in `headers`."
            )
        if name.lower() in FRAMING_HEADERS:
            raise Unreachable(
                f"The header {name!r} cannot be configured: it belongs to each HTTP message or connection.",
                hint="Remove it from `headers`.",
            )
        if name.lower() not in OWN_HEADERS:
            result[name.encode()] = value.strip().encode(errors="surrogateescape")
    return result


def _same_target(sent: httpx2.Request, following: httpx2.Request) -> bool:
    here, there = sent.url, following.url
    upgraded = (here.scheme, there.scheme, here.port, there.port) == ("http", "https", None, None)
    same_origin = here.host == there.host and (upgraded or (here.scheme, here.port) == (there.scheme, there.port))
    return following.method == sent.method and same_origin and there.userinfo in (b"", here.userinfo)


def reason_of(error: BaseException) -> str:
    """The operating system's message for an error, if one is among its causes; else the error's own text."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):  # its errno is not one of the operating system
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
