"""What a modern client's request must be (MCP 2026-07-28), as the SDK checks it: headers, envelope, version."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundLadderRejection,
    classify_inbound_request,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.types import Scope

from sidecar.channel import Frame
from sidecar.errors import HEADER_MISMATCH, INVALID_REQUEST, UNSUPPORTED_VERSION
from sidecar.param_headers import PREFIX

Error = dict[str, Any]
"""The `error` member of a JSON-RPC response."""

ENVELOPED_ON_LEGACY: Error = {
    "code": INVALID_REQUEST,
    "message": "This connection began with the handshake; requests of the 2026-07-28 era are not served on it.",
}
OK = 200


def is_legacy(version: str) -> bool:
    """Whether the MCP-Protocol-Version of a request (empty: none) is one of those with a handshake."""
    return not version or version in HANDSHAKE_PROTOCOL_VERSIONS


def is_modern(version: str) -> bool:
    """Whether it is one of those without."""
    return version in MODERN_PROTOCOL_VERSIONS


def status_of(frame: Frame) -> int:
    """The HTTP status of a response to a modern request."""
    return ERROR_CODE_HTTP_STATUS.get(frame["error"].get("code"), OK) if "error" in frame else OK


@lru_cache(maxsize=64)
def accepts(accept: bytes) -> tuple[bool, bool]:
    """Whether an Accept header allows JSON, and event streams."""
    kinds = {kind.partition(";")[0].strip().lower() for kind in accept.decode("latin-1").split(",")}
    return not kinds.isdisjoint({"*/*", "application/*", "application/json"}), not kinds.isdisjoint(
        {"*/*", "text/*", "text/event-stream"}
    )


def unsupported(version: str) -> Error | None:
    """The error for a version that is not served."""
    return _error(unsupported_protocol_version_rejection(version))


def over_http(frame: Frame, scope: Scope) -> Error | None:
    """What is wrong with a request that came over HTTP, if anything is: its headers must say what its body says."""
    lines = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"] if name[:4] == b"mcp-"
    ]
    if duplicated := find_duplicated_routing_header(lines):
        return {"code": HEADER_MISMATCH, "message": f"{duplicated} header appears more than once"}
    return _error(classify_inbound_request(frame, headers=dict(lines)))


def over_stream(frame: Frame) -> Error | None:
    """What is wrong with a request on an SSE stream whose client is modern, if anything is."""
    if frame["method"] == "initialize":
        requested = (frame.get("params") or {}).get("protocolVersion")
        data = {"supported": list(MODERN_PROTOCOL_VERSIONS)} | (
            {"requested": requested} if isinstance(requested, str) else {}
        )
        message = "This connection serves the 2026-07-28 era, which has no handshake."
        return {"code": UNSUPPORTED_VERSION, "message": message, "data": data}
    return _error(classify_inbound_request(frame))


def param_headers(schema: Any, frame: Frame, scope: Scope) -> Error | None:
    """What is wrong with the headers that repeat arguments of a call, if anything is; `schema` is the tool's."""
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
