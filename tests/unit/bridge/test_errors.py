"""bridge.errors: one tree, stable codes, and a way across the process boundary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge import errors
from bridge.errors import ErrorBody, HubError, PeerUnavailable, RemoteError


def family(parent: type[HubError] = HubError) -> Iterator[type[HubError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from family(child)


OURS = [error for error in family() if error.__module__ == errors.__name__]


def test_every_code_is_unique() -> None:
    """No two errors of the bridge share a code."""
    codes = [error.code for error in OURS]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__name__)
def test_every_error_says_what_happened_and_what_to_do(error: type[HubError]) -> None:
    """Each has a docstring and a hint; only a RemoteError takes its hint from the other side."""
    assert error.__doc__
    assert error.hint


def test_an_error_crosses_the_boundary_intact() -> None:
    """Body and RemoteError keep code, message, hint and data, over as many processes as it passes."""
    body = PeerUnavailable("Gone.", hint="Wait.", data={"sent": True}).body()
    assert body == ErrorBody(code="BRIDGE_UNAVAILABLE", message="Gone.", hint="Wait.", data={"sent": True})
    assert RemoteError(RemoteError(body).body()).body() == body
    assert str(RemoteError(body)) == "Gone."


def test_the_hint_is_that_of_the_class_unless_given() -> None:
    """Without a hint of its own an error advises what its class does."""
    assert PeerUnavailable("x").body().hint == PeerUnavailable.hint
    assert PeerUnavailable("x", hint="").body().hint == ""
