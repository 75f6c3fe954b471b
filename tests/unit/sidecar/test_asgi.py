"""Small pieces of HTTP over ASGI."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.asgi import header, read_body
from sidecar.errors import BodyTooLarge, MessageInvalid

SCOPE: dict[str, Any] = {"type": "http", "headers": [(b"content-type", b"application/JSON; charset=utf-8")]}


def receiving(*messages: dict[str, Any]) -> Any:
    """A `receive` that gives these messages."""
    rest = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(rest)

    return receive


def chunk(data: bytes, *, more: bool = False) -> dict[str, Any]:
    """A piece of a body."""
    return {"type": "http.request", "body": data, "more_body": more}


async def test_body() -> None:
    """A body in pieces is joined."""
    assert await read_body(SCOPE, receiving(chunk(b"{", more=True), chunk(b"}")), 2) == b"{}"
    assert await read_body({"headers": []}, receiving({"type": "http.request"}), 2) == b""


async def test_limits() -> None:
    """Too long, of another type, or cut off, it is refused."""
    with pytest.raises(BodyTooLarge):
        await read_body(SCOPE, receiving(chunk(b"12", more=True), chunk(b"3", more=True)), 2)
    with pytest.raises(MessageInvalid, match="Content-Type"):
        await read_body({"headers": [(b"content-type", b"text/plain")]}, receiving(), 2)
    with pytest.raises(MessageInvalid, match="left"):
        await read_body(SCOPE, receiving(chunk(b"1", more=True), {"type": "http.disconnect"}), 2)


def test_header() -> None:
    """The first of that name, or nothing."""
    scope: dict[str, Any] = {"headers": [(b"a", b"1"), (b"a", b"2")]}
    assert (header(scope, b"a"), header(scope, b"b")) == (b"1", b"")
