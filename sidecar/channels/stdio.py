"""The stdio transport (MCP, Transports, stdio): one JSON-RPC message per line over the pipes of a process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypedDict
from uuid import uuid4

from bridge.models import StdioLaunch
from sidecar.channels.lines import ENDLESS_FACTOR, Tail
from sidecar.channels.output import Output
from sidecar.channels.pace import FLOOD_SECONDS
from sidecar.errors import ConnectionLost, OutputTooLarge, ServerExited, SidecarError
from sidecar.flood_errors import ServerFloods
from sidecar.large.reader import ReadLarge, in_process
from sidecar.limits.limits import Limits
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame, OnFrame
from sidecar.spawner.child import Child
from sidecar.spawner.client import NO_LIMITS, Spawner
from sidecar.spawner.environment import child_environment
from sidecar.spawner.link import close_all
from sidecar.spawner.pipes import RateLimitedReader, Reader, Writer, opened, read_pipe, read_rate_limited, write_pipe

LINE_LIMIT = 32 * 1024 * 1024
"""Bytes of the longest message, unless the settings say otherwise."""
STOP_GRACE = 2.0
"""Seconds that a server has to end after its stdin is closed, and again after SIGTERM."""
END_WAIT = 0.5
"""Seconds to wait for the rest of the output after the process has exited, or for its exit after the output's end."""
MAX_BACKLOG = 100
"""Messages that may wait for a server to read its stdin before it is slowed down, if it floods."""
MAX_SKIPPED_LOGGED = 5
"""Lines that are not MCP messages and are logged; further ones are only counted."""

Explain = Callable[[int | SidecarError, Sequence[str]], SidecarError]
"""Converts a process's end (exit code, negated signal number, or error) and its last stderr lines to an error."""


class Callbacks(TypedDict):
    """The callbacks of `open_stdio`."""

    on_frame: OnFrame
    redact: Callable[[str], str]
    log: Callable[[str], None] | None
    on_stderr: Callable[[str], None] | None
    read_large: ReadLarge
    line_limit: int


