"""Reading answers with limits, without a network."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from sidecar.channels import reading
from sidecar.errors import AnswerTooLarge, HandshakeFailed
from tests.support.fake_server import settle, until

MIB = 1 << 20


class Body:
    """A body that counts how much of it was taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.taken = 0
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.taken += len(piece)
            yield piece


def response(body: Body, status: int = 200, **headers: str) -> httpx2.Response:
    """An answer with this body."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx2.Request("POST", "http://user:secret@h/mcp?key=secret")
    return httpx2.Response(status, headers=sent, content=body, request=request)


def packed(size: int, coding: str = "gzip", byte: bytes = b"\0") -> bytes:
    """So many bytes, compressed."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | (16 if coding == "gzip" else 0))
    return b"".join([*(packer.compress(byte * MIB) for _ in range(size // MIB)), packer.flush()])


async def body_of(
    answer: httpx2.Response, places: asyncio.Semaphore | None = None, longest: int | None = None
) -> bytes:
    """The body, in one."""
    async with reading.body(answer, places, longest) as read:
        return read.joined()


def plain(pieces: int = 1000) -> Iterator[bytes]:
    """Many pieces of 64 KiB."""
    return (b"x" * 65536 for _ in range(pieces))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of 2 MiB at most."""
    monkeypatch.setattr(reading, "MAX_MESSAGE", 2 * MIB)


async def test_a_body_that_is_too_long() -> None:
    """It is given up at the limit, and the error names neither userinfo nor query."""
    body = Body(plain())
    with pytest.raises(AnswerTooLarge, match=r"^http://h/mcp answered with more than 2 MiB\.$"):
        await body_of(response(body))
    assert body.taken <= 2 * MIB + 65536


async def test_a_limit_of_the_settings() -> None:
    """A limit that is given counts instead of the default."""
    with pytest.raises(AnswerTooLarge, match=r"answered with more than 1 MiB\.$"):
        await body_of(response(Body(plain(20))), longest=MIB)
    assert len(await body_of(response(Body(plain(40))), longest=3 * MIB)) == 40 * 65536


async def test_a_body_that_says_so_itself() -> None:
    """What announces its length is not even begun with."""
    body = Body(plain())
    with pytest.raises(AnswerTooLarge):
        await body_of(response(body, content_length=str(2 * MIB + 1)))
    assert body.taken == 0


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "GZIP"])
async def test_bodies_are_decompressed(coding: str) -> None:
    """Up to the limit, which counts what comes out."""
    kind = "deflate" if coding == "deflate" else "gzip"
    read = await body_of(response(Body(iter([packed(MIB, kind, b"y")])), content_encoding=coding))
    assert read == b"y" * MIB
    with pytest.raises(AnswerTooLarge):
        await body_of(response(Body(iter([packed(3 * MIB, kind)])), content_encoding=coding))


async def test_what_a_few_bytes_stand_for_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousandfold ratio never makes a piece of more than 256 KiB."""
    bomb = packed(64 * MIB)
    assert len(bomb) < 100_000
    longest = 0
    async for piece in reading._pieces(response(Body(iter([bomb])), content_encoding="gzip")):
        longest = max(longest, len(piece))
    assert longest == reading._PIECE_SIZE


@pytest.mark.parametrize(("coding", "error"), [("br", HandshakeFailed), ("gzip", httpx2.DecodingError)])
async def test_what_cannot_be_decompressed(coding: str, error: type[Exception]) -> None:
    """An unknown coding is named, and broken data an error of the connection."""
    with pytest.raises(error):
        await body_of(response(Body(iter([b"nonsense"])), content_encoding=coding))


async def test_error_bodies() -> None:
    """Small ones are read; of large, broken and oddly coded ones, the status has to do."""
    assert await reading.error_body(response(Body(iter([b"a", b"b"])), 500)) == b"ab"
    body = Body(plain())
    assert await reading.error_body(response(body, 500)) == b""
    assert body.taken <= reading.MAX_ERROR + 65536
    for coding in ("br", "gzip"):
        assert await reading.error_body(response(Body(iter([b"x"])), 500, content_encoding=coding)) in (b"",)


async def test_bodies_that_nobody_needs() -> None:
    """64 KiB are read, compressed as they are."""
    body = Body(plain())
    await reading.drain(response(body, 202))
    assert body.taken <= reading.MAX_DRAIN + 65536
    bomb = Body(iter([packed(64 * MIB)]))
    await reading.drain(response(bomb, 202, content_encoding="gzip"))


@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_events(coding: str) -> None:
    """Compressed or not, events are read one by one, and one that is too long is an error."""

    def stream(text: bytes) -> httpx2.Response:
        if not coding:
            return response(Body(iter([text])), content_type="text/event-stream")
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        data = packer.compress(text) + packer.flush()
        return response(Body(iter([data])), content_type="text/event-stream", content_encoding=coding)

    found = [event.data async for event in reading.events(stream("data: ü\n\ndata: b\n\n".encode()))]
    assert found == ["ü", "b"]
    with pytest.raises(AnswerTooLarge):
        async for _ in reading.events(stream(b"data: " + b"x" * (3 * MIB) + b"\n\n")):
            pass


@pytest.mark.parametrize("stream", [True, False])
async def test_large_messages_take_turns(stream: bool) -> None:
    """Only so many of one origin are read at once beyond the first MiB, small ones among them as ever."""
    places, door = asyncio.Semaphore(1), asyncio.Event()

    class Slow(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in super().__aiter__():
                yield piece
                if self.taken > 3 * MIB // 2:
                    await door.wait()

    async def read(body: Body) -> int:
        answer = response(body, content_type="text/event-stream")
        if stream:
            return len([event async for event in reading.events(answer, places)])
        return len(await body_of(answer, places))

    def large() -> Slow:
        return Slow(iter([b"data: ", *([b"x" * 65536] * 28), b"\n\n"]))

    first, second = large(), large()
    one = asyncio.create_task(read(first))
    await until(lambda: first.taken > 3 * MIB // 2)
    two = asyncio.create_task(read(second))
    await until(lambda: second.taken > MIB)
    await settle()
    assert second.taken <= MIB + 65536 + 6
    assert await read(Body(iter([b"data: small\n\n"]))) > 0
    door.set()
    assert await one == await two == (1 if stream else 28 * 65536 + 8)
    assert not places.locked()
    cancelled = asyncio.create_task(read(large()))
    await settle()
    cancelled.cancel()
    await asyncio.wait([cancelled])
    assert not places.locked()
