"""A sidecar alone, as a real process: what it should run is told over the bridge, by snapshots, without an adapter."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bridge.models import ServerSettings, ServerSpec, Snapshot, Status, StdioLaunch, WorkspaceSpec
from tests.support.hub import Hub
from tests.support.yamcp import DEMO, MOCK, ROOT

EVERYTHING = ROOT / "tests/real/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
FILESYSTEM = ROOT / "tests/real/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"
POSTGRES = ROOT / "tests/real/node_modules/@modelcontextprotocol/server-postgres/dist/index.js"
SMOLAGENTS = ROOT / ".envs/smolagents/bin/python"


def stdio(key: str, command: str, *args: str, namespace: str = "", cwd: str = "", **settings: Any) -> ServerSpec:
    """A server that runs as a process; its own one, whatever else runs with the same command."""
    launch = StdioLaunch(command=command, args=args, env={"TEST_SERVER": key}, cwd=cwd or None)
    namespace = namespace or key
    return ServerSpec(key=key, namespace=namespace, launch=launch, settings=ServerSettings(**settings))


def mock(key: str, *flags: str, namespace: str = "", **settings: Any) -> ServerSpec:
    """The mock server that the project ships, with its flags."""
    return stdio(key, sys.executable, str(MOCK), *flags, namespace=namespace, **settings)


def demo(key: str) -> ServerSpec:
    """A demo server, `notes` or `clock`."""
    return stdio(key, sys.executable, str(DEMO / f"{key}.py"))


def everything(key: str = "everything", namespace: str = "") -> ServerSpec:
    """The reference server of npm that has every feature."""
    return stdio(key, "node", str(EVERYTHING), "stdio", namespace=namespace)


def filesystem(root: Path, key: str = "filesystem", namespace: str = "") -> ServerSpec:
    """The reference server of npm for files, allowed what is below `root`."""
    return stdio(key, "node", str(FILESYSTEM), str(root), namespace=namespace)


def postgres(key: str = "postgres", namespace: str = "") -> ServerSpec:
    """The reference server of npm for PostgreSQL, with a database that nobody serves: its list of resources fails."""
    return stdio(key, "node", str(POSTGRES), "postgresql://nobody@127.0.0.1:9/none", namespace=namespace)


def time(key: str = "time", namespace: str = "") -> ServerSpec:
    """The reference server of PyPI that tells the time."""
    return stdio(key, str(SMOLAGENTS), "-m", "mcp_server_time", "--local-timezone", "UTC", namespace=namespace)


def workspace(name: str, *servers: ServerSpec, template: str = "{namespace}_{name}", slug: str = "") -> WorkspaceSpec:
    """A workspace of these servers; `{name}` is the empty prefix."""
    keys = tuple(server.key for server in servers)
    return WorkspaceSpec(name=name, slug=slug or name, servers=keys, name_template=template)


class Sidecar(Hub):
    """A hub of which only the sidecar runs. Its desired state is made of what `put` and `remove` were given."""

    def __init__(self, root: Path, variables: dict[str, str]) -> None:
        super().__init__(root, variables)
        self.revision = 0
        self._at_public_port = False
        self._servers: dict[str, ServerSpec] = {}
        self._workspaces: dict[str, WorkspaceSpec] = {}

    @property
    def base(self) -> str:
        """The address of its endpoints: the sidecar's own port, or the public one after `open_public_port`."""
        return self.public if self._at_public_port else super().base

    async def open_public_port(self) -> None:
        """Start the acceptor, and use the public port from now on; there is no front for what is not handed over."""
        await self.start("acceptor")
        async with asyncio.timeout(100):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.settings.port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        self._at_public_port = True

    async def put(self, *items: ServerSpec | WorkspaceSpec, settle: bool = True) -> None:
        """Add or replace servers and workspaces, and apply it."""
        for item in items:
            if isinstance(item, ServerSpec):
                self._servers[item.key] = item
            else:
                self._workspaces[item.name] = item
        await self.apply(settle=settle)

    async def remove(self, *workspaces: str, settle: bool = True) -> None:
        """Remove workspaces, with the servers that no other needs, and apply it."""
        for name in workspaces:
            del self._workspaces[name]
        await self.apply(settle=settle)

    async def apply(self, *, settle: bool = True) -> None:
        """Send the snapshot; with `settle`, wait until it is applied and no server is starting."""
        self.revision += 1
        used = {key for each in self._workspaces.values() for key in each.servers}
        servers = tuple(server for key, server in self._servers.items() if key in used)
        snapshot = Snapshot.of(1, self.revision, servers, tuple(self._workspaces.values()))
        await self.actual.request(snapshot, timeout=100)
        if settle:
            await self.wait_status(lambda status: _settled(status, snapshot), "settled")


def _settled(status: Status, snapshot: Snapshot) -> bool:
    return status.settled and status.applied is not None and not snapshot.id.newer_than(status.applied)


@contextlib.asynccontextmanager
async def running(*items: ServerSpec | WorkspaceSpec, public: bool = False, **variables: str) -> AsyncIterator[Sidecar]:
    """A sidecar that serves these, settled; `variables` are further HUB_* settings. `public`: at the public port."""
    root = Path(tempfile.mkdtemp(prefix="hub"))  # short: Unix sockets lie below it
    try:
        async with Sidecar(root, variables) as sidecar:
            await sidecar.start("sidecar")
            await sidecar.put(*items)
            if public:
                await sidecar.open_public_port()
            yield sidecar
    finally:
        shutil.rmtree(root, ignore_errors=True)
