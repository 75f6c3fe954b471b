"""The layer above everything in a protected hub: who is let in, for how long, and what is told to whom is not."""

from __future__ import annotations

import asyncio
import logging
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.errors import AddressTaken
from bridge.keys import Keyring, Principal, key_id
from bridge.settings import Settings
from sidecar.access.authenticator import KeyTokens
from sidecar.listener import auth
from sidecar.listener.auth import Gate
from sidecar.listener.challenges import Challenges
from sidecar.listener.server import bind_unix, listen
from tests.support.fake_server import FakeServer, until, within
from tests.support.fake_server import Gate as Waiting
from tests.support.inprocess import World, space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import MODERN, Era, client, connected

pytestmark = pytest.mark.outside

URL = "http://hub"
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as root:
        Path(root).chmod(0o700)
        yield Path(root)


@pytest.fixture
def keys(short: Path) -> KeyFile:
    """Keys: of all workspaces, of `w` alone, and an admin's."""
    made = KeyFile(short)
    made.add("all")
    made.add("limited", ["w"])
    made.add("boss", admin=True)
    return made


@pytest.fixture
async def hub(short: Path, keys: KeyFile) -> AsyncIterator[World]:
    """A protected hub with the workspaces `w`, `secret` and `dark`, which is off, on its Unix socket."""
    server = FakeServer(tools={"wait": Waiting(), "echo": lambda **_: {"content": []}})
    async with world(short, server, serve=True, token=HUB_TOKEN, runtime_dir=short / "run") as made:
        (short / "run" / "front.key").write_text("front-key-of-this-very-run\n")
        spaces = [space("a", name=name, enabled=name != "dark") for name in ("w", "secret", "dark")]
        made.put(server.spec("a"), *spaces)
        await made.settled()
        yield made


def asking(hub: World, token: str = "") -> httpx2.AsyncClient:
    """A client through the hub's socket."""
    made = client(token, hub.settings.sidecar_socket)
    made.base_url = httpx2.URL(URL)
    return made


PAGES = sorted(World(Settings(data_dir=Path("/tmp/unused"), runtime_dir=Path("/tmp/unused"))).endpoints._pages)
PATHS = [*PAGES, "/", "/x", "/mcp", "/mcp/w", "/mcp/w/sse", "/mcp/w/messages", "/mcp/w/x", "/mcp/nope", "/mcp/dark/sse"]


async def test_without_a_token(hub: World) -> None:
    """No route but /healthz says anything without a token or with a wrong one; and it says that the process is up."""
    wrong = [{}, {"authorization": "Bearer"}, {"authorization": f"Basic {HUB_TOKEN}"}, {"authorization": HUB_TOKEN}]
    wrong += [{"authorization": f"Bearer {token}"} for token in ("x", HUB_TOKEN + "x", HUB_TOKEN[:-1], "yh_k0000000_x")]
    wrong += [{"x-hub-front": "front-key-of-this-very-run"}, {"cookie": f"token={HUB_TOKEN}"}]
    async with asking(hub) as http:
        for path in PATHS:
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                for headers in wrong:
                    response = await http.request(method, path, headers={**ACCEPT, **headers})
                    if path == "/healthz":
                        assert response.content in (b'{"status":"ok"}', b"") or response.status_code == 405
                        continue
                    assert response.status_code == 401, (method, path)
                    assert response.headers["www-authenticate"].startswith("Bearer")
                    told = response.text
                    assert "secret" not in told
                    assert "TOKEN_" in told or method == "HEAD"
        assert (await http.get(f"/status?token={HUB_TOKEN}")).status_code == 401


