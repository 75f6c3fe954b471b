"""Parses large messages in a separate process, which is started on demand and stopped when idle.

Parsing 30 MB of JSON holds Python's interpreter lock for up to a second, in any thread, and so blocks the event loop.
The process parses and validates a message, and returns its outline and the texts of its large values (outline.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self
from uuid import uuid4

import orjson

from sidecar.errors import LargeAnswerFailed, SidecarError
from sidecar.large.outline import Texts, restored
from sidecar.large.process import ANSWER_HEAD, JSON, REQUEST_HEAD, answer
from sidecar.protocol.large_values import PIECE_SIZE, Pieces
from sidecar.spawner.child import Child
from sidecar.spawner.client import Spawner
from sidecar.spawner.environment import child_environment
from sidecar.spawner.link import close_all
from sidecar.spawner.pipes import Reader, Writer, opened, read_pipe, write_pipe

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-I", "-m", "sidecar.large.process")
READ_TIMEOUT = 30.0
"""Seconds for one message."""
IDLE_TIMEOUT = 10.0
"""Seconds without a message after which the process is stopped."""
STOP_GRACE = 2.0
"""Seconds that the process has to end after its stdin is closed, and again after SIGTERM."""


class Message(NamedTuple):
    """A parsed message: its JSON value, which may contain `Large` values, and the name of its event."""

    value: Any
    event: str


ReadLarge = Callable[[Pieces, bytes], "asyncio.Future[Message]"]
"""Parses a large message of a kind of `process` (JSON or EVENT).

The future fails with ValueError if the message is not JSON, and with LargeAnswerFailed if the process failed. It may be
cancelled.
"""


def in_process(pieces: Pieces, kind: bytes = JSON) -> asyncio.Future[Message]:
    """A ReadLarge without a process: parses the message in the event loop, which it blocks meanwhile."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Message] = loop.create_future()
    loop.call_soon(_read_here, pieces, kind, future)
    return future


def _read_here(pieces: Pieces, kind: bytes, future: asyncio.Future[Message]) -> None:
    if future.done():
        return
    outline, texts = answer(kind, pieces.joined())
    waiting = iter(texts)

    async def read(_: int) -> Texts:
        return [next(waiting)]

    try:
        _message(outline, read).send(None)  # the coroutine never suspends
    except StopIteration as end:
        future.set_result(end.value)
    except ValueError as error:
        future.set_exception(error)


async def _message(outline: dict[str, Any], read: Callable[[int], Any]) -> Message:
    """The message of an outline. Raises ValueError if it is not JSON."""
    if "value" not in outline:
        raise ValueError("not JSON")
    return Message(await restored(outline, read), outline["name"])


class _Job(NamedTuple):
    """A message that waits to be parsed."""

    pieces: Pieces
    kind: bytes
    future: asyncio.Future[Message]

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class LargeReader:
    """A context manager that owns the process. Messages are parsed one at a time; its `read` is a `ReadLarge`."""

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._keeper: asyncio.Task[None] | None = None
        self.pid: int | None = None
        """The pid of the process; None while it is not running."""
        self.busy = False
        """Whether a message is being parsed."""

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name="large messages")
        return self

    async def __aexit__(self, *exception: object) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        while not self._jobs.empty():
            self._jobs.get_nowait().fail(_failed("the hub is stopping"))

    def read(self, pieces: Pieces, kind: bytes = JSON) -> asyncio.Future[Message]:
        """Queue a message to be parsed."""
        job = _Job(pieces, kind, asyncio.get_running_loop().create_future())
        if self._keeper is None:
            job.fail(_failed("the hub is stopping"))
        else:
            self._jobs.put_nowait(job)
        return job.future

    async def _keep(self) -> None:
        while True:
            job = await self._jobs.get()
            try:
                await self._use(job)
            except SidecarError as error:  # the process could not be started
                job.fail(_failed(error.message))
            except Exception as error:
                log.exception("large messages cannot be read")
                job.fail(_failed(type(error).__name__))
            finally:
                self.pid = None
                job.fail(_failed("the hub is stopping"))

    async def _use(self, job: _Job | None) -> None:
        """Start the process, and parse messages until it fails or is idle."""
        async with _started(self._spawner) as process:
            self.pid = process.pid
            while job is not None:
                try:
                    if not job.future.done():
                        await self._serve(process, job)
                except (TimeoutError, EOFError, OSError) as error:
                    reason = "took too long" if isinstance(error, TimeoutError) else "ended"
                    log.warning("the process that reads large messages %s", reason)
                    job.fail(_failed(f"it {reason}"))
                    process.grace = 0.0
                    return
                finally:
                    job.fail(_failed("the hub is stopping"))
                job = await self._next()

    async def _serve(self, process: _Process, job: _Job) -> None:
        self.busy = True
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                message = await process.read(job.pieces, job.kind)
        except ValueError as error:
            job.fail(error)
            return
        finally:
            self.busy = False
        if not job.future.done():
            job.future.set_result(message)

    async def _next(self) -> _Job | None:
        try:
            async with asyncio.timeout(IDLE_TIMEOUT):
                return await self._jobs.get()
        except TimeoutError:
            return None


