"""Control groups (cgroup v2) that limit stdio servers, where a group is delegated to the hub.

Documentation/admin-guide/cgroup-v2.rst of the kernel: a group whose controllers are passed on to its children may not
have processes itself ("no internal processes"). So the processes of the hub move to a child, `LEAF`, beside which each
server gets a child of its own. The spawner program imports this module and has to stay small: no pathlib.
"""
# ruff: noqa: PTH102, PTH106, PTH110, PTH119, PTH120, PTH123, PTH208

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from sidecar.limits.limits import MEMORY, PIDS, Limits

Message = tuple[object, ...]
LEAF = "yamcp-hub"
"""The group of the hub's own processes."""
CONTROLLERS = ("memory", "pids", "cpu")
CPU_PERIOD = 100_000
"""Microseconds over which processor time is counted (cpu.max)."""
MOVE_ROUNDS = 20
"""How often processes are moved out of the delegated group: they may fork meanwhile."""
REMOVE_TIMEOUT = 0.2
"""Seconds that killed processes of a group have to leave it."""


class Unusable(Exception):
    """The hub cannot use control groups; the message is the reason."""


class Groups:
    """The groups below `base`, which is delegated to the hub. `prefix` begins the names of this hub's servers' groups.

    `controllers`: those of `CONTROLLERS` that limit the servers.
    """

    def __init__(self, base: str, prefix: str) -> None:
        """Move the hub's processes to `LEAF` and pass the controllers on. Raises Unusable."""
        self.base = base
        self._prefix = prefix
        self._home = base
        available = _read(f"{base}/cgroup.controllers").split()
        wanted = [name for name in CONTROLLERS if name in available]
        if not wanted:
            raise Unusable(f"the control group {base} has none of the controllers {', '.join(CONTROLLERS)}")
        if os.path.exists(f"{base}/cgroup.type"):  # the root of all groups has none, and may have processes
            self._home = f"{base}/{LEAF}"
            _evacuate(base, self._home)
        self.controllers = frozenset(name for name in wanted if _wrote(f"{base}/cgroup.subtree_control", f"+{name}"))
        if not self.controllers:
            raise Unusable(f"the controllers of the control group {base} cannot be passed on")

    def create(self, name: str) -> Group | None:
        """Make the group of a server; None if the system refuses."""
        path = f"{self.base}/{self._prefix}{name}"
        try:
            os.mkdir(path)
        except OSError:
            return None
        return Group(path, self._home, self.controllers)

    def sweep(self) -> None:
        """Kill and remove groups that an earlier spawner of this hub left."""
        for name in os.listdir(self.base):
            if name.startswith(self._prefix):
                left = Group(f"{self.base}/{name}", self._home, self.controllers)
                left.kill()
                left.remove()


class Group:
    """The control group of one server."""

    def __init__(self, path: str, home: str, controllers: frozenset[str]) -> None:
        self.path = path
        self._home = home
        self._stuck = False
        """Whether the spawner could not leave the group."""
        self.controllers = controllers
        self.events = -1
        """A descriptor that polls POLLPRI when a fork fails at the limit of processes; -1 without such a limit."""

    def enforces(self, kind: str) -> bool:
        """Whether the group enforces the limit `MEMORY` or `PIDS`."""
        return kind in self.controllers

    def enter(self) -> None:
        """Move the calling process into the group, so that what it starts is in it from the beginning. Raises OSError.

        Limits have to be set after `leave`: the caller must not be what they end.
        """
        _write(f"{self.path}/cgroup.procs", "0")

    def leave(self) -> None:
        """Move the calling process back to the hub's own group. If that fails, the group is no longer used."""
        if not _wrote(f"{self._home}/cgroup.procs", "0"):
            self._stuck, self.controllers = True, frozenset()

    def limit(self, limits: Limits) -> None:
        """Set the limits. Raises OSError."""
        if limits.memory and MEMORY in self.controllers:
            _write(f"{self.path}/memory.oom.group", "1")
            _wrote(f"{self.path}/memory.swap.max", "0")  # absent in kernels without swap
            _write(f"{self.path}/memory.max", str(limits.memory))
        if limits.cpus and "cpu" in self.controllers:
            _write(f"{self.path}/cpu.max", f"{max(1000, int(limits.cpus * CPU_PERIOD))} {CPU_PERIOD}")
        if limits.pids and PIDS in self.controllers:
            _write(f"{self.path}/pids.max", str(limits.pids))
            self.events = os.open(f"{self.path}/pids.events", os.O_RDONLY | os.O_CLOEXEC)

    def exceeded(self, kind: str) -> bool:
        """Whether the limit `MEMORY` has ended processes of the group, or the limit `PIDS` has refused a fork.

        False if the group does not enforce it, or is gone.
        """
        with suppress(OSError):
            if kind == PIDS:
                return self.events >= 0 and _counter(os.pread(self.events, 4096, 0).decode(), "max") > 0
            return MEMORY in self.controllers and _counter(_read(f"{self.path}/memory.events"), "oom_kill") > 0
        return False

    def kill(self) -> None:
        """Kill all its processes at once (since Linux 5.14; without effect before)."""
        if not self._stuck:
            _wrote(f"{self.path}/cgroup.kill", "1")

    def remove(self) -> bool:
        """Kill what is left in the group and remove it with all groups below; returns whether it is gone."""
        if self.events >= 0:
            os.close(self.events)
            self.events = -1
        if _removed(self.path):
            return True
        self.kill()
        deadline = time.monotonic() + REMOVE_TIMEOUT
        while not (gone := _removed(self.path)) and time.monotonic() < deadline:
            time.sleep(0.002)
        return gone


