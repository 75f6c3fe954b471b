"""Answers of 31 MB: while one passes, nobody else waits for it, whatever way it comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.models import RemoteLaunch, ServerSpec, StdioLaunch
from sidecar.channels.connections import Connections
from sidecar.channels.remote import open_remote
from sidecar.channels.stdio import open_stdio
from sidecar.large import reader as large_reader
from sidecar.large.reader import LargeReader
from sidecar.protocol.channel import Channel, OnFrame
from sidecar.spawner.client import Spawner
from tests.support.fake_server import until, within
from tests.support.inprocess import World, space, world
from tests.support.raw_client import Client, Way, connected, read

PROGRAM = Path(__file__).parents[1] / "support" / "large_server.py"
SHARE = 0.25
"""Of the time of parsing the answer: the longest that others may have to wait for."""
ATTEMPTS = 3
"""One of them has to be short enough: the system's own work on a busy machine counts as CPU time, too."""


class Served:
    """A real server in a process of its own, as `World` takes its servers."""

    open = False

    def __init__(self, name: str, way: str, spawner: Spawner, large: LargeReader, result: Path) -> None:
        self.name = name
        self._way = way
        self._spawner = spawner
        self._large = large
        self._launch = StdioLaunch(command=sys.executable, args=(str(PROGRAM), way, str(result)))

    @contextlib.asynccontextmanager
    async def connect(self, on_frame: OnFrame) -> AsyncIterator[Channel]:
        """Connect to it over stdio, or start it and connect to its port."""
        if self._way == "stdio":
            opened = open_stdio(self._spawner, self._launch, on_frame=on_frame, redact=str, read_large=self._large.read)
            async with opened as channel:
                yield channel
            return
        process = await asyncio.create_subprocess_exec(
            self._launch.command, *self._launch.args, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{int(await process.stdout.readline())}/"
            transport = "sse" if self._way == "sse" else "http"
            launch = RemoteLaunch(url=url, transport=transport)
            async with (
                Connections(self._large.read) as connections,
                open_remote(launch, on_frame=on_frame, transport=transport, connections=connections) as remote,
            ):
                yield remote
        finally:
            process.kill()
            await process.communicate()


class Place:
    """A hub with two servers, each in a workspace: `large`, whose result the test writes to `result`, and `small`."""

    def __init__(self, hub: World, large: LargeReader, result: Path) -> None:
        self.hub = hub
        self.large = large
        self.result = result

    def client(self, workspace: str, way: Way) -> Any:
        """A client of a workspace."""
        return connected(self.hub.settings.sidecar_port, workspace, way)


@contextlib.asynccontextmanager
async def place(way: str, template: str = "{name}") -> AsyncIterator[Place]:
    """The hub runs, and its servers are ready."""
    with tempfile.TemporaryDirectory(prefix="hub") as short:
        root = Path(short)
        result = root / "result.json"
        result.write_bytes(b"{}")
        async with Spawner(root / "run") as spawner, LargeReader(spawner) as large:
            servers: Any = [
                Served("large", way, spawner, large, result),
                Served("small", "stdio", spawner, large, result),
            ]
            async with world(root / "data", *servers, serve=True) as hub:
                for server in servers:
                    spec = ServerSpec(key=server.name, namespace=server.name, launch=StdioLaunch(command=server.name))
                    hub.put(spec, space(server.name, name=server.name, template=template))
                await until(lambda: all(upstream.state == "ready" for upstream in hub.hub.pool))
                yield Place(hub, large, result)


@cache
def body(kind: str) -> bytes:
    """A result of some 31 MB: one text, or 600,000 small items; or a third of that, which is as large a proof."""
    part = 1 if kind.startswith("whole") else 3
    if kind.endswith("text"):
        return orjson.dumps({"content": [{"type": "text", "text": "é\u2028" + "x" * (31_000_000 // part)}]})
    items = [{"n": number, "name": f"item {number}", "ok": True} for number in range(600_000 // part)]
    return orjson.dumps({"content": [], "structuredContent": {"items": items}})


def cpu(work: Callable[[], object]) -> float:
    """The least CPU time of three runs, in seconds."""
    taken = []
    for _ in range(3):
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return min(taken)


@pytest.fixture
def longest_turn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The longest CPU time of one callback of the loop since the list was last empty. No collector disturbs it."""
    longest: list[float] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        longest[:] = [max([*longest, time.thread_time() - began])]

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    gc.collect()
    gc.disable()
    yield longest
    gc.enable()


async def meanwhile(client: Client, work: asyncio.Task[list[bytes]]) -> int:
    """How many calls of another client are answered while `work` lasts."""
    answered = 0
    while not work.done():
        assert read(await client.call("small"))["result"]["content"][0]["text"] == "small"
        answered += 1
    return answered


@pytest.mark.parametrize(
    ("kind", "up", "down"),
    [
        ("whole text", "stdio", "http"),
        ("whole items", "stdio", "sse"),
        ("items", "json", "modern"),
        ("text", "stream", "sse"),
        ("items", "sse", "http"),
    ],
)
async def test_nobody_else_waits(kind: str, up: str, down: Way, longest_turn: list[float]) -> None:
    """No turn of the loop takes a quarter of the time that parsing the answer takes; the answer is the server's."""
    async with place(up) as hub, hub.client("large", down) as one, hub.client("small", "http") as other:
        for client in (one, other):
            await client.call("small")
        hub.result.write_bytes(body(kind))
        expected = orjson.loads(body(kind))
        parsing = cpu(lambda: orjson.loads(body(kind)))
        turns = []
        while min(turns, default=parsing) >= SHARE * parsing and len(turns) < ATTEMPTS:
            await asyncio.sleep(0)
            longest_turn.clear()
            call = asyncio.create_task(one.call("large"))
            assert await meanwhile(other, call) >= 20
            turns.append(max(longest_turn))
            result = read(await call)["result"]
            assert {name: result[name] for name in expected} == expected
    assert min(turns) < SHARE * parsing, turns


BAD = {
    "cut": (b'{"content":[{"type":"text","text":"' + b"x" * (2 << 20), "SERVER_ANSWER_INVALID"),
    "deep": (b'{"content":[' + b"[" * (2 << 20) + b"]" * (2 << 20) + b"]}", "SERVER_ANSWER_INVALID"),
    "integer": (b'{"content":[],"n":' + b"9" * (2 << 20) + b"}", "SERVER_ANSWER_INVALID"),
    "no list": (b'{"content":{"x":"' + b"x" * (2 << 20) + b'"}}', "SERVER_ANSWER_INVALID"),
    "too long": (b'{"content":["' + b"x" * (33 << 20) + b'"]}', "SERVER_OUTPUT_TOO_LARGE"),
}


async def test_bad_answers() -> None:
    """What is refused of small answers is refused of large ones, with the same codes; the server goes on."""
    async with place("stdio") as hub, hub.client("large", "http") as client:
        for name, (result, code) in BAD.items():
            hub.result.write_bytes(result)
            error = read(await client.call("large")).get("error")
            assert error is not None, name
            assert error["data"]["code"] == code, name
        hub.result.write_bytes(b'{"content":["' + b"\xff" * (2 << 20) + b'"]}')
        assert read(await client.call("large"))["result"]["content"] == ["\ufffd" * (2 << 20)]
        assert read(await client.call("small"))["result"]["content"][0]["text"] == "small"


def links(count: int) -> bytes:
    """A result with many links to resources, and one resource that is large itself."""
    found = [{"type": "resource_link", "uri": f"file:///{number}", "name": "\u2028"} for number in range(count)]
    inside = {"uri": "file:///blob", "blob": "x" * (2 << 20)}
    return orjson.dumps({"content": [*found, {"type": "resource", "resource": inside}], "isError": False})


async def test_uris_get_their_labels(longest_turn: list[float]) -> None:
    """They are renamed as in small answers, while others are served, in a workspace that prefixes."""
    async with place("stdio", "{namespace}_{name}") as hub, hub.client("large", "sse") as client:
        await client.call("large_small")
        hub.result.write_bytes(links(100_000))
        await asyncio.sleep(0)
        longest_turn.clear()
        answer = await client.call("large_large")
        longest = max(longest_turn)
        result = read(answer)["result"]
    expected = orjson.loads(links(100_000).replace(b"file:///", b"file://large/"))
    assert result == expected
    assert longest < SHARE * cpu(lambda: orjson.loads(links(100_000)))


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_process_that_fails(hangs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs the one answer, at once; the next is read by another process, and none is left in the end."""
    good = orjson.dumps({"content": [{"type": "text", "text": "x" * (2 << 20)}]})
    async with place("stdio") as hub, hub.client("large", "http") as client:
        hub.result.write_bytes(good)
        assert "result" in read(await client.call("large"))
        first = hub.large.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        monkeypatch.setattr(large_reader, "READ_TIMEOUT", 0.5 if hangs else 60.0)
        call = asyncio.create_task(client.call("large"))
        if not hangs:
            await until(lambda: hub.large.busy)
            os.kill(first, signal.SIGKILL)
        error = read(await within(call))["error"]
        assert error["data"]["code"] == "LARGE_ANSWER_FAILED"
        monkeypatch.setattr(large_reader, "READ_TIMEOUT", 60.0)
        assert "result" in read(await client.call("large"))
        last = hub.large.pid
        assert last not in (None, first)
    for pid in (first, last):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_an_idle_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there for as long as large answers come."""
    monkeypatch.setattr(large_reader, "IDLE_TIMEOUT", 0.05)
    async with place("stdio") as hub, hub.client("large", "modern") as client:
        assert hub.large.pid is None
        hub.result.write_bytes(orjson.dumps({"content": [{"type": "text", "text": "x" * (2 << 20)}]}))
        assert len(read(await client.call("large"))["result"]["content"][0]["text"]) == 2 << 20
        await until(lambda: hub.large.pid is None)


async def test_the_last_words_of_a_server() -> None:
    """A large answer is delivered though the server has ended meanwhile."""
    async with place("stdio") as hub, hub.client("large", "http") as client:
        hub.result.write_bytes(orjson.dumps({"content": [{"type": "text", "text": "x" * (20 << 20)}], "last": True}))
        await client.call("small")
        answer = read(await client.ask("tools/call", {"name": "large", "arguments": {"end": True}}))
        assert len(answer["result"]["content"][0]["text"]) == 20 << 20