@pytest.mark.parametrize("who", ["hub", "front", "boss"])
async def test_admins(hub: World, keys: KeyFile, who: str) -> None:
    """The hub's token, the front's key and an admin's see the pages, whatever the Host and the case of the scheme."""
    token = {"hub": HUB_TOKEN, "front": "front-key-of-this-very-run"}.get(who) or keys.tokens[who]
    async with asking(hub) as http:
        headers = {"authorization": f"bearer  {token}", "host": "anything.example", "origin": "https://a.example"}
        await until_ok(http, headers)
        for page in PAGES:
            assert (await http.get(page, headers=headers)).status_code == 200
        urls = (await http.get("/status", headers=headers)).json()["workspaces"][0]
        assert (urls["direct_sse_url"], urls["direct_http_url"]) == ("", "")


async def until_ok(http: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    """Wait until the hub has looked at its files."""
    async with asyncio.timeout(100):
        while (await http.get("/status", headers=headers)).status_code != 200:  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.05)


async def test_what_a_key_may_not_use_does_not_exist(hub: World, keys: KeyFile) -> None:
    """A limited key gets the same for another workspace, one that is off, and one that never was; admin pages too."""
    async with asking(hub, keys.tokens["limited"]) as http:
        for rest in ("", "/sse", "/messages?session_id=1", "/x"):
            for method in ("GET", "POST", "DELETE"):
                answers = {
                    (reply.status_code, reply.text.replace(name, "NAME"), tuple(reply.headers))
                    for name in ("secret", "dark", "nope")
                    for reply in [await http.request(method, f"/mcp/{name}{rest}", headers=ACCEPT)]
                }
                assert len(answers) == 1, answers
                status, text, _ = answers.pop()
                assert status == 404
                assert '"workspaces":["w"]' in text
        for page in PAGES:
            if page != "/healthz":
                reply = await http.get(page)
                assert reply.status_code == 404
                assert reply.content == (await http.get("/nothing/here")).content
        for path in PATHS:
            assert "secret" not in (await http.post(path, json={}, headers=ACCEPT)).text


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_sessions_belong_to_keys(hub: World, keys: KeyFile, transport: Any) -> None:
    """A session's id in a request of another key, the hub's own included, gets what an unknown one gets."""
    uds, others = hub.settings.sidecar_socket, [keys.tokens["limited"], HUB_TOKEN, keys.tokens["boss"]]
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with connected(f"{URL}/mcp/w", transport, "legacy", token=keys.tokens["all"], uds=uds) as peer:
        for token in others:
            async with asking(hub, token) as http:
                if transport == "sse":
                    path = (await peer.message_url).removeprefix(URL)  # type: ignore[union-attr]
                    unknown = path.partition("=")[0] + "=" + "0" * 32
                    replies = [(await http.post(p, json=ping)) for p in (path, unknown)]
                    assert_same(replies)
                    continue
                known = peer.headers["mcp-session-id"]  # type: ignore[union-attr]
                for method, body in (("POST", ping), ("GET", None), ("DELETE", None)):
                    replies = [
                        await http.request(method, "/mcp/w", json=body, headers={**ACCEPT, "mcp-session-id": number})
                        for number in (known, "0" * 32)
                    ]
                    assert_same(replies)
        assert "result" in (await peer.request("ping")).answer, "and the session goes on"


def assert_same(replies: list[httpx2.Response]) -> None:
    """Both are 404, and alike."""
    assert [reply.status_code for reply in replies] == [404, 404]
    assert replies[0].content == replies[1].content


