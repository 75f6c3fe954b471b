"""One client's HTTP connection: uvicorn's protocol, and a direct way beside it for what comes again and again.

All use of uvicorn's inside stands here, with uvicorn pinned. What takes the direct way (`KnownHead`) is not parsed,
becomes no ASGI request and no task; whatever is unusual about it goes uvicorn's way, from the first byte.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from sidecar.errors import SidecarError
from sidecar.http_errors import ConnectionsLimit
from sidecar.listener.client_connections import ClientConnections, Owed
from sidecar.listener.known_heads import END, KnownHead, Taker, known_head, line_of
from sidecar.protocol import codec, jsonrpc

log = logging.getLogger(__name__)

CONNECTION = "connection"
"""Where in `scope["state"]` a request has its `HttpProtocol`."""
HEAD = "head"
"""Where it has its head, as it came; empty if it came in pieces."""
MOST_KEPT = 64 * 1024
"""Bytes of a body that is waited for here; a longer one goes the usual way."""
MOST_HEADS = 64
"""Of one connection: those of a proxy carry many clients' requests."""

Now = Callable[[bytes], bool]
"""Writes a piece of a response if nothing has to be waited for; returns False, and writes nothing, if it has."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, with values of headers without the blanks around them (RFC 9112, 5.1), which its parser leaves."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.known_heads: dict[bytes, list[KnownHead[HttpProtocol]]] = {}
        """What was learned, by request line."""
        self._latest: KnownHead[HttpProtocol] | None = None
        """The one of them that the newest request had."""
        self._between = True  # the parser has read a whole number of requests
        self._owed = False  # what was taken is not answered yet
        self._held = b""  # what came meanwhile
        self._kept = b""  # the beginning of what may be taken
        self._left: Callable[[], None] | None = None  # to be told when the connection is lost before that
        self._last = False  # the connection is to end with the answer
        self._arrived = b""
        self._came = 0
        """Bytes of a body that is not complete, which `clients` has not been told of."""
        self._in_use = False
        self._in_head = False
        self._serving: RequestResponseCycle | None = None
        """The request that the application has; behind it others may wait."""
        self.queued = 0
        """Bytes that wait for the client in outboxes, before the transport's buffer."""
        self.write: Callable[[bytes], None]
        """Writes a whole response to what is being taken, at once."""
        self.end: Callable[[], None]
        """Closes the connection, once what was written is sent."""
        self.clients: ClientConnections = self.server_state.clients  # type: ignore[attr-defined]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The client has connected."""
        super().connection_made(transport)
        self.write, self.end = transport.write, transport.close
        self.clients.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over: tell the request that is being served. uvicorn tells the newest, which may wait."""
        self.clients.closed(self)
        self.pipeline.clear()
        if self._left is not None:
            self._left()
        if (cycle := self._serving) is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        super().pause_writing()
        self.clients.paused(self)

    def resume_writing(self) -> None:
        """The transport's buffer has room."""
        super().resume_writing()
        self.clients.resumed(self)

    # --- as `ClientConnections` sees it ------------------------------------------------------------------------------

    def owed(self) -> Owed | None:
        """What the client has begun to send, while nothing else is under way."""
        cycle = self.cycle
        if self.flow.read_paused or self._owed:
            return None
        if cycle is None or (self._in_head and cycle.response_complete):
            return "head"
        return "body" if self._kept or not (self._between or self._in_head) else None

    def idle(self) -> bool:
        """Whether it is between two requests."""
        return (
            self._between
            and not self._kept
            and not self._owed
            and self.cycle is not None
            and self.cycle.response_complete
        )

    def unread(self) -> tuple[int, int]:
        """Bytes in the transport's buffer, and before it."""
        return self.transport.get_write_buffer_size(), self.queued

    def refuse(self, error: SidecarError) -> None:
        """Answer with an error if an answer is owed and has not begun, and end the connection."""
        cycle, transport = self._serving, self.transport
        if transport.is_closing():
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
            serving.disconnected = True  # from now on what is served may not answer
            serving.message_event.set()
        begun = serving is not None or self._in_head or bool(self._kept)
        if begun or (self.cycle is None and isinstance(error, ConnectionsLimit)):
            transport.write(refusal(error))
        transport.close()

    # --- the usual way -------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The parser begins with a request."""
        super().on_message_begin()
        self._between, self._in_head = False, True
        self.scope["state"] |= {CONNECTION: self, HEAD: self._arrived}
        self._arrived = b""  # what comes with it is another one's

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has read a header."""
        name, value = name.lower(), value.strip(b" \t")
        if name == b"expect":
            super().on_header(name, value)
        else:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The parser has read a head."""
        self._in_head = False
        self.clients.greeted(self)
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._serving = cycle
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """The parser has read a piece of a body."""
        super().on_body(body)
        if not self.cycle.response_complete:
            self._came += len(body)

    def on_message_complete(self) -> None:
        """The parser has read a request."""
        self._between, self._came = True, 0
        self.clients.body_ended(self)
        super().on_message_complete()

    def shutdown(self) -> None:
        """The server ends."""
        if self._owed:
            self._last = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came by the usual way for so long."""
        if self._in_use or self._owed:
            self._in_use = False
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def response_writer(self) -> Now:
        """What writes pieces of the response to the request that is being served."""
        cycle, flow, write = self.cycle, self.flow, self.transport.write

        def now(data: bytes) -> bool:
            if flow.write_paused or cycle.response_complete or cycle.disconnected or not cycle.chunked_encoding:
                return False
            write(b"%x\r\n%b\r\n" % (len(data), data))
            return True

        return now

    # --- the direct way -------------------------------------------------------------------------------------------

    def learn(
        self, head: bytes, try_direct: Taker[HttpProtocol], config_version: int, valid_until: float | None = None
    ) -> None:
        """Have bodies that come with the same head taken by `try_direct`."""
        line = line_of(head)
        for known in self.known_heads.get(line, ()):
            if known.split(head) is not None:
                known.try_direct, known.config_version, known.valid_until = try_direct, config_version, valid_until
                return
        if (found := known_head(head, try_direct, config_version, valid_until)) is not None:
            if sum(map(len, self.known_heads.values())) >= MOST_HEADS:
                self.known_heads.clear()
                self._latest = None
            self.known_heads.setdefault(line, []).insert(0, found)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client have come."""
        if self._owed:
            self._held += data
            self.flow.pause_reading()
            return
        if self._between and (self.cycle is None or self.cycle.response_complete):
            if self._kept:
                data, self._kept = self._kept + data, b""
            if self.known_heads and self._try_direct(data):
                return
            self._arrived = data[: data.find(END) + len(END)] if END in data else b""
        super().data_received(data)
        if self._came:
            came, self._came = self._came, 0
            self.clients.body_came(self, came)

    def _try_direct(self, data: bytes) -> bool:
        """Take a request; of one that is not complete, keep what there is: clients send head and body one by one."""
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
                log.exception("a message could not be taken; it goes the usual way")
        elif len(body) < length <= MOST_KEPT:
            self._kept, taken = data, True
        self._in_use |= taken
        return taken

    def owe(self, left: Callable[[], None] | None = None) -> None:
        """What is being taken is answered later, with `answer` or by what `taken_over` returns.

        `left` is called if the connection is lost before that.
        """
        self._owed, self._left = True, left

    def answer(self, head: bytes, body: bytes) -> None:
        """Send all of the response; `head` is how it begins, the length of its body aside."""
        if not self.transport.is_closing():
            self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        self._settle()

    def taken_over(self) -> Send:
        """uvicorn's way to send the response to what was taken, for one that is more than one write."""
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
        self._settle()

    def _settle(self) -> None:
        """What was taken is answered: go on with what came meanwhile."""
        self._owed, self._left, held, self._held = False, None, self._held, b""
        if self._last:
            self.transport.close()
        elif not self.transport.is_closing():
            self.flow.resume_reading()
            if held:
                self.data_received(held)


