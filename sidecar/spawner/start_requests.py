"""What the sidecar sends with the start of a process, and the errors of starts that fail."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sidecar.errors import CommandMissing, DirectoryMissing, ProcessRefused, SidecarError
from sidecar.spawner.link import close_all


def start_error(step: str, number: int, detail: str) -> SidecarError:
    """The error for a start that failed in `step` (`cwd`, `search` or `exec`) with the errno `number` (0: none)."""
    reason = os.strerror(number) if number else "it holds a character that no program can be given"
    if step == "cwd" and number:
        return DirectoryMissing(f"The working directory {detail!r} cannot be entered: {reason}.")
    if step == "search":
        found = number == 13
        return CommandMissing(f"{detail!r} may not be executed." if found else f"{detail!r} is not on the hub's PATH.")
    if number in {1, 2, 8, 13, 20, 21, 40}:  # EPERM ENOENT ENOEXEC EACCES ENOTDIR EISDIR ELOOP
        if number == 2 and Path(detail).exists():
            reason = "the interpreter that its first line names is missing"
        return CommandMissing(f"{detail!r} cannot be executed: {reason}.")
    return ProcessRefused(f"The system does not start {detail!r}: {reason}.")


def open_pipes() -> tuple[list[int], list[int]]:
    """Open pipes for stdin, stdout and stderr; returns our ends and the server's. Raises ProcessRefused."""
    fds: list[int] = []
    try:
        for _ in range(3):
            fds += os.pipe()
    except OSError as error:
        close_all(fds)
        raise ProcessRefused(f"The hub cannot open pipes for it: {error.strerror}.") from None
    return [fds[1], fds[2], fds[4]], [fds[0], fds[3], fds[5]]


def encoded(argv: Sequence[str], env: Mapping[str, str], cwd: str | None) -> tuple[Any, ...]:
    """Command, environment and directory as bytes. Raises ProcessRefused."""
    try:
        return (
            [os.fsencode(argument) for argument in argv],
            {os.fsencode(name): os.fsencode(value) for name, value in env.items()},
            os.fsencode(cwd or current_directory()),
        )
    except UnicodeEncodeError:
        raise start_error("exec", 0, argv[0]) from None


def current_directory() -> str:
    """The sidecar's working directory, or / if it was removed."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return "/"
