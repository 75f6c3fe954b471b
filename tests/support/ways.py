"""A hub in the test's loop of which is known which calls took the direct way, and clients of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.support.fake_server import FakeServer, Gate, RpcError, text
from tests.support.inprocess import World, space, world
from tests.support.peers import Exchange, HttpPeer, SsePeer, connected

Peer = SsePeer | HttpPeer


class Ways:
    """The hub under test, and which calls of tools went the usual way."""

    def __init__(self, hub: World, server: FakeServer, gate: Gate) -> None:
        self.hub = hub
        self.server = server
        self.gate = gate
        self.usual: list[str] = []
        relay = hub.endpoint().relay
        answer = relay.answer

        async def answered(session: Any, call: Any, notify: Any) -> Any:
            if call.method == "tools/call":
                self.usual.append(str(call.params.get("name")))
            return await answer(session, call, notify)

        relay.answer = answered  # type: ignore[method-assign]

    @contextlib.asynccontextmanager
    async def peer(self, transport: Any, name: str = "w") -> AsyncIterator[Peer]:
        """A legacy client whose connection is known."""
        async with connected(f"{self.hub.base}/mcp/{name}", transport, "legacy") as peer:
            await peer.request("ping")
            yield peer

    def figures(self) -> dict[str, float]:
        """How often calls of the tools of `a` ended how."""
        page = self.hub.metrics.render()[0].decode()
        lines = [line for line in page.splitlines() if line.startswith("yamcp_hub_calls_total{")]
        return {line.split('outcome="')[1].split('"')[0]: float(line.split()[-1]) for line in lines if "tool=" in line}


def progress(channel: Any, frame: Any) -> Any:
    """A tool that tells of its progress."""
    token = frame["params"]["_meta"]["progressToken"]
    channel.notify("notifications/progress", {"progressToken": token, "progress": 1})
    return text("done")


@contextlib.asynccontextmanager
async def serving(root: Path, session: Any = "shared", limits: Any = None, **settings: Any) -> AsyncIterator[Ways]:
    """Workspace `w` of one server."""
    gate = Gate()

    def fail() -> Any:
        raise RpcError(-32021, "needs more", data={"requiredCapabilities": {"sampling": {}}})

    tools = {"echo": lambda **given: text(str(given)), "gate": gate, "progress": progress, "fail": fail}
    server = FakeServer(tools={**tools, "wrong": lambda: {"isError": True, "content": []}})
    async with world(root, server, serve=True, **settings) as made:
        made.put(server.spec("a", session=session, **(limits or {})), space("a"))
        if session == "shared":
            await made.settled()
        yield Ways(made, server, gate)


async def call(peer: Peer, tool: str, **arguments: Any) -> Exchange:
    """Call a tool."""
    return await peer.request("tools/call", {"name": f"a_{tool}", "arguments": arguments})
