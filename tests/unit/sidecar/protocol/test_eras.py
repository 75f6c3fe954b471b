"""Translation between the eras, in both directions."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.protocol import eras

INFO = {"name": "hub", "version": "1"}
ENVELOPE = {eras.VERSION_KEY: eras.MODERN_VERSION, eras.CLIENT_INFO_KEY: INFO, eras.CAPABILITIES_KEY: {}}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (None, "legacy"),
        ({}, "legacy"),
        ({"_meta": None}, "legacy"),
        ({"_meta": [eras.VERSION_KEY]}, "legacy"),
        ({"_meta": {"progressToken": 1}}, "legacy"),
        ({"_meta": {eras.VERSION_KEY: "2026-07-28"}}, "modern"),
    ],
)
def test_of_params(params: Any, expected: str) -> None:
    """A request is modern when its `_meta` names a version."""
    assert eras.of_params(params) == expected


def test_to_upstream() -> None:
    """What belongs to the client's connection stays behind; a modern server gets the hub's own envelope."""
    params = {"name": "t", "_meta": {**ENVELOPE, eras.LOG_LEVEL_KEY: "info", "progressToken": 7, "own/key": 1}}
    assert eras.to_upstream("legacy", params, ENVELOPE) == {"name": "t", "_meta": {"progressToken": 7, "own/key": 1}}
    modern = eras.to_upstream("modern", params, ENVELOPE)
    assert modern == {"name": "t", "_meta": {"progressToken": 7, "own/key": 1, **ENVELOPE}}
    assert eras.to_upstream("legacy", {"_meta": dict(ENVELOPE)}, ENVELOPE) == {}
    plain = {"name": "t"}
    assert eras.to_upstream("legacy", plain, ENVELOPE) is plain
    assert params["_meta"]["own/key"] == 1, "what is passed in is not changed"


@pytest.mark.parametrize("meta", [None, 5, "text", [1]])
def test_to_upstream_with_wrong_meta(meta: Any) -> None:
    """A `_meta` that is no object is the server's to judge; a modern one gets the envelope in its stead."""
    assert eras.to_upstream("legacy", {"_meta": meta}, ENVELOPE) == {"_meta": meta}
    assert eras.to_upstream("modern", {"_meta": meta}, ENVELOPE) == {"_meta": ENVELOPE}


def test_legacy_result_to_modern() -> None:
    """A modern client gets result type, server info, and cache hints where the schema wants them."""
    listed = eras.to_client("modern", "tools/list", {"tools": []}, INFO)
    assert listed == {
        "tools": [],
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {eras.SERVER_INFO_KEY: INFO},
    }
    called = eras.to_client("modern", "tools/call", {"content": [], "_meta": {"own": 1}}, INFO)
    assert called == {"content": [], "resultType": "complete", "_meta": {"own": 1, eras.SERVER_INFO_KEY: INFO}}


def test_modern_result_to_modern() -> None:
    """Other result types pass; hints are the hub's own, for its lists may change at any time."""
    asked = eras.to_client("modern", "resources/read", {"resultType": "input_required", "inputRequests": {}}, INFO)
    assert asked["resultType"] == "input_required"
    assert "ttlMs" not in asked
    read = eras.to_client("modern", "resources/read", {"contents": [], "ttlMs": 9000, "cacheScope": "public"}, INFO)
    assert (read["ttlMs"], read["cacheScope"]) == (0, "private")


def test_modern_result_to_legacy() -> None:
    """A legacy client gets none of what it does not know, and the rest untouched."""
    modern = {"content": [], "resultType": "complete", "ttlMs": 1, "cacheScope": "public"}
    assert eras.to_client("legacy", "tools/call", modern, INFO) == {"content": []}
    meta = {"_meta": {eras.SERVER_INFO_KEY: INFO, "own": 1}}
    assert eras.to_client("legacy", "tools/call", {**modern, **meta}, INFO) == {"content": [], "_meta": {"own": 1}}
    legacy = {"content": [], "_meta": {"a": 1}}
    assert eras.to_client("legacy", "tools/call", legacy, INFO) is legacy


@pytest.mark.parametrize("meta", [None, 5, "text", [1]])
def test_result_with_wrong_meta(meta: Any) -> None:
    """A server's `_meta` that is no object is left out, not tripped over."""
    modern = eras.to_client("modern", "tools/call", {"content": [], "_meta": meta}, INFO)
    assert modern["_meta"] == {eras.SERVER_INFO_KEY: INFO}
    assert eras.to_client("legacy", "tools/call", {"resultType": "complete", "_meta": meta}, INFO) == {}


def test_errors() -> None:
    """-32002 is retired in the modern era; every other error passes as it is."""
    missing = {"code": -32002, "message": "no", "data": {"uri": "x"}}
    assert eras.error_to_client("modern", missing) == {**missing, "code": -32602}
    assert eras.error_to_client("legacy", missing) is missing
    other = {"code": -1, "message": "x"}
    assert eras.error_to_client("modern", other) is other


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("get_time", "get_time"),
        ("file:///a b", "file:///a b"),
        ("größe", "=?base64?Z3LDtsOfZQ==?="),
        (" x", "=?base64?IHg=?="),
        ("a\nb", "=?base64?YQpi?="),
        ("=?base64?x", "=?base64?PT9iYXNlNjQ/eA==?="),
    ],
)
def test_header_value(value: str, expected: str) -> None:
    """What HTTP would not keep goes in base64."""
    assert eras.header_value(value) == expected


def test_header_value_of_a_lone_surrogate() -> None:
    """A name that UTF-8 does not have is no reason to fail."""
    assert eras.header_value("\ud800").startswith("=?base64?")
