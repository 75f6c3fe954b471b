"""One write for a response's head and body, which uvicorn writes one after the other.

Each write is a call of the kernel, and costs more than all else that the hub does for a short response.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class WholeResponse:
    """The transport as one `RequestResponseCycle` of uvicorn sees it, which uses no more of it than is here.

    A head with a Content-Length is held until its body is written; that of a stream is written at once.
    """

    __slots__ = ("_begun", "_cycle", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle) -> None:
        self._transport = transport
        self._cycle = cycle
        self._begun = False
        self._head = b""

    def write(self, data: bytes) -> None:
        """Write a head, a piece of a body, or an interim response (RFC 9110, 15.2), which comes before a head."""
        cycle = self._cycle
        if self._head:
            data, self._head = self._head + data, b""
        elif not self._begun and cycle.response_started:
            self._begun = True
            if cycle.expected_content_length and cycle.scope["method"] != "HEAD":
                self._head = data
                return
        self._transport.write(data)

    def close(self) -> None:
        """Write what is held, and end the connection."""
        if self._head:
            self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is ending."""
        return self._transport.is_closing()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The connection's protocol."""
        return self._transport.get_protocol()