@pytest.mark.parametrize("transport", ["sse", "http"])
@pytest.mark.parametrize("what", ["revoked", "taken away"])
async def test_what_is_revoked_ends(hub: World, keys: KeyFile, transport: Any, what: str) -> None:
    """A revoked key's streams end within 2 s, and its sessions with them; so do those of a workspace taken from it."""
    keys.add("limited", ["w", "secret"])
    uds, token = hub.settings.sidecar_socket, keys.tokens["limited"]
    await until(lambda: hub.keyring.check(token).may_use("secret"))  # type: ignore[union-attr]
    ended = asyncio.Event()

    async def stay() -> None:
        try:
            async with connected(f"{URL}/mcp/secret", transport, "legacy", token=token, uds=uds) as peer:
                joined.set()
                await watch(peer)
        finally:
            ended.set()

    joined = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        staying = tasks.create_task(stay())
        await within(joined.wait())
        await until(lambda: hub.session_count() == 1)
        keys.revoke("limited") if what == "revoked" else keys.add("limited", ["w"])
        await until(lambda: hub.session_count() == 0)
        staying.cancel()
    async with asking(hub, token) as http:
        reply = await http.get("/mcp/secret/sse")
        assert reply.status_code == (401 if what == "revoked" else 404)
    await until(lambda: [each.name for each in hub.hub.key_workspaces] == [])


async def watch(peer: Any) -> None:
    """Stay until cancelled."""
    await asyncio.Event().wait()


