"""A backend that keeps every byte that it gets, and reads it as RFC 9112 has it and no more leniently."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self

END = b"\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


@dataclass(frozen=True)
class Seen:
    """One request that arrived. Names of headers are in lower case."""

    line: bytes
    headers: dict[bytes, bytes]
    body: bytes


@dataclass
class Recorder:
    """Listens on a port of loopback; used with `async with`."""

    port: int
    seen: list[Seen] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What arrived that is no request."""
    cut: list[Seen] = field(default_factory=list)
    """Requests whose connection ended within the body, which is none that is served."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop to listen."""
        self._server.close()

    async def drained(self) -> None:
        """Wait until whoever sends has ended all of its connections: no byte comes after that."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            while (head := await _whole_head(reader)) is not None:
                line, headers = _head(head)
                try:
                    self.seen.append(Seen(line, headers, await _body(headers, reader)))
                except asyncio.IncompleteReadError as error:
                    self.cut.append(Seen(line, headers, error.partial))
                    break
                writer.write(ANSWER if line.startswith(b"HEAD ") else ANSWER + b"{}")
        except (ValueError, asyncio.LimitOverrunError, ConnectionError) as error:
            self.faults.append(repr(error))
        finally:
            writer.close()
            self._tasks.discard(task)


async def _whole_head(reader: asyncio.StreamReader) -> bytes | None:
    """A head, with its end; None where the connection has ended before it."""
    try:
        return await reader.readuntil(END)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise ValueError(f"half a head: {error.partial!r}") from None
        return None


def _head(head: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    line, *fields = head.removesuffix(END).split(b"\r\n")
    if len(line.split(b" ")) != 3 or not line.endswith(b" HTTP/1.1"):
        raise ValueError(f"a line that begins no request: {line!r}")
    headers: dict[bytes, bytes] = {}
    for each in fields:
        name, _, value = each.partition(b":")
        if name.lower() in headers and name.lower() in (b"content-length", b"transfer-encoding", b"host"):
            raise ValueError(f"twice: {name!r}")
        headers[name.lower()] = value.strip()
    return line, headers


async def _body(headers: dict[bytes, bytes], reader: asyncio.StreamReader) -> bytes:
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if length is not None and coding is not None:
        raise ValueError("a length and a coding")
    if coding is None:
        return await reader.readexactly(int(length or b"0"))
    if coding != b"chunked":
        raise ValueError(f"a coding {coding!r}")
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise ValueError("a chunk without an end")
    if await reader.readexactly(2) != b"\r\n":
        raise ValueError("trailers")
    return body
