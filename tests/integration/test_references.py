"""Values from files, commands and claims reach the servers for which they are, and nobody else: a whole sidecar."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.client import BridgeClient
from bridge.memory import MemoryBridge
from bridge.models import AccessFile, ReadStatus, RemoteLaunch, ServerSpec, Snapshot, StdioLaunch
from bridge.settings import Settings
from sidecar.app import App
from tests.support.as_it_was import process_as_it_was  # noqa: F401 - a fixture
from tests.support.fake_server import until, within
from tests.support.grants import Grants
from tests.support.hub import free_port
from tests.support.inprocess import space
from tests.support.keys import HUB_TOKEN
from tests.support.oauth_server import OAuthServer, result_of
from tests.support.peers import connected
from tests.support.sidecar import mock

pytestmark = pytest.mark.outside

FILE, PRINTED = "from-a-file-Zq8Vn2Xc5Rt7Yp", "printed-Qw3Er5Ty7Ui9Op"
BASE = "http://hub/mcp/w"
USERS = ("ada", "eve")


class Named(OAuthServer):
    """A remote server without tokens, whose tool `whoami` returns the header X-User."""

    async def endpoint(self, request: Request) -> Response:
        """Answer one message."""
        if request.method != "POST":
            return Response(status_code=405)
        frame, user = await request.json(), request.headers.get("x-user", "")
        self.seen.append(f"{user} {request.headers.get('x-key', '')}")
        if "id" not in frame:
            return Response(status_code=202)
        return JSONResponse({"jsonrpc": "2.0", "id": frame["id"], "result": result_of(frame, user)})


@pytest.fixture
def root() -> Iterator[Path]:
    """A directory short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as name:
        yield Path(name)


def given(root: Path) -> Settings:
    """The settings: a protected hub that may read `key` and run `show`."""
    (root / "secrets").mkdir()
    (root / "secrets" / "key").write_text(f"{FILE}\n")
    program = root / "show"
    program.write_text(f'#!/bin/sh\n[ "$1 $2" = "the key" ] && echo {PRINTED}\n')
    program.chmod(0o700)
    for name in ("data", "run"):
        (root / name).mkdir(mode=0o700)
    return Settings(
        sidecar_port=free_port(),
        data_dir=root / "data",
        runtime_dir=root / "run",
        token=SecretStr(HUB_TOKEN),
        log_level="debug",
        secret_dirs=str(root / "secrets"),
        secret_commands=str(program),
    )


@contextlib.asynccontextmanager
async def running(settings: Settings, *servers: ServerSpec) -> AsyncIterator[tuple[App, BridgeClient]]:
    """The sidecar serves these servers to everybody, in one workspace; it is stopped by SIGTERM."""
    transport = MemoryBridge()
    app = App(settings, transport)
    task = asyncio.create_task(app.run())
    everybody = AccessFile.model_validate({"rules": [{"effect": "allow", "subject": "*"}]})
    keys = tuple(server.key for server in servers)
    try:
        async with BridgeClient(settings.actual_address, transport=transport) as client:
            await until(lambda: app.http.started or task.done())
            await client.request(Snapshot.of(1, 1, servers, (space(*keys),), everybody), timeout=100)
            yield app, client
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await within(task)


async def asked(settings: Settings, token: str, tool: str, times: int = 1, **arguments: str) -> set[str]:
    """The texts that a tool returns to the holder of a token."""
    async with connected(BASE, "http", "modern", token=token, uds=settings.sidecar_socket) as peer:
        calls = [await peer.request("tools/call", {"name": tool, "arguments": arguments}) for _ in range(times)]
        return {call.result["content"][0]["text"] for call in calls}


async def test_they_reach_the_servers(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A process has the values of file and command in its environment; a remote server gets the claim of the user for
    whom it is called, of two users at once, and never the other's. No value is in the status or in a log line."""
    settings = given(root)
    grants = Grants(settings.data_dir)
    for user in USERS:
        grants.user(user)
    tokens = {user: grants.token(grants.of_user(user)) for user in USERS}
    local = mock("local")
    assert isinstance(local.launch, StdioLaunch)
    key, shown = f"${{file:{root}/secrets/key}}", f"${{cmd:{root}/show the key}}"
    env = {**local.launch.env, "KEY": key, "SHOWN": f"<{shown}>"}
    local = local.model_copy(update={"launch": local.launch.model_copy(update={"env": env})})
    async with Named().serving() as remote:
        headers = {"X-User": "${user.email}", "X-Key": key}
        launch = RemoteLaunch(url=f"{remote.url}/mcp", headers=headers, transport="http")
        named = ServerSpec(key="named", namespace="named", launch=launch)
        async with running(settings, local, named) as (_, client):
            assert await asked(settings, HUB_TOKEN, "local_env", name="KEY") == {FILE}
            assert await asked(settings, HUB_TOKEN, "local_env", name="SHOWN") == {f"<{PRINTED}>"}
            found = await asyncio.gather(*(asked(settings, tokens[user], "named_whoami", 10) for user in USERS * 2))
            assert found == [{"Ada@Example.com"}, {"Eve@Example.com"}] * 2
            assert set(remote.seen) == {f"{user.capitalize()}@Example.com {FILE}" for user in USERS}
            status = await client.request(ReadStatus(), timeout=100)
            reasons = {each.key: each.reason and each.reason.code for each in status.servers}
            assert reasons == {"local": None, "named": "USER_CLAIM_MISSING"}  # of the hub's token, who is no user
    logged = capfd.readouterr().err
    assert "server ready" in logged
    shown = json.dumps(status.model_dump(mode="json"))
    assert not [secret for secret in (FILE, PRINTED) if secret in logged + shown]
