"""Converts a `server.json` of the MCP registry to a server in the form of other clients' configurations. Pure.

Schema 2025-12-11 of the registry's repository (docs/reference/server-json): `packages` run on this machine, `remotes`
are reached by URL.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

PACKAGE_RUNNERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "npm": ("npx", ("-y",)),
    "pypi": ("uvx", ()),
    "oci": ("docker", ("run", "-i", "--rm")),
}
"""By `registryType`: the program that runs a package, and its arguments before the package's name."""
REMOTE_TYPES = {"streamable-http": "http", "sse": "sse"}


def is_server_json(config: dict[str, Any]) -> bool:
    """Return whether an object is a server.json: it has a name, and packages or remotes as lists."""
    return isinstance(config.get("name"), str) and any(
        isinstance(config.get(field), list) for field in ("packages", "remotes")
    )


def servers_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return its server by name, as clients' configurations have it: from the first stdio package, otherwise from a
    remote.
    """
    name = config["name"].rpartition("/")[2] or config["name"]
    for package in _objects(config.get("packages")):
        runner = PACKAGE_RUNNERS.get(str(package.get("registryType")))
        if runner and _object(package.get("transport")).get("type", "stdio") == "stdio":
            return {name: _stdio_server(package, *runner)}
    for remote in _objects(config.get("remotes")):
        if remote.get("type") in REMOTE_TYPES:
            headers = _variables(remote.get("headers"))
            return {name: {"type": REMOTE_TYPES[remote["type"]], "url": remote.get("url"), "headers": headers}}
    return {name: "a server.json without a package or a remote that the hub can use"}


def _stdio_server(package: dict[str, Any], program: str, before: tuple[str, ...]) -> dict[str, Any]:
    env = _variables(package.get("environmentVariables"))
    kind, version = package.get("registryType"), package.get("version")
    identifier = str(package.get("identifier"))
    if version and kind != "oci":
        identifier += f"@{version}"
    passed = [part for name in env for part in ("-e", name)] if kind == "oci" else []
    runtime = _arguments(package.get("runtimeArguments"))
    args = [*before, *(each for each in runtime if each not in before), *passed, identifier]
    return {
        "type": "stdio",
        "command": package.get("runtimeHint") or program,
        "args": [*args, *_arguments(package.get("packageArguments"))],
        "env": env,
    }


def _arguments(given: Any) -> list[str]:
    """Return the arguments that have a value or a default; an optional argument with neither is left out."""
    args: list[str] = []
    for each in _objects(given):
        value = each.get("value", each.get("default"))
        name = str(each.get("name", ""))
        if value is None and (name and each.get("isRequired")):
            value = f"${{{_variable(name)}}}"
        elif value is None and each.get("isRequired"):
            value = f"${{{_variable(str(each.get('valueHint') or 'ARGUMENT'))}}}"
        if value is not None:
            args += [name, str(value)] if each.get("type") == "named" and name else [str(value)]
    return args


def _variables(given: Any) -> dict[str, str]:
    """Return variables or headers with their value or default, otherwise with a reference to a variable of the hub's
    environment.
    """
    found: dict[str, str] = {}
    for each in _objects(given):
        name = each.get("name")
        if not isinstance(name, str) or not name:
            continue
        value = each.get("value", each.get("default"))
        if value is not None:
            found[name] = str(value)
        elif each.get("isRequired"):
            found[name] = f"${{{_variable(name)}}}"
    return found


def _variable(name: str) -> str:
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.lstrip("-")).upper()
    return f"_{letters}" if letters[:1].isdigit() else letters or "VALUE"


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
