"""The official conformance suite's scenarios for OAuth clients (`auth/*`), with the hub as the client (ADR 46).

The suite starts a server for each scenario and a program as the client; that program hands the server's URL to this
process, in which a hub signs in at it, lists its tools and calls them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from bridge.models import BeginUpstreamSignIn, FinishUpstreamSignIn, RemoteLaunch, ServerSettings, ServerSpec
from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import SidecarError
from sidecar.sign_in_errors import SignInRequired
from sidecar.upstream.upstream import Upstream
from tests.conformance.suite import MODULES, node
from tests.support.inprocess import Recorder, World, space, world

PROGRAM = MODULES / "conformance-next/dist/index.js"
CLIENT = """
import os, socket, sys
if not os.environ.get("MCP_CONFORMANCE_SCENARIO", "").startswith("auth/"):
    sys.exit(0)
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[1])
names = ("MCP_CONFORMANCE_SCENARIO", "MCP_CONFORMANCE_CONTEXT", "MCP_CONFORMANCE_PROTOCOL_VERSION")
link.sendall("\\n".join([sys.argv[2], *(os.environ.get(name, "") for name in names), ""]).encode())
said = link.makefile().read()
sys.stderr.write(said)
sys.exit(0 if said.startswith("done") else 1)
"""
DOCUMENT = "https://conformance-test.local/client-metadata.json"
"""The client metadata document that the scenario `basic-cimd` expects."""
REDIRECT = "http://localhost:8765/connect/callback"
ROUNDS = 3
"""How often the hub's user signs in: once more for each set of further scopes."""
EXTENSIONS = ("client-credentials", "enterprise-managed", "dpop", "wif-jwt")
"""Scenarios of extensions that the hub does not have: no user is in them, or tokens are bound to keys."""


class Client:
    """One scenario."""

    def __init__(self, hub: World, url: str, scenario: str, context: dict[str, Any], number: int) -> None:
        self.hub = hub
        self.key = f"server{number}"
        variable = f"CONFORMANCE_SECRET_{number}"
        os.environ[variable] = str(context.get("client_secret", ""))
        own = {"oauth_client_id": context["client_id"]} if "client_id" in context else {}
        own |= {"oauth_client_secret": "${" + variable + "}"} if "client_secret" in context else {}
        settings = ServerSettings(sign_in="user", **own)
        self.spec = ServerSpec(key=self.key, namespace="s", launch=RemoteLaunch(url=url), settings=settings)
        self.space = space(self.key, name=self.key, template="{name}")

    async def run(self) -> None:
        """Sign in, list the tools and call each; sign in again where that needs further scopes."""
        self.hub.put(self.spec, self.space)
        session = Recorder()
        workspace = self.hub.workspace(self.key)
        await workspace.serving.wait()
        workspace.join(session)
        for _ in range(ROUNDS):
            await self.sign_in()
            with contextlib.suppress(SignInRequired):
                if await self.used(session):
                    return

    async def used(self, session: Recorder) -> bool:
        """Call every tool. Returns whether no further sign-in is needed."""
        for tool in await self.hub.tools(session, self.key):
            try:
                await self.hub.ask(session, "tools/call", {"name": tool, "arguments": {}}, self.key)
            except ErrorResponse as answered:
                if (answered.error.get("data") or {}).get("code") == SignInRequired.code:
                    return False
        account = self.hub.sign_ins.sign_ins.latest(self.spec, "")
        return account is not None and account.credential is not None and not account.wanted

    @property
    def upstream(self) -> Upstream:
        """The connection to the server."""
        (found,) = [each for each in self.hub.hub.pool if each.spec.key == self.key]
        return found

    async def sign_in(self) -> None:
        """What the user and the browser do."""
        service = self.hub.sign_ins.sign_ins
        request = BeginUpstreamSignIn(
            server=self.key, browser="browser", redirect_uri=REDIRECT, client_metadata=DOCUMENT
        )
        begun = await service.begin(request)
        async with httpx2.AsyncClient(timeout=100) as browser:
            answer = await browser.get(begun.url)
        said = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        known = {name: said[name] for name in ("state", "code", "iss", "error") if name in said}
        await service.finish(FinishUpstreamSignIn(browser="browser", **known))  # type: ignore[arg-type]
        async with asyncio.timeout(100):
            await self.upstream.left("sign_in_required")
            await self.upstream.left("starting")


@contextlib.asynccontextmanager
async def listening(hub: World, socket: Path) -> AsyncIterator[dict[str, str]]:
    """Serve the suite's client programs; yields what became of each scenario."""
    outcomes: dict[str, str] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        url, scenario, context, _ = [(await reader.readline()).decode().strip() for _ in range(4)]
        try:
            client = Client(hub, url, scenario, json.loads(context or "{}"), len(outcomes))
            outcomes[scenario] = "begun"
            await client.run()
            outcome = "done"
        except (SidecarError, ErrorResponse, TimeoutError) as error:
            outcome = f"failed: {type(error).__name__}: {error}"
        outcomes[scenario] = outcome
        writer.write(outcome.encode())
        writer.close()

    async with await asyncio.start_unix_server(serve, socket):
        yield outcomes


RUNS = {
    "2026-07-28": ("--suite", "auth", "--spec-version", "2026-07-28"),
    "new in 2026-07-28": ("--suite", "draft", "--spec-version", "2026-07-28"),
    "metadata of 2025-03-26": ("--scenario", "auth/2025-03-26-oauth-metadata-backcompat"),
    "endpoints of 2025-03-26": ("--scenario", "auth/2025-03-26-oauth-endpoint-fallback"),
}
SCENARIOS = {"2026-07-28": 14, "new in 2026-07-28": 11}
"""How many scenarios of a suite are for the hub. The second one has others, which are none of OAuth."""


@pytest.mark.parametrize("run", RUNS)
async def test_the_hub_is_a_conformant_client(tmp_path: Path, run: str) -> None:
    """No check of any scenario fails."""
    program, socket, results = tmp_path / "client.py", tmp_path / "hub.sock", tmp_path / "results"
    program.write_text(CLIENT)
    command = shlex.join([sys.executable, "-I", "-S", str(program), str(socket)])
    async with world(tmp_path / "data") as hub, listening(hub, socket) as outcomes:
        process = await asyncio.create_subprocess_exec(
            *(node(), str(PROGRAM), "client", "--command", command, *RUNS[run], "--output-dir", str(results)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    checks = [
        (file.parent.name, check)
        for file in results.glob("auth/*/checks.json")
        for check in json.loads(file.read_text())
    ]
    made = [(name, check) for name, check in checks if not any(each in name for each in EXTENSIONS)]
    failed = [(name, check["id"]) for name, check in made if check["status"] in ("FAILURE", "WARNING")]
    assert not failed, (failed, outcomes, output.decode()[-3000:])
    assert len({name for name, _ in made}) >= SCENARIOS.get(run, 1)
