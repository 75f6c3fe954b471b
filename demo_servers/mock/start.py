"""How the mock starts: late, never, as a child, out of reach of signals."""

from __future__ import annotations

import os
import signal
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import NoReturn

POLL = 0.02


def start(flags: Namespace) -> None:
    """Everything that happens before the first frame is read; may never return."""
    if flags.ignore_term:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    if flags.setsid:
        _setsid()
    if flags.stderr:
        print(flags.stderr, file=sys.stderr, flush=True)
    time.sleep(flags.start_delay)
    if not (flags.start_when_file and Path(flags.start_when_file).exists()):
        _trouble(flags)
    if flags.garbage_on_start:
        print("Welcome to mock 1.2.3!\n{not json\n\n  [1, 2", flush=True)


def _trouble(flags: Namespace) -> None:
    if flags.exit_at_once is not None:
        sys.exit(flags.exit_at_once)
    if flags.hang_on_start and not flags.start_when_file:
        live_on()
    while flags.start_when_file and not Path(flags.start_when_file).exists():
        time.sleep(POLL)


def _setsid() -> None:
    if os.getpgrp() == os.getpid():  # a group leader may not call setsid, its child may
        child = os.fork()
        if child:
            sys.exit(_wait(child))
    os.setsid()


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def launch(argv: list[str]) -> int:
    """Run the same command as a child, on the same pipes, and wait for it; its exit code."""
    child = [sys.executable, *(word for word in argv if word != "--launcher")]
    return _wait(os.spawnv(os.P_NOWAIT, sys.executable, child))  # noqa: S606 - a shell is what is not wanted


def live_on() -> NoReturn:
    """Do nothing, for ever."""
    while True:
        time.sleep(3600)
