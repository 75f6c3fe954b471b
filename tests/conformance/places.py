"""The fixture as a running process, and a hub before it, for the tests here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bridge.models import RemoteLaunch, ServerSettings, ServerSpec
from tests.support import sidecar
from tests.support.sidecar import Sidecar
from tests.support.yamcp import ROOT

Way = Literal["stdio", "http"]
PIPE = Path(__file__).with_name("fixture") / "pipe.py"
SERVER = "tests.conformance.fixture.server"


@dataclass(frozen=True)
class Fixture:
    """The process that serves the fixture."""

    url: str
    """Its own Streamable HTTP endpoint."""
    socket: Path

    def spec(self, key: str, way: Way, **settings: Any) -> ServerSpec:
        """A server of a hub that is this process, by a small stdio process or by Streamable HTTP."""
        settings = {"session": "per_client", "max_instances": 200, **settings}
        if way == "stdio":
            return sidecar.stdio(key, sys.executable, "-S", str(PIPE), str(self.socket), **settings)
        return ServerSpec(
            key=key, namespace=key, launch=RemoteLaunch(url=self.url), settings=ServerSettings(**settings)
        )

    def specs(self, way: Way, *eras: str) -> list[ServerSpec]:
        """A server for each era in which it may be spoken to, named for it."""
        return [self.spec(f"{way}-{era}", way, era=era) for era in eras]


@contextlib.asynccontextmanager
async def fixture() -> AsyncIterator[Fixture]:
    """The fixture, served by a process of its own."""
    with tempfile.TemporaryDirectory(prefix="cf") as place:
        path = Path(place) / "s"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", SERVER, "--socket", str(path), cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout
            async with asyncio.timeout(100):
                port = json.loads(await process.stdout.readline())["port"]
            yield Fixture(f"http://127.0.0.1:{port}/mcp", path)
        finally:
            process.terminate()
            await process.wait()


@contextlib.asynccontextmanager
async def hub(*servers: ServerSpec, **variables: str) -> AsyncIterator[Sidecar]:
    """A hub with a workspace for each server, named as it is and without a prefix."""
    spaces = [sidecar.workspace(server.key, server, template="{name}") for server in servers]
    async with sidecar.running(*servers, *spaces, **variables) as running:
        yield running
