"""Two keys of one hub, and requests that try to reach across: neither sees a byte of the other's.

HUB_TEST_HOSTILE is how many hostile requests are sent; more are the same ones again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.support.framings import requests
from tests.support.run import Run, prepared
from tests.support.yamcp import mock, write_in_place

TOKEN = "the-hubs-own-token-between-two-keys"
KEYS = ("alpha", "beta")
HOSTILE = int(os.environ.get("HUB_TEST_HOSTILE", "1000"))
AT_ONCE = 24
PATIENCE = 1.0  # seconds
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@dataclass
class ClientGroup:
    """One key, with a session in its workspace."""

    name: str
    token: str
    http: httpx2.AsyncClient
    session: str = ""
    calls: int = 0

    async def greet(self) -> None:
        """Open the session, once the key counts."""
        client = {"name": self.name, "version": "1"}
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        async with asyncio.timeout(100):
            while (reply := await self._post("initialize", params)).status_code != 200:
                assert reply.status_code == 401, reply.text
        self.session = reply.headers["mcp-session-id"]

    async def call(self) -> None:
        """Have a word of its own come back; no other does."""
        self.calls += 1
        word = f"{self.name}-own-{self.calls}"
        reply = await self._post("tools/call", {"name": f"{self.name}_echo", "arguments": {"text": word}})
        assert (reply.status_code, _text(reply.json())) == (200, word)

    async def _post(self, method: str, params: dict[str, Any]) -> httpx2.Response:
        frame = {"jsonrpc": "2.0", "id": self.calls, "method": method, "params": params}
        headers = HEADERS | ({"Mcp-Session-Id": self.session} if self.session else {})
        return await self.http.post(f"/mcp/{self.name}", json=frame, headers=headers)

    def hostile(self, other: ClientGroup) -> list[bytes]:
        """Requests with this key to the other's workspace, in whose bodies this key calls its own server."""
        frame = {"jsonrpc": "2.0", "id": 9, "method": "tools/call",
                 "params": {"name": f"{self.name}_echo", "arguments": {"text": f"{self.name}-smuggled"}}}  # fmt: skip
        body = json.dumps(frame).encode()
        own = [b"Authorization: Bearer " + self.token.encode(), b"Mcp-Session-Id: " + self.session.encode()]
        line = b"POST /mcp/%b HTTP/1.1" % self.name.encode()
        kind = [b"Host: localhost", b"Accept: application/json, text/event-stream", b"Content-Type: application/json"]
        whole = b"\r\n".join([line, *kind, *own, b"Content-Length: %d" % len(body), b"", body])
        half = b"\r\n".join([line, *kind, *own, b"X-Swallow: "])
        path = f"/mcp/{other.name}".encode()
        return [
            data for payload in (whole, half) for data in requests(b"localhost", path, (own[0], *kind[1:]), payload)
        ]


def _text(frame: dict[str, Any]) -> str:
    return str(frame["result"]["content"][0]["text"])


@pytest.fixture
async def hub() -> AsyncIterator[Run]:
    """A protected hub with a workspace for each key, of one server each."""
    async with prepared(HUB_TOKEN=TOKEN) as run:
        (run.root / "yamcp").mkdir()
        write_in_place(run.root / "yamcp/workspaces.json", {name: [name] for name in KEYS})
        write_in_place(run.root / "yamcp/providers.json", {name: mock(name) for name in KEYS})
        await run.start()
        await run.until("Streamable HTTP")
        yield run
        assert (await run.end(signal.SIGTERM))[0] == 0


async def send(port: int, data: bytes) -> bytes:
    """Send bytes on a connection of their own; all that comes back before it ends, or nothing comes for a while."""
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            async with asyncio.timeout(PATIENCE):
                while piece := await reader.read(65536):
                    answer += piece
                    if b"\r\n0\r\n\r\n" in answer or b'"error"' in answer:
                        break
        finally:
            writer.transport.abort()
    return answer


@pytest.mark.timeout(600 + HOSTILE // 50)
async def test_neither_key_sees_a_byte_of_the_others(hub: Run) -> None:
    """While both work, each sends requests whose bodies are requests: answers go to whoever asked, and none is done."""
    base = f"http://127.0.0.1:{hub.port}"
    async with contextlib.AsyncExitStack() as stack:
        client_groups = []
        for name in KEYS:
            token = json.loads((await hub.hubctl("keys", "add", name, "--workspace", name, "--json"))[1])["token"]
            auth = {"Authorization": f"Bearer {token}"}
            http = await stack.enter_async_context(httpx2.AsyncClient(base_url=base, headers=auth, timeout=100))
            client_groups.append(ClientGroup(name, token, http))
            await client_groups[-1].greet()
        pairs = list(zip(client_groups, reversed(client_groups), strict=True))
        both = ([(one.name, data) for data in one.hostile(other)] for one, other in pairs)
        sent = itertools.chain.from_iterable(zip(*both, strict=True))
        mixed = enumerate(itertools.islice(itertools.cycle(sent), HOSTILE))
        said: dict[str, list[bytes]] = {name: [] for name in KEYS}

        async def attack() -> None:
            for number, (owner, data) in mixed:
                said[owner].append(await send(hub.port, data))
                if number % 4 == 0:
                    await asyncio.gather(*(party.call() for party in client_groups))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(attack())
        for one, other in pairs:
            assert one.calls > HOSTILE // 8
            answers = said[one.name]
            assert sum(map(bool, answers)) > len(answers) // 2
            assert [answer for answer in answers if f"{other.name}-".encode() in answer] == []
            assert [answer for answer in answers if b"-smuggled" in answer] == []
            await one.call()
