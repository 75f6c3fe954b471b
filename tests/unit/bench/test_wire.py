"""The readers of the load client: HTTP/1.1 responses and SSE events, however they are cut."""

from __future__ import annotations

import pytest

from bench.wire import HttpReader, SseReader, WireError

EVENTS = b"event: endpoint\r\ndata: /messages/?session_id=1\r\n\r\n: ping\r\n\r\ndata: a\r\ndata: b\r\n\r\n"
PARSED = [(b"endpoint", b"/messages/?session_id=1"), (b"message", b"a\nb")]


class Recorder:
    """Notes what an HttpReader reads."""

    def __init__(self) -> None:
        self.responses: list[tuple[int, bytes]] = []
        self._status, self._body = 0, b""
        self.reader = HttpReader(self._head, self._piece, self._end)

    def _head(self, status: int, _: bytes) -> None:
        self._status, self._body = status, b""

    def _piece(self, piece: bytes) -> None:
        self._body += piece

    def _end(self) -> None:
        self.responses.append((self._status, self._body))


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _sse(data: bytes, size: int) -> list[tuple[bytes, bytes]]:
    events: list[tuple[bytes, bytes]] = []
    reader = SseReader(lambda name, body: events.append((name, body)))
    for piece in _pieces(data, size):
        reader.feed(piece)
    return events


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_responses_with_length_chunks_and_none(size: int) -> None:
    """Sized, chunked and bodiless responses in a row are told apart, in pieces of any size."""
    data = (
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nAccepted"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n2\r\n\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n"
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
        b"HTTP/1.1 204 No Content\r\n\r\n"
    )
    recorder = Recorder()
    for piece in _pieces(data, size):
        recorder.reader.feed(piece)
    assert recorder.responses == [(202, b"Accepted"), (200, b"abc\r\n"), (202, b""), (204, b"")]


def test_body_until_the_connection_closes() -> None:
    """A response without a length passes its body on as it comes, and has no end."""
    pieces: list[bytes] = []
    reader = HttpReader(lambda *_: None, pieces.append, lambda: pytest.fail("ended"))
    reader.feed(b"HTTP/1.1 200 OK\r\n\r\none")
    reader.feed(b"two")
    assert pieces == [b"one", b"two"]


def test_not_http() -> None:
    """Bytes that are not HTTP raise WireError."""
    with pytest.raises(WireError, match="not an HTTP response"):
        Recorder().reader.feed(b"SSH-2.0-x\r\n\r\n")


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"])
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_events_with_either_line_ending(ending: bytes, size: int) -> None:
    """Events end with either line ending, cut anywhere; comments are left out."""
    assert _sse(EVENTS.replace(b"\r\n", ending), size) == PARSED


def test_data_without_a_space() -> None:
    """One space after the colon is optional, a second one belongs to the data."""
    assert _sse(b"data:x\n\ndata:  y\n\n", 1000) == [(b"message", b"x"), (b"message", b" y")]
