"""Read and write lines on stdin and stdout beside an event loop: pipes, files, sockets, terminals.

Each has its own thread, which ends with the process: a blocking read cannot be cancelled in another way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import select
import threading
from collections.abc import AsyncIterator

MAX_LINE = 64 * 1024 * 1024
NOT_JSON = b"\0"
"""Replaces a line that is too long."""
MAX_LINES_AHEAD = 64
"""Maximum number of lines that are read ahead."""
_CHUNK = 65536


class Lines:
    """An input, read line by line, for one consumer."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(MAX_LINES_AHEAD)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the lines without their line ends; blank lines are skipped."""
        threading.Thread(target=self._read, name="stdin", daemon=True).start()
        while (line := await self._lines.get()) is not None:
            self._room.release()
            if line.strip():
                yield line

    def _read(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            rest, too_long = bytearray(), False
            while chunk := self._chunk():
                *whole, last = chunk.split(b"\n")
                for part in whole:
                    self._put(NOT_JSON if too_long else bytes(rest) + part)
                    rest, too_long = bytearray(), False
                rest += last
                if len(rest) > MAX_LINE:
                    rest, too_long = bytearray(), True
            if rest or too_long:
                self._put(NOT_JSON if too_long else bytes(rest))
            self._put(None)

    def _chunk(self) -> bytes:
        """Read what is available, whether the descriptor blocks or not; empty at the end of input."""
        while True:
            try:
                return os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                select.select([self._descriptor], [], [])
            except OSError:
                return b""

    def _put(self, line: bytes | None) -> None:
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._lines.put_nowait, line)


class Output:
    """An output, which writes in the order of the calls."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._pending: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        threading.Thread(target=self._write_all, name="stdout", daemon=True).start()

    async def write(self, data: bytes) -> None:
        """Write all bytes; return when the system has accepted them.

        Raises:
            BrokenPipeError: the reader has closed the pipe.
        """
        taken = self._loop.create_future()
        self._pending.put((data, taken))
        await taken

    def _write_all(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            while True:
                data, taken = self._pending.get()
                try:
                    self._write(memoryview(data))
                except OSError:
                    self._loop.call_soon_threadsafe(_settle, taken, BrokenPipeError())
                else:
                    self._loop.call_soon_threadsafe(_settle, taken, None)

    def _write(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])


def _settle(taken: asyncio.Future[None], error: BrokenPipeError | None) -> None:
    if taken.done():  # given up meanwhile
        return
    if error:
        taken.set_exception(error)
    else:
        taken.set_result(None)


def private_stdout() -> int:
    """Return a private descriptor of stdout, and redirect stdout to stderr, so that nothing else can write to it."""
    ours = os.dup(1)
    with contextlib.suppress(OSError):  # stderr is closed
        os.dup2(2, 1)
    return ours
