"""Translation between the protocol's two eras (MCP 2025-11-25 and before; MCP 2026-07-28).

Requests go to an upstream in its era, results come back in the client's. What differs is small: who names the version
(handshake or `_meta` of each request), what a result must carry (`resultType`, cache hints), and a retired error code.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal

from sidecar.errors import INVALID_PARAMS, RESOURCE_NOT_FOUND, ClientFeatureMissing
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
"""Keys of `_meta` that belong to one connection and are never forwarded to another."""

CACHEABLE = frozenset(
    {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read", "server/discover"}
    | {"skills/list", "skills/get"}
)
TASK = "task"
"""The `resultType` of a result that is a task instead (SEP-2663), which both eras have."""


def of_params(params: dict[str, Any] | None) -> Era:
    """The era that a request's params speak: modern ones name their version in `_meta`."""
    meta = params.get("_meta") if params else None
    return "modern" if isinstance(meta, dict) and VERSION_KEY in meta else "legacy"


def envelope(params: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What a modern request's `_meta` says of its client under `key`; empty where it says nothing of use."""
    meta = params.get("_meta")
    found = meta.get(key) if isinstance(meta, dict) else None
    return found if isinstance(found, dict) else {}


def without_connection_meta(params: dict[str, Any]) -> dict[str, Any]:
    """The params as another connection may see them."""
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
    """Params for an upstream of `era`; `envelope` is what a modern one wants in every `_meta`."""
    params = without_connection_meta(params)
    if era == "legacy":
        return params
    return {**params, "_meta": {**_meta(params), **envelope}}


def to_client(
    era: Era, method: str, result: dict[str, Any], server_info: dict[str, Any], *, tasks: bool = False
) -> dict[str, Any]:
    """A result as a client of `era` must get it (schema 2026-07-28, `Result`, `CacheableResult`).

    `tasks`: it may be a task instead (SEP-2663), for the client declares that it takes tasks.

    Raises:
        ClientFeatureMissing: it is one all the same.
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
    """A tool's result with its structured content as a client of `era` must get it.

    Legacy clients take none but objects (schema 2025-11-25, `CallToolResult`). `wrapped`: they were given a schema in
    which the value is a property `result` (`schemas.wrapped`), as the TypeScript and C# SDKs do.
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
        "The server answered with a task, which this client does not declare to take.",
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
    """An upstream's error as a client of `era` must get it."""
    if era == "modern" and error.get("code") == RESOURCE_NOT_FOUND:
        return {**error, "code": INVALID_PARAMS}
    return error


def header_value(value: str) -> str:
    """A value for an `Mcp-Name` header, in base64 where HTTP would not keep it (MCP 2026-07-28, Transports)."""
    if value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?base64?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode(errors='replace')).decode()}?="
