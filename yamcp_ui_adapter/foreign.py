"""Other clients' configurations as entries in YAMCP's form (pure): Claude, Cursor, VS Code, Windsurf, Cline, Zed, …"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from yamcp_ui_adapter.document import kind_of
from yamcp_ui_adapter.providers import HTTP_TYPES, WEBSOCKET_TYPES, is_websocket

SECTIONS = ("mcpServers", "servers", "context_servers", "mcp.servers")
"""Where clients keep their servers; in VS Code's settings they are in `servers` inside `mcp`, elsewhere in `mcp`."""
TYPES = {
    **dict.fromkeys(HTTP_TYPES, "http"),
    **dict.fromkeys(WEBSOCKET_TYPES, "websocket"),
    "sse": "sse",
    "remote": "sse",
    "stdio": "stdio",
    "local": "stdio",
}
URLS = {"url": "sse", "serverUrl": "sse", "httpUrl": "http", "uri": "sse"}
"""Fields that hold an address, and the type that they stand for; `sse` finds out which transport is spoken."""
UNDERSTOOD = frozenset(
    {"type", "transport", "command", "args", "env", "environment", "cwd", "headers", "http_headers", "requestInit"}
    | {"namespace", "providerParameters", "disabled", "enabled", "name", "description", "source", *URLS}
)
EDITOR_ONLY = frozenset(
    {"workspaceFolder", "workspaceFolderBasename", "workspaceRoot", "cwd", "file", "fileBasename", "fileDirname"}
    | {"fileBasenameNoExtension", "fileExtname", "fileWorkspaceFolder", "relativeFile", "relativeFileDirname"}
    | {"lineNumber", "columnNumber", "selectedText", "execPath", "defaultBuildTask"}
)
"""Variables that only an editor can fill."""
REFERENCE = re.compile(r"\$\{([^${}]+)\}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ForeignServer(NamedTuple):
    """One server of another client's configuration."""

    key: str
    entry: dict[str, Any] | None
    """In YAMCP's form, not validated yet; none where `notes` say why it is no server."""
    notes: tuple[str, ...]
    """What to know of it; never a value that may be secret."""
    enabled: bool


def foreign_servers(config: dict[str, Any]) -> list[ForeignServer]:
    """Every server of a configuration, in its order; empty where there is none."""
    found: dict[str, Any] = {}
    for section in _sections(config):
        found |= {key: value for key, value in section.items() if key not in found}
    return [_server(key, value) for key, value in found.items()]


def _sections(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that hold servers by name; the configuration itself if nothing in it says that it does."""
    nested = config.get("mcp")
    candidates = [config.get(name) for name in SECTIONS]
    candidates.append(nested.get("servers", nested) if isinstance(nested, dict) else None)
    sections = [item for item in candidates if isinstance(item, dict) and not _is_server(item)]
    if sections:
        yield from sections
    elif not _is_server(config):
        yield config


def _is_server(value: dict[str, Any]) -> bool:
    """Whether an object is one server rather than servers by name."""
    return any(isinstance(value.get(field), str) for field in ("command", "type", "transport", *URLS))


def _server(key: str, value: Any) -> ForeignServer:
    if not isinstance(value, dict):
        return ForeignServer(key, None, (f"It is {kind_of(value)}, not an object.",), True)
    enabled = value.get("disabled") is not True and value.get("enabled") is not False
    if "providerParameters" in value:
        return ForeignServer(key, value, (), enabled)
    notes: list[str] = []
    kind, address = _kind(value)
    parameters = _remote(value, address) if kind in ("sse", "http", "websocket") else _stdio(value)
    ignored = sorted(set(value) - UNDERSTOOD)
    if ignored:
        notes.append(f"Not taken over: {', '.join(ignored)}.")
    entry = {"namespace": key, "type": kind, "providerParameters": _translated(parameters, notes)}
    return ForeignServer(key, entry, tuple(dict.fromkeys(notes)), enabled)


def _kind(value: dict[str, Any]) -> tuple[str, Any]:
    """Its type in YAMCP's words (an unknown one as it is), and its address."""
    field = next((name for name in URLS if isinstance(value.get(name), str)), None)
    address = value[field] if field else None
    given = value.get("type") or value.get("transport")
    if isinstance(given, str):
        kind = TYPES.get(given.lower(), given)
        if kind == "websocket" and is_websocket(str(address)):
            kind = "sse"  # YAMCP's word for what has an address; the scheme says the rest
        return kind, address
    if field and "command" not in value:
        return URLS[field], address
    return "stdio", address


def _stdio(value: dict[str, Any]) -> dict[str, Any]:
    command: Any = value.get("command")
    args, env = value.get("args"), value.get("env", value.get("environment"))
    if isinstance(command, dict):  # Zed's older form
        command, args, env = command.get("path"), command.get("args", args), command.get("env", env)
    if isinstance(command, list) and command:  # program and arguments in one list
        command, args = command[0], [*command[1:], *(args if isinstance(args, list) else [])]
    fields = {"command": command, "args": [] if args is None else args, "env": env, "cwd": value.get("cwd")}
    return {name: item for name, item in fields.items() if item is not None and not (name == "env" and item == {})}


def _remote(value: dict[str, Any], address: Any) -> dict[str, Any]:
    request = value.get("requestInit")
    headers = value.get("headers", value.get("http_headers"))
    if headers is None and isinstance(request, dict):
        headers = request.get("headers")
    return {name: item for name, item in {"url": address, "headers": headers}.items() if item}


def _translated(value: Any, notes: list[str]) -> Any:
    """The same with references as the hub has them."""
    if isinstance(value, dict):
        return {key: _translated(item, notes) for key, item in value.items()}
    if isinstance(value, list):
        return [_translated(item, notes) for item in value]
    return REFERENCE.sub(lambda match: _reference(match, notes), value) if isinstance(value, str) else value


def _reference(match: re.Match[str], notes: list[str]) -> str:
    whole, inside = match[0], match[1]
    if inside == "userHome":
        return "${HOME}"
    if inside in ("pathSeparator", "/"):
        return "/"
    scope, _, name = inside.partition(":")
    if scope == "env" and NAME.fullmatch(name):
        return f"${{{name}}}"
    if scope == "input" and name:
        variable = re.sub(r"[^A-Za-z0-9_]", "_", name)
        variable = f"_{variable}" if variable[0].isdigit() else variable
        notes.append(f"{whole} is asked for by the editor: set {variable} in the environment that starts the hub.")
        return f"${{{variable}}}"
    if (scope in EDITOR_ONLY or scope in ("env", "input", "config", "command")) and not name.startswith("-"):
        notes.append(f"{whole} means something in an editor only: put what it should be in its place.")
    return whole
