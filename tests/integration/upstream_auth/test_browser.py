"""Signing in at a remote server in a browser: front, acceptor and sidecar are processes, the servers are real."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from bridge.keys import key_id
from bridge.models import RemoteLaunch, ServerSettings, ServerSpec, Status
from bridge.private import make_directory
from tests.support import sidecar, yamcp
from tests.support.hub import Hub, running
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.oauth_server import OAuthServer
from tests.support.sidecar import workspace

PAGE = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
JSON = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture
async def remote() -> AsyncIterator[OAuthServer]:
    """The servers."""
    async with OAuthServer().serving() as server:
        yield server


def notes(remote: OAuthServer, key: str = "notes", sign_in: str = "user") -> ServerSpec:
    """A server that wants tokens."""
    settings = ServerSettings(sign_in=sign_in)  # type: ignore[arg-type]
    return ServerSpec(key=key, namespace=key, launch=RemoteLaunch(url=f"{remote.url}/mcp"), settings=settings)


async def fronted(hub: Hub) -> str:
    """Start the front; returns its address."""
    await hub.start("acceptor")
    await hub.start("front")
    async with asyncio.timeout(100), httpx2.AsyncClient(timeout=100, base_url=hub.public) as client:
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                if "FRONT_AWAY" not in (await client.get("/healthz")).text:
                    break
            await asyncio.sleep(0.05)
    return hub.public


def link_in(page: httpx2.Response) -> str:
    """The address of the authorization server in a page."""
    assert page.status_code == 200, page.text
    found = re.search(r'class="button"[^>]* href="([^"]+)"', page.text)
    assert found, page.text
    return html.unescape(found[1])


async def call(browser: httpx2.AsyncClient, tool: str, token: str = "", space: str = "w") -> str:
    """Call a tool without a session, with a token."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": {}, "_meta": meta}
    headers = JSON | {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    frame = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return (await browser.post(f"/mcp/{space}", json=frame, headers=headers)).text


async def test_in_a_hub_without_a_token(remote: OAuthServer) -> None:
    """The link leads to a page, its button to the authorization server, and that back; the server is used at once.

    Another site's page can neither frame the page nor request it unseen, and no other browser can finish a sign-in.
    """
    spec = notes(remote)
    async with sidecar.running(spec, workspace("w", spec)) as hub, httpx2.AsyncClient(timeout=100) as browser:
        browser.base_url = await fronted(hub)
        url = (await hub.server("notes")).reason.data["url"]  # type: ignore[union-attr]
        assert url == f"{hub.public}/connect/notes"
        page = await browser.get("/connect/notes", headers=PAGE)
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        said = await remote.agree(link_in(page), "grace")
        async with httpx2.AsyncClient(base_url=hub.public, timeout=100) as other:
            refused = await other.get("/connect/callback", params=said, headers=PAGE)
        assert (refused.status_code, "SIGN_IN_STATE_INVALID" in refused.text) == (403, True)
        said = await remote.agree(link_in(await browser.get("/connect/notes", headers=PAGE)), "grace")
        done = await browser.get("/connect/callback", params=said, headers=PAGE)
        assert (done.status_code, "Signed in at" in done.text) == (200, True)
        await hub.wait_status(lambda status: status.servers[0].state == "ready", "ready")
        assert "grace" in await call(browser, "notes_whoami")
        unseen = await browser.get("/connect/notes", headers={"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"})
        assert unseen.status_code == 403
        unknown = await browser.get("/connect/nothing", headers=PAGE)
        assert (unknown.status_code, "SIGN_IN_NOT_SET" in unknown.text) == (404, True)
        own = await browser.get("/api/account/sign-ins")
        assert [(each["server"], each["signed_in"]) for each in own.json()["sign_ins"]] == [("notes", True)]
        ended = await browser.delete("/api/account/sign-ins", params={"server": "notes"})
        assert ended.status_code == 200
        await hub.wait_status(lambda status: status.servers[0].state == "sign_in_required", "signed out")
        secret = [each for each in remote.secrets if each in hub.log("sidecar") + hub.log("front")]
        assert not secret


async def test_each_user_signs_in(remote: OAuthServer) -> None:
    """A key's holder logs in at the hub first, and signs in for itself alone. A link for another user is refused, as
    are a shared sign-in without the role, and a server of which it may use nothing."""
    url = f"{remote.url}/mcp"
    providers = {key: yamcp.remote(key, url) for key in ("notes", "company", "secret")}
    spaces = {"w": ["notes", "company"], "private": ["secret"]}
    async with running(providers, spaces, settle=False, HUB_TOKEN=HUB_TOKEN) as hub:
        modes = {"notes": "user", "company": "shared", "secret": "user"}
        servers = {key: {"sign_in": mode} for key, mode in modes.items()}
        make_directory(hub.data_dir)
        (hub.data_dir / "hub.json").write_text(json.dumps({"version": 1, "servers": servers}))
        keys = KeyFile(hub.data_dir)
        ada, grace = keys.add("ada", workspaces=("w",)), keys.add("grace", workspaces=("w",))
        await hub.wait_status(lambda status: _states(status) == {"sign_in_required"}, "waiting")
        base = await fronted(hub)
        async with user(base, ada) as first, user(base, grace) as second:
            for browser, person in ((first, "ada"), (second, "grace")):
                said = await remote.agree(link_in(await browser.get("/connect/notes", headers=PAGE)), person)
                assert (await browser.get("/connect/callback", params=said, headers=PAGE)).status_code == 200
            assert '"ada"' in await call(first, "notes_whoami", ada)
            assert '"grace"' in await call(second, "notes_whoami", grace)

            said = await remote.agree(link_in(await first.get("/connect/notes", headers=PAGE)), "mallory")
            stolen = await second.get("/connect/callback", params=said, headers=PAGE)
            assert (stolen.status_code, "SIGN_IN_STATE_INVALID" in stolen.text) == (403, True)
            foreign = await second.get("/connect/notes", params={"for": key_id(ada)}, headers=PAGE)
            assert (foreign.status_code, "another user" in foreign.text) == (403, True)
            shared = await second.get("/connect/company", headers=PAGE)
            assert (shared.status_code, "SIGN_IN_FORBIDDEN" in shared.text) == (403, True)
            assert (await second.get("/connect/secret", headers=PAGE)).status_code == 404
        async with httpx2.AsyncClient(base_url=base, timeout=100) as nobody:
            login = await nobody.get("/connect/notes", headers=PAGE)
            assert (login.status_code, login.headers["location"]) == (302, "/login?next=%2Fconnect%2Fnotes")


@contextlib.asynccontextmanager
async def user(base: str, token: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that is logged in."""
    async with httpx2.AsyncClient(base_url=base, timeout=100) as browser:
        answer = await browser.post("/login", data={"token": token, "next": "/account"}, headers={"origin": base})
        assert answer.status_code == 303, answer.text
        yield browser


def _states(status: Status) -> set[str]:
    return {server.state for server in status.servers}
