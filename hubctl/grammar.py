"""The commands of hubctl with their arguments and options."""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from hubctl.arguments import Parser
from hubctl.commands import completion, editing, membership
from hubctl.commands.calls import call
from hubctl.commands.doctor import doctor, running
from hubctl.commands.history.calls import calls
from hubctl.commands.history.changes import changes
from hubctl.commands.history.database import history
from hubctl.commands.history.moments import moment
from hubctl.commands.keys import keys
from hubctl.commands.logs import logs
from hubctl.commands.metrics import metrics
from hubctl.commands.servers import health, restart, status
from hubctl.commands.sessions import sessions
from hubctl.commands.settings import settings, switch_member, switch_server
from hubctl.commands.watch import watch
from hubctl.commands.workspaces import switch, tools, url
from hubctl.connect.clients import CLIENTS
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid, HubNotRunning
from hubctl.run.access import token
from hubctl.run.run import run

Command = Callable[[Context, argparse.Namespace], Coroutine[Any, Any, int]]
Adds = Callable[..., argparse.ArgumentParser]


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; a test compares them with docs/cli.md."""
    root = Parser(prog="hubctl", description="Look at the hub, and steer it.")
    root.add_argument("--version", action="version", version=f"hubctl {importlib.metadata.version('yamcp-hub')}")
    commands = root.add_subparsers(title="commands", dest="command", metavar="<command>", required=True)
    common = Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="write JSON, for scripts")
    common.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="auto: on a terminal")

    def command(name: str, what: str, does: Command, needs_hub: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[common], help=what, description=what)
        added.set_defaults(does=does, needs_hub=needs_hub)
        return added

    _looking(command)
    _history(command)
    _steering(command)
    _editing(command)
    _access(command)
    _whole_hub(command)
    return root


def _looking(command: Adds) -> None:
    command("status", "show the hub, every workspace and every server", lambda ctx, _: status(ctx))
    command("health", "say whether the hub serves what it should", lambda ctx, _: health(ctx))
    one = command("tools", "list a workspace's tools as its clients see them", lambda ctx, a: tools(ctx, a.workspace))
    one.add_argument("workspace", help="name or slug")
    one = command("url", "show a workspace's URLs", lambda ctx, a: url(ctx, a.workspace, a.transport, a.direct))
    one.add_argument("workspace", help="name or slug")
    one.add_argument("--transport", choices=("sse", "http"), help="only this one, as a bare URL")
    one.add_argument("--direct", action="store_true", help="the sidecar's own, without the front between")
    one = command("sessions", "list the clients' sessions, and end one", sessions)
    one.add_argument("workspace", nargs="?", metavar="workspace|end", help="only this one's, by name or slug")
    one.add_argument("session", nargs="*", help="behind `end`: ids of the sessions to end")
    one.add_argument("-n", "--limit", type=_most, default=100, help="how many at most, newest first, 1 to 1000 (100)")
    one = command("metrics", "show calls, errors and latency", lambda ctx, a: metrics(ctx, a.server))
    one.add_argument("--server", help="only this server's")
    one = command("logs", "show what the sidecar logged", lambda ctx, a: logs(ctx, a.lines, a.server, a.follow))
    one.add_argument("-n", "--lines", type=_lines, default=100, help="how many records at most, 1 to 5000 (100)")
    one.add_argument("-f", "--follow", action="store_true", help="go on with further ones until Ctrl-C")
    one.add_argument("--server", help="only what concerns this server")


def _history(command: Adds) -> None:
    one = command("calls", "list recorded calls: who called what, when, with what outcome", calls)
    one.add_argument("id", nargs="?", type=int, help="show this one, with arguments and result where they were kept")
    for name in ("workspace", "server", "tool", "principal", "session", "correlation"):
        one.add_argument(f"--{name}", help=f"only of this {name}")
    one.add_argument("--outcome", help="only with this outcome: ok, tool_error, CALL_TIMEOUT, ...; failed: all but ok")
    _listing(one)
    one = command("changes", "list recorded changes of servers, workspaces, settings and keys", changes)
    one.add_argument("--principal", help="only those that this one made")
    one.add_argument("--source", choices=_SOURCES, metavar="SOURCE", help=", ".join(_SOURCES))
    one.add_argument("--subject", help="only of this server or workspace")
    one.add_argument("--diff", action="store_true", help="show what each changed")
    _listing(one)
    one = command("history", "show the state of the history's database, and care for it", history)
    one.set_defaults(action="status", dry_run=False)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    actions.add_parser("status", parents=[again], help="show its state (as without an action)")
    care = actions.add_parser("optimize", parents=[again], help="analyse, vacuum, and check the indexes")
    care.add_argument("--dry-run", action="store_true", help="say what that would bring, and do nothing")


_SOURCES = ("console", "hubctl", "api", "yamcp-ui", "file", "tool")


def _listing(one: argparse.ArgumentParser) -> None:
    """Add what all lists of records take."""
    one.add_argument("--since", type=moment, metavar="TIME", help="from then on: 15min, 2h, 7d ago, or ISO 8601")
    one.add_argument("--until", type=moment, metavar="TIME", help="only before then")
    one.add_argument("-n", "--limit", type=_records, help="how many at most, newest first (50; --export: all)")
    one.add_argument("-f", "--follow", action="store_true", help="go on with further ones until Ctrl-C")
    one.add_argument("--export", choices=("csv", "jsonl"), help="write all to stdout, as CSV or JSON lines")


def _steering(command: Adds) -> None:
    for name, word, enabled in (("enable", "on", True), ("disable", "off", False)):
        one = command(name, f"switch a workspace, or a server, {word}", partial(_switch, enabled))
        one.add_argument("workspace", nargs="?", help="name or slug")
        one.add_argument("--server", help=f"switch this server {word}: in the workspace, or everywhere")
    one = command("restart", "close a server's connections and open them anew", lambda ctx, a: restart(ctx, a.server))
    one.add_argument("server", help="its key in providers.json")
    one = command("call", "call a tool", lambda ctx, a: call(ctx, a.workspace, a.tool, a.arguments, a.timeout))
    one.add_argument("workspace", help="name or slug")
    one.add_argument("tool", help="its name as `hubctl tools` shows it")
    one.add_argument("arguments", nargs="*", help="key=value ..., or one JSON object, or - for one on stdin")
    one.add_argument("--timeout", type=_seconds, default=60.0, help="seconds to wait for the result (60)")


def _editing(command: Adds) -> None:
    one = command("add", "add a server: hubctl add NAME -- COMMAND ..., or --url", editing.add)
    one.add_argument("server", help="its key; also the prefix of its tools, unless --namespace says otherwise")
    one.add_argument("--workspace", action="append", help="put it into this one, made if needed; several times")
    _entry_options(one)
    one = command("edit", "change a server; what no option names stays", editing.edit)
    one.add_argument("server", help="its key in providers.json")
    one.add_argument("--rename", metavar="NAME", help="its new key; workspaces and settings follow")
    _entry_options(one)
    one.add_argument("--unset-env", action="append", metavar="NAME", help="remove this variable; several times")
    one.add_argument("--unset-header", action="append", metavar="NAME", help="remove this header; several times")
    one = command("remove", "remove servers, from every workspace too", lambda ctx, a: editing.remove(ctx, a.server))
    one.add_argument("server", nargs="+", help="keys in providers.json")
    one = command("set", "show or change settings of a server", lambda ctx, a: settings(ctx, a.server, a.settings))
    one.add_argument("server", help="its key in providers.json")
    one.add_argument("settings", nargs="*", help="setting=value ...; the value null sets the default again")
    one = command("export", "print servers as a configuration", editing.export)
    one.add_argument("server", nargs="*", help="keys in providers.json; none: all")
    one.add_argument("--form", choices=("client", "providers"), default="client", help="mcpServers, or providers.json")
    one.add_argument("--secrets", action="store_true", help="with secrets as they are stored; else ${NAME} for each")
    command("undo", "undo the last change of servers, workspaces or settings", lambda ctx, _: editing.undo(ctx))
    one = command("import", "add the servers of another client's configuration", editing.import_file)
    one.add_argument("file", help="JSON (comments allowed), TOML, YAML, or Markdown around it; - for stdin")
    one.add_argument("--workspace", help="also put them into this one, made if it is not there")
    one.add_argument("--replace", action="store_true", help="replace servers that are there already")
    one.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    _workspaces(command)
    _connect(command)


def _connect(command: Adds) -> None:
    one = command("connect", "connect a client to a workspace, in the client's own file", _connected, needs_hub=False)
    one.add_argument("client", choices=CLIENTS, metavar="client", help=", ".join(CLIENTS))
    one.add_argument("workspace", help="name or slug")
    one.add_argument("--undo", action="store_true", help="restore the file as it was before")
    one.add_argument("--project", action="store_true", help="the client's file in this directory, not the user's")
    one.add_argument("--file", help="this file, where the client keeps it elsewhere")
    one.add_argument("--print", action="store_true", help="print what to add, and write nothing")
    one.add_argument("--dry-run", action="store_true", help="show what would change, and write nothing")
    one.add_argument("--yes", action="store_true", help="write without asking")
    one.add_argument("--token-file", type=Path, help="file with a key's token, in place of a new key")


def _entry_options(one: argparse.ArgumentParser) -> None:
    one.add_argument("--url", help="address of a remote server, in place of a command")
    one.add_argument("--transport", choices=("auto", "sse", "http"), help="what the URL speaks (auto)")
    one.add_argument("--header", action="append", metavar="'NAME: VALUE'", help="sent to the URL; several times")
    one.add_argument("--env", action="append", metavar="NAME=VALUE", help="variable of the command; NAME: this shell's")
    one.add_argument("--cwd", help="directory that the command runs in")
    one.add_argument("--namespace", help="what the names of its tools begin with")


def _workspaces(command: Adds) -> None:
    one = command("workspaces", "list, add, edit and remove workspaces", membership.workspaces)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    actions.add_parser("list", parents=[again], help="list them with state and URLs (as without an action)")
    added = actions.add_parser("add", parents=[again], help="make one of these servers")
    added.add_argument("name", help="what it is to be called")
    added.add_argument("server", nargs="*", default=[], help="keys of its servers")
    edited = actions.add_parser("edit", parents=[again], help="change its servers or its name")
    edited.add_argument("workspace", help="name or slug")
    edited.add_argument("--add", action="append", metavar="SERVER", help="a server more; several times")
    edited.add_argument("--remove", action="append", metavar="SERVER", help="a server less; several times")
    edited.add_argument("--rename", metavar="NAME", help="its new name")
    edited.add_argument("--name-template", help="how tools are called: {namespace}_{name}; {name} for one server alone")
    edited.add_argument("--slug", help="its name in URLs; empty: made of its name. Its URLs of before go on working")
    kept = ("off", "sizes", "redacted", "full")
    edited.add_argument("--record", choices=kept, help="what the history keeps of arguments and results")
    edited.add_argument("--remove-alias", action="append", metavar="SLUG", help="end its URLs of before; several times")
    removed = actions.add_parser("remove", parents=[again], help="remove one; its servers stay")
    removed.add_argument("workspace", help="name or slug")


def _json_again() -> Parser:
    """Add `--json` to an action, without overriding a `--json` that stands before the action."""
    again = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    again.add_argument("--json", action="store_true", help="write JSON, for scripts")
    return again


def _access(command: Adds) -> None:
    one = command("keys", "list, make and revoke named keys", keys)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    actions.add_parser("list", parents=[again], help="list them (as without an action)")
    added = actions.add_parser("add", parents=[again], help="make one, and show its token")
    added.add_argument("name", help="what it is called here")
    added.add_argument("--workspace", action="append", help="only this one (name or slug); can be given several times")
    added.add_argument("--admin", action="store_true", help="pages and API too")
    revoked = actions.add_parser("revoke", parents=[again], help="make one worthless, and end its sessions")
    revoked.add_argument("key", help="its id, or its name")
    one = command("token", "show the hub's own token", lambda ctx, a: token(ctx, a.rotate), needs_hub=False)
    one.add_argument("--rotate", action="store_true", help="make it anew; the old one is worth nothing from then on")


def _whole_hub(command: Adds) -> None:
    command("doctor", "find out what is wrong, and what to do", lambda ctx, _: doctor(ctx), needs_hub=False)
    one = command("run", "run the hub, or speak MCP on stdin and stdout for a workspace", _run, needs_hub=False)
    one.add_argument("workspace", nargs="?", help="name or slug; without it: run the hub until Ctrl-C")
    one.add_argument("--token-file", type=Path, help="file with a key's token, for a hub that wants one")
    one = command(
        "watch", "show what there is, then each change, until Ctrl-C", lambda ctx, _: watch(ctx), needs_hub=False
    )
    one.add_argument("--fd", type=int, default=1, help="write to this open descriptor instead of stdout")
    one = command("completion", "complete hubctl's words in a shell", _completion, needs_hub=False)
    one.add_argument("shell", choices=(*completion.SHELLS, "words"), help="whose script to write; words: see docs")


def _lines(text: str) -> int:
    return _whole(text, 5000)


def _most(text: str) -> int:
    return _whole(text, 1000)


def _records(text: str) -> int:
    return _whole(text, 100_000)


def _whole(text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"not a number from 1 to {most}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("not a number of seconds over 0, up to 3600")
    return value


async def _switch(enabled: bool, context: Context, arguments: argparse.Namespace) -> int:
    workspace, server = arguments.workspace, arguments.server
    if workspace is None and server is None:
        raise ArgumentsInvalid("Name a workspace, or a server with --server.")
    if workspace is None:
        return await switch_server(context, server, enabled)
    if server is None:
        return await switch(context, workspace, enabled)
    return await switch_member(context, workspace, server, enabled)


async def _connected(context: Context, arguments: argparse.Namespace) -> int:
    from hubctl.connect.connect import connect  # noqa: PLC0415  # it needs an HTTP client's module; nothing else does
    from hubctl.connect.undo import undo  # noqa: PLC0415  # as above

    if arguments.undo:
        return await undo(context, arguments)
    if not running(context):
        raise HubNotRunning(f"No hub runs with {context.settings.runtime}.")
    return await connect(context, arguments)


async def _completion(context: Context, arguments: argparse.Namespace) -> int:
    return await completion.completion(context, arguments.shell, arguments.program or [], parser())


async def _run(context: Context, arguments: argparse.Namespace) -> int:
    if arguments.workspace is None:
        if arguments.token_file:
            raise ArgumentsInvalid("--token-file is for `hubctl run WORKSPACE`; no workspace is named.")
        run(context)
    from hubctl.stdio.stdio import run_workspace  # noqa: PLC0415  # it needs an HTTP client; nothing else here does

    return await run_workspace(context, arguments.workspace, arguments.token_file)
