"""bridge.codec: envelopes to bytes and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from bridge import codec
from bridge.codec import Envelope, decode, encode, explain, new_session, to_body
from bridge.errors import BadMessage, HubError, MessageTooLarge
from bridge.models import LogRecords, ServerSpec
from tests.unit.bridge import vectors

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def envelope(**changes: Any) -> Envelope:
    return Envelope(**{"id": "1", "session": "s", "kind": "ping", **changes})


@pytest.mark.parametrize("vector", vectors.load("envelopes"), ids=vectors.title)
def test_valid_vectors_are_read_as_written_down(vector: dict[str, Any]) -> None:
    """Each valid vector decodes to its envelope, and is the same again after a round trip."""
    found = decode(vectors.raw(vector))
    assert found.model_dump(exclude=set() if found.by else {"by"}) == vector["envelope"]
    assert decode(encode(found)) == found


@pytest.mark.parametrize("vector", vectors.load("invalid_envelopes"), ids=vectors.title)
def test_invalid_vectors_are_refused_with_their_code(vector: dict[str, Any]) -> None:
    """Each invalid vector raises the error it names, with the message's id where that can be read."""
    with pytest.raises(HubError) as caught:
        decode(vectors.raw(vector))
    assert caught.value.code == vector["error"]
    assert caught.value.data.get("id") == vector.get("id")


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_whatever_json_can_say_survives(body: dict[str, Any]) -> None:
    """Any body of JSON values comes out as it went in."""
    assert decode(encode(envelope(body=body))).body == body


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_bad_message(data: bytes) -> None:
    """Bytes from anywhere are refused with BadMessage, never with another exception."""
    with pytest.raises(BadMessage):
        decode(data)


def test_the_members_are_written_in_the_documented_order() -> None:
    """The bytes are compact JSON in the order of docs/protocol.md."""
    assert encode(envelope()) == b'{"version":1,"id":"1","session":"s","kind":"ping","body":{}}'


@pytest.mark.parametrize("body", [{"x": "\ud800"}, {"x": 2**64}, {"x": object()}, {1: 2}])
def test_what_json_cannot_say_is_not_sent(body: Any) -> None:
    """A lone surrogate, an integer over 64 bits and foreign objects are refused before they are sent."""
    with pytest.raises(BadMessage, match="cannot be written as JSON"):
        encode(envelope().model_copy(update={"body": body}))


def test_a_message_at_the_limit_passes_and_one_byte_more_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts the bytes of the whole message, in both directions."""
    data = encode(envelope())
    monkeypatch.setattr(codec, "MAX_BYTES", len(data))
    assert decode(encode(envelope())) == envelope()
    with pytest.raises(MessageTooLarge):
        encode(envelope(id="12"))
    with pytest.raises(MessageTooLarge):
        decode(data + b" ")


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    """JSON nested deeper than any parser should go is a bad message, not a crash."""
    text = json.dumps({"version": 1, "id": "1", "session": "s", "kind": "ping", "body": {"x": 0}})
    with pytest.raises(BadMessage):
        decode(text.replace("0}}", "[" * depth + "]" * depth + "}}").encode())


@pytest.mark.parametrize("value", ["\ud800", object()])
def test_a_model_that_json_cannot_say_has_no_body(value: object) -> None:
    """A model with a lone surrogate or a foreign object in it never becomes a message."""
    with pytest.raises(BadMessage):
        encode(envelope(body=to_body(LogRecords(records=({"x": value},)))))


def test_explanations_name_fields_and_never_values() -> None:
    """What is told of an invalid body names the field, and holds no value: it may be a secret."""
    with pytest.raises(ValidationError) as caught:
        ServerSpec.model_validate({"key": ["hunter2"], "namespace": "n", "launch": {"type": "stdio", "command": ""}})
    text = explain(caught.value)
    assert "key: " in text
    assert "launch.stdio.command: " in text
    assert "hunter2" not in text


def test_an_explanation_is_short() -> None:
    """Of many errors only the first five are told."""

    class Many(BaseModel):
        values: list[int]

    with pytest.raises(ValidationError) as caught:
        Many.model_validate({"values": ["x"] * 50})
    assert explain(caught.value).count("; ") == 4


def test_each_session_is_new() -> None:
    """Two runs of a process never have the same session."""
    assert len({new_session() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_become_null(number: float) -> None:
    """NaN and infinity are written as null, as JavaScript does it."""
    assert decode(encode(envelope(body={"x": number}))).body == {"x": None}
