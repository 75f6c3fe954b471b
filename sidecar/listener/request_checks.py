"""Checks of modern requests (MCP 2026-07-28): headers, `_meta` and version, by functions of the MCP SDK."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    InboundLadderRejection,
    classify_inbound_request,
    encode_header_value,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.types import Scope

from sidecar.errors import HEADER_MISMATCH, INVALID_REQUEST, LIMIT_REACHED, UNSUPPORTED_VERSION
from sidecar.protocol.channel import Frame
from sidecar.protocol.eras import VERSION_KEY, of_params
from sidecar.protocol.jsonrpc import as_dict
from sidecar.protocol.param_headers import PREFIX

Error = dict[str, Any]
"""The `error` member of a JSON-RPC response."""

ENVELOPED_ON_LEGACY: Error = {
    "code": INVALID_REQUEST,
    "message": "This connection began with the handshake; requests of the 2026-07-28 era are not served on it.",
}
OK = 200
TOO_MANY_REQUESTS = 429  # RFC 6585, 4


def is_legacy(version: str) -> bool:
    """Whether a MCP-Protocol-Version (empty if there is none) is of the legacy era, which has a handshake."""
    return not version or version in HANDSHAKE_PROTOCOL_VERSIONS


def is_modern(version: str) -> bool:
    """Whether a MCP-Protocol-Version is of the modern era."""
    return version in MODERN_PROTOCOL_VERSIONS


def status_of(frame: Frame) -> int:
    """The HTTP status of a response to a modern request."""
    if "error" not in frame:
        return OK
    return TOO_MANY_REQUESTS if retry_after(frame) else ERROR_CODE_HTTP_STATUS.get(frame["error"].get("code"), OK)


def limit_status(frame: Frame) -> int:
    """The HTTP status of a response to a legacy request: 429 if a limit of the principal refused it, else 200."""
    return TOO_MANY_REQUESTS if "error" in frame and retry_after(frame) else OK


def retry_after(response: Frame) -> int:
    """Seconds after which a request may be sent again that a limit of its principal refused; 0 for all other errors."""
    error = response["error"]
    seconds = as_dict(error.get("data")).get("retry_after") if error.get("code") == LIMIT_REACHED else 0
    return seconds if type(seconds) is int and seconds > 0 else 0


@lru_cache(maxsize=64)
def accepts(accept: bytes) -> tuple[bool, bool]:
    """Whether an Accept header allows JSON, and event streams."""
    kinds = {kind.partition(";")[0].strip().lower() for kind in accept.decode("latin-1").split(",")}
    return not kinds.isdisjoint({"*/*", "application/*", "application/json"}), not kinds.isdisjoint(
        {"*/*", "text/*", "text/event-stream"}
    )


@lru_cache(maxsize=64)
def prefers_stream(accept: bytes) -> bool:
    """Whether an Accept header names event streams before JSON, and so prefers a stream."""
    stream, json = accept.find(b"text/event-stream"), accept.find(b"application/json")
    return 0 <= stream < json


def unsupported(version: str) -> Error | None:
    """The error for a version that the hub does not serve, else None."""
    return _error(unsupported_protocol_version_rejection(version))


def over_http(frame: Frame, scope: Scope) -> Error | None:
    """The error for a modern request whose headers do not agree with its body, else None."""
    lines = _mcp_headers(scope)
    return _duplicated(lines) or _error(classify_inbound_request(frame, headers=dict(lines)))


def _mcp_headers(scope: Scope) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"] if name[:4] == b"mcp-"
    ]


def _duplicated(lines: list[tuple[str, str]]) -> Error | None:
    duplicated = find_duplicated_routing_header(lines)
    return {"code": HEADER_MISMATCH, "message": f"{duplicated} header appears more than once"} if duplicated else None


def enveloped(frame: Frame, scope: Scope) -> Error | None:
    """The error for a request with a legacy or no MCP-Protocol-Version header but a modern `_meta`, else None."""
    if "id" not in frame or frame.get("method", "initialize") == "initialize":
        return None
    return over_http(frame, scope) if of_params(frame.get("params")) == "modern" else None


def over_stream(frame: Frame, scope: Scope) -> Error | None:
    """The error for a request of a modern client on an SSE stream, else None.

    Unlike over Streamable HTTP, the POST need not repeat fields of the body in headers; if it does, they must agree.
    """
    if frame["method"] == "initialize":
        requested = (frame.get("params") or {}).get("protocolVersion")
        data = {"supported": list(MODERN_PROTOCOL_VERSIONS)} | (
            {"requested": requested} if isinstance(requested, str) else {}
        )
        message = "This connection serves the 2026-07-28 era, which has no handshake."
        return {"code": UNSUPPORTED_VERSION, "message": message, "data": data}
    lines = _mcp_headers(scope)
    if duplicated := _duplicated(lines):
        return duplicated
    return _error(classify_inbound_request(frame, headers=_repeated(frame) | dict(lines) if lines else None))


def _repeated(frame: Frame) -> dict[str, Any]:
    """The headers that agree with a request's body (MCP 2026-07-28, Transports, Standard Request Headers)."""
    method, params = frame["method"], frame.get("params") or {}
    found = {MCP_PROTOCOL_VERSION_HEADER: (params.get("_meta") or {}).get(VERSION_KEY), MCP_METHOD_HEADER: method}
    name = params.get(NAME_BEARING_METHODS.get(method, ""))
    return found | {MCP_NAME_HEADER: encode_header_value(name)} if isinstance(name, str) else found


def param_headers(schema: Any, frame: Frame, scope: Scope) -> Error | None:
    """The error for a call whose `Mcp-Param-*` headers do not agree with its arguments, else None; `schema` is the
    input schema of the tool."""
    arguments = (frame.get("params") or {}).get("arguments")
    if schema is None or not (arguments is None or isinstance(arguments, Mapping)):
        return None
    headers = Headers(scope=scope)
    if not arguments and not any(name.startswith(PREFIX) for name in headers):
        return None
    return _error(validate_mcp_param_headers(schema, arguments or {}, headers))


def _error(verdict: object) -> Error | None:
    if not isinstance(verdict, InboundLadderRejection):
        return None
    error: Error = {"code": verdict.code, "message": verdict.message}
    return error if verdict.data is None else {**error, "data": verdict.data}