class Source:
    """Makes the groups of servers. The hub's group is taken over for the first server that needs one.

    `use`: whether groups may be used.
    """

    def __init__(self, use: bool) -> None:
        self._use = use
        self._groups: Groups | None = None
        self.told: list[Message] = []
        """The message to the sidecar that says what enforces limits, once that is known."""

    def group(self, limits: Limits, name: str, prefix: str, send: Callable[[Message], None]) -> Group | None:
        """A group for a server with these limits; None if it needs none, or there is none. `prefix`: see `Groups`."""
        if not (limits.memory or limits.pids or limits.cpus):
            return None
        if not self.told:
            self.told.append(self._claimed(prefix))
            send(self.told[0])
        return self._groups.create(name) if self._groups else None

    def _claimed(self, prefix: str) -> Message:
        try:
            if not self._use:
                return "enforcement", [], "HUB_CGROUPS is off"
            self._groups = claim(prefix)
            self._groups.sweep()
        except (Unusable, OSError) as error:
            return "enforcement", [], str(error)
        return "enforcement", sorted(self._groups.controllers), self._groups.base


def own_group(membership: str, mounts: str) -> str:
    """The directory of the process's own group.

    Args:
        membership: content of /proc/self/cgroup (cgroups(7)).
        mounts: content of /proc/self/mountinfo (proc_pid_mountinfo(5)).

    Raises:
        Unusable: the kernel has no cgroup v2, or the group is not visible here.
    """
    path = next((line[3:] for line in membership.splitlines() if line.startswith("0::")), None)
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split(" ")[3:5]
        if path is None or not after.startswith("cgroup2 "):
            continue
        root = root.rstrip("/")
        if path == root or path.startswith(f"{root}/"):
            return f"{point}{path[len(root) :]}".rstrip("/") or "/"
    raise Unusable("this system has no control groups of version 2 (cgroup2), or does not show them to the hub")


def delegated_group(own: str, mounted_root: bool) -> str:
    """The group that is delegated to the hub: `own`, or its parent if that is where an earlier spawner moved the hub.

    systemd marks the groups of units with `Delegate=` by an extended attribute. The root of a container's groups
    (`mounted_root`) is the container's own.

    Raises:
        Unusable: there is none, or the hub may not write to it.
    """
    base = os.path.dirname(own) if os.path.basename(own) == LEAF else own
    if not (mounted_root or _delegate_mark(base)):
        raise Unusable(f"the control group {base} is not delegated to the hub (systemd: Delegate=yes)")
    if not all(os.access(f"{base}/{name}", os.W_OK) for name in ("", "cgroup.procs", "cgroup.subtree_control")):
        raise Unusable(f"the hub may not write to its control group {base}")
    return base


def claim(prefix: str) -> Groups:
    """Take over the group that is delegated to this process's hub. Raises Unusable."""
    try:
        membership, mounts = _read("/proc/self/cgroup"), _read("/proc/self/mountinfo")
        own = own_group(membership, mounts)
        mounted = {line.split(" ")[4] for line in mounts.splitlines() if " - cgroup2 " in line}
        base = os.path.dirname(own) if os.path.basename(own) == LEAF else own
        return Groups(delegated_group(own, base in mounted), prefix)
    except OSError as error:
        raise Unusable(f"the hub's control group cannot be used: {error.strerror}") from None


def _delegate_mark(path: str) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            if os.getxattr(path, name) == b"1":
                return True
    return False


def _evacuate(base: str, leaf: str) -> None:
    """Move all processes of a group to a child. Raises OSError, Unusable."""
    with suppress(FileExistsError):
        os.mkdir(leaf)
    for _ in range(MOVE_ROUNDS):
        pids = _read(f"{base}/cgroup.procs").split()
        if not pids:
            return
        for pid in pids:
            _wrote(f"{leaf}/cgroup.procs", pid)  # one that has ended cannot be moved, and need not be
    raise Unusable(f"the processes in the control group {base} cannot be moved")


def _removed(path: str) -> bool:
    for directory, _, _ in os.walk(path, topdown=False):
        with suppress(OSError):
            os.rmdir(directory)
    return not os.path.exists(path)


def _counter(text: str, name: str) -> int:
    """A counter of an events file: lines of a name and a number."""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="surrogateescape") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _wrote(path: str, text: str) -> bool:
    try:
        _write(path, text)
    except OSError:
        return False
    return True
