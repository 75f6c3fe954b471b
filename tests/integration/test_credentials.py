"""What a credential opens ends with it, on every way; and a refresh ends nothing (ADR 41)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.keys import Principal
from sidecar.access.credential import holder_of
from sidecar.errors import TaskUnknown
from sidecar.sessions.earlier import Forwarded
from sidecar.sessions.server_tasks import ServerTasks
from tests.support.fake_server import FakeServer, Gate, text, until, within
from tests.support.grants import Grants
from tests.support.inprocess import World, space, world
from tests.support.jwts import ISSUER
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import Era, HttpPeer, Peer, SsePeer, Transport, client, connected

pytestmark = pytest.mark.outside

BASE = "http://hub/mcp/w"
WAYS = pytest.mark.parametrize(
    ("transport", "era"), [("sse", "legacy"), ("sse", "modern"), ("http", "legacy"), ("http", "modern")]
)
ENDS = ("revoked", "user ended", "key revoked", "lapsed")
NOTED = {"toolsListChanged": True}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What `time.time` says, its one element: time goes on when a test says so, however busy the machine is."""
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


class Place:
    """A protected hub with the workspaces `w` and `other`, and who may use it."""

    def __init__(self, hub: World, root: Path, grants: Grants | None = None) -> None:
        self.hub = hub
        self.gate: Any = hub.servers["fake"].tools["gate"]
        self.keys = KeyFile(root)
        self.grants = grants or Grants(root)
        self.looks = 0
        look = hub.gate._on_look

        def looked() -> None:
            self.looks += 1
            look()

        hub.gate._on_look = looked

    def key(self, name: str) -> tuple[str, str]:
        """Make a key; its token, and its id."""
        token = self.keys.add(name)
        self.hub.keyring.refresh()
        return token, next(key.id for key in self.keys._keys.values() if key.name == name)

    @contextlib.asynccontextmanager
    async def peer(self, token: str, transport: Transport, era: Era) -> AsyncIterator[SsePeer | HttpPeer]:
        """A client, whose stream may end before it does."""
        uds = self.hub.settings.sidecar_socket
        async with connected(BASE, transport, era, token=token, uds=uds) as peer:
            yield peer

    def http(self, token: str = "") -> httpx2.AsyncClient:
        """A client of HTTP."""
        return client(token, self.hub.settings.sidecar_socket)

    async def status(self, token: str, path: str = "/mcp/w") -> tuple[int, str]:
        """What a request with a token gets: the status, and the challenge."""
        async with self.http(token) as http:
            reply = await http.get(f"http://hub{path}", headers={"accept": "text/event-stream"})
            return reply.status_code, reply.headers.get("www-authenticate", "")


