"""Detects that a container reached its memory limit, from its control group (cgroup v1 and v2)."""

from __future__ import annotations

import asyncio
import os
import select
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
GROUPS = Path("/sys/fs/cgroup")


def is_container(pid: int, ident: str) -> bool:
    """Whether the pid belongs to the container: the engine may run on another machine, whose pids mean nothing here."""
    try:
        return bool(ident) and ident in (PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return False


class MemoryWatch:
    """Sets `went_over` when a process of the container is killed at its memory limit, if its cgroup can be read."""

    def __init__(self, pid: int) -> None:
        self.went_over = False
        self._fds: list[int] = []  # the event loop watches the first one
        self._poll: select.epoll | None = None
        self._loop = asyncio.get_running_loop()
        self._group, second = _memory_group(pid)
        with suppress(OSError):
            self._watch_v2() if second else self._watch_v1()

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

    def _watch_v1(self) -> None:
        """cgroup v1: the kernel writes to an eventfd."""
        event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._fds.append(event)
        self._loop.add_reader(event, self._on_v1_event)
        control = os.open(self._group / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        self._fds.append(control)
        (self._group / "cgroup.event_control").write_text(f"{event} {control}")

    def _on_v1_event(self) -> None:
        with suppress(OSError):
            os.eventfd_read(self._fds[0])
            # The kernel also writes when the group is removed; then the file is gone and reading it fails.
            self.went_over |= bool((self._group / "memory.oom_control").read_text())

    def _watch_v2(self) -> None:
        """cgroup v2: memory.events signals changes by POLLPRI, which asyncio can only watch through an epoll object."""
        events = os.open(self._group / "memory.events", os.O_RDONLY | os.O_CLOEXEC)
        self._poll = select.epoll()
        self._fds += [self._poll.fileno(), events]
        os.pread(events, 4096, 0)
        self._poll.register(events, select.EPOLLPRI)
        self._loop.add_reader(self._fds[0], self._on_v2_event)

    def _on_v2_event(self) -> None:
        try:
            text = os.pread(self._fds[1], 4096, 0).decode()  # reading clears POLLPRI
        except OSError:  # the group was removed
            self._loop.remove_reader(self._fds[0])
            return
        counts = dict(line.split() for line in text.splitlines())
        self.went_over |= counts.get("oom_kill", "0") != "0"


def _memory_group(pid: int) -> tuple[Path, bool]:
    """The control group that limits a process's memory, and whether that is cgroup v2."""
    with suppress(OSError):
        lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
        groups = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
        for names, path in groups.items():
            if "memory" in names.split(","):
                return GROUPS / "memory" / path.lstrip("/"), False
        return GROUPS / groups.get("", "").lstrip("/"), True
    return GROUPS / "none", True
