"""The frame channel over the pipes of a process: JSON lines, as MCP's stdio transport has them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypedDict
from uuid import uuid4

from bridge.models import StdioLaunch
from sidecar.channels.lines import MOST, Tail
from sidecar.channels.output import Output
from sidecar.errors import ConnectionLost, OutputTooLarge, ServerExited, SidecarError
from sidecar.large.reader import ReadLarge, in_process
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame, OnFrame
from sidecar.spawner.client import Child, Spawner
from sidecar.spawner.environment import child_environment
from sidecar.spawner.link import close_all
from sidecar.spawner.pipes import PacedReader, Reader, Writer, opened, read_paced, read_pipe, write_pipe

LINE_LIMIT = 32 * 1024 * 1024
GRACE = 2.0
DRAIN = 0.5
"""Seconds that wait for the other sign of an end: what is still in the pipe after the exit, or the exit after the
pipe's end."""
SHOWN = 5
"""Lines that are not MCP messages of which the log tells."""

Explain = Callable[[int | SidecarError, Sequence[str]], SidecarError]
"""Makes of a process's end (exit code, negative signal number, or error) and last words on stderr what is told."""


class Telling(TypedDict):
    """Who is told what of a server; as `open_stdio` has them."""

    on_frame: OnFrame
    redact: Callable[[str], str]
    log: Callable[[str], None] | None
    on_stderr: Callable[[str], None] | None
    read_large: ReadLarge


class StdioChannel:
    """A running stdio server. `skipped` counts the lines on its stdout that were no MCP messages."""

    transport = "stdio"

    def __init__(
        self,
        child: Child,
        on_frame: OnFrame,
        redact: Callable[[str], str],
        log: Callable[[str], None] | None,
        on_stderr: Callable[[str], None] | None,
        line_limit: int,
        explain: Explain,
        read_large: ReadLarge,
    ) -> None:
        self._child = child
        self._explain = explain
        self.pid = child.pid
        """The process that is shown as the server's; another one than the child where this only passes on."""
        self._redact = redact
        self._log = log
        self._limit = line_limit
        self._output = Output(on_frame, self._skip, self._flooded, line_limit, read_large, self._pace)
        self._tail = Tail(redact, on_stderr)
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[SidecarError] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._end: int | SidecarError | None = None
        self._quiet = False  # its stdout has ended
        self._usable = False  # nothing says that it ends
        self._fds = [child.stderr, child.stdout, child.stdin]  # not connected yet
        self._stdin: Writer | None = None
        self._stderr: PacedReader | None = None
        self._outputs: list[Reader] = []
        self.skipped = 0

    @property
    def pids(self) -> tuple[int, ...]:
        return (self.pid,)

    def stderr(self) -> tuple[str, ...]:
        return self._tail.read()

    async def wait_closed(self) -> SidecarError:
        return await asyncio.shield(self._closed)

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        if not self._usable or self._stdin is None:
            raise ConnectionLost(self._why().message)
        if not await self._stdin.write(codec.dumps(frame) + b"\n"):
            raise ConnectionLost("The server closed its input.")

    def send_now(self, frame: Frame, alone: bool) -> bool:
        """Send one frame, if the pipe is open and has room."""
        if not self._usable or self._stdin is None:
            return False
        return self._stdin.offer(codec.dumps(frame) + b"\n", alone)

    def unread(self) -> frozenset[int]:
        """The ids of requests that the server certainly has not read; it can read them no more."""
        lines = self._stdin.take_back().split(b"\n") if self._stdin else []
        return frozenset(number for line in lines if (number := _id_of_request(line)) is not None)

    def _why(self) -> SidecarError:
        """Why nothing can be sent."""
        if self._closed.done():
            return self._closed.result()
        if self._end is not None:
            return self._ended(self._end)
        return ConnectionLost("The server closed its output." if self._quiet else "The server closed its input.")

    # --- open and close ------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect the pipes; see `pipes.opened`."""
        self._stdin = await write_pipe(self._fds.pop(), self._on_input_closed)
        self._outputs.append(await read_pipe(self._fds.pop(), self._output.feed, self._on_output_ended))
        self._stderr = await read_paced(self._fds.pop(), self._tail.feed, self._tail.end)
        self._outputs.append(self._stderr)
        self._usable = True
        self._child.on_end(self._on_exit)

    async def close(self, grace: float) -> None:
        """End the server and close the pipes. Its last output is read, so that it can write it, but not delivered."""
        self._output.on_frame = _ignore
        self._output.close()
        self._settle(ConnectionLost("The hub closed it."))
        close_all(self._fds)
        if self._stdin:
            self._stdin.close()
        try:
            await self._child.stop(grace)
        finally:
            if self._stdin:
                self._stdin.abort()
            for output in self._outputs:
                output.close()
        await asyncio.gather(*(pipe.closed for pipe in (self._stdin, *self._outputs) if pipe))

    # --- what comes from the process -----------------------------------------------------------------------------

    def _pace(self, goes_on: bool) -> None:
        """Read on, or not while a large message is being read."""
        for reader in self._outputs[:1]:
            reader.read_on(goes_on)

    def _flooded(self) -> None:
        self._settle(OutputTooLarge(f"It wrote a line of more than {MOST * self._limit >> 20} MiB to its stdout."))
        self._outputs[0].close()

    def _skip(self, line: bytes) -> None:
        self.skipped += 1
        if self._log and self.skipped <= SHOWN:
            text = self._redact(line[: Tail.KEPT].decode(errors="replace"))[:200]
            last = "; further ones are only counted" if self.skipped == SHOWN else ""
            self._log(f"a line on stdout is no MCP message, skipped: {text!r}{last}")

    def _on_output_ended(self) -> None:
        self._output.end()
        self._quiet = True
        self._conclude(ConnectionLost("The server closed its output."))

    def _on_input_closed(self) -> None:
        self._conclude(ConnectionLost("The server closed its input."))

    def _on_exit(self, end: int | SidecarError) -> None:
        self._end = end
        if self._stderr:
            self._stderr.read_rest()
        self._conclude(self._ended(end))

    def _conclude(self, reason: SidecarError) -> None:
        """It has ended, by one sign: settle when the other is there too, or does not come."""
        self._usable = False
        if self._end is not None and self._quiet:
            self._settle(self._ended(self._end))
        elif not self._timer and not self._closed.done():
            self._timer = self._loop.call_later(DRAIN, self._give_up, reason)

    def _give_up(self, reason: SidecarError) -> None:
        if self._output.reads:  # what it wrote before its end is still to be delivered
            self._timer = self._loop.call_later(DRAIN, self._give_up, reason)
            return
        self._settle(reason if self._end is None else self._ended(self._end))

    def _ended(self, end: int | SidecarError) -> SidecarError:
        return self._explain(end, self._tail.read())

    def _settle(self, reason: SidecarError) -> None:
        self._usable = False
        if self._timer:
            self._timer.cancel()
        if not self._closed.done():
            self._closed.set_result(reason)


