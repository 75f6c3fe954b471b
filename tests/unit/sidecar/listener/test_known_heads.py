"""Which requests look like one that was served."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.listener.known_heads import KnownHead, known_head, line_of

HEAD = b"POST /w/messages?id=5 HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nAccept: application/json\r\n\r\n"


def made(head: bytes) -> KnownHead[None] | None:
    """A known head; what it takes is of no interest here."""
    return known_head(head, lambda *_: True, 7)


def of(head: bytes = HEAD) -> KnownHead[None]:
    """The same, of a head that may be known."""
    found = made(head)
    assert found is not None
    return found


@pytest.mark.parametrize("length", [0, 1, 12, 999999999])
def test_only_the_length_may_be_another(length: int) -> None:
    """What follows the head is given, with the length that it says."""
    head = HEAD.replace(b": 12", b": %d" % length)
    assert of().split(head + b"abc") == (b"abc", length)
    assert of(head).split(HEAD) == (b"", 12)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b"id=5", b"id=6"),
        (b"Host: x", b"Host: y"),
        (b"Host: x", b"host: x"),
        (b"application/json", b"application/jsox"),
        (b" 12", b"  12"),
        (b" 12", b" 12 "),
        (b" 12", b" +12"),
        (b" 12", b" 0x1"),
        (b" 12", b" 1_2"),
        (b" 12", b" \xb2"),
        (b" 12", b" "),
        (b" 12", b" 1234567890"),
        (b" 12", b" 12, 12"),
        (b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (b"\r\n\r\n", b"\r\n\r"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"POST", b"PUT"),
    ],
)
def test_anything_else_may_not(part: bytes, instead: bytes) -> None:
    """Another byte anywhere, and it is another one."""
    other = HEAD.replace(part, instead)
    assert other != HEAD
    assert of().split(other + b"{}") is None


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2 \r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nConnection: keep-alive, x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nUpgrade: websocket\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\n folded\r\n\r\n",
    ],
)
def test_what_is_not_plain_has_no_known_head(head: bytes) -> None:
    """Whatever says more of how it is to be read, or answered."""
    assert made(head) is None


def test_keep_alive_is_plain() -> None:
    """It is what HTTP/1.1 does anyway."""
    assert made(b"POST / HTTP/1.1\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\n") is not None


def test_terms_and_line() -> None:
    """A known head has the config_version that held when it was made; it is found by the request line."""
    assert of().config_version == 7
    assert line_of(HEAD) == b"POST /w/messages?id=5 HTTP/1.1"


class Parsed:
    """What uvicorn's parser makes of a request."""

    def __init__(self, data: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = self.body = b""
        self.requests = 0
        httptools.HttpRequestParser(self).feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.requests += 1

    def told(self) -> Any:
        """All but the length."""
        return self.url, [header for header in self.headers if header[0].lower() != b"content-length"]


NAMES = st.sampled_from([b"Host", b"Accept", b"X", b"content-length", b"Connection", b"TE", b"Transfer-Encoding"])
VALUES = st.sampled_from([b"x", b"2", b"14", b" 2", b"\t2", b"2\t", b"keep-alive", b"close", b"chunked", b"a: b", b""])
HEADS = st.builds(
    lambda line, fields: line + b"".join(b"\r\n%b:%b" % field for field in fields) + b"\r\n\r\n",
    st.sampled_from([b"POST /a HTTP/1.1", b"POST /b?c=d HTTP/1.1", b"POST /a HTTP/1.0", b"POST  /a HTTP/1.1"]),
    st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4),
)


@given(HEADS, HEADS, st.integers(0, 20))
def test_a_lane_reads_as_the_parser_does(seen: bytes, next_one: bytes, size: int) -> None:
    """What is taken for a known head the parser reads as the same request, with that body, and no other behind it."""
    try:
        first = Parsed(seen)
    except httptools.HttpParserError:
        return  # it would not have been served
    found = made(seen)
    for data in (
        next_one + b"b" * size,
        seen.replace(b"14", b"%d" % size).replace(b":2\r", b":%d\r" % size) + b"b" * size,
    ):
        parts = found.split(data) if found is not None else None
        if parts is None or len(parts[0]) != parts[1]:
            continue
        parsed = Parsed(data)
        assert (parsed.told(), parsed.body, parsed.requests) == (first.told(), parts[0], 1)
