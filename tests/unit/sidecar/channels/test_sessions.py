"""What speaks of a session, and what asks whether it is still known."""

from __future__ import annotations

import pytest

from sidecar.channels.sessions import check_of, denies_session, doubtful, names_session
from sidecar.era import MODERN_VERSION, VERSION_KEY


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
