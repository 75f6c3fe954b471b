"""Sealed states: what was sealed comes out for the same call, in time, by the same process, unchanged."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.input_errors import RequestStateExpired, RequestStateInvalid
from sidecar.sessions.request_state import PREFIX, Binding, RequestStates, State

CALL = Binding("key", "w", "server", "tools/call", "tool", {"a": [1, {"b": None}], "é": "\ud800"})
STATE = State("server", "the server's own")
SEALER = RequestStates(3600)
SEALED = SEALER.seal(CALL, STATE)


class Clock:
    """Time as a test has it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_comes_out_as_it_went_in() -> None:
    """Every kind, with and without a value; and no two seals of the same are alike."""
    request_states = RequestStates(60)
    for state in (STATE, State("suspended", "id"), State("repeat", None), State("server", "")):
        assert request_states.open(CALL, request_states.seal(CALL, state)) == state
    assert request_states.seal(CALL, STATE) != request_states.seal(CALL, STATE)


def test_tells_nothing() -> None:
    """Neither the server's state nor what it is bound to can be read from it."""
    sealed = RequestStates(60).seal(CALL, STATE).removeprefix(PREFIX)
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    assert not [word for word in (b"own", b"server", b"tool", b"key") if word in raw]


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "other"},
        {"tenant": ""},
        {"workspace": "v"},
        {"server": "other"},
        {"method": "prompts/get"},
        {"name": "tool2"},
        {"arguments": {"a": [1, {"b": None}]}},
        {"arguments": {}},
        {"tenant": "keyw", "workspace": ""},
    ],
)
def test_is_bound(change: dict[str, Any]) -> None:
    """Anything else about the call makes it another's."""
    request_states = RequestStates(60)
    with pytest.raises(RequestStateInvalid, match="another call"):
        request_states.open(dataclasses.replace(CALL, **change), request_states.seal(CALL, STATE))


def test_the_order_of_arguments_does_not_matter() -> None:
    """A client may write its arguments in another order the second time."""
    request_states = RequestStates(60)
    sealed = request_states.seal(dataclasses.replace(CALL, arguments={"a": 1, "b": 2}), STATE)
    assert request_states.open(dataclasses.replace(CALL, arguments={"b": 2, "a": 1}), sealed) == STATE


def test_expires() -> None:
    """Good for its lifetime, and not a moment longer."""
    clock = Clock()
    request_states = RequestStates(60, clock=clock)
    sealed = request_states.seal(CALL, STATE)
    clock.now += 59.9
    assert request_states.open(CALL, sealed) == STATE
    clock.now += 0.1
    with pytest.raises(RequestStateExpired, match="older than 60 s"):
        request_states.open(CALL, sealed)


def test_another_process() -> None:
    """A state from before a restart is expired, whatever is in it."""
    with pytest.raises(RequestStateExpired, match="before the hub was started") as caught:
        RequestStates(60).open(CALL, RequestStates(60).seal(CALL, STATE))
    assert "Repeat the call" in caught.value.rpc()["message"]


@given(st.integers(0, len(SEALED) - 1), st.sampled_from("ABCxyz012-_=.") | st.characters())
@example(len(PREFIX) - 1, ".")
def test_any_change_is_noticed(place: int, letter: str) -> None:
    """One character more, less or other: it is refused."""
    sealed = SEALED
    for changed in (
        sealed[:place] + letter + sealed[place + 1 :],
        sealed[:place] + letter + sealed[place:],
        sealed[:place] + sealed[place + 1 :],
    ):
        if changed != sealed:
            with pytest.raises((RequestStateInvalid, RequestStateExpired)):
                SEALER.open(CALL, changed)


@given(st.none() | st.booleans() | st.integers() | st.text() | st.text().map(PREFIX.__add__) | st.lists(st.text()))
def test_anything_else_is_refused(token: Any) -> None:
    """What never was a state is invalid, and no more than that."""
    with pytest.raises((RequestStateInvalid, RequestStateExpired)):
        RequestStates(60).open(CALL, token)


def test_of_another_replica() -> None:
    """A state names its replica; at another one it is expired."""
    first = RequestStates(60, "r0")
    sealed = first.seal(CALL, STATE)
    assert sealed.startswith(f"{PREFIX}r0.") and first.open(CALL, sealed) == STATE
    for other in (RequestStates(60, "r1"), RequestStates(60)):
        with pytest.raises(RequestStateExpired, match="another replica"):
            other.open(CALL, sealed)
    with pytest.raises(RequestStateExpired, match="another replica"):
        first.open(CALL, RequestStates(60).seal(CALL, STATE))
