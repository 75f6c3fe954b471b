"""MCP clients sign in by themselves at a hub that wants a token, given nothing but a URL: both transports and eras."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import webbrowser
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import fastmcp
import httpx2
import mcp
import pytest
import pytest_asyncio
from fastmcp.client.auth import OAuth
from key_value.aio.stores.memory import MemoryStore
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.conformance import suite
from tests.support.hub import free_ports
from tests.support.oauth_user import OAuthUser
from tests.support.run import Run, prepared
from tests.support.yamcp import mock, write_in_place

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-token-of-a-hub-at-which-clients-sign-in"
MATRIX = Path(__file__).parent
CALLBACK = "http://127.0.0.1:26090/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""RFC 7636, appendix B."""
KINDS = [("http", "legacy"), ("http", "2026-07-28"), ("sse", "legacy")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Run]:
    """A hub with two workspaces."""
    async with prepared(HUB_TOKEN=TOKEN, HUB_SEED_DEMO="false", HUB_OAUTH_LOOPBACK_CLIENTS="on") as run:
        yamcp = run.root / "yamcp"
        yamcp.mkdir()
        write_in_place(yamcp / "workspaces.json", {"alpha": ["a"], "beta": ["b"]})
        write_in_place(yamcp / "providers.json", {"a": mock("a"), "b": mock("b")})
        await run.start()
        await run.until("Streamable HTTP")
        yield run
        assert (await run.end(signal.SIGTERM))[0] == 0


@pytest_asyncio.fixture(loop_scope="module")
async def user(hub: Run) -> AsyncIterator[OAuthUser]:
    """Somebody with the hub's token."""
    browser = OAuthUser(base_of(hub), TOKEN)
    yield browser
    await browser.close()


def base_of(hub: Run) -> str:
    """The base of the hub's URLs."""
    return f"http://127.0.0.1:{hub.port}"


def url_of(hub: Run, transport: str, workspace: str = "alpha") -> str:
    """What a user pastes into a client."""
    return f"{base_of(hub)}/mcp/{workspace}{'/sse' if transport == 'sse' else ''}"


def authorization(hub: Run, client: str, workspace: str = "alpha") -> str:
    """The URL of an authorization request."""
    asked = {"client_id": client, "redirect_uri": CALLBACK, "response_type": "code"}
    proof = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    query = httpx2.QueryParams(asked | proof | {"resource": url_of(hub, "http", workspace)})
    return f"{base_of(hub)}/oauth/authorize?{query}"


async def until_refused(http: httpx2.AsyncClient, bearer: dict[str, str]) -> None:
    """Wait until a token whose grant has ended is refused, which is within a second."""
    async with asyncio.timeout(100):
        while (await http.get("/mcp/alpha", headers=bearer)).status_code != 401:  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.05)


async def check_page_of_another_origin(http: httpx2.AsyncClient, bearer: dict[str, str]) -> None:
    """A client in a browser, such as the inspector, can read the challenge, and with a token every answer."""
    page = {"Origin": "https://inspector.example", "Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}
    headers = page | {"Accept": "application/json, text/event-stream"}
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    frame = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    challenged = await http.post("/mcp/alpha", json=frame, headers=headers)
    answered = await http.post("/mcp/alpha", json=frame, headers=headers | bearer)
    assert (challenged.status_code, answered.status_code) == (401, 200)
    for each in (challenged, answered):
        assert each.headers["access-control-allow-origin"] == page["Origin"]
        assert "Mcp-Session-Id" in each.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in each.headers


class Storage:
    """Where a client of the SDK keeps what it got."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep them."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """The registration."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep it."""
        self.client = client_info


def provider(url: str, user: OAuthUser, storage: Storage, document: str | None = None) -> OAuthClientProvider:
    """The SDK's client side of OAuth, whose user allows access."""
    got: dict[str, str] = {}

    async def browse(at: str) -> None:
        got.update(await user.answered(at))

    async def back() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=got["code"], state=got["state"], iss=got["iss"])

    metadata = OAuthClientMetadata(
        redirect_uris=[cast(Any, CALLBACK)], client_name="Python SDK", token_endpoint_auth_method="none"
    )
    return OAuthClientProvider(url, metadata, storage, browse, back, client_metadata_url=document)


@contextlib.asynccontextmanager
async def signed_in(url: str, auth: OAuthClientProvider, mode: str = "legacy") -> AsyncIterator[mcp.Client]:
    """A client of the SDK that is connected."""
    async with httpx2.AsyncClient(auth=auth, timeout=100) as http:
        transport = (
            sse_client(url, auth=auth) if url.endswith("/sse") else streamable_http_client(url, http_client=http)
        )
        async with mcp.Client(transport, mode=mode) as client:
            yield client


