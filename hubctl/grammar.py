"""The commands of hubctl with their arguments and options."""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from hubctl import numbers
from hubctl.arguments import Parser
from hubctl.commands import completion, editing, membership
from hubctl.commands.access import access
from hubctl.commands.calls import call
from hubctl.commands.catalog.grammar import add_actions, catalog
from hubctl.commands.cluster.command import add_cluster_actions, cluster
from hubctl.commands.curation.command import add_curation_actions, curation
from hubctl.commands.doctor import doctor, running
from hubctl.commands.history.calls import calls
from hubctl.commands.history.changes import changes
from hubctl.commands.history.database import history
from hubctl.commands.history.moments import moment
from hubctl.commands.keys import keys
from hubctl.commands.logs import asked, logs
from hubctl.commands.metrics import metrics
from hubctl.commands.principals.approvals import approvals
from hubctl.commands.principals.limits import limits
from hubctl.commands.replicas.drain import drain
from hubctl.commands.servers import health, restart, status
from hubctl.commands.sessions import sessions
from hubctl.commands.settings import settings, switch_member, switch_server
from hubctl.commands.sign_in.grants import grants
from hubctl.commands.sign_in.users import users
from hubctl.commands.trust.changes import trust
from hubctl.commands.watch import watch
from hubctl.commands.workspaces import switch, tools, url
from hubctl.connect.clients import CLIENTS
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid, HubNotRunning
from hubctl.run.access import token
from hubctl.run.reload import reload
from hubctl.run.run import run

