"""Translation between the protocol's two eras: legacy (MCP 2025-11-25 and before) and modern (MCP 2026-07-28).

Requests are translated to the server's era, results to the client's. The eras differ in where the protocol version is
negotiated (in the handshake, or in `_meta` of each request), in required members of results (`resultType`, cache
hints), and in one error code (resource not found).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal

from sidecar.errors import INVALID_PARAMS, RESOURCE_NOT_FOUND
from sidecar.input_errors import ClientFeatureMissing
from sidecar.protocol.extensions import TASKS

Era = Literal["legacy", "modern"]

LEGACY_VERSION = "2025-11-25"
MODERN_VERSION = "2026-07-28"

PREFIX = "io.modelcontextprotocol/"
VERSION_KEY = PREFIX + "protocolVersion"
CLIENT_INFO_KEY = PREFIX + "clientInfo"
CAPABILITIES_KEY = PREFIX + "clientCapabilities"
LOG_LEVEL_KEY = PREFIX + "logLevel"
SERVER_INFO_KEY = PREFIX + "serverInfo"
SUBSCRIPTION_KEY = PREFIX + "subscriptionId"

CONNECTION_KEYS = frozenset(
    {VERSION_KEY, CLIENT_INFO_KEY, CAPABILITIES_KEY, LOG_LEVEL_KEY, SERVER_INFO_KEY, SUBSCRIPTION_KEY}
)
"""Keys of `_meta` that describe one connection and are never forwarded to another."""

CACHEABLE = frozenset(
    {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read", "server/discover"}
    | {"skills/list", "skills/get"}
)
TASK = "task"
"""The `resultType` of a task that stands in for a result (SEP-2663); used in both eras."""


def of_params(params: dict[str, Any] | None) -> Era:
    """The era of a request, by its params: modern requests have the protocol version in `_meta`."""
    meta = params.get("_meta") if params else None
    return "modern" if isinstance(meta, dict) and VERSION_KEY in meta else "legacy"


def envelope(params: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object under `key` in `_meta` of a modern request; empty where it is missing or not an object."""
    meta = params.get("_meta")
    found = meta.get(key) if isinstance(meta, dict) else None
    return found if isinstance(found, dict) else {}


def without_connection_meta(params: dict[str, Any]) -> dict[str, Any]:
    """The params without the members of `_meta` that describe the connection (CONNECTION_KEYS)."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or CONNECTION_KEYS.isdisjoint(meta):
        return params
    params = {**params}
    if kept := {key: value for key, value in meta.items() if key not in CONNECTION_KEYS}:
        params["_meta"] = kept
    else:
        del params["_meta"]
    return params


def to_upstream(era: Era, params: dict[str, Any], envelope: dict[str, Any]) -> dict[str, Any]:
    """The params for a server of `era`; `envelope` holds the members that a modern one requires in every `_meta`."""
    params = without_connection_meta(params)
    if era == "legacy":
        return params
    return {**params, "_meta": {**_meta(params), **envelope}}


def to_client(
    era: Era, method: str, result: dict[str, Any], server_info: dict[str, Any], *, tasks: bool = False
) -> dict[str, Any]:
    """Translate a result to the client's era (schema 2026-07-28, `Result`, `CacheableResult`).

    `tasks`: the client declared the tasks extension, so the result may be a task (SEP-2663).

    Raises:
        ClientFeatureMissing: the result is a task, and the client did not declare the extension.
    """
    if era == "legacy":
        return _to_legacy(result, tasks) if "resultType" in result else result
    translated = {**result, "_meta": {**_meta(result), SERVER_INFO_KEY: server_info}}
    if translated.setdefault("resultType", "complete") == TASK and not tasks:
        raise _unexpected_task()
    if method in CACHEABLE and translated["resultType"] == "complete":
        translated["ttlMs"] = 0
        translated["cacheScope"] = "private"
    return translated


def structured_to_client(era: Era, result: dict[str, Any], wrapped: bool) -> dict[str, Any]:
    """Translate the structured content of a tool's result to the client's era.

    For legacy clients it must be an object (schema 2025-11-25, `CallToolResult`), so any other value is put into an
    object with the property `result`, as the TypeScript and C# SDKs do. `wrapped`: the output schema that legacy
    clients see was wrapped in the same way (`schemas.wrapped`), so objects are wrapped too.
    """
    if era == "modern" or "structuredContent" not in result:
        return result
    value = result["structuredContent"]
    if wrapped or not (isinstance(value, dict) or value is None):
        return {**result, "structuredContent": {"result": value}}
    if value is None:
        return {key: each for key, each in result.items() if key != "structuredContent"}
    return result


def _unexpected_task() -> ClientFeatureMissing:
    return ClientFeatureMissing(
        "The server answered with a task, but this client has not declared the tasks extension.",
        data={"requiredCapabilities": {"extensions": {TASKS: {}}}},
    )


def _to_legacy(result: dict[str, Any], tasks: bool) -> dict[str, Any]:
    if result["resultType"] == TASK:
        if not tasks:
            raise _unexpected_task()
        return result
    translated = {
        key: value for key, value in result.items() if key not in ("resultType", "ttlMs", "cacheScope", "_meta")
    }
    meta = {key: value for key, value in _meta(result).items() if key not in CONNECTION_KEYS}
    if meta:
        translated["_meta"] = meta
    return translated


def _meta(holder: dict[str, Any]) -> dict[str, Any]:
    meta = holder.get("_meta")
    return meta if isinstance(meta, dict) else {}


def error_to_client(era: Era, error: dict[str, Any]) -> dict[str, Any]:
    """Translate a server's error to the client's era: the modern one has no code for `resource not found`."""
    if era == "modern" and error.get("code") == RESOURCE_NOT_FOUND:
        return {**error, "code": INVALID_PARAMS}
    return error


def header_value(value: str) -> str:
    """Encode a value for an HTTP header such as `Mcp-Name` (MCP 2026-07-28, Transports).

    Values that a header cannot hold unchanged (not ASCII, control characters, outer spaces) are base64-encoded.
    """
    if value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?base64?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode(errors='replace')).decode()}?="