class _Process:
    """The running process, and its pipes."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self.pid = child.pid
        self.grace = STOP_GRACE
        self._fds = [child.stderr, child.stdout, child.stdin]  # not connected yet
        self._stdin: Writer | None = None
        self._stdout = asyncio.StreamReader(limit=4 * PIECE_SIZE)
        self._outputs: list[asyncio.BaseTransport] = []
        self._stderr: Reader | None = None

    async def open(self) -> None:
        """Connect the pipes; see `pipes.opened`."""
        loop = asyncio.get_running_loop()
        self._stdin = await write_pipe(self._fds.pop(), _ignore)
        stdout = os.fdopen(self._fds.pop(), "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._stdout), stdout)
        self._outputs.append(transport)
        self._stderr = await read_pipe(self._fds.pop(), _log, _ignore)

    async def close(self) -> None:
        """Stop the process and close the pipes. It ends by itself when its stdin is closed, unless it hangs."""
        close_all(self._fds)
        if self._stdin:
            self._stdin.close()
        try:
            await self._child.stop(self.grace)
        finally:
            if self._stdin:
                self._stdin.abort()
            for output in self._outputs:
                output.close()
            if self._stderr:
                self._stderr.close()
        await asyncio.gather(*(pipe.closed for pipe in (self._stdin, self._stderr) if pipe))

    async def read(self, pieces: Pieces, kind: bytes) -> Message:
        """Have a message parsed.

        Raises:
            ValueError: the message is not JSON.
            EOFError: the process has ended.
        """
        await self._send(REQUEST_HEAD.pack(kind, pieces.size))
        for part in pieces.parts:
            for at in range(0, len(part), PIECE_SIZE):
                await self._send(part[at : at + PIECE_SIZE])
        (size,) = ANSWER_HEAD.unpack(await self._stdout.readexactly(ANSWER_HEAD.size))
        outline = orjson.loads(b"".join(await self._pieces(size)))
        return await _message(outline, self._pieces)

    async def _send(self, data: bytes) -> None:
        if self._stdin is None or not await self._stdin.write(data):
            raise EOFError
        await asyncio.sleep(0)  # let other tasks run

    async def _pieces(self, size: int) -> Texts:
        """Read `size` bytes of its stdout. Raises IncompleteReadError (an EOFError)."""
        found = []
        for at in range(0, size, PIECE_SIZE):
            found.append(await self._stdout.readexactly(min(PIECE_SIZE, size - at)))
            await asyncio.sleep(0)
        return found


@asynccontextmanager
async def _started(spawner: Spawner) -> AsyncIterator[_Process]:
    """Start the process, and stop it at the end. Raises SidecarError if it cannot be started."""
    process = _Process(await spawner.spawn(COMMAND, child_environment({}), None, uuid4().hex))
    async with opened(process.open, process.close):
        yield process


def _failed(reason: str) -> LargeAnswerFailed:
    return LargeAnswerFailed(f"The process that reads large answers could not read this one: {reason}.")


def _log(data: bytes) -> None:
    log.warning("the process that reads large messages says: %s", data[:500].decode(errors="replace"))


def _ignore() -> None:
    """Nothing to do: reads and writes fail on their own."""