async def grants(hub: Run) -> list[dict[str, Any]]:
    """All grants of the hub."""
    async with httpx2.AsyncClient(
        timeout=100, base_url=base_of(hub), headers={"Authorization": f"Bearer {TOKEN}"}
    ) as http:
        found: list[dict[str, Any]] = (await http.get("/api/hub/grants")).json()["grants"]
        return found


async def echoed(client: mcp.Client, tool: str, text: str) -> str:
    """What a call of a tool that echoes answers."""
    result = await client.call_tool(tool, {"text": text})
    return cast(str, cast(Any, result.content[0]).text)


@pytest.mark.parametrize(("transport", "mode"), KINDS)
async def test_python_sdk(hub: Run, user: OAuthUser, transport: str, mode: str) -> None:
    """It finds out where to sign in, registers, gets tokens, calls, and refreshes."""
    storage = Storage()
    url = url_of(hub, transport)
    auth = provider(url, user, storage)
    async with signed_in(url, auth, mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools][:1] == ["a_echo"]
        assert await echoed(client, "a_echo", "hello") == "hello"
        assert storage.tokens
        first = storage.tokens.access_token
        auth.context.token_expiry_time = 1  # as if the hour were over
        assert await echoed(client, "a_echo", "again") == "again"
    assert storage.tokens.access_token != first
    assert "alpha" in user.pages[0]
    assert "127.0.0.1:26090" in user.pages[0]
    [grant] = [each for each in await grants(hub) if each["client"] == (storage.client and storage.client.client_id)]
    assert (grant["client_name"], grant["principal"], grant["workspace"]) == ("Python SDK", "admin", "alpha")


