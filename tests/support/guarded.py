"""A protected hub in the test's loop, whose principals are keys; access.json says what they may use."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from tests.support.fake_server import FakeServer
from tests.support.inprocess import World, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import client, connected


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as root:
        Path(root).chmod(0o700)
        yield Path(root)


class Guarded:
    """A protected hub with the keys `all` and `some`."""

    def __init__(self, made: World, keys: KeyFile) -> None:
        self.made = made
        self.keys = keys

    def peer(self, who: str, transport: Any, era: Any, able: Any = None, workspace: str = "w", **more: Any) -> Any:
        """A client with that key."""
        token, uds = self.keys.tokens[who], self.made.settings.sidecar_socket
        return connected(f"http://hub/mcp/{workspace}", transport, era, able, token=token, uds=uds, **more)

    async def status(self, who: str, workspace: str, session: str = "") -> tuple[int, Any]:
        """The status and the answer of a request to a workspace."""
        headers = {"accept": "application/json, text/event-stream", "mcp-session-id": session or "x"}
        async with client(self.keys.tokens[who], self.made.settings.sidecar_socket) as http:
            frame = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            response = await http.post(f"http://hub/mcp/{workspace}", json=frame, headers=headers)
            return response.status_code, response.json()


@contextlib.asynccontextmanager
async def guarded(
    root: Path, *servers: FakeServer, names: tuple[str, ...] = ("all", "some"), **more: Any
) -> AsyncIterator[Guarded]:
    """A hub that serves over HTTP; the keys are for all workspaces, but rules have to allow what they use."""
    keys = KeyFile(root)
    for name in names:
        keys.add(name)
    async with world(root, *servers, serve=True, token=HUB_TOKEN, runtime_dir=root / "run", **more) as made:
        yield Guarded(made, keys)
