"""asyncio protocols for the pipes of a process; they do the same on uvloop."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast


@asynccontextmanager
async def opened(
    open_pipes: Callable[[], Coroutine[Any, Any, None]], close: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Have the pipes of a process open while the context is; `close` is called at the end, however it comes.

    `open_pipes` is never cancelled: uvloop would leave a descriptor to be closed twice.
    """
    opening = asyncio.create_task(open_pipes())
    try:
        await asyncio.shield(opening)
        yield
    finally:
        try:
            await asyncio.wait([opening])
        finally:
            await close()


class Reader(asyncio.Protocol):
    """Hands on what a pipe brings, and its end. `closed` is done once the pipe is closed on our side."""

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_data = on_data
        self._on_end = on_end
        self._transport: asyncio.BaseTransport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._on_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._on_end()
        self.closed.set_result(None)

    def read_on(self, goes_on: bool) -> None:
        """Read, or leave what comes in the pipe for now."""
        transport = cast("asyncio.ReadTransport | None", self._transport)  # uvloop's are of another class
        if transport is None or transport.is_closing():
            return
        if goes_on:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def close(self) -> None:
        """Close the pipe."""
        if self._transport:
            self._transport.close()


class PacedReader(Reader):
    """A reader that takes at most `RATE` bytes a second, whoever writes more waits: for what nobody has asked for."""

    RATE = 16 << 20
    AT_ONCE = 256 << 10
    """Bytes after which it pauses: 1/64 s."""

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        super().__init__(on_data, on_end)
        self._loop = asyncio.get_running_loop()
        self._taken = 0
        self._pause: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._taken += len(data)
        if self._taken >= self.AT_ONCE and self._pause is None:
            self._paused_transport.pause_reading()
            self._pause = self._loop.call_later(self._taken / self.RATE, self._resume)
            self._taken = 0

    def read_rest(self) -> None:
        """Read what the pipe holds now, if that waits for the end of a pause: its writer has ended."""
        if self._pause is None:
            return
        with suppress(OSError):  # nothing in it, or closed
            if rest := os.read(self._paused_transport.get_extra_info("pipe").fileno(), self.AT_ONCE):
                self._on_data(rest)

    def connection_lost(self, error: Exception | None) -> None:
        if self._pause is not None:
            self._pause.cancel()
        super().connection_lost(error)

    def _resume(self) -> None:
        self._pause = None
        if not self._paused_transport.is_closing():
            self._paused_transport.resume_reading()

    @property
    def _paused_transport(self) -> asyncio.ReadTransport:
        return cast("asyncio.ReadTransport", self._transport)  # uvloop's are of another class


class Writer(asyncio.BaseProtocol):
    """Writes to a pipe: while the other side reads, what is given in one turn of the loop goes out together, since each
    write is a call of the kernel that costs as much as a request's whole way here; one after the other, once more than
    `HIGH` bytes wait for it.
    """

    HIGH = 256 * 1024
    TOGETHER = 16 * 1024
    """Bytes of the largest message that waits for others."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._transport: asyncio.WriteTransport | None = None
        self._paused = False
        self._turns: deque[asyncio.Future[None]] = deque()
        self._together: list[bytes] = []
        self._unread: list[bytes] = []
        self._fd = -1
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are of another class
        self._transport.set_write_buffer_limits(high=self.HIGH)
        self._fd = transport.get_extra_info("pipe").fileno()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:  # else it may still be read
            self._unread.insert(0, _taken_back(self._fd))  # which is open until this returns
        self._transport, self._paused = None, False
        self._on_end()
        for turn in self._turns:
            if not turn.done():
                turn.set_result(None)
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._next_turn()

    async def write(self, data: bytes) -> bool:
        """Write; returns False when the pipe is closed."""
        if not self.offer(data) and self._transport is not None:
            await self._turn(data)
        return self._transport is not None

    def offer(self, data: bytes, at_once: bool = False) -> bool:
        """Write, if nothing has to be waited for; False if it has, or when the pipe is closed.

        `at_once`: nothing else is under way that others could be gathered with (as RFC 896 has it for TCP).
        """
        if self._paused or self._turns or self._transport is None:
            return False
        if at_once or len(data) > self.TOGETHER:
            self._write_now(data)
        else:
            if not self._together:
                self._loop.call_soon(self._flush)
            self._together.append(data)
        return True

    def _flush(self) -> None:
        if self._together:
            self._write_now(b"")

    def _write_now(self, data: bytes) -> None:
        """Write what waits, and then this.

        Not by the transport, unless the pipe is full: of what that could not write it does not tell.
        """
        data = b"".join((*self._together, data))
        self._together.clear()
        if self._transport is None:
            self._unread.append(data)
        elif self._transport.get_write_buffer_size():
            self._transport.write(data)
        else:
            try:
                written = os.write(self._fd, data)
            except BlockingIOError:
                written = 0
            except OSError:  # nobody has the other end
                self._unread.append(data)
                self._transport.abort()
                return
            if written < len(data):
                self._transport.write(data[written:])

    async def _turn(self, data: bytes) -> None:
        """Write when those who came before have, and there is room."""
        turn = self._loop.create_future()
        self._turns.append(turn)
        try:
            await turn
            self._write_now(data)
        finally:
            self._turns.remove(turn)
            self._next_turn()

    def _next_turn(self) -> None:
        if self._turns and not self._paused and not self._turns[0].done():
            self._turns[0].set_result(None)

    def take_back(self) -> bytes:
        """What was written, that nobody has read and nobody will; it may begin within a message.

        It is known on Linux only, and not of what had to wait since the pipe was full.
        """
        unread = [_taken_back(self._fd)] if self._transport is not None else []
        return b"".join((*unread, *self._unread, *self._together))

    def close(self) -> None:
        """Close the pipe after what was written: the server sees the end of its input."""
        self._closing = True
        self._flush()
        if self._transport:
            self._transport.close()

    def abort(self) -> None:
        """Close the pipe now."""
        if self._transport:
            self._transport.abort()


_R = TypeVar("_R", bound=Reader)


async def read_pipe(fd: int, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> Reader:
    """Read from a descriptor, which is closed with the reader."""
    return await _connect(Reader(on_data, on_end), fd)


async def read_paced(fd: int, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> PacedReader:
    """Read from a descriptor, at most `PacedReader.RATE` bytes a second; it is closed with the reader."""
    return await _connect(PacedReader(on_data, on_end), fd)


async def _connect(reader: _R, fd: int) -> _R:
    await asyncio.get_running_loop().connect_read_pipe(lambda: reader, os.fdopen(fd, "rb", buffering=0))
    return reader


async def write_pipe(fd: int, on_end: Callable[[], None]) -> Writer:
    """Write to a descriptor, which is closed with the writer."""
    writer = Writer(on_end)
    await asyncio.get_running_loop().connect_write_pipe(lambda: writer, os.fdopen(fd, "wb", buffering=0))
    return writer


def _taken_back(fd: int) -> bytes:
    """What is in a pipe, taken out of it by the writing end `fd`, through which Linux opens the other (proc(5), fd)."""
    found: list[bytes] = []
    try:
        end = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        while data := os.read(end, 1 << 16):
            found.append(data)
    except OSError:  # it is empty
        pass
    finally:
        os.close(end)
    return b"".join(found)
