"""Channels to stdio servers that stay with the spawner when the sidecar ends, and are taken over by the next one.

The next sidecar goes on without a new handshake: what that agreed on is deposited with the spawner. It begins at the
next line: what its predecessor read or wrote in part is lost (docs/adr/0034-limits-and-kept-servers.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Unpack
from uuid import uuid4

import orjson

from bridge.models import StdioLaunch
from sidecar.channels.stdio import STOP_GRACE, Callbacks, StdioChannel, exit_error
from sidecar.errors import ConnectionLost
from sidecar.limits.limits import Limits
from sidecar.protocol.channel import Frame
from sidecar.spawner.child import Child
from sidecar.spawner.client import Spawner
from sidecar.spawner.environment import child_environment
from sidecar.spawner.keep.journal import Journal
from sidecar.spawner.keep.kept import Keep, identity
from sidecar.spawner.link import close_all
from sidecar.spawner.pipes import Writer, opened
from sidecar.version import VERSION

RECHECK = 0.05
"""Seconds between looks whether a line that was written in part is complete."""
PIPE_BUF = 4096
"""Bytes up to which a write to a pipe is atomic (pipe(7))."""


class _NotingWriter(Writer):
    """A writer that notes in the journal when a line may have been written in part."""

    def __init__(self, journal: Journal, on_end: Callable[[], None]) -> None:
        super().__init__(on_end)
        self._journal = journal

    def _write_now(self, data: bytes) -> None:
        if len(data) + sum(map(len, self._batch)) > PIPE_BUF:
            self._journal.partial(True)
        super()._write_now(data)
        self._note()

    def _note(self) -> None:
        waiting = self._transport is not None and self._transport.get_write_buffer_size() > 0
        self._journal.partial(waiting)
        if waiting:
            self._loop.call_later(RECHECK, self._note_unless_closed)

    def _note_unless_closed(self) -> None:
        if not self.closed.done():
            self._note()


class KeptChannel(StdioChannel):
    """A channel to a server that is kept. `agreed`: what the predecessor's handshake agreed on; None: there is none."""

    def __init__(self, child: Child, leaving: Callable[[], bool], *arguments: Any) -> None:
        self._journal = Journal(child.journal)
        self._leaving = leaving
        self._writer = partial(_NotingWriter, self._journal)
        self.agreed: dict[str, Any] | None = orjson.loads(child.agreed) if child.agreed else None
        self.first_id = self._journal.first_id
        """Requests of a successor have ids from here on."""
        self.unanswered = self._journal.unanswered
        """The ids of the predecessor's requests that were under way."""
        on_frame, *rest = arguments
        super().__init__(child, partial(self._received, on_frame), *rest)
        self._fds.insert(0, child.journal)

    def deposit(self, agreed: Mapping[str, Any]) -> None:
        """Keep the server from now on, with what the handshake agreed on, as JSON."""
        self._child.deposit(orjson.dumps(agreed))

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        self._note(frame)
        await super().send(frame, headers)

    def try_send(self, frame: Frame, alone: bool) -> bool:
        self._note(frame)
        return super().try_send(frame, alone)

    def _note(self, frame: Frame) -> None:
        if "method" in frame and type(number := frame.get("id")) is int:
            self._journal.sent(number)

    def _received(self, on_frame: Callable[[Frame], None], frame: Frame) -> None:
        if "method" not in frame and type(number := frame.get("id")) is int:
            self._journal.answered(number)
        on_frame(frame)

    def unread_ids(self) -> frozenset[int]:
        """As of a `StdioChannel`, but of a server that stays: none, as a part of a line may be read already."""
        return frozenset() if self._stays else super().unread_ids()

    @property
    def _stays(self) -> bool:
        return self._leaving() and bool(self._child.agreed) and self._end is None

    async def open(self) -> None:
        await super().open()
        close_all(self._fds)
        if self._journal.cut and self._stdin:
            self._stdin.try_write(b"\n", True)

    async def close(self, grace: float) -> None:
        """As of a `StdioChannel`; but when the sidecar ends, the server stays with the spawner for the next one."""
        if stays := self._stays:
            self._output.on_frame = lambda frame: None
            self._settle(ConnectionLost("The hub is stopping."))
            self._child.detach()
            if self._stdin:
                self._stdin.abort()
        await super().close(grace)
        self._journal.close()
        if stays:  # not before: of two readers of one pipe, each would get a part
            self._child.give()


@asynccontextmanager
async def open_kept(
    spawner: Spawner,
    key: str,
    launch: StdioLaunch,
    pass_env: Sequence[str],
    limits: Limits,
    more: Sequence[str],
    **callbacks: Unpack[Callbacks],
) -> AsyncIterator[KeptChannel]:
    """Take over the server that an earlier sidecar has kept, or start it, and open a channel to it.

    `key`: of the server; `more`: what has to be equal for it to be taken over, beside what it was started with. The
    rest is as for `open_stdio`.

    Raises:
        OpenLater: another sidecar still has the server, which finishes its calls there.
    """
    environment = child_environment(launch.env, pass_env)
    argv = (launch.command, *launch.args)
    keep = Keep(key, identity(argv, environment, launch.cwd, limits, (VERSION, *more)))
    child = await spawner.claim(keep)
    if child is None:
        child = await spawner.spawn(argv, environment, launch.cwd, uuid4().hex, limits, keep)
    channel = KeptChannel(
        child,
        spawner.leaving,
        callbacks["on_frame"],
        callbacks["redact"],
        callbacks["log"],
        callbacks["on_stderr"],
        callbacks["line_limit"],
        lambda end, _: exit_error(end),
        callbacks["read_large"],
    )
    async with opened(channel.open, partial(channel.close, STOP_GRACE)):
        yield channel