@pytest.mark.filterwarnings("ignore:Using in-memory token storage")
@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_fastmcp_client(hub: Run, user: OAuthUser, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    """`Client(url, auth="oauth")` opens a browser, and waits for it on a port of its own."""
    opened: set[asyncio.Task[None]] = set()

    async def browse(at: str) -> None:
        answer = await user.allow(at)
        async with httpx2.AsyncClient(timeout=100) as http:
            assert (await http.get(answer)).status_code == 200

    def open_browser(at: str) -> bool:
        opened.add(asyncio.get_running_loop().create_task(browse(at)))
        return True

    monkeypatch.setattr(webbrowser, "open", open_browser)
    auth = OAuth(token_storage=MemoryStore())
    async with fastmcp.Client(url_of(hub, transport), auth=auth) as client:
        result = await client.call_tool("a_echo", {"text": "fast"})
    await asyncio.gather(*opened)
    assert cast(Any, result.content[0]).text == "fast"


async def lines_until(stream: asyncio.StreamReader, found: Callable[[str], str | None]) -> str:
    """What the first line has that is looked for."""
    text = ""
    async with asyncio.timeout(100):
        while line := (await stream.readline()).decode():
            text += line
            if value := found(line):
                return value
    raise AssertionError(text)


def authorize_url(line: str) -> str | None:
    """The URL of an authorization request in a line."""
    found = re.search(r"http\S+/oauth/authorize[^\s\"]+", line)
    return found[0] if found else None


def answer_to(request_id: int) -> Callable[[str], str | None]:
    """What finds the line with the answer to a request."""
    return lambda line: line if f'"id":{request_id}' in line else None


@contextlib.asynccontextmanager
async def program(*command: str, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program of a client; it is gone afterwards."""
    pipe = asyncio.subprocess.PIPE
    env = {**os.environ, **variables}
    process = await asyncio.create_subprocess_exec(*command, cwd=MATRIX, env=env, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_typescript_sdk(hub: Run, user: OAuthUser, transport: str) -> None:
    """The SDK of which many clients are made."""
    arguments = ["typescript_oauth_client.mjs", url_of(hub, transport), transport]
    async with program("node", *arguments) as process:
        assert process.stdout
        assert process.stdin
        at = await lines_until(process.stdout, lambda line: line.strip() if line.startswith("http") else None)
        process.stdin.write(f"{await user.allow(at)}\n".encode())
        out, err = await asyncio.wait_for(process.communicate(), 60)
    seen = json.loads(out or err)
    assert seen["call"] == "From the TypeScript SDK"
    assert seen["tools"][0] == "a_echo"


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_mcp_remote(hub: Run, user: OAuthUser, tmp_path: Path, transport: str) -> None:
    """It signs in for clients that know stdio servers only, such as Claude Desktop."""
    initialize = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    call = {"name": "a_echo", "arguments": {"text": "remote"}}
    frames: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": initialize},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": call},
    ]
    variables = {
        "MCP_REMOTE_CONFIG_DIR": str(tmp_path),
        "BROWSER": "/bin/true",
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    only = "sse-only" if transport == "sse" else "http-only"
    command = ["node", "node_modules/mcp-remote/dist/proxy.js", url_of(hub, transport), "--transport", only]
    async with program(*command, **variables) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        at = await lines_until(process.stderr, authorize_url)
        async with httpx2.AsyncClient(timeout=100) as http:
            assert (await http.get(await user.allow(at))).status_code == 200
        for frame in frames:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **frame}).encode() + b"\n")
            if "id" in frame:  # mcp-remote does not keep the order of what is sent at once
                answer = await lines_until(process.stdout, answer_to(frame["id"]))
    assert json.loads(answer)["result"]["content"][0]["text"] == "remote", answer


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_inspector_cli(hub: Run, user: OAuthUser, transport: str) -> None:
    """It has no browser: an access token that another client got is good for it."""
    storage = Storage()
    url = url_of(hub, transport)
    async with signed_in(url, provider(url, user, storage)):
        pass
    assert storage.tokens
    command = ["node", "node_modules/@modelcontextprotocol/inspector-cli/build/cli.js", "--cli", url]
    arguments = ["--transport", transport, "--method", "tools/list", "--header"]
    async with program(*command, *arguments, f"Authorization: Bearer {storage.tokens.access_token}") as process:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err
    assert json.loads(out)["tools"][0]["name"] == "a_echo"


async def test_conformance_of_the_authorization_server(hub: Run, user: OAuthUser) -> None:
    """The official suite's `authorization` command, whose browser is the user; no scenario fails."""
    node = suite.node()
    async with httpx2.AsyncClient(timeout=100, base_url=base_of(hub)) as http:
        metadata = {"client_name": "conformance", "redirect_uris": ["http://127.0.0.1:1/callback"]}
        client = (await http.post("/oauth/register", json=metadata)).json()["client_id"]
    [port] = free_ports(1)
    index = str(suite.MODULES / suite.MODERN.package / "dist" / "index.js")
    asked = ["--client-id", client, "--resource", url_of(hub, "http"), "--port", str(port)]
    async with program(node, index, "authorization", "--url", base_of(hub), *asked) as process:
        assert process.stdout
        at = await lines_until(process.stdout, authorize_url)
        async with httpx2.AsyncClient(timeout=100) as http:
            assert (await http.get(await user.allow(at))).status_code == 200
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, f"{out.decode()}{err.decode()}"
    assert "Total: 3 passed, 0 failed" in out.decode(), out.decode()


async def test_client_with_a_document(hub: Run, user: OAuthUser) -> None:
    """A client whose id is the URL of its document needs no registration."""
    document: dict[str, Any] = {"client_name": "With a document", "redirect_uris": [CALLBACK]}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(document).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        document["client_id"] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/client.json"
        answer = await user.answered(authorization(hub, document["client_id"]))
    assert "With a document" in user.pages[0]
    verifier = {"grant_type": "authorization_code", "code_verifier": VERIFIER}
    async with httpx2.AsyncClient(timeout=100, base_url=base_of(hub)) as http:
        redeem = {"code": answer["code"], "client_id": document["client_id"], "redirect_uri": CALLBACK}
        tokens = await http.post("/oauth/token", data=redeem | verifier)
        assert tokens.status_code == 200, tokens.text
        again = await http.post("/oauth/token", data=redeem | verifier)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        await until_refused(http, {"Authorization": f"Bearer {tokens.json()['access_token']}"})


async def test_key_gives_its_own_workspaces_and_ends_its_own_grant(hub: Run) -> None:
    """The user of a key cannot allow more than the key may; a grant that ends stops its client."""
    code, out, err = await hub.hubctl("keys", "add", "laptop", "--workspace", "alpha", "--json")
    assert code == 0, err
    user = OAuthUser(base_of(hub), json.loads(out)["token"])
    storage = Storage()
    url = url_of(hub, "http")
    try:
        async with signed_in(url, provider(url, user, storage)) as client:
            assert await echoed(client, "a_echo", "mine") == "mine"
        assert storage.tokens
        bearer = {"Authorization": f"Bearer {storage.tokens.access_token}"}
        async with httpx2.AsyncClient(timeout=100, base_url=base_of(hub)) as http:
            await check_page_of_another_origin(http, bearer)
            other = await http.get("/mcp/beta", headers=bearer)
            assert other.status_code == 401, "an access token is for one workspace"
            assert "invalid_token" in other.headers["www-authenticate"]
            assert (await http.get("/api/hub/state", headers=bearer)).status_code == 403
            account = (await user.account()).json()
            assert [each["name"] for each in account["workspaces"]] == ["alpha"]
            [grant] = account["grants"]
            assert (await user.account("DELETE", f"/grants/{grant['id']}")).status_code == 200
            await until_refused(http, bearer)
        refused = await user.answered(authorization(hub, grant["client"], "beta"))
        assert refused["error"] == "invalid_target"
    finally:
        await user.close()