Command = Callable[[Context, argparse.Namespace], Coroutine[Any, Any, int]]
Adds = Callable[..., argparse.ArgumentParser]


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; a test compares them with docs/cli.md."""
    root = Parser(prog="hubctl", description="Inspect and control the hub.")
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
    _curation(command)
    add_cluster_actions(
        command("cluster", "show, import and export the configuration that several hubs share", cluster), _json_again()
    )
    _access(command)
    _whole_hub(command)
    return root


def _looking(command: Adds) -> None:
    command("status", "show the hub, every workspace and every server", lambda ctx, _: status(ctx))
    command("health", "check whether the hub is healthy", lambda ctx, _: health(ctx))
    one = command(
        "tools", "list a workspace's tools as its clients see them", lambda c, a: tools(c, a.workspace, a.search)
    )
    one.add_argument("workspace", help="name or slug")
    one.add_argument("--search", metavar="WORDS", help="show the tools that fit these words best, hidden ones too")
    one = command("url", "show a workspace's URLs", lambda ctx, a: url(ctx, a.workspace, a.transport, a.direct))
    one.add_argument("workspace", help="name or slug")
    one.add_argument("--transport", choices=("sse", "http"), help="print only the URL of this transport")
    one.add_argument("--direct", action="store_true", help="the URLs at the sidecar's own port")
    one = command("sessions", "list the clients' sessions, and end one", sessions)
    one.add_argument(
        "workspace", nargs="?", metavar="workspace|end", help="only sessions of this workspace (name or slug)"
    )
    one.add_argument("session", nargs="*", help="after `end`: ids of the sessions to end")
    one.add_argument(
        "-n", "--limit", type=numbers.most, default=100, help="maximum number, newest first, 1 to 1000 (100)"
    )
    one = command("limits", "show what keys and users have used of their limits", lambda ctx, a: limits(ctx, a.limit))
    one.add_argument("-n", "--limit", type=numbers.most, default=200, help="maximum number of them, 1 to 1000 (200)")
    _trust(command)
    one = command("metrics", "show calls, errors and latency", lambda ctx, a: metrics(ctx, a.server))
    one.add_argument("--server", help="only calls of this server")
    one = command("logs", "show log records of the sidecar", lambda ctx, a: logs(ctx, asked(a), a.follow))
    one.add_argument(
        "-n", "--lines", type=numbers.lines, default=100, help="maximum number of records, 1 to 5000 (100)"
    )
    one.add_argument("-f", "--follow", action="store_true", help="print new ones until Ctrl-C")
    one.add_argument("--server", help="only records about this server")
    one.add_argument("--call", metavar="ID", help="only records about the request with this id")
    one.add_argument("--replica", metavar="NAME", help="those of this replica of the hub, or `all`: of each")


def _trust(command: Adds) -> None:
    one = command("trust", "show and accept changes of tools, show and repeat scans, print SBOMs", trust)
    one.set_defaults(action="list", server=None)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    listed = actions.add_parser("list", parents=[again], help="list what differs from the pins (as without an action)")
    listed.add_argument("server", nargs="?", help="only of this server")
    for action, text in (("accept", "pin what a server offers now"), ("reject", "keep it from clients, and be silent")):
        decided = actions.add_parser(action, parents=[again], help=text)
        decided.add_argument("server", help="its key")
        decided.add_argument("name", nargs="*", help="only these, by the server's own names")
        decided.add_argument("--digest", action="append", default=[], help="only if it has this digest; repeatable")
    actions.add_parser("scans", parents=[again], help="show the scans of images and packages")
    repeated = actions.add_parser("rescan", parents=[again], help="scan again")
    repeated.add_argument("subject", nargs="?", help="image:NAME or package:SERVER, as `scans` shows it (all)")
    described = actions.add_parser("sbom", parents=[again], help="print the SBOM of an image or package")
    described.add_argument("subject", help="image:NAME or package:SERVER, as `scans` shows it")


def _history(command: Adds) -> None:
    one = command("calls", "list recorded calls: who called what, when, with what outcome", calls)
    one.add_argument("id", nargs="?", type=int, help="show this call, with arguments and result if recorded")
    for name in ("workspace", "server", "tool", "principal", "session", "correlation", "replica"):
        one.add_argument(f"--{name}", help=f"only calls with this {name}")
    one.add_argument("--outcome", help="only this outcome: ok, tool_error, CALL_TIMEOUT, ...; failed: all except ok")
    _listing(one)
    one = command("changes", "list recorded changes of servers, workspaces, settings and keys", changes)
    one.add_argument("--principal", help="only changes by this principal")
    one.add_argument("--source", choices=_SOURCES, metavar="SOURCE", help=", ".join(_SOURCES))
    one.add_argument("--subject", help="only changes of this server or workspace")
    one.add_argument("--replica", help="only changes that this replica recorded")
    one.add_argument("--diff", action="store_true", help="show the diff of each change")
    _listing(one)
    one = command("history", "show the state of the history's database, and maintain it", history)
    one.set_defaults(action="status", dry_run=False)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    actions.add_parser("status", parents=[again], help="show its state (as without an action)")
    care = actions.add_parser("optimize", parents=[again], help="analyse and vacuum it, and create missing indexes")
    care.add_argument("--dry-run", action="store_true", help="report what would help, and do nothing")


_SOURCES = ("console", "hubctl", "api", "yamcp-ui", "file", "tool")


def _listing(one: argparse.ArgumentParser) -> None:
    """Add the options that all lists of records have."""
    one.add_argument("--since", type=moment, metavar="TIME", help="begin: 15min, 2h, 7d (before now), or ISO 8601")
    one.add_argument("--until", type=moment, metavar="TIME", help="end, in the same format")
    one.add_argument("-n", "--limit", type=numbers.records, help="maximum number, newest first (50; --export: all)")
    one.add_argument("-f", "--follow", action="store_true", help="print new ones until Ctrl-C")
    one.add_argument("--export", choices=("csv", "jsonl"), help="write all to stdout, as CSV or JSON lines")


def _steering(command: Adds) -> None:
    for name, word, enabled in (("enable", "on", True), ("disable", "off", False)):
        one = command(name, f"switch a workspace, or a server, {word}", partial(_switch, enabled))
        one.add_argument("workspace", nargs="?", help="name or slug")
        one.add_argument("--server", help=f"switch this server {word}: in the workspace, or everywhere")
    one = command("restart", "close a server's connections and open new ones", lambda ctx, a: restart(ctx, a.server))
    one.add_argument("server", help="its key in providers.json")
    one = command("call", "call a tool", lambda ctx, a: call(ctx, a.workspace, a.tool, a.arguments, a.timeout))
    one.add_argument("workspace", help="name or slug")
    one.add_argument("tool", help="its name as `hubctl tools` shows it")
    one.add_argument("arguments", nargs="*", help="key=value ..., or one JSON object, or - for one on stdin")
    one.add_argument("--timeout", type=numbers.seconds, default=60.0, help="seconds to wait for the result (60)")


def _editing(command: Adds) -> None:
    one = command("add", "add a server: hubctl add NAME -- COMMAND ..., or --url", editing.add)
    one.add_argument("server", help="its key; also the prefix of its tools, unless --namespace sets another")
    one.add_argument("--workspace", action="append", help="add it to this workspace, created if needed; repeatable")
    one.add_argument("--python", metavar="FILE", help="serve the public functions of this Python file as tools")
    one.add_argument("--openapi", metavar="FILE", help="serve the operations of this OpenAPI document; --url: its API")
    _entry_options(one)
    one = command("edit", "change a server; keep everything that no option names", editing.edit)
    one.add_argument("server", help="its key in providers.json")
    one.add_argument("--rename", metavar="NAME", help="the new key, also in workspaces and settings")
    _entry_options(one)
    one.add_argument("--unset-env", action="append", metavar="NAME", help="remove this variable; repeatable")
    one.add_argument("--unset-header", action="append", metavar="NAME", help="remove this header; repeatable")
    one = command("remove", "remove servers, also from all workspaces", lambda ctx, a: editing.remove(ctx, a.server))
    one.add_argument("server", nargs="+", help="keys in providers.json")
    one = command("set", "show or change settings of a server", lambda ctx, a: settings(ctx, a.server, a.settings))
    one.add_argument("server", help="its key in providers.json")
    one.add_argument("settings", nargs="*", help="setting=value ...; null restores the default")
    one = command("export", "print servers as a configuration", editing.export)
    one.add_argument("server", nargs="*", help="keys in providers.json; none: all")
    one.add_argument("--form", choices=("client", "providers"), default="client", help="mcpServers, or providers.json")
    one.add_argument("--secrets", action="store_true", help="include secrets; otherwise ${NAME} for each")
    command("undo", "undo the last change of servers, workspaces or settings", lambda ctx, _: editing.undo(ctx))
    one = command("import", "add the servers of another client's configuration", editing.import_file)
    one.add_argument("file", help="JSON (comments allowed), TOML, YAML, or Markdown that contains it; - for stdin")
    one.add_argument("--workspace", help="also add them to this workspace, created if needed")
    one.add_argument("--replace", action="store_true", help="replace existing servers")
    one.add_argument("--dry-run", action="store_true", help="show the result, and change nothing")
    add_actions(command("catalog", "install servers of the catalogue, and set variables", catalog), _json_again())
    _workspaces(command)
    _connect(command)


def _connect(command: Adds) -> None:
    one = command("connect", "connect a client to a workspace, in the client's own file", _connected, needs_hub=False)
    one.add_argument("client", choices=CLIENTS, metavar="client", help=", ".join(CLIENTS))
    one.add_argument("workspace", help="name or slug")
    one.add_argument("--undo", action="store_true", help="restore the previous content of the file")
    one.add_argument("--project", action="store_true", help="use the client's file in this directory, not the user's")
    one.add_argument("--file", help="use this file, if the client's file is elsewhere")
    one.add_argument("--print", action="store_true", help="print the entry to add, and write nothing")
    one.add_argument("--dry-run", action="store_true", help="show the diff, and write nothing")
    one.add_argument("--yes", action="store_true", help="write without asking")
    one.add_argument("--token-file", type=Path, help="file with a key's token, in place of a new key")


def _entry_options(one: argparse.ArgumentParser) -> None:
    one.add_argument("--url", help="address of a remote server, in place of a command")
    one.add_argument("--transport", choices=("auto", "sse", "http"), help="transport of the URL (auto)")
    one.add_argument(
        "--header", action="append", metavar="'NAME: VALUE'", help="sent with each request to the URL; repeatable"
    )
    one.add_argument(
        "--env",
        action="append",
        metavar="NAME=VALUE",
        help="variable of the command; NAME alone: its value in this shell",
    )
    one.add_argument("--cwd", help="working directory of the command")
    one.add_argument("--namespace", help="prefix of its tool names")


def _workspaces(command: Adds) -> None:
    one = command("workspaces", "list, add, edit and remove workspaces", membership.workspaces)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    actions.add_parser("list", parents=[again], help="list workspaces with state and URLs (as without an action)")
    added = actions.add_parser("add", parents=[again], help="create a workspace with these servers")
    added.add_argument("name", help="its name")
    added.add_argument("server", nargs="*", default=[], help="keys of its servers")
    edited = actions.add_parser("edit", parents=[again], help="change a workspace")
    edited.add_argument("workspace", help="name or slug")
    edited.add_argument("--add", action="append", metavar="SERVER", help="add this server; repeatable")
    edited.add_argument("--remove", action="append", metavar="SERVER", help="remove this server; repeatable")
    edited.add_argument("--rename", metavar="NAME", help="its new name")
    edited.add_argument("--name-template", help="tool name format: {namespace}_{name}; {name} only with one server")
    edited.add_argument("--slug", help="its name in URLs; empty: derived from its name. Former URLs keep working")
    kept = ("off", "sizes", "redacted", "full")
    edited.add_argument("--record", choices=kept, help="what the history records of arguments and results")
    edited.add_argument(
        "--remove-alias", action="append", metavar="SLUG", help="end URLs with this former slug; repeatable"
    )
    keep = "time to live of cached results of tools with readOnlyHint and idempotentHint; 0: no cache"
    edited.add_argument("--cache-read-only", type=float, metavar="SECONDS", help=keep)
    removed = actions.add_parser("remove", parents=[again], help="remove a workspace; its servers stay")
    removed.add_argument("workspace", help="name or slug")


def _curation(command: Adds) -> None:
    one = command("curation", "choose which tools, prompts and resources a workspace shows, and how", curation)
    add_curation_actions(one, _json_again())


def _json_again() -> Parser:
    """Add `--json` to an action, without overriding a `--json` that stands before the action."""
    again = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    again.add_argument("--json", action="store_true", help="write JSON, for scripts")
    return again


def _access(command: Adds) -> None:
    one = command("keys", "list, create and revoke named keys", keys)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    actions.add_parser("list", parents=[again], help="list keys (as without an action)")
    added = actions.add_parser("add", parents=[again], help="create a key, and show its token")
    added.add_argument("name", help="its name")
    added.add_argument("--workspace", action="append", help="only this workspace (name or slug); repeatable")
    added.add_argument("--admin", action="store_true", help="also pages and API")
    revoked = actions.add_parser("revoke", parents=[again], help="revoke a key, and end its sessions")
    revoked.add_argument("key", help="its id, or its name")
    _signed_in(command)
    _rules(command)
    _approvals(command)
    one = command("token", "show the hub's own token", lambda ctx, a: token(ctx, a.rotate), needs_hub=False)
    one.add_argument("--rotate", action="store_true", help="replace it; the old token becomes invalid")


def _approvals(command: Adds) -> None:
    one = command("approvals", "list, approve and refuse what agents have proposed", approvals)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    actions.add_parser("list", parents=[again], help="list proposals (as without an action)")
    shown = actions.add_parser("show", parents=[again], help="show exactly what a proposal would run")
    approved = actions.add_parser("approve", parents=[again], help="carry out a proposal")
    refused = actions.add_parser("refuse", parents=[again], help="refuse a proposal")
    for each in (shown, approved, refused):
        each.add_argument("proposal", help="its id")
    approved.add_argument("--digest", help="that of what was shown; with it, nothing is asked")


def _signed_in(command: Adds) -> None:
    one = command("grants", "list and end what OAuth clients have been allowed", grants)
    one.set_defaults(principal=None)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    listed = actions.add_parser("list", parents=[again], help="list grants (as without an action)")
    listed.add_argument("--principal", help="only those of this key or user (id or name)")
    ended = actions.add_parser("end", parents=[again], help="end grants, and refuse their tokens")
    ended.add_argument("grant", nargs="+", help="their ids")
    one = command("users", "list and remove users of OpenID providers", users)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    actions.add_parser("list", parents=[again], help="list users (as without an action)")
    ended = actions.add_parser("end", parents=[again], help="end all grants and logins of a user")
    ended.add_argument("user", help="its id, or its e-mail address")


def _rules(command: Adds) -> None:
    one = command("access", "show, check and replace access.json, and explain its decisions", access)
    actions = one.add_subparsers(dest="action", metavar="action", title="actions")
    again = _json_again()
    actions.add_parser("show", parents=[again], help="print access.json (as without an action)")
    for name, what in (("check", "report faults in a file"), ("put", "put a file in force as access.json")):
        actions.add_parser(name, parents=[again], help=what).add_argument("file", help="the file; - for stdin")
    actions.add_parser("remove", parents=[again], help="remove access.json")
    asked = actions.add_parser("explain", parents=[again], help="tell whether a subject may use an item, and why")
    asked.add_argument("subject", help="key:NAME, user:ID, email:ADDRESS, group:NAME, role:NAME or *")
    asked.add_argument("item", help="a tool, as clients or its server name it; with --type: a resource or prompt")
    asked.add_argument("--workspace", help="only in this workspace (name or slug)")
    asked.add_argument("--server", help="only of this server")
    asked.add_argument("--type", choices=("tool", "resource", "prompt"), default="tool", help="what it is (tool)")
    seen = actions.add_parser("view", parents=[again], help="show what a subject sees in each workspace")
    seen.add_argument("subject", help="as for explain")


def _whole_hub(command: Adds) -> None:
    command("doctor", "check the hub, and report problems with hints", lambda ctx, _: doctor(ctx), needs_hub=False)
    one = command("run", "run the hub, or speak MCP on stdin and stdout for a workspace", _run, needs_hub=False)
    one.add_argument("workspace", nargs="?", help="name or slug; without it: run the hub until Ctrl-C")
    one.add_argument("--token-file", type=Path, help="file with a key's token, for a protected hub")
    command("reload", "replace the sidecar by a new process, without a failed call", lambda ctx, _: reload(ctx))
    command("drain", "hand this replica's sessions to others before it stops", lambda ctx, _: drain(ctx))
    one = command(
        "watch", "show the current state, then each change, until Ctrl-C", lambda ctx, _: watch(ctx), needs_hub=False
    )
    one.add_argument("--fd", type=int, default=1, help="write to this open descriptor instead of stdout")
    one = command("completion", "print a completion script for a shell", _completion, needs_hub=False)
    one.add_argument("shell", choices=(*completion.SHELLS, "words"), help="the shell; words: see docs/cli.md")


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
