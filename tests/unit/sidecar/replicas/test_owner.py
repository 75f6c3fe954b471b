"""Which replica a request is for, and what may be sent twice."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.replicas import owner

MODERN = {"mcp-protocol-version": "2026-07-28"}


def scope(path: str = "/mcp/w", query: str = "", method: str = "POST", **headers: str) -> dict[str, Any]:
    """The ASGI scope of a request."""
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": lines}


@pytest.mark.parametrize(
    ("request_scope", "found"),
    [
        (scope(**{"mcp-session-id": "r0.ab"}), ("r0", "r0.ab")),
        (scope(**{"mcp-session-id": "ab"}), ("", "ab")),
        (scope(), ("", "")),
        (scope("/mcp/w/messages", "session_id=r0.ab"), ("r0", "")),
        (scope("/mcp/w/messages/", "x=1&session_id=r0.ab"), ("r0", "")),
        (scope("/mcp/w/messages"), ("", "")),
        (scope(**MODERN, **{"mcp-method": "tasks/get", "mcp-name": "r0.a.b"}), ("r0", "")),
        (scope(**MODERN, **{"mcp-method": "tasks/get", "mcp-name": "=?base64?cjAuw6Q=?="}), ("r0", "")),
        (scope(**MODERN, **{"mcp-method": "tools/call", "mcp-name": "r0.tool"}), ("", "")),
        (scope(**MODERN, **{"mcp-session-id": "r0.ab"}), ("", "")),
    ],
)
def test_of_head(request_scope: dict[str, Any], found: tuple[str, str]) -> None:
    """The name in the id of a session or a task; a session over Streamable HTTP may be resumed elsewhere."""
    assert owner.of_head(request_scope) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"params": {"requestState": "hub1.r0.abc"}}', "r0"),
        (b'{"params": {"requestState": "hub1.abc"}}', ""),
        (b'{"params": {"requestState": "abc", "arguments": {"text": "hub1.r0.abc"}}}', ""),
        (b'{"params": {"requestState": "hub1.r0.abc"', ""),
        (b'{"params": ["hub1.r0.abc"]}', ""),
        (b"{}", ""),
    ],
)
def test_of_body(body: bytes, found: str) -> None:
    """The name in a request state, and in nothing else."""
    assert owner.of_body(body) == found


def test_which_bodies_are_read() -> None:
    """Those of modern clients over Streamable HTTP."""
    assert owner.may_have_state(scope(**MODERN))
    assert not owner.may_have_state(scope())
    assert not owner.may_have_state(scope("/mcp/w/messages", **MODERN))
    assert not owner.may_have_state(scope(method="GET", **MODERN))


@pytest.mark.parametrize(
    ("body", "number", "repeated"),
    [
        (b"", None, True),
        (b'{"id": 7, "method": "tools/list"}', 7, True),
        (b'{"id": "a", "method": "prompts/get"}', "a", True),
        (b'{"id": 7, "method": "tools/call"}', 7, False),
        (b'{"method": "notifications/cancelled"}', None, True),
        (b'{"id": 7, "result": {}}', None, False),
        (b'[{"id": 7, "method": "tools/list"}]', None, False),
        (b'{"id": true, "method": 1}', None, False),
        (b'{"id": 7, "method"', None, False),
    ],
)
def test_what_a_body_asks(body: bytes, number: int | str | None, repeated: bool) -> None:
    """The id of its request, and whether it may be carried out twice."""
    assert owner.request_id(body) == number
    assert owner.may_repeat(body) == repeated