class StdioChannel:
    """A channel to a running stdio server. `skipped` counts the lines on its stdout that were not MCP messages."""

    transport = "stdio"
    _writer: Callable[[Callable[[], None]], Writer] = Writer

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
        """The process shown as the server's; not the child where that is only a client of a container engine."""
        self._redact = redact
        self._log = log
        self._limit = line_limit
        self._output = Output(
            on_frame, self._skip, self._flooded, line_limit, read_large, self._pace, self._report, self._backlog
        )
        self._tail = Tail(redact, on_stderr)
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[SidecarError] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._end: int | SidecarError | None = None
        self._quiet = False  # its stdout has ended
        self._usable = False  # open, and no sign of its end
        self._fds = [child.stderr, child.stdout, child.stdin]  # not connected yet
        self._stdin: Writer | None = None
        self._stderr: RateLimitedReader | None = None
        self._outputs: list[Reader] = []
        self.on_slowed: Callable[[str], None] = _ignore
        self.skipped = 0

    @property
    def slowed(self) -> bool:
        return self._output.slowed

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
        if self._output.stuck and "method" not in frame and self._backlog():
            return  # an answer to one request of thousands: the server reads nothing, and must not fill the memory
        if not await self._stdin.write(codec.dumps(frame) + b"\n"):
            raise ConnectionLost("The server closed its input.")

    def try_send(self, frame: Frame, alone: bool) -> bool:
        """Send one frame if the pipe is open and has room."""
        if not self._usable or self._stdin is None:
            return False
        return self._stdin.try_write(codec.dumps(frame) + b"\n", alone)

    def unread_ids(self) -> frozenset[int]:
        """The ids of requests that the server has not read; they are taken out of the pipe, so it never will."""
        lines = self._stdin.take_unread().split(b"\n") if self._stdin else []
        return frozenset(number for line in lines if (number := _id_of_request(line)) is not None)

    def _why(self) -> SidecarError:
        """The reason why nothing can be sent."""
        if self._closed.done():
            return self._closed.result()
        if self._end is not None:
            return self._ended(self._end)
        return ConnectionLost("The server closed its output." if self._quiet else "The server closed its input.")

    # --- open and close ------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect the pipes; see `pipes.opened`."""
        self._stdin = await write_pipe(self._fds.pop(), self._on_input_closed, self._writer)
        self._outputs.append(await read_pipe(self._fds.pop(), self._output.feed, self._on_output_ended))
        self._stderr = await read_rate_limited(self._fds.pop(), self._tail.feed, self._tail.end)
        self._outputs.append(self._stderr)
        self._usable = True
        self._child.on_end(self._on_exit)

    async def close(self, grace: float) -> None:
        """Stop the server and close the pipes. Its remaining output is read, so that it can end, but not delivered."""
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

    # --- events of the process -----------------------------------------------------------------------------------

    def _pace(self, wanted: bool) -> None:
        """Resume or pause reading stdout: it pauses while a large message is parsed, and if the server floods."""
        for reader in self._outputs[:1]:
            reader.set_reading(wanted)

    def _report(self, text: str) -> None:
        if self._log:
            self._log(text)
        self.on_slowed(text)

    def _backlog(self) -> int:
        """How many messages more than MAX_BACKLOG wait for the server to read its stdin."""
        return max(0, self._stdin.waiting - MAX_BACKLOG) if self._stdin is not None else 0

    def _flooded(self) -> None:
        if self._output.pace.floods:
            self._settle(ServerFloods(f"For {FLOOD_SECONDS:g} s it sent more messages than the hub takes."))
        else:
            longest = ENDLESS_FACTOR * self._limit >> 20
            self._settle(OutputTooLarge(f"It wrote a line of more than {longest} MiB to its stdout."))
        self._outputs[0].close()

    def _skip(self, line: bytes) -> None:
        self.skipped += 1
        if self._log and self.skipped <= MAX_SKIPPED_LOGGED:
            text = self._redact(line[: Tail.MAX_LINE].decode(errors="replace"))[:200]
            last = "; further ones are only counted" if self.skipped == MAX_SKIPPED_LOGGED else ""
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
        """One sign of the end has occurred: settle when the other one has too, or after END_WAIT."""
        self._usable = False
        if self._end is not None and self._quiet:
            self._settle(self._ended(self._end))
        elif not self._timer and not self._closed.done():
            self._timer = self._loop.call_later(END_WAIT, self._give_up, reason)

    def _give_up(self, reason: SidecarError) -> None:
        if self._output.reads:  # what was written before the end is still to be delivered
            self._timer = self._loop.call_later(END_WAIT, self._give_up, reason)
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
    grace: float = STOP_GRACE,
    line_limit: int = LINE_LIMIT,
    explain: Explain | None = None,
    read_large: ReadLarge = in_process,
    limits: Limits = NO_LIMITS,
) -> AsyncIterator[StdioChannel]:
    """Start a server and open a channel to it; at the end all its processes are stopped.

    `launch`: with its variables expanded. `log`: called with remarks of the hub on the server, and `on_stderr` with
    each line that it writes to stderr; secrets are masked in both. `grace`: seconds that the server has to end after
    its stdin is closed, and again after SIGTERM. `line_limit`: bytes of the longest message. `explain`: replaces
    `exit_error`. `read_large`: parses messages of 1 MiB and more.

    Raises:
        CommandMissing, DirectoryMissing, ProcessRefused: the process cannot be started.
        SpawnerLost: the spawner died meanwhile; try again.
    """
    environment = child_environment(launch.env, pass_env)
    child = await spawner.spawn((launch.command, *launch.args), environment, launch.cwd, uuid4().hex, limits)
    explained = explain or (lambda end, _: exit_error(end))
    channel = StdioChannel(child, on_frame, redact, log, on_stderr, line_limit, explained, read_large)
    async with opened(channel.open, partial(channel.close, grace)):
        yield channel


def _id_of_request(line: bytes) -> int | None:
    """The id of a request of the hub; None if the line is not a whole request."""
    try:
        frame = codec.loads(line)
    except ValueError:
        return None
    found = frame.get("id") if isinstance(frame, dict) and "method" in frame else None
    return found if type(found) is int else None


def exit_error(end: int | SidecarError) -> SidecarError:
    """The error for the end of a process, given its exit code or the negated number of a signal."""
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
    """Discard frames after `close`, and reports that nobody waits for."""
