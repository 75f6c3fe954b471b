"""One write for head and body."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.whole_response import WholeResponse


class Wire:
    """A transport that remembers what it is told to do."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def write(self, data: bytes) -> None:
        """Remember what is written."""
        self.done.append(data)

    def close(self) -> None:
        """Remember that it was closed."""
        self.done.append("closed")


def made(method: str = "POST") -> tuple[WholeResponse, Wire, Any]:
    """A response whose head has not been written."""
    wire = Wire()
    state = SimpleNamespace(scope={"method": method}, response_started=False, expected_content_length=0)
    return WholeResponse(cast("asyncio.Transport", wire), cast("Any", state)), wire, state


def test_head_and_body_are_one_write() -> None:
    """Of a response whose length is known; what follows the first piece is written as it comes."""
    response, wire, cycle = made()
    response.write(b"continue ")
    cycle.response_started, cycle.expected_content_length = True, 8
    response.write(b"head ")
    assert wire.done == [b"continue "]
    response.write(b"body")
    response.write(b"more")
    assert wire.done == [b"continue ", b"head body", b"more"]


@pytest.mark.parametrize(("method", "length"), [("HEAD", 8), ("POST", 0)])
def test_heads_that_are_not_held(method: str, length: int) -> None:
    """No body follows the head, or nobody knows when: streams."""
    response, wire, cycle = made(method)
    cycle.response_started, cycle.expected_content_length = True, length
    response.write(b"head")
    assert wire.done == [b"head"]


def test_the_end_writes_what_is_held() -> None:
    """As when the application fails between head and body."""
    response, wire, cycle = made()
    cycle.response_started, cycle.expected_content_length = True, 8
    response.write(b"head")
    response.close()
    assert wire.done == [b"head", "closed"]
