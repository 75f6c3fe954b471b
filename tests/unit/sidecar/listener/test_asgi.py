"""Small pieces of HTTP over ASGI."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.errors import MessageInvalid
from sidecar.http_errors import BodyTooLarge, BodyTypeRefused
from sidecar.listener.asgi import header, is_json, read_body

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
    assert await read_body(SCOPE, receiving({"type": "http.request"}), 2) == b""


async def test_limits() -> None:
    """Too long, of another type, or cut off, it is refused."""
    with pytest.raises(BodyTooLarge):
        await read_body(SCOPE, receiving(chunk(b"12", more=True), chunk(b"3", more=True)), 2)
    with pytest.raises(MessageInvalid, match="left"):
        await read_body(SCOPE, receiving(chunk(b"1", more=True), {"type": "http.disconnect"}), 2)


@pytest.mark.parametrize(
    "given", [b"", b"text/plain", b"text/plain; application/json", b"application/jsonp", b"application/x-json", b"json"]
)
async def test_other_types_of_content(given: bytes) -> None:
    """A type that a page may send without asking, or none at all, is refused before the body is read; header named."""
    headers = [(b"content-type", given)] if given else []
    with pytest.raises(BodyTypeRefused, match=r"Content-Type header .* application/json"):
        await read_body({"headers": headers}, receiving(), 2)


@pytest.mark.parametrize("given", [b"application/json", b"Application/JSON ;charset=utf-8", b"application/rpc+json"])
def test_types_of_json(given: bytes) -> None:
    """JSON, in the forms that it is named in."""
    assert is_json(given)


def test_header() -> None:
    """The first of that name, or nothing."""
    scope: dict[str, Any] = {"headers": [(b"a", b"1"), (b"a", b"2")]}
    assert (header(scope, b"a"), header(scope, b"b")) == (b"1", b"")
