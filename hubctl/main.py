"""The entry point of hubctl: run a command, and turn errors into exit codes."""

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
    HistoryUnavailable,
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
_NOT_ANSWERING = (FrontAway, HistoryUnavailable, HubLost, HubNotRunning, PeerUnavailable)


def main(argv: list[str] | None = None) -> int:
    """The console script. Exit codes: 0 success, 1 failure, 2 bad usage or settings, 3 no hub runs, 130 interrupted."""
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
    """Return the stream that a command writes to: stdout, or the given descriptor."""
    descriptor = getattr(arguments, "fd", 1)
    if descriptor == 1:
        yield sys.stdout
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        yield out


async def execute(context: Context, arguments: argparse.Namespace) -> int:
    """Run a parsed command; report errors on the context's stderr, and return the exit code."""
    try:
        return int(await arguments.does(context, arguments))
    except HubError as error:
        return report(error, context.json, context.err)


def report(error: HubError, json: bool, err: TextIO) -> int:
    """Write an error on one line, and return its exit code."""
    body = error.body()
    err.write((dumps({"error": body}) if json else error_line(body)) + "\n")
    if isinstance(error, _USAGE_ERRORS):
        return USAGE
    return NOT_RUNNING if isinstance(error, _NOT_ANSWERING) else FAILED


def wants_color(choice: str, out: TextIO) -> bool:
    """Return whether to use colours on this stream (NO_COLOR: https://no-color.org)."""
    if choice == "auto":
        return out.isatty() and not os.environ.get("NO_COLOR")
    return choice == "always"


def terminal_columns(out: TextIO) -> int | None:
    """Return the width of the terminal behind this stream, or COLUMNS if set; None if it is no terminal."""
    return shutil.get_terminal_size().columns if out.isatty() else None
