"""No request is smuggled into the hub (RFC 9112, 11.2): every method with every framing, on the wire.

Behind the front stands a backend that keeps every byte. Behind the acceptor stand that front, and the sidecar's HTTP
server with an application that keeps every request. Directly, and behind nginx and Caddy set up as examples/proxy says:
what they make of a request is what the hub gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge import front_settings
from bridge.runtime import prepare_runtime_dir
from bridge.settings import Settings
from hubctl.run.run import acceptor
from sidecar.listener.asgi import respond
from sidecar.listener.public_port import PublicPort, listen
from sidecar.listener.server import HttpServer
from tests.integration.proxies.proxies import HOST, KINDS, listening, program, proxy
from tests.support.framings import FRAMINGS, METHODS, NOTHING, PAIR, RAW, SMUGGLED, requests
from tests.support.hub import COMMANDS, free_ports
from tests.support.recorder import Recorder, Seen
from tests.support.yamcp import ROOT

PATH = b"/mcp/one"
AT_ONCE = 32
PATIENCE = 2.0
"""Seconds after which a connection that says nothing is given up: the front waits for more of a body."""
ANSWERED = 100.0
"""The same for a request that is always answered."""


@dataclass(frozen=True)
class Place:
    """Where requests go to, and where those that pass arrive."""

    port: int
    trust: ssl.SSLContext | None
    recorder: Recorder
    front: asyncio.subprocess.Process
    served: list[Seen]
    """What arrived at the sidecar without the front."""
    direct: bool = True
    """Whether something is to arrive there."""

    async def ended(self) -> None:
        """End the front; all that it passed on has arrived."""
        self.front.terminate()
        await asyncio.wait_for(self.front.wait(), 100)
        await asyncio.wait_for(self.recorder.drained(), 100)


def settings_of(root: Path, port: int, behind: int) -> Settings:
    """Of an unprotected hub."""
    return Settings(
        port=port,
        sidecar_port=behind,
        data_dir=root / "data",
        runtime_dir=root / "run",
        yamcp_dir=root / "yamcp",
        allowed_hosts=HOST,
    )


@contextlib.asynccontextmanager
async def process(log: Path, *words: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of the hub; ended afterwards."""
    with log.open("wb") as out:
        made = await asyncio.create_subprocess_exec(
            *words, env={"PATH": os.environ["PATH"], **env}, cwd=ROOT, stdout=out, stderr=out
        )
    try:
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            made.kill()
        await made.wait()


@contextlib.asynccontextmanager
async def front(settings: Settings, log: Path, **options: bool) -> AsyncIterator[asyncio.subprocess.Process]:
    """A front with nothing beside it but what listens on the sidecar's port."""
    given = {front_settings.VARIABLE: front_settings.FrontSettings.of(settings, **options).value()}
    async with process(log, *COMMANDS["front"], **given) as made:
        yield made


@contextlib.asynccontextmanager
async def public(root: Path, settings: Settings) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[Seen]]]:
    """The public port: acceptor, front, and the sidecar's part in it, in this process."""
    served: list[Seen] = []

    async def keep(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        served.append(Seen(scope["raw_path"], dict(scope["headers"]), body))
        await respond(send, 200, b"{}", b"application/json")

    server, stop = HttpServer(keep, settings), asyncio.Event()
    server.config.load()
    words = [*acceptor(settings), "--host", "127.0.0.1", "--port", str(settings.port)]
    prepare_runtime_dir(settings.runtime)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(PublicPort(settings, server, None).run(stop, listen(settings)))
        async with (
            front(settings, root / "front.log", behind_acceptor=True) as made,
            process(root / "acceptor.log", *words) as before,
        ):
            await listening(settings.port, before, root / "acceptor.log")
            yield made, served
        stop.set()


@pytest.fixture(params=["front", "public", *sorted(KINDS)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """The front alone, the public port, or that behind a proxy."""
    name, (own, behind, before) = request.param, free_ports(3)
    if name in KINDS:
        program(name)
    with tempfile.TemporaryDirectory(prefix="hub") as short:  # Unix sockets lie below it
        root = Path(short)
        settings = settings_of(root, own, behind)
        async with contextlib.AsyncExitStack() as stack:
            recorder = await stack.enter_async_context(Recorder(behind))
            if name == "front":
                made = await stack.enter_async_context(front(settings, root / "front.log"))
                await listening(own, made, root / "front.log")
                yield Place(own, None, recorder, made, [], direct=False)
                return
            made, served = await stack.enter_async_context(public(root, settings))
            if name == "public":
                yield Place(own, None, recorder, made, served)
            else:
                way = await stack.enter_async_context(proxy(name, tmp_path / name, before, own))
                yield Place(before, way.trust, recorder, made, served)


async def send(place: Place, data: bytes, patience: float = PATIENCE) -> bytes:
    """Send bytes on a connection of their own; what is answered, up to its end or that of patience (seconds)."""
    name = HOST if place.trust else None
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, ssl.SSLError):
        async with asyncio.timeout(patience):
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


async def answering(place: Place) -> None:
    """Wait until a page is answered, so that the front is there."""
    while b" 404 " not in await send(place, b"GET /hub/nothing HTTP/1.1\r\nHost: %b\r\n\r\n" % HOST.encode()):  # noqa: ASYNC110 (no event tells of it)
        await asyncio.sleep(0.02)


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
    await asyncio.wait_for(answering(place), 100)
    hostile = requests(HOST.encode(), PATH)
    assert len(hostile) == len(METHODS) * len(FRAMINGS) >= 782
    plain = b"GET %b HTTP/1.1\r\nHost: %b\r\nX-Pair: after\r\n\r\n" % (PATH, HOST.encode())
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(data: bytes, *, answered: bool) -> bytes:
        async with limit:
            return await send(place, data, ANSWERED if answered else PATIENCE)

    await asyncio.gather(*(one(data, answered=_is_plain(number)) for number, data in enumerate(hostile)))
    after = await asyncio.gather(*(one(plain, answered=True) for _ in range(AT_ONCE)))
    assert {answer.split(b" ")[1] for answer in after} == {b"200"}
    await place.ended()
    assert place.recorder.faults == []
    arrived = [*place.recorder.seen, *place.served]
    assert [seen for seen in arrived if SMUGGLED in seen.line or b"x-swallow" in seen.headers] == []
    assert [seen for seen in arrived if PAIR not in seen.headers] == []
    passed = [int(seen.headers[PAIR]) for seen in arrived if seen.headers[PAIR] != b"after"]
    assert len(passed) == len(set(passed))
    assert bool(place.served) is place.direct, "plain requests pass no front, where there is an acceptor"
    expected = {number for number in range(len(hostile)) if _is_plain(number)}
    assert expected <= set(passed)


def _is_plain(number: int) -> bool:
    """Whether a request of that number has to pass: nothing is wrong with it."""
    method, framing = METHODS[number // len(FRAMINGS)], FRAMINGS[number % len(FRAMINGS)]
    if method in ("GET", "POST", "DELETE") and framing.body == NOTHING:
        return True
    return method == "POST" and framing.name in ("length", "chunked") and framing.body in (RAW, "chunked")