def refusal(error: SidecarError) -> bytes:
    """The response that tells of an error, after which the connection ends."""
    body = codec.dumps(jsonrpc.error(None, error.rpc()))
    retry = b"retry-after: %d\r\n" % error.retry_after if error.retry_after else b""
    head = b"%bcontent-type: application/json\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (STATUS_LINE[error.status], retry, len(body)) + body


def with_status(head: bytes, status: int) -> bytes:
    """The beginning of a response with status 200, with another one."""
    return STATUS_LINE[status] + head.removeprefix(STATUS_LINE[200])


def connection_of(send: Send) -> HttpProtocol | None:
    """The connection that uvicorn's `send` writes to; None for another server's."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    found = transport.get_protocol() if transport is not None else None
    return found if isinstance(found, HttpProtocol) else None


def learn(
    scope: Mapping[str, Any],
    try_direct: Taker[HttpProtocol],
    config_version: int,
    valid_until: float | None = None,
) -> None:
    """Have `try_direct` get the bodies that come with this very head, as long as the configuration has this version.

    Does nothing where the head is not a plain one, or another server than `HttpProtocol` serves.
    """
    state = scope.get("state", {})
    if head := state.get(HEAD):
        state[CONNECTION].learn(head, try_direct, config_version, valid_until)


def response_writer(scope: Mapping[str, Any]) -> Now:
    """What writes pieces of the response to this request, once it has begun."""
    connection: HttpProtocol | None = scope.get("state", {}).get(CONNECTION)
    return connection.response_writer() if connection is not None else lambda _: False
