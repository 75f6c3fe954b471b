"""asyncio protocols for the pipes of a process, for asyncio's event loop and uvloop."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast


@asynccontextmanager
async def opened(
    open_pipes: Callable[[], Coroutine[Any, Any, None]], close: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Open the pipes of a process for the duration of the context; `close` is called at its end in any case.

    `open_pipes` is never cancelled, as uvloop would then close a descriptor twice.
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
    """Calls `on_data` with data from a pipe, and `on_end` at its end. `closed` is done when our end is closed.

    A pipe that was full when it was read is enlarged, once: a message that does not fit takes the writer and the event
    loop several turns.
    """

    USUAL = 64 * 1024
    """Bytes that a pipe holds (pipe(7))."""
    ENLARGED = 256 * 1024

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_data = on_data
        self._on_end = on_end
        self._transport: asyncio.BaseTransport | None = None
        self._enlarged = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if len(data) >= self.USUAL and not self._enlarged:
            self._enlarge()
        self._on_data(data)

    def _enlarge(self) -> None:
        self._enlarged = True
        if self._transport is not None:
            with suppress(OSError):  # the user's pipes may take no more memory (pipe(7), pipe-user-pages-soft)
                fcntl.fcntl(self._transport.get_extra_info("pipe").fileno(), fcntl.F_SETPIPE_SZ, self.ENLARGED)

    def connection_lost(self, error: Exception | None) -> None:
        self._on_end()
        self.closed.set_result(None)

    def set_reading(self, wanted: bool) -> None:
        """Resume or pause reading; data stays in the pipe meanwhile."""
        transport = cast("asyncio.ReadTransport | None", self._transport)  # uvloop's are of another class
        if transport is None or transport.is_closing():
            return
        if wanted:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def close(self) -> None:
        """Close the pipe."""
        if self._transport:
            self._transport.close()


class RateLimitedReader(Reader):
    """A reader of at most `RATE` bytes per second, for unsolicited output: the writer is blocked beyond that."""

    RATE = 16 << 20
    BURST = 256 << 10
    """Bytes after which reading pauses (for 1/64 s)."""

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        super().__init__(on_data, on_end)
        self._loop = asyncio.get_running_loop()
        self._taken = 0
        self._pause: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._taken += len(data)
        if self._taken >= self.BURST and self._pause is None:
            self._paused_transport.pause_reading()
            self._pause = self._loop.call_later(self._taken / self.RATE, self._resume)
            self._taken = 0

    def read_rest(self) -> None:
        """Read what is in the pipe now, despite a pause. For use when the writer has ended."""
        if self._pause is None:
            return
        with suppress(OSError):  # empty or closed
            if rest := os.read(self._paused_transport.get_extra_info("pipe").fileno(), self.BURST):
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
    """Writes to a pipe.

    Messages of one iteration of the event loop are written together, since a system call takes as long as all other
    work for a request. Once more than `HIGH_WATER` bytes are buffered, `write` waits and messages take turns.
    """

    HIGH_WATER = 256 * 1024
    MAX_BATCHED = 16 * 1024
    """Bytes of the largest message that is held back to be written together with others."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._transport: asyncio.WriteTransport | None = None
        self._paused = False
        self._turns: deque[asyncio.Future[None]] = deque()
        self._batch: list[bytes] = []
        self._unread: list[bytes] = []
        self._fd = -1
        self._closing = self._aborted = False
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are of another class
        self._transport.set_write_buffer_limits(high=self.HIGH_WATER)
        self._fd = transport.get_extra_info("pipe").fileno()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:  # after `close` the process may still read it
            self._unread.insert(0, _read_back(self._fd))  # the descriptor is open until this returns
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

    @property
    def waiting(self) -> int:
        """The number of messages that wait for room in the buffer."""
        return len(self._turns)

    async def write(self, data: bytes) -> bool:
        """Write, waiting while the buffer is full; returns False if the pipe is closed."""
        if not self.try_write(data) and self._transport is not None:
            await self._turn(data)
        return self._transport is not None

    def try_write(self, data: bytes, at_once: bool = False) -> bool:
        """Write if that is possible without waiting; returns False if it is not, or if the pipe is closed.

        `at_once`: do not hold the message back, as no others are expected (as Nagle's algorithm, RFC 896).
        """
        if self._paused or self._turns or self._transport is None:
            return False
        if at_once or len(data) > self.MAX_BATCHED:
            self._write_now(data)
        else:
            if not self._batch:
                self._loop.call_soon(self._flush)
            self._batch.append(data)
        return True

    def _flush(self) -> None:
        if self._batch:
            self._write_now(b"")

    def _write_now(self, data: bytes) -> None:
        """Write the batch, then `data`.

        The transport is used only when the pipe is full: it does not report which data it failed to write.
        """
        data = b"".join((*self._batch, data))
        self._batch.clear()
        if self._transport is None:
            self._unread.append(data)
        elif self._transport.get_write_buffer_size():
            self._transport.write(data)
        else:
            try:
                written = os.write(self._fd, data)
            except BlockingIOError:
                written = 0
            except OSError:  # the other end is closed
                self._unread.append(data)
                self._transport.abort()
                return
            if written < len(data):
                self._transport.write(data[written:])

    async def _turn(self, data: bytes) -> None:
        """Write after all earlier writers, when the buffer has room."""
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

    def take_unread(self) -> bytes:
        """Take written data that the process has not read out of the pipe; it may begin within a message.

        Works on Linux only, and not for data that the transport buffered because the pipe was full.
        """
        unread = [_read_back(self._fd)] if self._transport is not None else []
        return b"".join((*unread, *self._unread, *self._batch))

    def close(self) -> None:
        """Close the pipe when all data is written, so that the process reads the end of its input."""
        self._closing = True
        self._flush()
        if self._transport:
            self._transport.close()

    def abort(self) -> None:
        """Close the pipe now; buffered data is lost. Further calls have no effect."""
        if self._transport and not self._aborted:
            self._aborted = True
            self._transport.abort()


_R = TypeVar("_R", bound=Reader)


async def read_pipe(fd: int, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> Reader:
    """Read from a descriptor; the reader owns it and closes it."""
    return await _connect(Reader(on_data, on_end), fd)


async def read_rate_limited(fd: int, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> RateLimitedReader:
    """Read from a descriptor at most `RateLimitedReader.RATE` bytes per second; the reader owns it and closes it."""
    return await _connect(RateLimitedReader(on_data, on_end), fd)


async def _connect(reader: _R, fd: int) -> _R:
    await asyncio.get_running_loop().connect_read_pipe(lambda: reader, os.fdopen(fd, "rb", buffering=0))
    return reader


async def write_pipe(
    fd: int, on_end: Callable[[], None], kind: Callable[[Callable[[], None]], Writer] = Writer
) -> Writer:
    """Write to a descriptor by a writer of this kind, which owns it and closes it."""
    writer = kind(on_end)
    await asyncio.get_running_loop().connect_write_pipe(lambda: writer, os.fdopen(fd, "wb", buffering=0))
    return writer


def _read_back(fd: int) -> bytes:
    """Read what is in a pipe, given its writing end `fd`: on Linux /proc/self/fd/N opens the reading end (proc(5))."""
    found: list[bytes] = []
    try:
        end = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        while data := os.read(end, 1 << 16):
            found.append(data)
    except OSError:  # the pipe is empty
        pass
    finally:
        os.close(end)
    return b"".join(found)
