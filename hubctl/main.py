"""How hubctl runs a command, and how what goes wrong becomes an exit code."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TextIO

from bridge.errors import AddressInvalid, HubError, PeerUnavailable, PortTaken, RuntimeDirUnsafe, SettingInvalid
from bridge.settings import load
from hubctl.commands.doctor import running
from hubctl.context import Context, dumps
from hubctl.errors import (
    ArgumentsInvalid,
    DirectoryUnusable,
    FrontAway,
    FrontNotInstalled,
    HubLost,
    HubNotRunning,
    HubRunning,
    NodeMissing,
    TooFewFiles,
)
from hubctl.grammar import parser
from hubctl.render import Paint, error_line

OK, FAILED, USAGE, NOT_RUNNING, INTERRUPTED = 0, 1, 2, 3, 130
_USAGE_ERRORS = (
    AddressInvalid, ArgumentsInvalid, DirectoryUnusable, FrontNotInstalled, HubRunning, NodeMissing, PortTaken,
    RuntimeDirUnsafe, SettingInvalid, TooFewFiles,
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """The console script: 0 well, 1 it failed, 2 bad usage or settings, 3 no hub runs, 130 interrupted."""
    arguments = parser().parse_args(argv)
    try:
        with output(arguments) as out:
            paint = Paint(wants_color(arguments.color, out))
            context = Context(load(), arguments.json, paint, out, columns=terminal_columns(out))
            if arguments.needs_hub and not running(context):
                raise HubNotRunning(f"No hub runs with {context.settings.runtime}.")
            return asyncio.run(execute(context, arguments))
    except HubError as error:
        return report(error, arguments.json, sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader (`head`) has seen enough; nothing more may be written, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK if arguments.command == "watch" else FAILED


@contextlib.contextmanager
def output(arguments: argparse.Namespace) -> Iterator[TextIO]:
    """Where a command writes: stdout, or the descriptor that it was given."""
    descriptor = getattr(arguments, "fd", 1)
    if descriptor == 1:
        yield sys.stdout
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        yield out


async def execute(context: Context, arguments: argparse.Namespace) -> int:
    """Carry out a parsed command; what goes wrong is reported on the context's stderr."""
    try:
        return int(await arguments.does(context, arguments))
    except HubError as error:
        return report(error, context.json, context.err)


def report(error: HubError, json: bool, err: TextIO) -> int:
    """Write the error on one line; returns the exit code that it stands for."""
    body = error.body()
    err.write((dumps({"error": body}) if json else error_line(body)) + "\n")
    if isinstance(error, _USAGE_ERRORS):
        return USAGE
    return NOT_RUNNING if isinstance(error, (FrontAway, HubLost, HubNotRunning, PeerUnavailable)) else FAILED


def wants_color(choice: str, out: TextIO) -> bool:
    """Whether to use colours on this stream (NO_COLOR: https://no-color.org)."""
    if choice == "auto":
        return out.isatty() and not os.environ.get("NO_COLOR")
    return choice == "always"


def terminal_columns(out: TextIO) -> int | None:
    """The width of the terminal that this stream is; COLUMNS counts. None where it is none."""
    return shutil.get_terminal_size().columns if out.isatty() else None
