"""The process table from /proc, and signals that cannot hit another process with a reused pid.

The spawner program imports this module and has to stay small: no pathlib.
"""
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

HUB_MARK = "YAMCP_HUB_SPAWNER"
INSTANCE_MARK = "YAMCP_HUB_INSTANCE"
"""Marks: environment variables of every server, by which its processes are recognised in the last resort."""

MEMORY_FIELDS = (b"RssAnon:", b"RssShmem:", b"VmSwap:")
SHARE_FIELDS = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")
DEAD_STATES = "ZXx"
"""States of processes that have ended (proc(5), stat)."""


class Process:
    """A snapshot of one process. `start` (clock ticks since boot) distinguishes it from later ones with its pid.

    `virtual` is the size of its address space in bytes.
    """

    __slots__ = ("group", "pid", "ppid", "session", "start", "state", "threads", "virtual")

    def __init__(self, pid: int, stat: bytes) -> None:
        fields = stat[stat.rindex(b")") + 2 :].split(b" ", 21)
        self.pid = pid
        self.state = fields[0].decode()
        self.ppid, self.group, self.session = int(fields[1]), int(fields[2]), int(fields[3])
        self.threads = int(fields[17])
        self.start, self.virtual = int(fields[19]), int(fields[20])

    @property
    def alive(self) -> bool:
        """Whether the process has not ended; zombies have."""
        return self.state not in DEAD_STATES


class Table:
    """A snapshot of all processes; it is not atomic."""

    def __init__(self) -> None:
        self.by_pid: dict[int, Process] = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and (process := read(int(name))):
                self.by_pid[process.pid] = process
        self._settle()
        self._children: dict[int, list[Process]] = {}
        for process in self.by_pid.values():
            self._children.setdefault(process.ppid, []).append(process)

    def _settle(self) -> None:
        """Read processes again whose parent ended while the table was read: they have another parent now."""
        for _ in range(3):
            torn = [p.pid for p in self.by_pid.values() if p.ppid and p.ppid not in self.by_pid]
            for pid in torn:
                del self.by_pid[pid]
                for found in (read(pid), read(_parent(pid))):
                    if found:
                        self.by_pid[found.pid] = found

    def children(self, pid: int) -> list[Process]:
        """The direct children of a process."""
        return self._children.get(pid, [])

    def descendants(self, pid: int) -> list[Process]:
        """All descendants of a process, parents before their children."""
        found = list(self.children(pid))
        for process in found:  # the loop extends the list it iterates over
            found.extend(self.children(process.pid))
        return found

    def ancestors(self, pid: int) -> set[int]:
        """The pids of a process and all its ancestors."""
        found: set[int] = set()
        while pid in self.by_pid and pid not in found:
            found.add(pid)
            pid = self.by_pid[pid].ppid
        return found

    def whole_groups(self, targets: list[Process]) -> set[int]:
        """The process groups all of whose living members are targets."""
        chosen = {process.pid for process in targets}
        mixed = {p.group for p in self.by_pid.values() if p.alive and p.pid not in chosen}
        return {process.group for process in targets} - mixed - {0, 1}


def read(pid: int) -> Process | None:
    """A snapshot of a process; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return Process(pid, file.read(4096))
    except (OSError, ValueError):
        return None


def still_alive(process: Process) -> bool:
    """Whether a process is still alive and not about to end: an ending one frees its memory, with its marks, first."""
    now = read(process.pid)
    return now is not None and now.alive and now.start == process.start and now.virtual > 0


def memory(process: Process) -> int:
    """Bytes of memory, swap included, that a process has and that no file backs; 0 if it has ended.

    Pages that it shares with other processes count fully.
    """
    return _sum_of(process, "status", MEMORY_FIELDS)


def shared_memory(process: Process) -> int:
    """As `memory`, but of a page that n processes share each has the n-th part (proc(5), smaps_rollup).

    The kernel walks the page tables for it: about a millisecond per 100 MB.
    """
    shares = _sum_of(process, "smaps_rollup", SHARE_FIELDS)
    return shares or memory(process)  # a kernel before 5.10, or a process that may not be looked into


def _sum_of(process: Process, name: str, fields: tuple[bytes, ...]) -> int:
    """The sum, in bytes, of some fields of a file in a process's directory, which are in kB."""
    try:
        with open(f"/proc/{process.pid}/{name}", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(fields))


def last_pid() -> int:
    """The pid, or id of a thread, that was given last (proc(5), loadavg); -1 if that is unknown."""
    try:
        with open("/proc/loadavg", "rb", buffering=0) as file:
            return int(file.read(128).split()[4])
    except (OSError, ValueError, IndexError):
        return -1


def _parent(pid: int) -> int:
    process = read(pid)
    return process.ppid if process else 0


def own_children() -> list[int] | None:
    """The pids of our children, adopted ones included; None if the kernel does not support this (proc(5), children)."""
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb", buffering=0) as file:
            return [int(child) for child in file.read(1 << 20).split()]
    except OSError:
        return None


def marks(process: Process) -> tuple[str, str]:
    """The values of HUB_MARK and INSTANCE_MARK in a process's environment; empty if absent or unreadable."""
    for _ in range(3):
        try:
            with open(f"/proc/{process.pid}/environ", "rb") as file:
                content = file.read()
        except OSError:
            return "", ""
        if content:
            found = dict(entry.partition(b"=")[::2] for entry in content.split(b"\0"))
            return found.get(HUB_MARK.encode(), b"").decode(), found.get(INSTANCE_MARK.encode(), b"").decode()
        time.sleep(0.001)  # the environment is empty during an exec
    return "", ""


def send_signal(process: Process, number: int) -> None:
    """Send a signal, unless the pid was reused. No effect if the process has ended or may not be signalled."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    except OSError:  # a kernel or sandbox without pidfd
        _send_by_pid(process, number)
        return
    try:
        if _same(process):
            with suppress(OSError):
                signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)


def _send_by_pid(process: Process, number: int) -> None:
    if _same(process):
        with suppress(OSError):
            os.kill(process.pid, number)


def _same(process: Process) -> bool:
    now = read(process.pid)
    return now is not None and now.start == process.start


def terminate(targets: list[Process]) -> None:
    """Send SIGTERM; also SIGCONT, as a stopped process handles signals only when it is continued."""
    for process in targets:
        send_signal(process, signal.SIGTERM)
        send_signal(process, signal.SIGCONT)


def kill(table: Table, targets: list[Process]) -> None:
    """Send SIGKILL, to whole process groups first: that is atomic, so no process can escape by forking."""
    for group in table.whole_groups(targets):
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    for process in targets:
        send_signal(process, signal.SIGKILL)
