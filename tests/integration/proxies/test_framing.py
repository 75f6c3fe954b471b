"""No request is smuggled through the front (RFC 9112, 11.2): every method with every framing, on the wire.

Behind the front stands a backend that keeps every byte. Directly, and behind nginx and Caddy set up as examples/proxy
says: what they make of a request is what the front gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.proxies.proxies import HOST, KINDS, listening, program, proxy
from tests.support.framings import FRAMINGS, METHODS, NOTHING, PAIR, RAW, SMUGGLED, requests
from tests.support.hub import COMMANDS, free_ports
from tests.support.recorder import Recorder

PATH = b"/mcp/one"
AT_ONCE = 32
PATIENCE = 2.0
"""Seconds after which a connection that says nothing is given up: the front waits for more of a body."""


@dataclass(frozen=True)
class Place:
    """Where requests go to, and where those that pass arrive."""

    port: int
    trust: ssl.SSLContext | None
    recorder: Recorder
    front: asyncio.subprocess.Process

    async def ended(self) -> None:
        """End the front; all that it passed on has arrived."""
        self.front.terminate()
        await asyncio.wait_for(self.front.wait(), 100)
        await asyncio.wait_for(self.recorder.drained(), 100)


@contextlib.asynccontextmanager
async def front(root: Path, port: int, behind: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A front of an unprotected hub, with nothing beside it but what listens on the sidecar's port."""
    own = {"HUB_PORT": port, "HUB_SIDECAR_PORT": behind, "HUB_DATA_DIR": root / "data", "HUB_RUNTIME_DIR": root / "run"}
    env = {"PATH": os.environ["PATH"], "HUB_ALLOWED_HOSTS": HOST, "HUB_YAMCP_DIR": str(root / "yamcp")}
    env |= {name: str(value) for name, value in own.items()}
    log = root / "front.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*COMMANDS["front"], env=env, stdout=out, stderr=out)
    try:
        await listening(port, process, log)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture(params=["front", *sorted(KINDS)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """The front alone, or behind a proxy."""
    name, (own, behind, before) = request.param, free_ports(3)
    if name != "front":
        program(name)
    async with contextlib.AsyncExitStack() as stack:
        recorder = await stack.enter_async_context(Recorder(behind))
        process = await stack.enter_async_context(front(tmp_path, own, behind))
        if name == "front":
            yield Place(own, None, recorder, process)
        else:
            way = await stack.enter_async_context(proxy(name, tmp_path / name, before, own))
            yield Place(before, way.trust, recorder, process)


async def send(place: Place, data: bytes) -> bytes:
    """Send bytes on a connection of their own; what is answered, up to the end of an answer or of patience."""
    name = HOST if place.trust else None
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, ssl.SSLError):
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", place.port, ssl=place.trust, server_hostname=name
            )
            try:
                writer.write(data)
                while not _is_whole(answer) and (piece := await reader.read(65536)):
                    answer += piece
            finally:
                writer.transport.abort()
    return answer


def _is_whole(answer: bytes) -> bool:
    """Whether a final answer's head and as much of its body as its Content-Length says is there."""
    while answer.startswith(b"HTTP/1.1 100"):
        answer = answer.partition(b"\r\n\r\n")[2]
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return not lengths or len(body) >= int(lengths[0].split(b":")[1])


async def test_no_request_arrives_that_was_not_sent_as_one(place: Place) -> None:
    """What is inside a body stays there, or is refused with it; nothing arrives that is not a whole request."""
    hostile = requests(HOST.encode(), PATH)
    assert len(hostile) == len(METHODS) * len(FRAMINGS) >= 782
    plain = b"GET %b HTTP/1.1\r\nHost: %b\r\nX-Pair: after\r\n\r\n" % (PATH, HOST.encode())
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(data: bytes) -> bytes:
        async with limit:
            return await send(place, data)

    await asyncio.gather(*map(one, hostile))
    after = await asyncio.gather(*(one(plain) for _ in range(AT_ONCE)))
    assert {answer.split(b" ")[1] for answer in after} == {b"200"}
    await place.ended()
    assert place.recorder.faults == []
    assert [seen for seen in place.recorder.seen if SMUGGLED in seen.line or b"x-swallow" in seen.headers] == []
    assert [seen for seen in place.recorder.seen if PAIR not in seen.headers] == []
    passed = [int(seen.headers[PAIR]) for seen in place.recorder.seen if seen.headers[PAIR] != b"after"]
    assert len(passed) == len(set(passed))
    expected = {number for number in range(len(hostile)) if _is_plain(number)}
    assert expected <= set(passed)


def _is_plain(number: int) -> bool:
    """Whether a request of that number has to pass: nothing is wrong with it."""
    method, framing = METHODS[number // len(FRAMINGS)], FRAMINGS[number % len(FRAMINGS)]
    if method in ("GET", "POST", "DELETE") and framing.body == NOTHING:
        return True
    return method == "POST" and framing.name in ("length", "chunked") and framing.body in (RAW, "chunked")
