"""What can be told of entries, however wrong they are."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.models import Outline
from yamcp_ui_adapter.format.outline import outline, outlines

CASES: list[tuple[dict[str, Any], Outline]] = [
    ({}, Outline()),
    ({"command": "run", "namespace": "n"}, Outline(namespace="n", command="run")),
    ({"providerParameters": {"command": "run"}, "type": "stdio"}, Outline(command="run")),
    ({"providerParameters": None, "command": 5, "namespace": []}, Outline()),
    ({"url": "https://h"}, Outline(type="remote", url="https://h")),
    (
        {"type": "SSE", "providerParameters": {"url": "https://me:x@h"}},
        Outline(type="sse", url="https://me:********@h"),
    ),
    ({"type": "streamable-http", "url": 7}, Outline(type="http")),
    ({"type": "ws", "url": "wss://h"}, Outline(type="websocket", url="wss://h")),
    ({"type": "odd", "url": "https://h"}, Outline(type="remote", url="https://h")),
    ({"type": {"x": 1}}, Outline()),
    ({"command": "half \ud800"}, Outline(command="half \ufffd")),
]


@pytest.mark.parametrize(("entry", "told"), CASES)
def test_outlines(entry: dict[str, Any], told: Outline) -> None:
    """Fields of the right kind are told, in both forms, as what can cross the bridge; without secrets."""
    assert outline(entry) == told


def test_entries_that_are_no_objects() -> None:
    """They have no outline."""
    assert outlines({"a": None, "b": "x", "c": [], "d": {}}) == {"d": Outline()}