async def test_a_stream_ends_in_order(hub: World, keys: KeyFile, caplog: pytest.LogCaptureFixture) -> None:
    """What a client sees of a revocation is the end of its stream; a call under way gets no answer of the hub's."""
    caplog.set_level(logging.INFO)
    async with asking(hub, keys.tokens["all"]) as http:
        modern = {**ACCEPT, "mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "a_wait"}
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a_wait", "_meta": meta}}
        waiting: Any = hub.servers["fake"].tools["wait"]
        call = asyncio.create_task(http.post("/mcp/w", json=body, headers=modern))
        await waiting.reached()
        async with http.stream("GET", "/mcp/w/sse") as stream:
            keys.revoke("all")
            async with asyncio.timeout(100):
                assert "".join([part async for part in stream.aiter_text()]).startswith("event: endpoint")
        reply = await within(call)
        assert reply.status_code == 401 or not reply.content
        await until(lambda: waiting.cancelled == 1)
    assert not [record for record in caplog.records if record.exc_info]
    assert not hub.gate._running


async def test_rotated(short: Path) -> None:
    """When the hub's token is another one, the streams of the one before end too."""
    (short / "token").write_text("first-token-of-the-hub")
    async with world(short, serve=True, host="0.0.0.0", runtime_dir=short / "run") as made:
        made.put(space())
        async with (
            asking(made, "first-token-of-the-hub") as http,
            asking(made, "second-token-of-the-hub") as other,
            http.stream("GET", "/mcp/w/sse") as stream,
        ):
            assert stream.status_code == 200
            (short / "token").write_text("second-token-of-the-hub")
            async with asyncio.timeout(100):
                async for _ in stream.aiter_bytes():
                    pass
            assert (await http.get("/status")).status_code == 401
            assert (await other.get("/status")).status_code == 200


async def test_tokens_are_in_no_log(hub: World, keys: KeyFile, caplog: pytest.LogCaptureFixture) -> None:
    """Neither good tokens nor wrong ones are logged, nor shown in status, events or figures."""
    caplog.set_level(logging.DEBUG)
    wrong = "a-wrong-token-somebody-tried"
    tokens = [*keys.tokens.values(), HUB_TOKEN, wrong]
    for token in tokens:
        async with asking(hub, token) as http:
            for path in ("/mcp/w", "/mcp/nope", "/status", "/metrics"):
                assert not [each for each in tokens if each in (await http.get(path, headers=ACCEPT)).text]
    told = caplog.text + "".join(event.model_dump_json() for event in hub.events)
    assert not [token for token in tokens if token in told]
    refusals = [record for record in caplog.records if record.name == "sidecar.listener.auth"]
    assert len(refusals) == 1, "one line a second"


async def test_one_look_a_token(short: Path, keys: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was good is not compared again until keys change; what is remembered is bounded."""
    settings = Settings(token=HUB_TOKEN, data_dir=short, runtime_dir=short / "run")
    keyring = Keyring(settings)
    checked: list[str] = []
    check = keyring.check
    monkeypatch.setattr(keyring, "check", lambda token: checked.append(token) or check(token))
    monkeypatch.setattr(auth, "MAX_CACHED_TOKENS", 2)
    seen: list[Principal] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"]["principal"])

    gate = Gate(app, KeyTokens(keyring), Challenges(settings), lambda: None)

    async def come(token: str) -> None:
        header = (b"authorization", f"Bearer {token}".encode())
        await gate({"type": "http", "path": "/x", "headers": [header]}, None, lambda _: asyncio.sleep(0))  # type: ignore[arg-type]

    for _ in range(3):
        await come(HUB_TOKEN)
    assert (len(checked), [each.id for each in seen]) == (1, ["admin"] * 3)
    for token in keys.tokens.values():
        await come(token)
    assert len(gate._cached) <= 2
    assert seen[-1].admin
    keys.revoke("boss")
    keyring.refresh()
    await come(keys.tokens["boss"])
    assert len(seen) == 6, "the last was not let in"
    await gate({"type": "websocket"}, None, None)  # type: ignore[arg-type]


async def test_an_error_of_its_own_is_no_revocation(short: Path) -> None:
    """A TimeoutError of the application is not taken for the end of a token."""

    async def app(*_: Any) -> None:
        raise TimeoutError

    settings = Settings(token=HUB_TOKEN, data_dir=short, runtime_dir=short)
    gate = Gate(app, KeyTokens(Keyring(settings)), Challenges(settings), lambda: None)
    header = (b"authorization", f"Bearer {HUB_TOKEN}".encode())
    with pytest.raises(TimeoutError):
        await gate({"type": "http", "path": "/x", "headers": [header]}, None, None)  # type: ignore[arg-type]


# --- the socket --------------------------------------------------------------------------------------------------


def test_socket(short: Path) -> None:
    """The socket is this user's alone, what a dead process left is claimed, a live one's is not; it goes at the end."""
    settings = Settings(token=HUB_TOKEN, data_dir=short, runtime_dir=short / "run")
    path = settings.sidecar_socket
    bind_unix(path).close()
    assert path.exists()
    listener = listen(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(AddressTaken, match="Another process"):
        bind_unix(path)
    listener.close()
    assert not path.exists()
    listener = listen(settings)
    path.unlink()
    other = bind_unix(path)
    listener.close()
    assert path.exists(), "another's is left"
    other.close()


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_when_each_key_was_used(hub: World, keys: KeyFile, era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls on the direct way, which pass no gate, are known of from their session; revoked keys are forgotten."""
    uds = hub.settings.sidecar_socket
    ids = {name: key_id(token) or "" for name, token in keys.tokens.items()}

    def uses() -> dict[str, float]:
        return hub.gate.last_uses(hub.hub.key_workspaces.last_uses())

    assert uses() == {}
    began = time.time()
    async with asking(hub, HUB_TOKEN) as http:
        assert (await http.get("/status")).status_code == 200
    async with connected(f"{URL}/mcp/w", "http", era, token=keys.tokens["limited"], uds=uds) as peer:
        for _ in range(3):
            assert (await peer.request("tools/call", {"name": "a_echo", "arguments": {}})).result["content"] == []
        assert uses().keys() == {ids["limited"]}
        first = uses()[ids["limited"]]
        assert began - 1 <= first <= time.time() + 1
        with monkeypatch.context() as patch:
            patch.setattr(hub.gate, "_used", {})
            assert (await peer.request("tools/call", {"name": "a_echo", "arguments": {}})).result["content"] == []
            assert hub.gate._used == {}, "not the direct way"
            assert uses()[ids["limited"]] > first
    async with asking(hub, keys.tokens["boss"]) as http:
        assert (await http.get("/status")).status_code == 200
    assert uses().keys() == {ids["limited"], ids["boss"]}
    keys.revoke("limited")
    await until(lambda: uses().keys() == {ids["boss"]})
