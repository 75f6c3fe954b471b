"""Servers that outlive a sidecar, as the next one sees them: those that it was given, and those that it waits for."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import select
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sidecar.errors import StillStarting
from sidecar.limits.limits import Limits
from sidecar.protocol.open_later import OpenLater
from sidecar.spawner.child import Child
from sidecar.spawner.keep.keeping import PEER

log = logging.getLogger(__name__)

CLAIM_TIME = 30.0
"""Seconds after which kept servers that nobody has claimed are ended: their definition is gone or another."""


class Keep(NamedTuple):
    """How a server is kept: as whose (`key`), and as what (`identity`): only an equal definition takes it over."""

    key: str
    identity: str


def identity(
    argv: Sequence[str], env: Mapping[str, str], cwd: str | None, limits: Limits, more: Sequence[str] = ()
) -> str:
    """A digest of everything that a server was started with; `more` is what else has to be equal."""
    parts = [list(argv), sorted(env.items()), cwd, list(limits.packed()), list(more)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Unclaimed:
    """The servers taken over that no definition has claimed yet; those left after CLAIM_TIME are ended.

    It also knows the servers that another sidecar has (`hold`), until that gives them away.
    """

    def __init__(self) -> None:
        self._children: dict[Keep, Child] = {}
        self._held: dict[Keep, asyncio.Future[None]] = {}
        self._wanted: dict[str, str] = {}
        """The identity that each server's definition had when it was claimed last, by key."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, keep: Keep, child: Child) -> None:
        """This sidecar was given a server: have it for a while, unless its definition is known to be another one."""
        if self._wanted.get(keep.key, keep.identity) != keep.identity:
            child.abandon()
            return
        if before := self._children.pop(keep, None):
            before.abandon()
        self._children[keep] = child
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(CLAIM_TIME, self.end_all)
        self.free(keep)

    def hold(self, keep: Keep) -> None:
        """Another sidecar has a server."""
        self._held.setdefault(keep, asyncio.get_running_loop().create_future())

    def free(self, keep: Keep) -> None:
        """The other sidecar has the server no longer."""
        if held := self._held.pop(keep, None):
            held.set_result(None)

    async def claim(self, keep: Keep) -> Child | None:
        """The server that was kept so, if there is one. One of the same key that is another is ended first.

        Raises:
            OpenLater: another sidecar has it.
        """
        self._wanted[keep.key] = keep.identity
        child = self._children.pop(keep, None)
        if child is None and (held := self._held.get(keep)):
            why = "The previous sidecar finishes its calls to this server, which goes on here then."
            raise OpenLater(StillStarting(why, hint="Calls wait for this; no action is needed.").body(), held)
        if child:
            log.info("a server that outlived the sidecar before goes on", extra={"server": keep.key, "pid": child.pid})
        for other in [each for each in self._children if each.key == keep.key]:
            unwanted = self._children.pop(other)
            unwanted.abandon()
            await unwanted.stop(0.0)
        return child

    def end_all(self) -> None:
        """End all that nobody has claimed."""
        self._stop_timer()
        children, self._children = self._children, {}
        for keep, child in children.items():
            log.info("a server that nobody wants any more is ended", extra={"server": keep.key, "pid": child.pid})
            child.abandon()

    def leave(self, kept: bool) -> None:
        """The sidecar ends. `kept`: what is unclaimed stays with the spawner."""
        if not kept:
            self.end_all()
        self._stop_timer()
        for child in self._children.values():
            child.close_pipes()
            child.detach()
            child.give()
        self._children.clear()

    def lost(self) -> None:
        """The spawner has ended, and all servers with it."""
        self._stop_timer()
        for child in self._children.values():
            child.close_pipes()
        self._children.clear()
        for keep in tuple(self._held):
            self.free(keep)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None


class Inherited:
    """A spawner that another sidecar started: a process that is no child of this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """None while it runs, else -1: its exit status is not for us."""
        if self.returncode is None and select.select([self._handle], [], [], 0)[0]:
            os.close(self._handle)
            self.returncode = -1
        return self.returncode

    def kill(self) -> None:
        """End it."""
        if self.poll() is None:
            os.kill(self.pid, 9)


def door_of(lock: Path) -> Path:
    """The Unix socket at which a spawner waits for a sidecar, by the path of its lock file."""
    return lock.with_suffix(".sock")


def knock(address: Path) -> tuple[socket.socket, Inherited] | None:
    """Connect to a spawner that waits for a sidecar; None if there is none, or it is another user's."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        door.connect(str(address))
        pid, uid, _ = PEER.unpack(door.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
        if uid == os.getuid():
            return door, Inherited(pid)
    except OSError:
        pass
    door.close()
    return None


async def gone(process: Inherited | subprocess.Popen[bytes], timeout: float) -> None:
    """Wait until a process has ended; kill it after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        await asyncio.sleep(0.005)
