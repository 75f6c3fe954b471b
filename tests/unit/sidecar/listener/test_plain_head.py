"""Which heads are plain: those that uvicorn's parser, and the front's, read in the same way, and no others."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.listener.plain_head import HEAD_END, MAX_HEAD_BYTES, PlainHead, may_become_plain, plain_head
from sidecar.replicas.others import PATH
from tests.support.framings import FRAMINGS, METHODS, requests

HOST = b"Host: hub.example\r\n"


class Parsed:
    """What the parser makes of bytes."""

    def __init__(self, data: bytes) -> None:
        self.bodies: list[bytes] = []
        self.ended = 0
        self.headers: dict[bytes, bytes] = {}
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.upgrade = parser.should_upgrade()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self.bodies.append(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        self.ended += 1


def post(*lines: bytes, path: bytes = b"/mcp/w", method: bytes = b"POST") -> bytes:
    """A head with these lines after the Host."""
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, path), b"Host: hub.example", *lines]) + HEAD_END


def test_what_clients_send_is_plain() -> None:
    """With what it says."""
    assert plain_head(
        post(b"content-length: 12", b"Authorization: Bearer x", b"Connection: keep-alive", b"sec-fetch-mode: cors")
    ) == PlainHead(12, "hub.example", b"Bearer x")
    assert plain_head(post(method=b"GET", path=b"/mcp/w/sse")) == PlainHead(0, "hub.example", b"")
    assert plain_head(post(method=b"DELETE", path=b"/mcp/w?a=b%20c")) == PlainHead(0, "hub.example", b"")
    for path, of_replica in ((PATH.encode(), True), (b"/mcp/w", False)):
        found = plain_head(post(b"Content-Length: 1", path=path))
        assert found
        assert found.of_replica is of_replica


@pytest.mark.parametrize(
    "head",
    [
        post(b"Content-Length: 1", path=path)
        for path in (b"/mcp", b"/mcp/", b"/mcp//w", b"/mcp/%77", b"/mcp/w/..", b"/mcp/w;x", b"/mcp/w#", b"/MCP/w", b"/")
    ]
    + [post(b"Content-Length: 1", line) for line in (
        b"Origin: http://evil.example", b"Sec-Fetch-Site: cross-site", b"Expect: 100-continue", b"Upgrade: h2c",
        b"TE: trailers", b"Transfer-Encoding: chunked", b"Content-Length: 1", b"Host: other.example", b"Accept : x",
        b" folded", b"Mcp-Session-Id: a\x00b", b"Connection: upgrade", b"Connection: close, host", b"X: a\nY: b",
        b"Authorization: a\r\nAuthorization: b", b"X-Long: " + b"x" * MAX_HEAD_BYTES,
    )]
    + [post(), post(b"Content-Length: +1"), post(b"Content-Length: "), post(b"Content-Length: 1234567890")]
    + [post(b"Content-Length: 0", method=b"GET"), post(method=b"OPTIONS"), post(method=b"PUT")]
    + [b"POST /mcp/w HTTP/1.0\r\n" + HOST + b"Content-Length: 1\r\n\r\n"]
    + [b"POST /mcp/w HTTP/1.1\r\nContent-Length: 1\r\n\r\n"],
)  # fmt: skip
def test_what_is_in_any_doubt_is_not(head: bytes) -> None:
    """The front decides on it."""
    assert plain_head(head) is None


def test_of_all_framings_one_or_two_are_plain() -> None:
    """A length on POST, or no body: the parser finds the same end."""
    plain = set()
    for number, data in enumerate(requests(b"hub.example", b"/mcp/one")):
        head = data[: data.index(HEAD_END) + len(HEAD_END)]
        method, framing = METHODS[number // len(FRAMINGS)], FRAMINGS[number % len(FRAMINGS)]
        if (found := plain_head(head)) is not None:
            plain.add((method, framing.name))
            assert len(data) == len(head) + found.length
            parsed = Parsed(data)
            assert (parsed.ended, parsed.upgrade, len(b"".join(parsed.bodies))) == (1, False, found.length)
    assert plain == {("GET", "none"), ("DELETE", "none"), ("POST", "length 0"), ("POST", "length")} | {
        ("POST", f"length {name}") for name in ("in odd case", "leading zeros")
    }


LINES = st.lists(
    st.sampled_from(
        [b"Content-Length: 3", b"content-length:3", b"Content-Length: 03", b"Content-Length: 3 ",
         b"Content-Length: 3,3", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: keep-alive",
         b"Connection: x", b"X-A: b",
         b"x-a:\tb\t", b"X-A: \xff", b"X-A", b":", b"X A: b", b"X-A: b\rX-B: c", b"Expect: x", b"", b"Accept: a"]
    )
    | st.binary(max_size=20),
    max_size=6,
)  # fmt: skip


@given(LINES)
def test_the_parser_finds_the_same_end(lines: list[bytes]) -> None:
    """Of whatever is plain: one request, its body as long, no upgrade; what comes next is the next one's."""
    head = post(*lines)
    head = head[: head.index(HEAD_END) + len(HEAD_END)]
    if (found := plain_head(head)) is None:
        return
    parsed = Parsed(head + b"x" * found.length)
    assert (parsed.ended, parsed.upgrade, b"".join(parsed.bodies)) == (1, False, b"x" * found.length)
    assert parsed.headers[b"host"] == b"hub.example"


def test_half_a_head_may_become_plain() -> None:
    """As long as it begins like one, and is not too long."""
    whole = post(b"Content-Length: 1")
    assert all(may_become_plain(whole[:end]) for end in range(len(whole)))
    assert not any(
        map(may_become_plain, (b"PUT", b"POST /api", b"GET /mcpx", b"\r\n", whole[:-1] + b"x" * MAX_HEAD_BYTES))
    )
