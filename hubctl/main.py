"""hubctl's commands and options, and how what goes wrong becomes an exit code."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TextIO

from bridge.errors import AddressInvalid, HubError, PeerUnavailable, PortTaken, RuntimeDirUnsafe, SettingInvalid
from bridge.settings import load
from hubctl.commands.calls import call
from hubctl.commands.doctor import doctor, running
from hubctl.commands.keys import keys
from hubctl.commands.logs import logs
from hubctl.commands.servers import health, restart, status
from hubctl.commands.watch import watch
from hubctl.commands.workspaces import switch, tools, url, workspaces
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
from hubctl.render import Paint, error_line
from hubctl.run.access import token
from hubctl.run.run import run

OK, FAILED, USAGE, NOT_RUNNING, INTERRUPTED = 0, 1, 2, 3, 130
_USAGE_ERRORS = (
    AddressInvalid, ArgumentsInvalid, DirectoryUnusable, FrontNotInstalled, HubRunning, NodeMissing, PortTaken,
    RuntimeDirUnsafe, SettingInvalid, TooFewFiles,
)  # fmt: skip
Command = Callable[[Context, argparse.Namespace], Coroutine[Any, Any, int]]


def parser() -> argparse.ArgumentParser:
    """Every command with its options; docs/cli.md describes the same, which a test checks."""
    root = argparse.ArgumentParser(prog="hubctl", description="Look at the hub, and steer it.", formatter_class=_wide)
    root.add_argument("--version", action="version", version=f"hubctl {importlib.metadata.version('yamcp-hub')}")
    commands = root.add_subparsers(title="commands", dest="command", metavar="<command>", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="write JSON, for scripts")
    common.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="auto: on a terminal")

    def command(name: str, what: str, does: Command, needs_hub: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[common], help=what, description=what)
        added.set_defaults(does=does, needs_hub=needs_hub)
        return added

    _looking(command)
    _steering(command)
    _access(command)
    _whole_hub(command)
    return root


def _wide(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, max_help_position=30)


def _looking(command: Callable[..., argparse.ArgumentParser]) -> None:
    command("status", "show the hub, every workspace and every server", lambda ctx, _: status(ctx))
    command("health", "say whether the hub serves what it should", lambda ctx, _: health(ctx))
    command("workspaces", "list the workspaces with state and URLs", lambda ctx, _: workspaces(ctx))
    one = command("tools", "list a workspace's tools as its clients see them", lambda ctx, a: tools(ctx, a.workspace))
    one.add_argument("workspace", help="name or slug")
    one = command("url", "show a workspace's URLs", lambda ctx, a: url(ctx, a.workspace, a.transport, a.direct))
    one.add_argument("workspace", help="name or slug")
    one.add_argument("--transport", choices=("sse", "http"), help="only this one, as a bare URL")
    one.add_argument("--direct", action="store_true", help="the sidecar's own, without the front between")
    one = command("logs", "show what the sidecar logged", lambda ctx, a: logs(ctx, a.lines, a.server, a.follow))
    one.add_argument("-n", "--lines", type=_lines, default=100, help="how many records at most, 1 to 5000 (100)")
    one.add_argument("-f", "--follow", action="store_true", help="go on with further ones until Ctrl-C")
    one.add_argument("--server", help="only what concerns this server")


def _steering(command: Callable[..., argparse.ArgumentParser]) -> None:
    one = command("enable", "switch a workspace on", lambda ctx, a: switch(ctx, a.workspace, True))
    one.add_argument("workspace", help="name or slug")
    one = command("disable", "switch a workspace off", lambda ctx, a: switch(ctx, a.workspace, False))
    one.add_argument("workspace", help="name or slug")
    one = command("restart", "close a server's connections and open them anew", lambda ctx, a: restart(ctx, a.server))
    one.add_argument("server", help="its key in providers.json")
    one = command("call", "call a tool", lambda ctx, a: call(ctx, a.workspace, a.tool, a.arguments, a.timeout))
    one.add_argument("workspace", help="name or slug")
    one.add_argument("tool", help="its name as `hubctl tools` shows it")
    one.add_argument("arguments", nargs="*", help="key=value ..., or one JSON object, or - for one on stdin")
    one.add_argument("--timeout", type=_seconds, default=60.0, help="seconds to wait for the result (60)")


def _access(command: Callable[..., argparse.ArgumentParser]) -> None:
    one = command("keys", "list, make and revoke named keys", keys)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    again.add_argument("--json", action="store_true", help="write JSON, for scripts")
    actions.add_parser("list", parents=[again], help="list them (as without an action)")
    added = actions.add_parser("add", parents=[again], help="make one, and show its token")
    added.add_argument("name", help="what it is called here")
    added.add_argument("--workspace", action="append", help="only this one (name or slug); can be given several times")
    added.add_argument("--admin", action="store_true", help="pages and API too")
    revoked = actions.add_parser("revoke", parents=[again], help="make one worthless, and end its sessions")
    revoked.add_argument("key", help="its id, or its name")
    one = command("token", "show the hub's own token", lambda ctx, a: token(ctx, a.rotate), needs_hub=False)
    one.add_argument("--rotate", action="store_true", help="make it anew; the old one is worth nothing from then on")


def _whole_hub(command: Callable[..., argparse.ArgumentParser]) -> None:
    command("doctor", "find out what is wrong, and what to do", lambda ctx, _: doctor(ctx), needs_hub=False)
    one = command("run", "run the hub, or speak MCP on stdin and stdout for a workspace", _run, needs_hub=False)
    one.add_argument("workspace", nargs="?", help="name or slug; without it: run the hub until Ctrl-C")
    one.add_argument("--token-file", type=Path, help="file with a key's token, for a hub that wants one")
    one = command(
        "watch", "show what there is, then each change, until Ctrl-C", lambda ctx, _: watch(ctx), needs_hub=False
    )
    one.add_argument("--fd", type=int, default=1, help="write to this open descriptor instead of stdout")


def _lines(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 5000:
        raise argparse.ArgumentTypeError("not a number from 1 to 5000")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("not a number of seconds over 0, up to 3600")
    return value


async def _run(context: Context, arguments: argparse.Namespace) -> int:
    if arguments.workspace is None:
        if arguments.token_file:
            raise ArgumentsInvalid("--token-file is for `hubctl run WORKSPACE`; no workspace is named.")
        run(context)
    from hubctl.stdio.stdio import run_workspace  # noqa: PLC0415  # it needs an HTTP client; nothing else here does

    return await run_workspace(context, arguments.workspace, arguments.token_file)


def main(argv: list[str] | None = None) -> int:
    """The console script: 0 well, 1 it failed, 2 bad usage or settings, 3 no hub runs, 130 interrupted."""
    arguments = parser().parse_args(argv)
    try:
        with output(arguments) as out:
            context = Context(load(), arguments.json, Paint(wants_color(arguments.color, out)), out)
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
