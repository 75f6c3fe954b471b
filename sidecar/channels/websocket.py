"""MCP over WebSocket (RFC 6455): one JSON-RPC message per text message, with the subprotocol `mcp`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urljoin

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from bridge.models import RemoteLaunch
from sidecar.channels.base import RemoteChannel
from sidecar.channels.reading import MAX_MESSAGE
from sidecar.channels.sessions import Verdict, denies_session
from sidecar.channels.web import (
    CONNECT_TIMEOUT,
    check_url,
    checked_headers,
    keep_socket_alive,
    parse,
    parse_large,
    place,
    reason_of,
    refused,
    tls,
    tls_hint,
)
from sidecar.errors import AnswerTooLarge, ConnectionLost, HandshakeFailed, Refused, SidecarError, Unreachable
from sidecar.large.reader import ReadLarge, in_process
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame, OnFrame
from sidecar.protocol.large_values import LARGE_SIZE, Pieces

logging.getLogger("websockets").setLevel(logging.WARNING)  # it logs headers at DEBUG

SUBPROTOCOL = Subprotocol("mcp")
PING_INTERVAL = 20.0
PING_TIMEOUT = 120.0
"""Seconds after which an unanswered ping means that the peer is gone; long, as a busy server may not answer."""
CLOSE_TIMEOUT = 2.0
_REFUSALS = (CloseCode.POLICY_VIOLATION, 3000, 3003, 4401, 4403)
"""Close codes for rejected credentials: 1008, and the registered or usual ones that correspond to 401 and 403."""


@asynccontextmanager
async def open_websocket(
    launch: RemoteLaunch,
    on_frame: OnFrame,
    read_large: ReadLarge = in_process,
    connect_timeout: float | None = None,
    max_message: int | None = None,
) -> AsyncIterator[WebSocketChannel]:
    """Connect, with the configured headers in the upgrade request. Redirects are not followed.

    Raises:
        Unreachable: no connection, or no answer to the upgrade, within 10 s.
        Refused: the HTTP status is not 101.
        HandshakeFailed: the response is not a WebSocket handshake.
    """
    longest = max_message or MAX_MESSAGE
    socket = await _connect(launch, connect_timeout or CONNECT_TIMEOUT, longest)
    channel = WebSocketChannel(launch.url, socket, on_frame, read_large, longest)
    try:
        yield channel
    finally:
        await channel.aclose()


class WebSocketChannel(RemoteChannel):
    """A channel over one WebSocket."""

    transport = "websocket"

    def __init__(
        self, url: str, socket: ClientConnection, on_frame: OnFrame, read_large: ReadLarge, longest: int
    ) -> None:
        super().__init__(url, on_frame)
        self._longest = longest
        self._read_large = read_large
        self._socket = socket
        self._start(self._read())

    async def send(self, frame: Frame, _headers: Mapping[str, str] | None = None) -> None:
        """Send one frame; waits while the server does not read.

        Raises:
            ConnectionLost: the channel is closed.
        """
        try:
            await self._socket.send(codec.dumps(frame), text=True)
        except ConnectionClosed:
            raise ConnectionLost(f"The connection to {place(self._url)} is closed.") from None

    async def _ask(self, check: Frame, headers: dict[str, str]) -> Verdict:
        answer = self._expect_check()
        await self.send(check)
        return "denies" if denies_session(await answer) else "serves"

    async def aclose(self) -> None:
        """Close the WebSocket, cancel all tasks and close the channel. To be called by its owner."""
        self.close(ConnectionLost("The hub closed it."))
        await self._socket.close()
        await super().aclose()

    async def _read(self) -> None:
        try:
            while True:
                data = await self._socket.recv(decode=False)
                large = len(data) >= LARGE_SIZE
                found = await parse_large(Pieces([data]), self._read_large) if large else parse(data)
                for frame in found:
                    self._established = True
                    self._receive(frame)
                await self._keep_pace(found)
        except ConnectionClosed as closed:
            self.close(_why_closed(closed, self._url, self._established, self._longest))


async def _connect(launch: RemoteLaunch, seconds: float, longest: int) -> ClientConnection:
    secure = check_url(launch.url, "ws", "wss").scheme == "wss"
    sent = checked_headers(launch.headers)
    headers = [(name.decode(), value.decode("latin-1")) for name, value in sent.items()]
    opening = _Connect(
        launch.url,
        subprotocols=[SUBPROTOCOL],
        compression=None,
        additional_headers=headers,
        open_timeout=seconds,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        close_timeout=CLOSE_TIMEOUT,
        max_size=longest,
        ssl=tls() if secure else None,
    )
    try:
        socket = await opening
    except (OSError, ValueError, WebSocketException) as error:  # TimeoutError is an OSError
        authorized = bool(check_url(launch.url, "ws", "wss").userinfo) or b"authorization" in {n.lower() for n in sent}
        raise _why_not_open(error, launch.url, authorized, seconds) from None
    keep_socket_alive(socket.transport.get_extra_info("socket"))
    return socket


class _Connect(connect):
    """A `connect` that does not follow redirects."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the error, so that it is raised."""
        return exc


def _why_not_open(error: Exception, url: str, authorized: bool, seconds: float) -> SidecarError:
    if isinstance(error, InvalidStatus):
        answer = error.response
        location = answer.headers.get("Location", "") if 300 <= answer.status_code < 400 else ""
        return refused(
            url,
            answer.status_code,
            answer.reason_phrase,
            location=location and urljoin(url, location),
            challenges=", ".join(answer.headers.get_all("WWW-Authenticate")),
            authorized=authorized,
        )
    if isinstance(error, TimeoutError):
        return Unreachable(f"{place(url)} did not answer within {seconds:g} s.")
    if isinstance(error, InvalidHandshake) and not isinstance(error.__cause__, EOFError | OSError):
        return HandshakeFailed(f"{place(url)} did not answer as a WebSocket ({type(error).__name__}).")
    if isinstance(error, OSError):
        return Unreachable(f"{place(url)} could not be connected to: {reason_of(error)}.", hint=tls_hint(error))
    if isinstance(error, InvalidURI):
        return Unreachable("The URL is not a valid ws:// or wss:// URL.", hint="Correct `url`.")
    return Unreachable(f"{place(url)} could not be connected to ({type(error).__name__}).")


def _why_closed(closed: ConnectionClosed, url: str, established: bool, longest: int) -> SidecarError:
    """The error for the end of an open connection (RFC 6455, section 7.4)."""
    if closed.sent and not closed.rcvd_then_sent:
        if closed.sent.code == CloseCode.MESSAGE_TOO_BIG:
            return AnswerTooLarge(f"{place(url)} sent a message of more than {longest / (1 << 20):.4g} MiB.")
        if closed.sent.code == CloseCode.INTERNAL_ERROR:
            return ConnectionLost(f"{place(url)} did not answer a ping within {PING_TIMEOUT:g} s.")
        return ConnectionLost(f"{place(url)} broke the WebSocket protocol (close code {closed.sent.code}).")
    if closed.rcvd is None:
        return _ended(f"{place(url)} broke the connection", established)
    said = "".join(char for char in closed.rcvd.reason if char.isprintable())
    text = f"{place(url)} closed the connection with code {closed.rcvd.code}{f': {said}' if said else ''}"
    if closed.rcvd.code in _REFUSALS:
        return Refused(f"{text}.", data={"close_code": closed.rcvd.code})
    return _ended(text, established)


def _ended(text: str, established: bool) -> SidecarError:
    return ConnectionLost(f"{text}.") if established else Unreachable(f"{text} before it answered anything.")