@asynccontextmanager
async def open_stdio(
    spawner: Spawner,
    launch: StdioLaunch,
    *,
    on_frame: OnFrame,
    redact: Callable[[str], str],
    log: Callable[[str], None] | None = None,
    on_stderr: Callable[[str], None] | None = None,
    pass_env: Sequence[str] = (),
    grace: float = GRACE,
    line_limit: int = LINE_LIMIT,
    explain: Explain | None = None,
    read_large: ReadLarge = in_process,
) -> AsyncIterator[StdioChannel]:
    """Start a server and talk to it; at the end nothing of it is left.

    `launch` is expanded already. `log` gets the hub's own remarks on it and `on_stderr` what it writes there, line by
    line, both masked. `grace`: seconds that it has to end by itself once its stdin is closed, and again after SIGTERM.
    `line_limit`: bytes of the longest message that is read. `explain`: what to tell of its end, where `exit_error`
    knows too little. `read_large`: what reads messages of 1 MiB and more.

    Raises:
        CommandMissing, DirectoryMissing, ProcessRefused: it cannot be started.
        SpawnerLost: the process that starts servers died meanwhile; try again.
    """
    environment = child_environment(launch.env, pass_env)
    child = await spawner.spawn((launch.command, *launch.args), environment, launch.cwd, uuid4().hex)
    explained = explain or (lambda end, _: exit_error(end))
    channel = StdioChannel(child, on_frame, redact, log, on_stderr, line_limit, explained, read_large)
    async with opened(channel.open, partial(channel.close, grace)):
        yield channel


def _id_of_request(line: bytes) -> int | None:
    """The id of one of the mux's requests; None where the line is something else, or a part of one."""
    try:
        frame = codec.loads(line)
    except ValueError:
        return None
    found = frame.get("id") if isinstance(frame, dict) and "method" in frame else None
    return found if type(found) is int else None


def exit_error(end: int | SidecarError) -> SidecarError:
    """What to tell of the end of a process: its exit code, or the negative number of a signal."""
    if isinstance(end, SidecarError):
        return end
    if end >= 0:
        return ServerExited(f"It exited with code {end}.", data={"exit_code": end})
    name = _signal_name(-end)
    guess = " (out of memory?)" if -end == signal.SIGKILL else ""
    return ServerExited(f"It was killed by {name}{guess}.", data={"signal": name})


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _ignore(*_: Any) -> None:
    """Nobody listens any more."""
