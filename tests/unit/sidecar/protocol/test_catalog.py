"""What a server offers."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.protocol.catalog import Catalog

TOOLS: tuple[dict[str, Any], ...] = (
    {"name": "plain"},
    {"name": "reads", "annotations": {"readOnlyHint": True}},
    {"name": "same", "annotations": {"idempotentHint": True, "readOnlyHint": False}},
    {"name": "odd", "annotations": ["readOnlyHint"]},
    {"name": "text", "annotations": {"readOnlyHint": "true"}},
)


@pytest.mark.parametrize(
    ("method", "params", "repeatable"),
    [
        ("tools/list", {}, True),
        ("resources/read", {"uri": "a://b"}, True),
        ("resources/read", {"uri": "a://b", "requestState": "x"}, False),
        ("prompts/get", {"name": "p"}, True),
        ("completion/complete", {}, True),
        ("ping", {}, True),
        ("logging/setLevel", {}, False),
        ("vendor/method", {}, False),
        ("tools/call", {"name": "plain"}, False),
        ("tools/call", {"name": "unknown"}, False),
        ("tools/call", {"name": "reads"}, True),
        ("tools/call", {"name": "reads", "task": {}}, False),
        ("tools/call", {"name": "reads", "inputResponses": {}}, False),
        ("tools/call", {"name": "same"}, True),
        ("tools/call", {"name": "odd"}, False),
        ("tools/call", {"name": "text"}, False),
    ],
)
def test_repeatable(method: str, params: dict[str, Any], repeatable: bool) -> None:
    """Requests that only read, and calls of tools of which the server says that they may be repeated."""
    assert Catalog(tools=TOOLS).repeatable(method, params) is repeatable
