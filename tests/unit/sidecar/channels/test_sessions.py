"""What speaks of a session, and what asks whether it is still known."""

from __future__ import annotations

import pytest

from sidecar.channels.sessions import check_of, denies_session, doubtful, names_session, untaken, verdict_of
from sidecar.protocol.eras import MODERN_VERSION, VERSION_KEY


@pytest.mark.parametrize(
    "text", ["Session not found", b"invalid session ID", '{"error":"SESSION_EXPIRED"}', b"\xff session"]
)
def test_texts_that_name_a_session(text: str | bytes) -> None:
    """However they write it."""
    assert names_session(text)


@pytest.mark.parametrize("text", ["", b"", "not found", b"x" * 10_000 + b"session"])
def test_texts_that_do_not(text: str | bytes) -> None:
    """Only the beginning is looked at."""
    assert not names_session(text)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"id": 1, "error": {"code": -32000, "message": "No such session"}}, True),
        ({"id": 1, "error": {"code": -32000, "message": "no"}}, False),
        ({"id": 1, "error": {"code": -32000, "message": None}}, False),
        ({"id": 1, "error": None, "result": {"session": 1}}, False),
        ({"id": 1, "result": {"isError": True, "content": [{"type": "text", "text": "session not found"}]}}, False),
    ],
)
def test_responses(frame: dict[str, object], expected: bool) -> None:
    """A tool's own words are its result, whatever they say."""
    assert denies_session(frame) is expected


def test_statuses() -> None:
    """What may be about the session; not what is about the message or its rate."""
    assert all(doubtful(status) for status in (400, 401, 403, 404, 410, 500, 503))
    assert not any(doubtful(status) for status in (405, 406, 409, 413, 415, 422, 429))


def test_checks() -> None:
    """In the era of the request that is in doubt, with its credentials for the envelope, and its progress left out."""
    assert check_of({"method": "tools/call", "id": 1, "params": {"name": "x"}})[0]["method"] == "ping"
    assert check_of({})[0]["method"] == "ping"
    meta = {VERSION_KEY: MODERN_VERSION, "progressToken": 7}
    check, headers = check_of({"method": "tools/call", "id": 1, "params": {"_meta": meta}})
    assert check["method"] == headers["mcp-method"] == "server/discover"
    assert check["params"] == {"_meta": {VERSION_KEY: MODERN_VERSION}}
    assert headers["mcp-protocol-version"] == MODERN_VERSION


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (200, b'{"jsonrpc":"2.0","id":1,"result":{"session":"x"}}', "serves"),
        (202, b"", "serves"),
        (200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}', "serves"),
        (200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no session"}}', "denies"),
        (404, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}', "serves"),
        (405, b"", "serves"),
        (501, b"", "serves"),
        (404, b"", "denies"),
        (400, b"", "denies"),
        (500, b"no session", "denies"),
        (401, b"", "fails"),
        (503, b"", "fails"),
        (302, b"", "fails"),
    ],
)
def test_answers_to_a_check(status: int, text: bytes, expected: str) -> None:
    """A server that does not know `ping` serves; one that refuses it does not."""
    assert verdict_of(status, text) == expected


def test_what_was_certainly_not_carried_out() -> None:
    """A fault of the server may have come at any time, whatever its text says."""
    assert all(untaken(status, False) for status in (400, 404, 410))
    assert untaken(401, True)
    assert not any(untaken(status, True) for status in (500, 502, 503, 200))
    assert not untaken(401, False)
