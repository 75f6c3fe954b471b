"""One client's HTTP connection: uvicorn's protocol, with a direct way for requests with a known head (ADR 19).

A request on the direct way (`KnownHead`) is not parsed, and needs no ASGI call and no task. All other requests go to
uvicorn from their first byte. Only this module uses private names of uvicorn, whose version is pinned.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any, cast

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from sidecar.errors import HubStopping, SidecarError
from sidecar.http_errors import ConnectionsLimit
from sidecar.listener.client_connections import ClientConnections, Owed
from sidecar.listener.known_heads import CONNECTION_KEY, HEAD_END, HEAD_KEY, KnownHead, TryDirect, known_head, line_of
from sidecar.listener.raw_responses import LINGER_BYTES, Farewell, Lingering, ResponseTransport, TryWrite, refusal

log = logging.getLogger(__name__)

MAX_KEPT_BODY = 64 * 1024
"""Longest body, in bytes, that the direct way waits for if it is not complete; a longer one goes to uvicorn."""
MAX_KNOWN_HEADS = 64
"""Limit for the known heads of one connection; a proxy's connection carries the requests of many clients."""

Move = Callable[[int, bytes], None]
"""Moves a connection to another process: the descriptor, which the callee closes, and the kind of the connection."""


class HttpProtocol(HttpToolsProtocol):
    """A connection. Values of headers are stripped of surrounding whitespace (RFC 9112, 5.1), which httptools keeps."""

    kind = b"o"
    """What a connection of this class is to the process that it is moved to: one of the sidecar's own port."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.known_heads: dict[bytes, list[KnownHead[HttpProtocol]]] = {}
        """The known heads, by request line."""
        self._latest: KnownHead[HttpProtocol] | None = None
        """The known head of the last direct request."""
        self._between = True  # whether the parser is between two requests
        self._owed = False  # whether a direct request is not answered yet
        self._held = b""  # bytes received while `_owed`
        self._kept = b""  # the beginning of a request that may be a direct one
        self._on_disconnect: Callable[[], None] | None = None  # to be told when the connection is lost before that
        self._close_after_response = False  # the connection is to end with the answer
        self._move: Move | None = None
        """Set to move the connection to another process as soon as it is between two requests."""
        self._moving: int | None = None
        """The descriptor of a connection that has ended here and is to be moved."""
        self._adopted = False
        """Whether the connection came from another process, between two requests."""
        self.of_hub = False  # whether another replica or the front uses it, which is told when it ends
        self._received_head = b""
        self._body_received = 0
        """Bytes received of an incomplete body, which are not reported to `clients` yet."""
        self._discarded = 0  # bytes received of a body whose request is answered already
        self._in_use = False
        self._in_head = False
        self._serving: RequestResponseCycle | None = None
        """The request that the application is serving; later ones may be in the pipeline."""
        self.queued = 0
        """Bytes that are queued for the client in event streams, in front of the transport's buffer."""
        self.write: Callable[[bytes], None]
        """Writes a complete response to a direct request."""
        self.end: Callable[[], None]
        """Closes the connection after what was written has been sent."""
        self.clients: ClientConnections = self.server_state.clients  # type: ignore[attr-defined]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The client has connected."""
        super().connection_made(transport)
        self.write, self.end = transport.write, transport.close
        self._responses = ResponseTransport(transport, self._close_after_body)
        self.clients.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection was lost: notify the request that is being served (uvicorn only notifies the newest one)."""
        self.clients.closed(self)
        self.pipeline.clear()
        if self._on_disconnect is not None:
            self._on_disconnect()
        if (cycle := self._serving) is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self._responses.close = self.transport.close  # so that nothing refers to this object in a circle
        super().connection_lost(exc)
        if self._moving is not None and self._move is not None:
            descriptor, self._moving = self._moving, None
            if exc is None:
                self._move(descriptor, self.kind)
            else:
                os.close(descriptor)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        super().pause_writing()
        self.clients.paused(self)

    def resume_writing(self) -> None:
        """The transport's buffer has room."""
        super().resume_writing()
        self.clients.resumed(self)

    # --- client_connections.Connection -------------------------------------------------------------------------------

    def owed(self) -> Owed | None:
        """The part of a request that the hub waits for, if no request is being served."""
        cycle = self.cycle
        if self.flow.read_paused or self._owed or (self._adopted and cycle is None and not self._in_head):
            return None
        if cycle is None or (self._in_head and cycle.response_complete):
            return "head"
        return "body" if self._kept or not (self._between or self._in_head) else None

    def idle(self) -> bool:
        """Whether the connection is between two requests."""
        return (
            self._between
            and not self._kept
            and not self._owed
            and (self._adopted if self.cycle is None else self.cycle.response_complete)
        )

    def unread(self) -> tuple[int, int]:
        """The number of bytes in the transport's buffer, and of those queued in front of it."""
        return self.transport.get_write_buffer_size(), self.queued

    def refuse(self, error: SidecarError) -> None:
        """Answer with an error if a response is due and has not begun, and close the connection."""
        cycle, transport = self._serving, self.transport
        if transport.is_closing():
            return
        if self._lingers():
            transport.abort()
            return
        serving = cycle if cycle is not None and not cycle.response_complete else None
        if (
            self.flow.write_paused
            or self._owed
            or (serving and (serving.response_started or serving is not self.cycle))
        ):
            transport.abort()
            return
        if serving:
            serving.disconnected = True  # the application can send nothing from now on
            serving.message_event.set()
        begun = serving is not None or self._in_head or bool(self._kept)
        if begun or (self.cycle is None and isinstance(error, ConnectionsLimit)):
            transport.write(refusal(error))
        if serving:
            self._close_after_body()
        else:
            transport.close()

    def _lingers(self) -> bool:
        """Whether the connection is to end, and only discards what is received."""
        return self.transport.get_protocol() is not self

    def _close_after_body(self) -> None:
        """Close the connection after the response that is written; if a body is still being received, linger."""
        if self._between or self.transport.is_closing():
            self.transport.close()
        else:
            self.clients.lingers(self)
            Lingering(self, self.transport)

    # --- from one process to the next ------------------------------------------------------------------------------

    def adopt(self) -> None:
        """The connection has been moved here from another process, between two requests: it has to be as patient with
        the client as that one was."""
        self._adopted = True
        self.clients.head_received(self)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def leave(self, move: Move | None) -> None:
        """Move the connection, or close it if `move` is None, as soon as it is between two requests.

        A request that is being received or answered is served here, as are those that the client has sent behind it.
        """
        self._move, self._close_after_response = move, True
        self._leave_if_free()

    def _leave_if_free(self) -> None:
        """Leave now if the connection is between two requests, or none has begun."""
        unused = self.cycle is None and self._between and not (self._in_head or self._kept)
        if not (unused or self.idle()) or self.transport.is_closing():
            return
        if self._move is not None:
            try:
                self._moving = os.dup(self.transport.get_extra_info("socket").fileno())
            except OSError as error:  # no descriptor is left
                log.warning("a connection could not be moved", extra={"reason": error.strerror})
        elif self.of_hub:
            Farewell(self, HubStopping("The hub is stopping."), self.transport)
            return
        self.transport.close()

    def on_response_complete(self) -> None:
        """The request is answered."""
        super().on_response_complete()
        if self._close_after_response:
            self.loop.call_soon(self._leave_if_free)

    # --- uvicorn's callbacks -------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The parser begins with a request."""
        super().on_message_begin()
        self._between, self._in_head = False, True
        self.scope["state"] |= {CONNECTION_KEY: self, HEAD_KEY: self._received_head}
        self._received_head = b""  # further requests in the same bytes have other heads

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has read a header."""
        name, value = name.lower(), value.strip(b" \t")
        if name == b"expect":
            super().on_header(name, value)
        elif name == b"x-hub-front":  # front/server/sidecar/proxy.mjs
            self.of_hub = True
        else:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The parser has read a head."""
        self._in_head = False
        self.clients.head_received(self)
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._serving, cycle.transport = cycle, cast("asyncio.Transport", self._responses)
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """The parser has read a piece of a body."""
        super().on_body(body)
        if not self.cycle.response_complete:
            self._body_received += len(body)
            return
        self._discarded += len(body)
        if self._discarded > LINGER_BYTES:
            self.transport.abort()

    def on_message_complete(self) -> None:
        """The parser has read a request."""
        self._between, self._body_received, self._discarded = True, 0, 0
        self.clients.body_ended(self)
        super().on_message_complete()

    def shutdown(self) -> None:
        """The server stops: close the connection when the request in progress is answered."""
        if self._lingers():
            self.transport.abort()
        elif self._owed:
            self._close_after_response = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """uvicorn has received no request for the keep-alive timeout: close, unless there were direct ones."""
        if self._in_use or self._owed:
            self._in_use = False
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def response_writer(self) -> TryWrite:
        """A function that writes pieces of the response to the request that is being served."""
        cycle, flow, write = self.cycle, self.flow, self.transport.write

        def try_write(data: bytes) -> bool:
            if flow.write_paused or cycle.response_complete or cycle.disconnected or not cycle.chunked_encoding:
                return False
            write(b"%x\r\n%b\r\n" % (len(data), data))
            return True

        return try_write

    # --- the direct way -------------------------------------------------------------------------------------------

    def learn(
        self, head: bytes, try_direct: TryDirect[HttpProtocol], config_version: int, valid_until: float | None = None
    ) -> None:
        """Make `head` a known head: bodies that come with it are passed to `try_direct`."""
        line = line_of(head)
        for known in self.known_heads.get(line, ()):
            if known.split(head) is not None:
                known.try_direct, known.config_version, known.valid_until = try_direct, config_version, valid_until
                return
        if (found := known_head(head, try_direct, config_version, valid_until)) is not None:
            if sum(map(len, self.known_heads.values())) >= MAX_KNOWN_HEADS:
                self.known_heads.clear()
                self._latest = None
            self.known_heads.setdefault(line, []).insert(0, found)

    def data_received(self, data: bytes) -> None:
        """Handle received bytes: on the direct way if the head is known, else by uvicorn's parser."""
        if self._owed:
            self._held += data
            self.flow.pause_reading()
            return
        if self._between and (self.cycle is None or self.cycle.response_complete):
            if self._kept:
                data, self._kept = self._kept + data, b""
            if self.known_heads and self._try_direct(data):
                return
            self._received_head = data[: data.find(HEAD_END) + len(HEAD_END)] if HEAD_END in data else b""
        super().data_received(data)
        if self._body_received:
            came, self._body_received = self._body_received, 0
            self.clients.body_received(self, came)

    def _try_direct(self, data: bytes) -> bool:
        """Serve a request on the direct way, or keep its beginning if the body is not complete: clients send head and
        body separately. False if uvicorn must serve it."""
        found = self._latest
        parts = found.split(data) if found is not None else None
        if found is None or parts is None:
            for found in self.known_heads.get(line_of(data), ()):
                if (parts := found.split(data)) is not None:
                    break
            else:
                return False
            self._latest = found
        body, length = parts
        if self.flow.write_paused or (found.valid_until is not None and time.time() >= found.valid_until):
            return False
        taken = False
        if len(body) == length:
            try:
                taken = found.try_direct(body, self)
            except Exception:
                log.exception("a request failed on the direct way; uvicorn serves it")
        elif len(body) < length <= MAX_KEPT_BODY:
            self._kept, taken = data, True
        self._in_use |= taken
        return taken

    def owe(self, on_disconnect: Callable[[], None] | None = None) -> None:
        """Note that the direct request is answered later, by `answer` or by the `send` of `take_over_response`.

        `on_disconnect` is called if the connection is lost before that.
        """
        self._owed, self._on_disconnect = True, on_disconnect

    def answer(self, head: bytes, body: bytes) -> None:
        """Send the complete response to a direct request; `head` is its head without Content-Length."""
        if not self.transport.is_closing():
            self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        self._response_sent()

    def take_over_response(self) -> Send:
        """An ASGI `send` for the response to a direct request that is more than one write."""
        cycle = self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self._taken_over_is_complete,
        )
        cycle.more_body = False
        cycle.disconnected = self.transport.is_closing()
        return cast("Send", cycle.send)

    def _taken_over_is_complete(self) -> None:
        self.on_response_complete()
        self._response_sent()

    def _response_sent(self) -> None:
        """The direct request is answered: handle the bytes received meanwhile."""
        self._owed, self._on_disconnect, held, self._held = False, None, self._held, b""
        if self._close_after_response and not held:
            self._leave_if_free()
        elif not self.transport.is_closing():
            self.flow.resume_reading()
            if held:
                self.data_received(held)


def connection_of(send: Send) -> HttpProtocol | None:
    """The connection of an ASGI `send`; None if it is not one of `HttpProtocol`."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    found = transport.get_protocol() if transport is not None else None
    return found if isinstance(found, HttpProtocol) else None
