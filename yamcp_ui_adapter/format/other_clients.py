"""Converts the configurations of other clients (Claude, Cursor, VS Code, Codex, Goose, Zed, …) to entries of YAMCP.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from yamcp_ui_adapter.format.document import json_type
from yamcp_ui_adapter.format.providers import HTTP_TYPES, WEBSOCKET_TYPES, is_websocket
from yamcp_ui_adapter.format.server_json import is_server_json, servers_of
from yamcp_ui_adapter.format.variable_references import translate_references

SECTIONS = ("mcpServers", "servers", "context_servers", "mcp.servers", "mcp_servers")
"""Keys under which clients keep their servers, by name or as a list; `mcp_servers` is Codex's. VS Code's settings have
them in `servers` inside `mcp`, other clients directly in `mcp`. Goose uses `extensions`, which means something else in
other clients and is handled separately.
"""
TRANSPORT_TYPES = {
    **dict.fromkeys(HTTP_TYPES, "http"),
    **dict.fromkeys(WEBSOCKET_TYPES, "websocket"),
    "sse": "sse",
    "remote": "sse",
    "stdio": "stdio",
    "local": "stdio",
}
URL_FIELD_TYPES = {"url": "sse", "serverUrl": "sse", "httpUrl": "http", "uri": "sse"}
"""Fields that hold an address, and the transport type that each implies; for `sse`, the hub detects which of the two
HTTP transports the server speaks.
"""
KNOWN_FIELDS = frozenset(
    {"type", "transport", "command", "cmd", "args", "env", "envs", "environment", "cwd", "headers", "http_headers"}
    | {"requestInit", "env_http_headers", "bearer_token_env_var", "env_keys", "env_vars"}
    | {"namespace", "providerParameters", "disabled", "enabled", "name", "description", "source", *URL_FIELD_TYPES}
)


class ForeignServer(NamedTuple):
    """One server of another client's configuration."""

    key: str
    entry: dict[str, Any] | None
    """The entry in YAMCP's form, not validated yet; None if it is not a server, for the reason in `notes`."""
    notes: tuple[str, ...]
    """Remarks about the server for the user; they never contain a value that may be secret."""
    enabled: bool


def foreign_servers(config: dict[str, Any]) -> list[ForeignServer]:
    """Return every server of a configuration in its order; empty if there is none. Of servers with the same name, the
    first is used.
    """
    found: dict[str, Any] = {}
    shadowed: set[str] = set()
    for section in _sections(config):
        shadowed |= {key for key, value in section.items() if key in found and found[key] != value}
        found |= {key: value for key, value in section.items() if key not in found}
    return [_server(key, value, shadowed=key in shadowed) for key, value in found.items()]


def _sections(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects that hold servers by name; the configuration itself if it has no known section."""
    if is_server_json(config):
        yield servers_of(config)
        return
    sections = [*_named_sections(config), *_project_sections(config)]
    if sections:
        yield from sections
    elif not _is_server(config):
        yield config


def _named_sections(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    nested = config.get("mcp")
    candidates = [config.get(name) for name in SECTIONS]
    candidates.append(nested.get("servers", nested) if isinstance(nested, dict) else None)
    goose = config.get("extensions")
    if isinstance(goose, dict) and all(isinstance(value, dict) and "type" in value for value in goose.values()):
        candidates.append(goose)
    for candidate in candidates:
        section = _by_name(candidate) if isinstance(candidate, list) else candidate
        if isinstance(section, dict) and not _is_server(section):
            yield section


def _project_sections(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the servers of each project of a `.claude.json`, after those that apply to all projects."""
    projects = config.get("projects")
    for project in projects.values() if isinstance(projects, dict) else ():
        section = project.get("mcpServers") if isinstance(project, dict) else None
        if isinstance(section, dict) and section:
            yield section


def _by_name(items: list[Any]) -> dict[str, Any]:
    """Return the servers of a list by their names; a server without a name is named by its position in the list."""
    found: dict[str, Any] = {}
    for number, item in enumerate(items, 1):
        if isinstance(item, dict) and is_server_json(item):
            found |= servers_of(item)
        else:
            name = item.get("name") if isinstance(item, dict) else None
            found[name if isinstance(name, str) and name else f"server-{number}"] = item
    return found


def _is_server(value: dict[str, Any]) -> bool:
    """Return whether an object is one server, rather than a collection of servers by name."""
    return any(isinstance(value.get(field), str) for field in ("command", "cmd", "type", "transport", *URL_FIELD_TYPES))


def _server(key: str, value: Any, *, shadowed: bool) -> ForeignServer:
    notes = ["Another definition of the same name was left out."] if shadowed else []
    if not isinstance(value, dict):
        return ForeignServer(key, None, (f"It is {json_type(value)}, not an object.", *notes), True)
    enabled = value.get("disabled") is not True and value.get("enabled") is not False
    inner = value.get("providerParameters")
    if "providerParameters" in value:
        entry = (
            {**value, "providerParameters": translate_references(inner, notes)} if isinstance(inner, dict) else value
        )
        return ForeignServer(key, entry, tuple(dict.fromkeys(notes)), enabled)
    kind, address = _transport(value)
    parameters = _remote(value, address) if kind in ("sse", "http", "websocket") else _stdio(value)
    ignored = sorted(set(value) - KNOWN_FIELDS)
    if ignored:
        notes.append(f"Not taken over: {', '.join(ignored)}.")
    entry = {"namespace": key, "type": kind, "providerParameters": translate_references(parameters, notes)}
    return ForeignServer(key, entry, tuple(dict.fromkeys(notes)), enabled)


def _transport(value: dict[str, Any]) -> tuple[str, Any]:
    """Return a server's transport type as YAMCP names it (an unknown type unchanged), and its address."""
    field = next((name for name in URL_FIELD_TYPES if isinstance(value.get(name), str)), None)
    address = value[field] if field else None
    given = value.get("type") or value.get("transport")
    if isinstance(given, str):
        kind = TRANSPORT_TYPES.get(given.lower(), given)
        if kind == "websocket" and is_websocket(str(address)):
            kind = "sse"  # YAMCP's word for what has an address; the scheme says the rest
        return kind, address
    if field and "command" not in value:
        return URL_FIELD_TYPES[field], address
    return "stdio", address


def _stdio(value: dict[str, Any]) -> dict[str, Any]:
    command: Any = value.get("command", value.get("cmd"))
    args, env = value.get("args"), value.get("env", value.get("envs", value.get("environment")))
    names = [*_names(value.get("env_keys")), *_names(value.get("env_vars"))]  # to be taken from the environment
    if names and (env is None or isinstance(env, dict)):
        env = {**{name: f"${{{name}}}" for name in names}, **(env or {})}
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
    if headers is None or isinstance(headers, dict):
        headers = {**_codex_headers(value), **(headers or {})}
    return {name: item for name, item in {"url": address, "headers": headers}.items() if item}


def _codex_headers(value: dict[str, Any]) -> dict[str, str]:
    """Return the headers whose values Codex takes from environment variables."""
    named = value.get("env_http_headers")
    headers = {key: f"${{{name}}}" for key, name in named.items()} if isinstance(named, dict) else {}
    if isinstance(bearer := value.get("bearer_token_env_var"), str):
        headers["Authorization"] = f"Bearer ${{{bearer}}}"
    return headers


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
