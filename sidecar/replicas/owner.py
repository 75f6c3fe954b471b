"""Which replica a request is for: the name in the id of its session, task or request state."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from mcp.shared.inbound import decode_header_value
from starlette.types import Scope

from sidecar.listener.asgi import header
from sidecar.listener.request_checks import is_modern
from sidecar.protocol import codec
from sidecar.protocol.jsonrpc import as_dict
from sidecar.protocol.replica_names import split
from sidecar.sessions.request_state import PREFIX

TASK_METHODS = frozenset({b"tasks/get", b"tasks/update", b"tasks/cancel"})
"""The methods whose Mcp-Name is the id of a task (MCP 2026-07-28, tasks)."""
_STATE = f'"{PREFIX}'.encode()
"""Occurs in each body with a `requestState` of a hub that is not written with unnecessary escapes."""
_READ_METHODS = ("list", "get", "read", "complete", "ping", "setLevel", "subscribe", "unsubscribe")
"""The last words of the methods that may be carried out twice without harm."""


def of_head(scope: Scope) -> tuple[str, str]:
    """The name of the replica in the head of a request to a workspace, and the id of the session over Streamable HTTP
    that it names; both empty without one."""
    modern = is_modern(header(scope, b"mcp-protocol-version").decode("latin-1"))
    if _is_message(scope):
        found = parse_qs(scope["query_string"].decode("latin-1")).get("session_id", [""])[0]
        return split(found)[0], ""
    if not modern:
        session = header(scope, b"mcp-session-id").decode("latin-1")
        return split(session)[0], session
    if header(scope, b"mcp-method") in TASK_METHODS:
        name = decode_header_value(header(scope, b"mcp-name").decode("latin-1"))
        return split(name or "")[0], ""
    return "", ""


def opens_stream(scope: Scope) -> bool:
    """Whether a request opens a session over HTTP+SSE."""
    path: str = scope["path"].rstrip("/")
    return path.count("/") == 3 and path.endswith("/sse")  # /mcp/{slug}/sse


def opens_session(scope: Scope) -> bool:
    """Whether a request opens a session over Streamable HTTP."""
    path: str = scope["path"].rstrip("/")
    if path.count("/") != 2:  # /mcp/{slug}
        return False
    modern = is_modern(header(scope, b"mcp-protocol-version").decode("latin-1"))
    return scope["method"] == "POST" and not modern and not header(scope, b"mcp-session-id")


def may_have_state(scope: Scope) -> bool:
    """Whether the body of a request may have a `requestState`: that of a modern client's POST."""
    version = header(scope, b"mcp-protocol-version").decode("latin-1")
    return scope["method"] == "POST" and is_modern(version) and not _is_message(scope)


def of_body(body: bytes) -> str:
    """The name of the replica in the `requestState` of a modern request; empty without one."""
    if _STATE not in body:
        return ""
    state = as_dict(as_dict(message_of(body)).get("params")).get("requestState")
    if not isinstance(state, str) or not state.startswith(PREFIX):
        return ""
    return split(state.removeprefix(PREFIX))[0]


def request_id(body: bytes) -> int | str | None:
    """The id of the JSON-RPC request in a body; None if it is no single request."""
    found: Any = as_dict(message_of(body)).get("id") if b'"method"' in body else None
    return found if type(found) in (int, str) else None


def is_about_call(body: bytes) -> bool:
    """Whether a body is a notification or a response: it belongs to a call that the replica may have in progress."""
    message = message_of(body)
    return isinstance(message, dict) and not ("id" in message and "method" in message)


def may_repeat(body: bytes) -> bool:
    """Whether what a body asks for may be carried out twice without harm: nothing, or something that is only read."""
    message = message_of(body)
    if not isinstance(message, dict):
        return not body
    method = message.get("method")
    return "id" not in message or (isinstance(method, str) and method.rpartition("/")[2] in _READ_METHODS)


def _is_message(scope: Scope) -> bool:
    """Whether a request is a POST of HTTP+SSE."""
    path: str = scope["path"]
    return path.rstrip("/").endswith("/messages")


def message_of(body: bytes) -> Any:
    """The JSON in a body; None if it is not JSON."""
    try:
        return codec.loads(body)
    except (ValueError, RecursionError):
        return None
