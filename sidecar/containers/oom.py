"""Hears from the kernel when a container reaches its memory limit; works where its control group can be read."""

from __future__ import annotations

import asyncio
import os
import select
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
GROUPS = Path("/sys/fs/cgroup")


def is_container(pid: int, ident: str) -> bool:
    """Whether that process of this machine belongs to the container; the engine may run in another machine."""
    try:
        return bool(ident) and ident in (PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return False


class MemoryWatch:
    """`went_over` once a process of the container was killed for its memory. Of no effect where that is not told."""

    def __init__(self, pid: int) -> None:
        self.went_over = False
        self._fds: list[int] = []  # the first is the one that is heard
        self._poll: select.epoll | None = None
        self._loop = asyncio.get_running_loop()
        self._group, second = _memory_group(pid)
        with suppress(OSError):
            self._watch_second() if second else self._watch_first()

    def close(self) -> None:
        """Stop watching."""
        if self._fds:
            self._loop.remove_reader(self._fds[0])
        if self._poll:
            self._poll.close()
            del self._fds[0]
        for fd in self._fds:
            os.close(fd)
        self._fds, self._poll = [], None

    def _watch_first(self) -> None:
        """cgroup v1: an eventfd that the kernel writes to."""
        event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._fds.append(event)
        self._loop.add_reader(event, self._on_first)
        control = os.open(self._group / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        self._fds.append(control)
        (self._group / "cgroup.event_control").write_text(f"{event} {control}")

    def _on_first(self) -> None:
        with suppress(OSError):
            os.eventfd_read(self._fds[0])
            # It is written to as well when the group is removed, which its file does not outlive.
            self.went_over |= bool((self._group / "memory.oom_control").read_text())

    def _watch_second(self) -> None:
        """cgroup v2: memory.events tells by an exceptional condition, of which an event loop hears by way of epoll."""
        events = os.open(self._group / "memory.events", os.O_RDONLY | os.O_CLOEXEC)
        self._poll = select.epoll()
        self._fds += [self._poll.fileno(), events]
        os.pread(events, 4096, 0)
        self._poll.register(events, select.EPOLLPRI)
        self._loop.add_reader(self._fds[0], self._on_second)

    def _on_second(self) -> None:
        try:
            text = os.pread(self._fds[1], 4096, 0).decode()  # which ends the condition
        except OSError:  # the group is gone
            self._loop.remove_reader(self._fds[0])
            return
        counts = dict(line.split() for line in text.splitlines())
        self.went_over |= counts.get("oom_kill", "0") != "0"


def _memory_group(pid: int) -> tuple[Path, bool]:
    """The control group that limits a process's memory, and whether it is of cgroup v2."""
    with suppress(OSError):
        lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
        groups = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
        for names, path in groups.items():
            if "memory" in names.split(","):
                return GROUPS / "memory" / path.lstrip("/"), False
        return GROUPS / groups.get("", "").lstrip("/"), True
    return GROUPS / "none", True
