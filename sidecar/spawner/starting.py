"""Starts the main process of a server, in its control group and with its resource limits. For the spawner program."""
# ruff: noqa: PTH113, PTH118, PTH123

from __future__ import annotations

import os
import signal
from contextlib import suppress

from sidecar.limits.groups import Group
from sidecar.limits.limits import SLOWED_PRIORITY, Limits

RESET_SIGNALS = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGCHLD,
)


class Refused(Exception):
    """A process cannot be started. `step` is `cwd`, `search` or `exec`; `number` is the errno, 0 for none."""

    def __init__(self, step: str, number: int, detail: bytes) -> None:
        super().__init__(step)
        self.step = step
        self.number = number
        self.detail = detail.decode(errors="replace")


def start(
    argv: list[bytes], env: dict[bytes, bytes], cwd: bytes, fds: list[int], limits: Limits, group: Group | None
) -> int:
    """Start a process in a session of its own; returns its pid. `fds` become its standard streams.

    Raises:
        Refused: it cannot be started.
    """
    step, detail = "cwd", cwd
    entered = False
    try:
        os.chdir(cwd)
        step, detail = "search", argv[0]
        detail = find_program(argv[0], env.get(b"PATH", os.fsencode(os.defpath)))
        step = "exec"
        if group:
            group.enter()
            entered = True
        with _OpenFiles(limits.open_files):
            pid = os.posix_spawn(
                detail,
                argv,
                env,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(fds)],
                setsid=True,
                setsigmask=(),
                setsigdef=RESET_SIGNALS,
            )
    except (OSError, ValueError) as error:
        number = (error.errno or 0) if isinstance(error, OSError) else 0
        raise Refused(
            step, number, error.filename if isinstance(error, OSError) and step == "search" else detail
        ) from None
    finally:
        if group and entered:
            group.leave()
        os.chdir("/")
    return pid


def restrain(pid: int, limits: Limits, group: Group | None) -> None:
    """Set the limits of a process that was just started. Raises OSError if its group does not take them."""
    if limits.open_files:
        import resource  # noqa: PLC0415 - only where it is used: the spawner stays small

        with suppress(OSError):  # it has ended
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    if group:
        group.limit(limits)
    if limits.cpus and not (group and group.enforces("cpu")):
        _slow_down(pid)


def _slow_down(pid: int) -> None:
    """Give a session a low priority: its nice value counts among the processes of its autogroup only (sched(7))."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, SLOWED_PRIORITY)
    with suppress(OSError), open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as file:
        file.write(str(SLOWED_PRIORITY))


class _OpenFiles:
    """Lowers the limit of open files for what is started meanwhile, so that it never has another; 0: leaves it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._before = (0, 0)

    def __enter__(self) -> None:
        if self._limit:
            import resource  # noqa: PLC0415

            self._before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(self._limit, soft, hard), hard))

    def __exit__(self, *error: object) -> None:
        if self._limit:
            import resource  # noqa: PLC0415

            resource.setrlimit(resource.RLIMIT_NOFILE, self._before)


def find_program(name: bytes, path: bytes) -> bytes:
    """Look up a command on the PATH.

    Raises:
        PermissionError: it was found but may not be executed.
        FileNotFoundError: it was not found.
    """
    if b"/" in name:
        return name
    refused = None
    for directory in path.split(b":"):
        candidate = os.path.join(directory or b".", name)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            refused = refused or candidate
    if refused:
        raise PermissionError(13, "may not be executed", refused)
    raise FileNotFoundError(2, "not found", name)