@contextlib.asynccontextmanager
async def place(
    root: Path | None = None, grants: Grants | None = None, *, rules: bool = True, **settings: Any
) -> AsyncIterator[Place]:
    """It runs, in a directory that may have been used before. Rules let users use everything."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as name:  # of mode 0700
        root = root or Path(name)
        server = FakeServer(tools={"gate": Gate(), "echo": lambda: text("echoed")})
        async with world(root, server, serve=True, token=HUB_TOKEN, runtime_dir=root / "run", **settings) as hub:
            made = Place(hub, root, grants)
            hub.put(server.spec("a"), space("a"), space("a", name="other"))
            if rules:
                hub.allow({"effect": "allow", "subject": "*"})
            await hub.settled()
            yield made


async def call(peer: Peer, tool: str = "echo") -> Any:
    """Call a tool; the result."""
    return (await peer.request("tools/call", {"name": f"a_{tool}"})).result


class Client:
    """A client with a call in flight on each way, and a stream; `over` is set when both calls have ended."""

    def __init__(self, peer: Peer, cold: Peer) -> None:
        self.peer = peer
        self.results: list[Any] = []
        self.calls = [asyncio.create_task(self._calls(each)) for each in (peer, cold)]

    async def _calls(self, peer: Peer) -> None:
        self.results.append(await call(peer, "gate"))


@contextlib.asynccontextmanager
async def busy(at: Place, token: str, transport: Transport, era: Era) -> AsyncIterator[Client]:
    """A client whose one call is on the direct way where there is one, the other one on the waiting way."""
    async with contextlib.AsyncExitStack() as stack:
        with contextlib.suppress(AssertionError, httpx2.TransportError):  # a stream that ended
            warm, cold = [await stack.enter_async_context(at.peer(token, transport, era)) for _ in range(2)]
            for _ in range(2):
                await call(warm)
            await stack.enter_async_context(warm.listening(NOTED))
            made = Client(warm, cold)
            try:
                yield made
            finally:
                for each in made.calls:
                    each.cancel()
                await asyncio.wait(made.calls)


@WAYS
async def test_what_is_open_ends(transport: Transport, era: Era, clock: list[float]) -> None:
    """Each kind of end ends the streams, the calls on both ways, and the sessions of its client, within two looks (a
    second), and those of no other client. Whatever the server still says reaches nobody."""
    async with place() as at, contextlib.AsyncExitStack() as stack:
        for name in ("ada", "eve"):
            at.grants.user(name)
        token, key = at.key("one")
        made = {
            "revoked": at.grants.of_user("ada"),
            "user ended": at.grants.of_user("eve"),
            "key revoked": at.grants.of_key(token, key),
            "lapsed": at.grants.of_user("ada"),
            "stays": at.grants.of_user("ada"),
        }
        tokens = {
            end: at.grants.token(grant, clock[0] + (60 if end == "lapsed" else 3600)) for end, grant in made.items()
        }
        clients = {end: await stack.enter_async_context(busy(at, each, transport, era)) for end, each in tokens.items()}
        await at.gate.reached(2 * len(clients))
        began = at.looks
        at.grants.end(made["revoked"])
        at.grants.end_user("eve")
        at.keys.revoke("one")
        clock[0] += 60
        ended = [each for end in ENDS for each in clients[end].calls]
        if transport == "http":
            await within(asyncio.wait(ended))
        sessions = {"sse": 2, "http": 4 if era == "legacy" else 0}[transport]
        await until(lambda: at.hub.session_count() == sessions and not _streams(at, made))
        assert at.looks - began <= 2
        # ada's process is told of the two clients that ended; those of eve and of the key are gone
        await until(lambda: (at.gate.cancelled, at.hub.servers["fake"].open) == (4, 2))
        at.gate.open()
        await within(asyncio.wait(clients["stays"].calls))
        assert [each["content"] for each in clients["stays"].results] == [text("through")["content"]] * 2
        assert [clients[end].results for end in ENDS] == [[]] * len(ENDS)
        for end in ENDS:
            assert (await at.status(tokens[end]))[0] == 401
        assert (await call(clients["stays"].peer))["content"] == text("echoed")["content"]


def _streams(at: Place, made: dict[str, str]) -> list[str]:
    """The grants with requests in progress, apart from the one that stays."""
    return [each.grant for each in at.hub.gate._running.values() if each.grant != made["stays"]]


@WAYS
async def test_a_refresh_ends_nothing(transport: Transport, era: Era, clock: list[float]) -> None:
    """A session, its stream and a call in flight go on beyond the end of the token that they began with; the old token
    is good for nothing more, even where the direct way knows it."""
    async with place() as at:
        at.grants.user("ada")
        grant = at.grants.of_user("ada")
        old = at.grants.token(grant, clock[0] + 60)
        async with at.peer(old, transport, era) as peer, peer.listening(NOTED):
            for _ in range(3):
                await call(peer)
            [workspace] = at.hub.hub.key_workspaces
            calling = asyncio.create_task(call(peer, "gate"))
            await at.gate.reached()
            new = at.grants.token(grant, clock[0] + 3600)
            clock[0] += 60
            looks = at.looks
            await until(lambda: at.looks > looks + 1)
            at.gate.open()
            assert (await within(calling))["content"] == text("through")["content"]
            frame = {"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": peer._enveloped({"name": "a_echo"})}
            url = await peer.message_url if isinstance(peer, SsePeer) else peer.url
            headers = peer._headers(frame) if isinstance(peer, HttpPeer) else {}
            refused = await peer.http.post(url, json=frame, headers=headers)
            assert refused.status_code == 401
            assert 'error="invalid_token"' in refused.headers["www-authenticate"]
            peer.http.headers["authorization"] = f"Bearer {new}"
            for _ in range(3):
                assert (await call(peer))["content"] == text("echoed")["content"]
            assert list(at.hub.hub.key_workspaces) == [workspace]
        assert len(at.hub.servers["fake"].channels) == 2  # the common one, and ada's


async def test_a_refresh_slows_nobody(clock: list[float]) -> None:
    """New tokens and grants change nothing for others: known heads stay known."""
    async with place() as at:
        at.grants.user("ada")
        grant = at.grants.of_user("ada")
        at.grants.token(grant)
        assert (await at.status("yha_unknown"))[0] == 401
        version, looks = at.hub.hub.config_version, at.looks
        at.grants.token(grant)
        at.grants.of_user("ada")
        await until(lambda: at.looks > looks + 1)
        assert at.hub.hub.config_version == version
        at.grants.end(grant)
        await until(lambda: at.hub.hub.config_version > version)


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_a_session_belongs_to_its_grant(transport: Transport) -> None:
    """Other grants of the same user or key, the key itself, and the hub's token get what an unknown session gets."""
    async with place() as at:
        at.grants.user("ada")
        key_token, key = at.key("one")
        owners = {
            "user": [at.grants.token(at.grants.of_user("ada")) for _ in range(2)],
            "key": [at.grants.token(at.grants.of_key(key_token, key)), key_token],
            "hub": [at.grants.token(at.grants.of_key(HUB_TOKEN, "admin")), HUB_TOKEN],
        }
        everybody = [token for tokens in owners.values() for token in tokens]
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        for own in everybody:
            async with at.peer(own, transport, "legacy") as peer:
                for other in everybody:
                    async with at.http(other) as http:
                        if own == other:
                            continue
                        if isinstance(peer, SsePeer):
                            assert (await http.post(await peer.message_url, json=ping)).status_code == 404
                        else:
                            for method, body in (("POST", ping), ("GET", None), ("DELETE", None)):
                                reply = await http.request(method, BASE, json=body, headers=peer.headers)
                                assert reply.status_code == 404
                assert "result" in (await peer.request("ping")).answer


