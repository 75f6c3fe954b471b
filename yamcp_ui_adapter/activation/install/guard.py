"""A program that runs another one, and leaves none of its processes behind: `python guard.py PROGRAM ARGUMENT ...`.

It ends when the program has ended, with the program's status, or when its stdin is closed, which happens also when the
process that started it is killed. In both cases it kills whatever the program has started. Standard library only.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LOST = 137
"""The exit status if stdin was closed first."""


def main() -> int:
    """Run the program of the command line. Returns its exit status."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans of the program become children of this process
    own = os.getpid()

    def die_with_guard() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != own:
            os._exit(LOST)

    try:
        program = subprocess.Popen(  # noqa: S603  # the adapter's own command line
            sys.argv[1:],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_guard,  # noqa: PLW1509
        )
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", flush=True)
        return 127
    ended = os.pidfd_open(program.pid)
    ready, _, _ = select.select([ended, 0], [], [])
    status = program.wait() if ended in ready else LOST
    _kill_all(own)
    return status if status >= 0 else 128 - status


def _kill_all(own: int) -> None:
    """Kill all descendants; those of a killed process become children of this one."""
    while children := _children(own):
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for child in children:
            try:
                os.waitpid(child, 0)
            except ChildProcessError:
                continue


def _children(own: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{own}/task/{own}/children").read_text("ascii").split()]


if __name__ == "__main__":
    sys.exit(main())
