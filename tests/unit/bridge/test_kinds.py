"""bridge.kinds: the table of messages, and what it makes of bodies."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from bridge.client import TOPICS
from bridge.codec import Envelope, to_body
from bridge.errors import BadMessage, HubError, RemoteError, UnknownKind
from bridge.kinds import JOIN, answer_body, kind_of, request_body
from bridge.models import KINDS, Event, Request
from tests.unit.bridge import vectors

BODIES = vectors.load("bodies")


def check(vector: dict[str, Any]) -> dict[str, Any]:
    kind = kind_of(vector["kind"])
    if vector["part"] == "request":
        return to_body(request_body(kind, vector["body"]))
    return to_body(answer_body(kind, Envelope(id="1", session="s", kind=kind.kind + ".ok", body=vector["body"])))


@pytest.mark.parametrize("vector", [v for v in BODIES if "error" not in v], ids=vectors.title)
def test_valid_bodies_are_taken(vector: dict[str, Any]) -> None:
    """Each valid body fits its model, which keeps every field of it."""
    found = check(vector)
    assert {key: found[key] for key in vector["body"]} == vector["body"]


@pytest.mark.parametrize("vector", [v for v in BODIES if "error" in v], ids=vectors.title)
def test_invalid_bodies_are_refused_with_their_code(vector: dict[str, Any]) -> None:
    """Each invalid body raises the error that the vector names."""
    with pytest.raises(HubError) as caught:
        check(vector)
    assert caught.value.code == vector["error"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.kind)
@pytest.mark.parametrize("part", ["request", "answer"])
def test_every_kind_has_vectors(kind: type[Request[Any]], part: str) -> None:
    """No kind is without a valid vector of its request and of its answer."""
    assert any(v["kind"] == kind.kind and v["part"] == part and "error" not in v for v in BODIES)


def test_an_unknown_kind_is_an_error() -> None:
    """A kind that is not in the table is named in the error."""
    with pytest.raises(UnknownKind, match="'dance'"):
        kind_of("dance")


def test_an_error_answer_is_raised_with_the_code_of_the_other_side() -> None:
    """An `error` becomes a RemoteError that crosses on with the same code, hint and data."""
    body = {"code": "SNAPSHOT_STALE", "message": "Old.", "hint": "Wait.", "data": {"in_force": 3}}
    with pytest.raises(RemoteError, match="Old") as caught:
        answer_body(kind_of("apply"), Envelope(id="1", session="s", kind="error", body=body))
    assert caught.value.body().model_dump() == body


def test_the_answer_to_another_kind_is_refused() -> None:
    """An answer that is not of the kind asked for is a bad message."""
    with pytest.raises(BadMessage, match=r"'ping' request was answered with 'status\.ok'"):
        answer_body(kind_of("ping"), Envelope(id="1", session="s", kind="status.ok", body={}))


def test_joins_sort_after_all_topics() -> None:
    """A SUB repeats its subscriptions in sorted order after a reconnect: the join must be the last of them."""
    topics = set(get_args(Event.model_fields["topic"].annotation))
    assert sorted([*(topic.encode() for topic in topics), JOIN])[-1] == JOIN
    assert {*TOPICS, "desired", "activation", "approvals", "joined"} == topics