@pytest.mark.parametrize("maker", ["user", "hub"])
async def test_a_resumed_session_belongs_to_its_grant(maker: str) -> None:
    """The id of a session of an earlier process is good for a newer token of its grant, and for nobody else."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as name:
        root = Path(name)
        async with place(root) as at:
            at.grants.user("ada")
            mine, other = [
                at.grants.of_user("ada") if maker == "user" else at.grants.of_key(HUB_TOKEN, "admin") for _ in range(2)
            ]
            async with at.http(at.grants.token(mine)) as http:
                peer = HttpPeer(http, BASE, "legacy")
                await peer.greet()
                session = peer.headers["mcp-session-id"]
        async with place(root, grants=at.grants) as at:
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            for token, status in (
                (at.grants.token(other), 404),
                (HUB_TOKEN, 404),
                (at.grants.token(mine), 200),
                (at.grants.token(other), 404),
            ):
                async with at.http(token) as http:
                    headers = {"accept": "application/json, text/event-stream", "mcp-session-id": session}
                    assert (await http.post(BASE, json=ping, headers=headers)).status_code == status


async def test_what_a_successor_forwards_belongs_to_its_grant() -> None:
    """A process that finishes its calls takes messages for a session from the grant that opened it alone (ADR 35)."""
    async with place() as at:
        at.grants.user("ada")
        mine, other = at.grants.of_user("ada"), at.grants.of_user("ada")
        async with at.peer(at.grants.token(mine), "sse", "legacy") as peer:
            assert isinstance(peer, SsePeer)
            session = (await peer.message_url).partition("=")[2]
            owner = at.hub.sse._sessions[session].principal
            note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            for grant, delivered in ((mine, True), (other, False), ("", False)):
                holder = holder_of(dataclasses.replace(owner, grant=grant))
                assert at.hub.sse.deliver(Forwarded("sse", session, holder, note)) is delivered


async def test_tasks_belong_to_their_grant() -> None:
    """Modern clients have no session; what a server works on for one grant, no other one can ask about, cancel, or see
    when the grant has ended."""
    principals = [Principal("u0123456789abcde", "ada", grant=grant) for grant in ("", "g1", "g2")]
    tasks, upstream = ServerTasks(), object()
    ids = [
        tasks.of(each).register_extension(_Offer(), upstream, "t", {"taskId": "1"})["taskId"]  # type: ignore[arg-type]
        for each in principals
    ]
    assert ids == ["1", "1", "1"]
    for each in principals:
        assert tasks.of(each).find("1").id == "1"
        with pytest.raises(TaskUnknown):
            tasks.of(dataclasses.replace(each, grant="g3")).find("1")
    assert tasks.any_of(upstream)
    tasks.forget_ended(lambda principal: None if principal.grant == "g1" else principal)
    with pytest.raises(TaskUnknown):
        tasks.of(principals[1]).find("1")
    assert tasks.of(principals[2]).find("1").id == "1"


class _Offer:
    """What a task is registered with; nothing of it is looked at."""


async def test_tokens_for_elsewhere() -> None:
    """A token is good for its workspace alone; at another one, and at one that there is not, the answer is the same."""
    async with place(public_url="https://hub.example") as at:
        at.grants.user("ada")
        token = at.grants.token(at.grants.of_user("ada"))
        for rest in ("", "/sse", "/messages", "/nothing"):
            answers = []
            for slug in ("other", "nope"):
                async with at.http(token) as http:
                    reply = await http.get(f"http://hub/mcp/{slug}{rest}")
                told = reply.headers["www-authenticate"].replace(slug, "SLUG")
                answers.append((reply.status_code, told, reply.text.replace(slug, "SLUG")))
            assert answers[0] == answers[1]
            assert answers[0][0] == 401
            assert 'error="invalid_token"' in answers[0][1]
        assert (await at.status(token, "/status"))[0] == 404
        assert (await at.status(at.grants.token(at.grants.of_user("ada", scopes=()))))[0] == 403


async def test_challenges() -> None:
    """They say where the metadata is: at the address that the front says, else at HUB_PUBLIC_URL."""
    async with place(public_url="https://hub.example/") as at:
        at.grants.user("ada")
        unscoped = at.grants.token(at.grants.of_user("ada", scopes=()))
        metadata = ".well-known/oauth-protected-resource/mcp/w"
        for path, ending in (("/mcp/w", ""), ("/mcp/w/sse", "/sse"), ("/mcp/w/messages", "/sse")):
            place_of = f'resource_metadata="https://hub.example/{metadata}{ending}", scope="mcp"'
            assert await at.status("", path) == (401, f'Bearer realm="yamcp-hub", {place_of}')
            expected = f'Bearer realm="yamcp-hub", error="invalid_token", {place_of}'
            assert await at.status("yha_" + "x" * 43, path) == (401, expected)
            expected = f'Bearer realm="yamcp-hub", error="insufficient_scope", {place_of}'
            assert await at.status(unscoped, path) == (403, expected)
        async with at.http() as http:
            for said, base in (
                ("http://10.0.0.1:8765", "http://10.0.0.1:8765"),
                ('http://x"y', "https://hub.example"),
                ("javascript:1", "https://hub.example"),
            ):
                reply = await http.get(BASE, headers={"x-hub-base": said})
                assert f'resource_metadata="{base}/{metadata}"' in reply.headers["www-authenticate"]
        assert (await at.status("", "/status"))[1] == 'Bearer realm="yamcp-hub"'
        for strange in ("/mcp/w/x", "/mcp//w", "/mcp/%", f"/mcp/{'w' * 600}"):
            assert ("metadata" in (await at.status("", strange))[1]) is (strange == "/mcp/%")


async def test_a_thousand_expired_tokens(clock: list[float]) -> None:
    """Each gets 401 with a challenge, so that its client refreshes; and a valid one is served in between."""
    async with place() as at:
        at.grants.user("ada")
        grants = [at.grants.of_user("ada") for _ in range(10)]
        expired = [at.grants.token(grants[number % 10], clock[0] + 60) for number in range(1000)]
        good = at.grants.token(grants[0], clock[0] + 3600)
        clock[0] += 60
        answers = set()
        async with at.http() as http:
            for number, token in enumerate(expired):
                reply = await http.post(BASE, headers={"authorization": f"Bearer {token}"}, json={})
                answers.add((reply.status_code, reply.headers["www-authenticate"]))
                if number % 100 == 0:
                    assert (await at.status(good))[0] == 400  # it names no session
        assert answers == {(401, 'Bearer realm="yamcp-hub", error="invalid_token", scope="mcp"')}
        assert len(at.hub.gate._cached) <= 1024


async def test_modern_calls_in_parts_belong_to_their_grant() -> None:
    """The state of a call that asks for input is for the grant that called, and the call ends with the grant."""
    async with place() as at:
        at.hub.servers["fake"].tools["ask"] = _ask
        at.hub.put(at.hub.servers["fake"].spec("a", session="per_client"))
        at.grants.user("ada")
        mine = at.grants.of_user("ada")
        tokens = [at.grants.token(mine), at.grants.token(mine), at.grants.token(at.grants.of_user("ada"))]
        able = {"elicitation": {"form": {}}}
        async with contextlib.AsyncExitStack() as stack:
            peers = []
            for token in tokens:
                http = await stack.enter_async_context(at.http(token))
                peers.append(HttpPeer(http, BASE, "modern", able))
            asked = (await peers[0].request("tools/call", {"name": "a_ask"})).result
            assert asked["resultType"] == "input_required"
            answers = {key: {"action": "accept", "content": {}} for key in asked["inputRequests"]}
            answered = {"name": "a_ask", "inputResponses": answers, "requestState": asked["requestState"]}
            stolen = (await peers[2].request("tools/call", answered)).answer
            assert stolen["error"]["data"]["code"] == "REQUEST_STATE_INVALID"
            assert "result" in (await peers[1].request("tools/call", answered)).answer, "a token of the same grant"
            await peers[0].request("tools/call", {"name": "a_ask"})
            [workspace] = at.hub.hub.key_workspaces
            assert len(workspace.suspended_calls) == 1
            at.grants.end(mine)
            await until(lambda: len(workspace.suspended_calls) == 0)


async def _ask(channel: Any) -> Any:
    """A tool that asks its client."""
    form = {"message": "m", "requestedSchema": {"type": "object", "properties": {}}}
    return text(str(await channel.ask("elicitation/create", form)))


async def test_users_need_rules() -> None:
    """Without access rules a user may use nothing, whatever it has allowed a client."""
    async with place(rules=False) as at:
        at.grants.user("ada")
        token = at.grants.token(at.grants.of_user("ada"))
        assert (await at.status(token))[0] == 404


# --- an external authorization server -------------------------------------------------------------------------------


@WAYS
async def test_newer_jwts_end_nothing(transport: Transport, era: Era, clock: list[float]) -> None:
    """What a client has begun with a JWT goes on with its next one, and ends with its last one; clients of the same
    user have sessions of their own."""
    async with place(jwt_issuer=ISSUER, jwt_audience="hub") as at:
        issue, end = at.hub.issuer.token, int(clock[0]) + 600
        first, second = issue(aud="hub", exp=end), issue(aud="hub", exp=end + 600)
        async with at.peer(first, transport, era) as peer, peer.listening(NOTED):
            for _ in range(3):
                await call(peer)
            calling = asyncio.create_task(call(peer, "gate"))
            await at.gate.reached()
            assert (await at.status(second))[0] in (400, 405)
            other = issue(aud="hub", client_id="other")
            clock[0] = end + 60
            looks = at.looks
            await until(lambda: at.looks > looks + 1)
            at.gate.open()
            assert (await within(calling))["content"] == text("through")["content"]
            assert (await at.status(first))[0] == 401
            if isinstance(peer, SsePeer):
                async with at.http(other) as http:
                    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
                    assert (await http.post(await peer.message_url, json=ping)).status_code == 404
            peer.http.headers["authorization"] = f"Bearer {second}"
            assert (await call(peer))["content"] == text("echoed")["content"]
            clock[0] = end + 660
            await until(lambda: not at.hub.gate._running)
            peer.http.headers["authorization"] = f"Bearer {issue(aud='hub', exp=end + 6000)}"


async def test_the_audience_of_jwts() -> None:
    """Without HUB_JWT_AUDIENCE, a JWT is for an endpoint's own URL, at the address that the front says or
    HUB_PUBLIC_URL; the public port leaves such requests to the front, which checks the Host."""
    async with place(jwt_issuer=ISSUER, jwt_scopes="use") as at:
        token = at.hub.issuer.token(aud="https://hub.example/mcp/w/sse", scope="use")
        for base, path, status in (
            ("https://hub.example", "/mcp/w", 400),
            ("https://hub.example", "/mcp/other", 401),
            ("https://hub.example", "/mcp/nope", 401),
            ("https://evil.example", "/mcp/w", 401),
            ("", "/mcp/w", 401),
        ):
            async with at.http(token) as http:
                headers = {"accept": "text/event-stream", "x-hub-base": base, "host": "hub.example"}
                assert (await http.get(f"http://hub{path}", headers=headers)).status_code == status
        assert not at.hub.gate.admits(f"Bearer {token}".encode())
        less = at.hub.issuer.token(aud="https://hub.example/mcp/w", scope="")
        async with at.http(less) as http:
            reply = await http.get(BASE, headers={"x-hub-base": "https://hub.example"})
        assert (reply.status_code, reply.json()["error"]["data"]["code"]) == (403, "SCOPE_MISSING")
        assert 'error="insufficient_scope"' in reply.headers["www-authenticate"]
        assert reply.headers["www-authenticate"].endswith('scope="use"')


async def test_a_key_that_is_new() -> None:
    """A request with a JWT of a key that the hub does not know yet waits for the keys, and is served."""
    async with place(jwt_issuer=ISSUER, jwt_audience="hub") as at:
        async with asyncio.timeout(100):
            assert (await at.status(at.hub.issuer.token(aud="hub")))[0] == 400
        at.hub.authentication._kinds[1]._keys._fetched_at = float("-inf")  # type: ignore[attr-defined]
        at.hub.issuer.add("two")
        assert (await at.status(at.hub.issuer.token("two", aud="hub")))[0] == 400
