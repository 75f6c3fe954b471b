"""Observers of the sidecar are told of each request for an endpoint that the front refused itself, once."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from bridge.models import NoteRefusals
from bridge.server import BridgeServer
from sidecar.listener.refusals import Refusals
from tests.support.admission import Watcher
from tests.support.fake_server import FakeServer, until
from tests.support.front import front_of
from tests.support.hub import free_port
from tests.support.inprocess import space, world
from tests.support.keys import HUB_TOKEN
from tests.support.peers import MODERN, client

CALLS = 20
WRONG = "yh_00000000_" + "x" * 43
FRAME = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a_echo", "arguments": {}}}


@contextlib.asynccontextmanager
async def fronted(http: httpx2.AsyncClient) -> AsyncIterator[tuple[str, Watcher]]:
    """A protected hub behind a front: the front's base URL, and who is told of its requests."""
    with tempfile.TemporaryDirectory(prefix="hub") as name:
        root, server, watcher = Path(name), FakeServer(), Watcher()
        async with world(root, server, serve=True, token=HUB_TOKEN, runtime_dir=root / "run") as hub:
            hub.hub.admission.add_observer(watcher)
            hub.put(server.spec("a"), space("a"))
            settings = hub.settings.model_copy(update={"port": free_port()})
            bridge = BridgeServer(settings.actual_address, {NoteRefusals: Refusals(hub.hub.admission).note})
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(bridge.serve())
                async with front_of(settings, http) as base:
                    yield base, watcher
                serving.cancel()


@pytest.mark.parametrize(("transport", "era"), [("sse", "legacy"), ("http", "legacy"), ("http", "modern")])
async def test_what_the_front_refuses(transport: str, era: str) -> None:
    """20 requests of each kind: with another Host, without a token, with wrong ones until they have to wait (429)."""
    wrong = {"authorization": f"Bearer {WRONG}"}
    cases = [({"host": "evil.example"}, {"HOST_REFUSED": CALLS}), ({}, {"TOKEN_REQUIRED": CALLS})]
    cases.append((wrong, {"TOKEN_INVALID": 10, "TOO_MANY_ATTEMPTS": CALLS - 10}))
    path = "/mcp/w/sse" if transport == "sse" else "/mcp/w"
    version = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call"} if era == "modern" else {}
    async with client("") as http, fronted(http) as (base, watcher):
        for headers, expected in cases:
            watcher.take()
            watcher.calls.clear()
            answered: Counter[str] = Counter()
            for _ in range(CALLS):
                if transport == "sse":
                    response = await http.get(base + path, headers=headers)
                else:
                    response = await http.post(base + path, headers={**version, **headers}, json=FRAME)
                answered[response.json()["error"]["data"]["code"]] += 1
            assert answered == expected
            await until(lambda: len(watcher.all) >= CALLS)
            seen = watcher.take()
            assert Counter(each.ending for each in seen) == expected
            for each in seen:
                assert (each.refused, each.transport, each.era, each.workspace) == (True, transport, era, "w")
            assert {(call.address, call.method) for call in watcher.calls} == {
                ("127.0.0.1", "tools/call" if era == "modern" else "")
            }
            assert WRONG not in str([(call.params, call.session, call.principal) for call in watcher.calls])
