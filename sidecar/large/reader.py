"""Has large messages read by a process of its own, which is started with the first and ended when none comes for long.

Parsing 30 MB takes up to a second in which Python does nothing else, in whichever thread; the process does that, checks
that it is JSON which can be written again, and gives back the outline of the message and the texts of its large values.
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
from sidecar.large.process import ANSWER, JSON, REQUEST, answer
from sidecar.protocol.large_values import PIECE, Pieces
from sidecar.spawner.client import Child, Spawner
from sidecar.spawner.environment import child_environment
from sidecar.spawner.link import close_all
from sidecar.spawner.pipes import Reader, Writer, opened, read_pipe, write_pipe

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-I", "-m", "sidecar.large.process")
LONGEST = 30.0
"""Seconds that one message may take."""
IDLE = 10.0
"""Seconds without one after which the process is ended."""
GRACE = 2.0


class Message(NamedTuple):
    """A message that was read: its JSON, in which `values.Large` may stand, and the name of the event it came as."""

    value: Any
    event: str


ReadLarge = Callable[[Pieces, bytes], "asyncio.Future[Message]"]
"""Has a large message read, of a kind that `process` knows.

The future has a ValueError where the message is no JSON, and LargeAnswerFailed where that could not be found out.
Who does not want it any more cancels it.
"""


def in_process(pieces: Pieces, kind: bytes = JSON) -> asyncio.Future[Message]:
    """Read a large message in a turn of the event loop, where there is no process for it: others wait meanwhile."""
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
        _message(outline, read).send(None)  # it waits for nothing
    except StopIteration as end:
        future.set_result(end.value)
    except ValueError as error:
        future.set_exception(error)


async def _message(outline: dict[str, Any], read: Callable[[int], Any]) -> Message:
    """Raises ValueError where it is no JSON."""
    if "value" not in outline:
        raise ValueError("not JSON")
    return Message(await restored(outline, read), outline["name"])


class _Job(NamedTuple):
    """A message that waits to be read."""

    pieces: Pieces
    kind: bytes
    future: asyncio.Future[Message]

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class LargeReader:
    """Owns the process, while entered. Messages are read one after the other; `read` is a `ReadLarge`."""

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._keeper: asyncio.Task[None] | None = None
        self.pid: int | None = None
        """That of the process; None while there is none."""
        self.busy = False
        """Whether it has a message to read."""

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
        """Have a message read, after those that wait already."""
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
            except SidecarError as error:  # it could not be started
                job.fail(_failed(error.message))
            except Exception as error:
                log.exception("large messages cannot be read")
                job.fail(_failed(type(error).__name__))
            finally:
                self.pid = None
                job.fail(_failed("the hub is stopping"))

    async def _use(self, job: _Job | None) -> None:
        """Start the process, and have it read messages until it fails or none comes."""
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
            async with asyncio.timeout(LONGEST):
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
            async with asyncio.timeout(IDLE):
                return await self._jobs.get()
        except TimeoutError:
            return None


class _Process:
    """The process that runs, and its pipes."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self.pid = child.pid
        self.grace = GRACE
        self._fds = [child.stderr, child.stdout, child.stdin]  # not connected yet
        self._stdin: Writer | None = None
        self._stdout = asyncio.StreamReader(limit=4 * PIECE)
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
        """End it. It ends by itself once its input is closed, unless it hangs."""
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
        """What it makes of a message.

        Raises:
            ValueError: the message is no JSON.
            EOFError: the process has ended.
        """
        await self._send(REQUEST.pack(kind, pieces.size))
        for part in pieces.parts:
            for at in range(0, len(part), PIECE):
                await self._send(part[at : at + PIECE])
        (size,) = ANSWER.unpack(await self._stdout.readexactly(ANSWER.size))
        outline = orjson.loads(b"".join(await self._pieces(size)))
        return await _message(outline, self._pieces)

    async def _send(self, data: bytes) -> None:
        if self._stdin is None or not await self._stdin.write(data):
            raise EOFError
        await asyncio.sleep(0)  # others are served meanwhile

    async def _pieces(self, size: int) -> Texts:
        """So many bytes that it writes. Raises IncompleteReadError, which is an EOFError."""
        found = []
        for at in range(0, size, PIECE):
            found.append(await self._stdout.readexactly(min(PIECE, size - at)))
            await asyncio.sleep(0)
        return found


@asynccontextmanager
async def _started(spawner: Spawner) -> AsyncIterator[_Process]:
    """Start the process; at the end nothing of it is left. Raises SidecarError where it cannot be started."""
    process = _Process(await spawner.spawn(COMMAND, child_environment({}), None, uuid4().hex))
    async with opened(process.open, process.close):
        yield process


def _failed(reason: str) -> LargeAnswerFailed:
    return LargeAnswerFailed(f"The process that reads large answers could not read this one: {reason}.")


def _log(data: bytes) -> None:
    log.warning("the process that reads large messages says: %s", data[:500].decode(errors="replace"))


def _ignore() -> None:
    """Whoever reads or writes finds out by itself."""
