"""Signing in at a remote server: the hub in this process, a real authorization server and MCP server beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.keys import Principal
from bridge.models import (
    BeginUpstreamSignIn,
    EndUpstreamSignIn,
    FinishUpstreamSignIn,
    ListUpstreamSignIns,
    RemoteLaunch,
    ServerSettings,
    ServerSpec,
    UpstreamSignIn,
)
from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import SidecarError
from sidecar.input_errors import InputRefused
from sidecar.protocol import jsonrpc
from sidecar.sign_in_errors import SignInFailed, SignInForbidden, SignInStateInvalid
from sidecar.upstream.upstream import Upstream
from tests.support.fake_server import until
from tests.support.inprocess import Recorder, World, space, world
from tests.support.oauth_server import OAuthServer

CALLBACK = "http://127.0.0.1:8765/connect/callback"
BROWSER = "browser-secret-of-this-test"


@pytest.fixture
async def remote() -> AsyncIterator[OAuthServer]:
    """The servers."""
    async with OAuthServer().serving() as server:
        yield server


class Site:
    """A hub with the server `notes`, and what its users do."""

    def __init__(self, hub: World, remote: OAuthServer) -> None:
        self.hub = hub
        self.remote = remote
        self.stack = contextlib.AsyncExitStack()

    @property
    def service(self) -> Any:
        """The handlers on the bridge."""
        return self.hub.sign_ins.sign_ins

    async def begin(self, user: str = "", **more: Any) -> str:
        """Begin a sign-in; returns the address for the browser."""
        request = {"server": "notes", "principal": user, "browser": BROWSER, "redirect_uri": CALLBACK, **more}
        return (await self.service.begin(BeginUpstreamSignIn(**request))).url

    async def finish(self, said: dict[str, str], user: str = "", **more: Any) -> UpstreamSignIn:
        """Finish it with what the redirect says."""
        request = {"principal": user, "browser": BROWSER, **said, **more}
        return await self.service.finish(FinishUpstreamSignIn(**request))

    async def sign_in(self, user: str = "", person: str = "", **more: Any) -> UpstreamSignIn:
        """Sign in as a user, who is `person` at the server, and wait until the server is connected."""
        said = await self.remote.agree(await self.begin(user, **more), person)
        done = await self.finish(said, user)
        for upstream in self.upstreams(done.owner):
            await until(lambda upstream=upstream: upstream.state == "ready")
        return done

    def upstreams(self, owner: str = "") -> list[Upstream]:
        """The upstreams of an owner."""
        return [each for each in self.hub.hub.pool if each.account is not None and each.account.owner == owner]

    async def call(self, tool: str = "notes_whoami", user: str | Principal = "") -> str:
        """Call a tool as a user; returns who the server says that is."""
        base, principal = self.hub.workspace(), user if isinstance(user, Principal) else Principal(user, user)
        async with self.hub.hub.key_workspaces.using(base, principal) as workspace:
            session = Recorder()
            workspace.join(session)
            try:
                frame = jsonrpc.request(0, "tools/call", {"name": tool, "arguments": {}})
                result = await self.hub.hub.endpoint(workspace).serve(session, frame, session.notify)
            finally:
                workspace.leave(session)
        return str(result["content"][0]["text"])


@contextlib.asynccontextmanager
async def site(root: Path, remote: OAuthServer, sign_in: str = "user", **settings: Any) -> AsyncIterator[Site]:
    """A hub with one server."""
    async with world(root) as hub:
        spec = ServerSpec(
            key="notes",
            namespace="notes",
            launch=RemoteLaunch(url=f"{remote.url}/mcp"),
            settings=ServerSettings(sign_in=sign_in, **settings),  # type: ignore[arg-type]
        )
        hub.put(spec, space("notes"))
        await hub.settled()
        yield Site(hub, remote)


async def refused(work: Any) -> dict[str, Any]:
    """The data of the error with which a call fails, whether the hub knew it before or after it asked the server."""
    with pytest.raises((SidecarError, ErrorResponse)) as caught:
        await work
    error = caught.value
    return dict((error.error if isinstance(error, ErrorResponse) else error.rpc())["data"])


async def test_a_user_signs_in(tmp_path: Path, remote: OAuthServer) -> None:
    """Without a sign-in nothing is sent to the server; with one, its tools are listed and calls reach it."""
    async with site(tmp_path, remote) as here:
        upstream = here.upstreams()[0]
        assert upstream.state == "sign_in_required"
        assert upstream.reason is not None
        assert upstream.reason.code == "SIGN_IN_REQUIRED"
        assert upstream.reason.data["url"].endswith("/connect/notes")
        assert remote.seen == []
        done = await here.sign_in(person="grace")
        assert (done.signed_in, done.owner, done.scopes, done.refreshable) == (True, "", ("read",), True)
        assert await here.call() == "grace"
        assert len(remote.clients) == 1


async def test_two_users_never_use_each_others_tokens(tmp_path: Path, remote: OAuthServer) -> None:
    """Each user's calls come with that user's token, also when they call at once; a third user's call is refused."""
    async with site(tmp_path, remote) as here:
        await here.sign_in("k0000001", "ada")
        await here.sign_in("k0000002", "grace")
        assert len(remote.clients) == 1  # one registration serves all users
        calls = [here.call(user=user) for _ in range(20) for user in ("k0000001", "k0000002")]
        assert await asyncio.gather(*calls) == ["ada", "grace"] * 20
        assert len(set(remote.seen)) == 2


async def test_tokens_survive_a_restart_and_are_sealed(tmp_path: Path, remote: OAuthServer) -> None:
    """A later process uses the stored tokens; no file has a token in it, and no file is open to others."""
    async with site(tmp_path, remote) as here:
        await here.sign_in(person="grace")
    stored = list((tmp_path / "sign-ins").iterdir())
    for path in (*stored, tmp_path / "sign-ins.key"):
        assert path.stat().st_mode & 0o077 == 0, path
        assert not [secret for secret in remote.secrets if secret.encode() in path.read_bytes()]
    async with site(tmp_path, remote) as here:
        assert here.upstreams()[0].state == "ready"
        assert await here.call() == "grace"


async def test_a_damaged_store_means_not_signed_in(tmp_path: Path, remote: OAuthServer) -> None:
    """With another key, or after a change of the file, nobody is signed in, and the reason says why."""
    async with site(tmp_path, remote) as here:
        await here.sign_in()
    (tmp_path / "sign-ins.key").write_bytes(bytes(32))
    async with site(tmp_path, remote) as here:
        upstream = here.upstreams()[0]
        assert upstream.state == "sign_in_required"
        assert upstream.reason is not None
        assert "cannot be read" in upstream.reason.message
        listed = await here.service.listed(ListUpstreamSignIns(), here.hub.hub.snapshot.servers)
        assert [(each.signed_in, "cannot be read" in each.reason.message) for each in listed.sign_ins] == [
            (False, True)
        ]
        await here.sign_in()


async def test_one_refresh_for_many_calls(tmp_path: Path, remote: OAuthServer) -> None:
    """Fifty calls at once after the token has ended cause one refresh, and all of them succeed."""
    async with site(tmp_path, remote) as here:
        await here.sign_in(person="grace")
        remote.refresh_delay = 0.1
        remote.end_access()
        assert await asyncio.gather(*(here.call() for _ in range(50))) == ["grace"] * 50
        assert remote.refreshed == 1


async def test_a_token_is_refreshed_before_it_ends(tmp_path: Path, remote: OAuthServer) -> None:
    """A token that is about to end is refreshed before it is sent."""
    remote.lifetime = 1
    async with site(tmp_path, remote) as here:
        await here.sign_in(person="grace")
        remote.lifetime = 3600
        await asyncio.sleep(1)  # the token ends
        before = len(remote.seen)
        assert await here.call() == "grace"
        assert remote.refreshed >= 1
        assert len(set(remote.seen[before:])) == 1


async def test_after_a_revocation_a_sign_in_is_required(tmp_path: Path, remote: OAuthServer) -> None:
    """A refresh that is refused ends the sign-in; the next one mends it."""
    async with site(tmp_path, remote) as here:
        await here.sign_in()
        remote.end_everything()
        error = await refused(here.call())
        assert (error["code"], error["retryable"]) == ("SIGN_IN_REQUIRED", False)
        assert error["url"].endswith("/connect/notes")
        await until(lambda: here.upstreams()[0].state == "sign_in_required")
        assert (await refused(here.call()))["url"] == error["url"]
        await here.sign_in(person="grace")
        assert await here.call() == "grace"


async def test_a_token_endpoint_that_fails_for_a_while_ends_nothing(tmp_path: Path, remote: OAuthServer) -> None:
    """The sign-in is kept while the authorization server fails."""
    async with site(tmp_path, remote) as here:
        await here.sign_in(person="grace")
        remote.end_access()
        remote.answers["/token"] = 503
        assert (await refused(here.call()))["code"] == "SIGN_IN_UNAVAILABLE"
        del remote.answers["/token"]
        assert await here.call() == "grace"


async def test_further_scopes(tmp_path: Path, remote: OAuthServer) -> None:
    """A call that needs another scope is answered with the link; the next sign-in asks for it, and keeps the others."""
    remote.needs = {"write": "write"}
    async with site(tmp_path, remote) as here:
        await here.sign_in(person="grace")
        assert (await refused(here.call("notes_write")))["code"] == "SIGN_IN_REQUIRED"
        assert await here.call() == "grace"  # other calls go on
        url = await here.begin()
        assert "scope=read+write" in url
        await here.finish(await remote.agree(url))
        await until(lambda: here.upstreams()[0].state == "ready")
        assert await here.call("notes_write") == "grace"


URL_MODE = {"elicitation": {"url": {}}}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": URL_MODE,
}


async def test_a_legacy_client_is_asked_to_open_the_link(tmp_path: Path, remote: OAuthServer) -> None:
    """With URL elicitation, the call waits for the sign-in, goes on, and the client is told that it is done. If the
    user declines, it fails."""
    async with site(tmp_path, remote) as here:
        await here.sign_in()
        remote.end_everything()

        class Client(Recorder):
            async def ask(self, method: str, params: dict[str, Any]) -> Any:
                assert (method, params["mode"]) == ("elicitation/create", "url")
                assert params["url"].endswith("/connect/notes")
                if self.answer["action"] == "accept":
                    signing = asyncio.ensure_future(here.sign_in(person="grace"))
                    self.signing = signing
                return await super().ask(method, params)

        client = Client()
        client.capabilities = URL_MODE
        here.hub.workspace().join(client)
        client.answer = {"action": "decline"}
        call = {"name": "notes_whoami", "arguments": {}}
        with pytest.raises(InputRefused):
            await here.hub.ask(client, "tools/call", call)
        client.answer = {"action": "accept"}
        result = await here.hub.ask(client, "tools/call", call)
        assert result["content"][0]["text"] == "grace"
        await client.signing
        assert "elicitation/complete" in client.took()


async def test_a_modern_client_is_asked_to_open_the_link(tmp_path: Path, remote: OAuthServer) -> None:
    """It gets an input request, and repeats its call, which waits for the sign-in."""
    async with site(tmp_path, remote) as here:
        await here.sign_in()
        remote.end_everything()
        session = here.hub.workspace().sessionless
        call = {"name": "notes_whoami", "arguments": {}, "_meta": MODERN}
        asked = await here.hub.ask(session, "tools/call", call)
        assert asked["resultType"] == "input_required"
        ((key, wanted),) = asked["inputRequests"].items()
        assert wanted["params"]["url"].endswith("/connect/notes")
        answered = {**call, "requestState": asked["requestState"], "inputResponses": {key: {"action": "accept"}}}
        waiting = asyncio.ensure_future(here.hub.ask(session, "tools/call", answered))
        await here.sign_in(person="grace")
        assert (await waiting)["content"][0]["text"] == "grace"


async def test_shared_by_all(tmp_path: Path, remote: OAuthServer) -> None:
    """An administrator signs in once; the calls of all users come with that token. Others may not sign in or out."""
    async with site(tmp_path, remote, "shared") as here:
        with pytest.raises(SignInForbidden):
            await here.begin("k0000001")
        await here.sign_in("admin", "company", admin=True)
        assert await here.call(user="k0000001") == await here.call(user="k0000002") == "company"
        with pytest.raises(SignInForbidden):
            await here.service.end(EndUpstreamSignIn(principal="", server="notes"))


async def test_sign_out(tmp_path: Path, remote: OAuthServer) -> None:
    """The tokens are deleted and revoked, and calls are refused."""
    async with site(tmp_path, remote) as here:
        await here.sign_in("k0000001", "ada")
        assert await here.call(user="k0000001") == "ada"
        await here.service.end(EndUpstreamSignIn(principal="k0000001", server="notes"))
        await until(lambda: here.upstreams("k0000001")[0].state == "sign_in_required")
        assert (await refused(here.call(user="k0000001")))["code"] == "SIGN_IN_REQUIRED"
        await until(lambda: len(remote.revoked) == 2)
        assert not list((tmp_path / "sign-ins").glob("token-*"))


async def test_a_sign_out_during_a_refresh(tmp_path: Path, remote: OAuthServer) -> None:
    """The tokens that the refresh brings are revoked and not stored: nobody is signed in afterwards."""
    async with site(tmp_path, remote) as here:
        await here.sign_in("k0000001", "ada")
        assert await here.call(user="k0000001") == "ada"
        remote.end_access()
        remote.may_refresh.clear()
        call = asyncio.ensure_future(here.call(user="k0000001"))
        await until(lambda: remote.refreshing)
        await here.service.end(EndUpstreamSignIn(principal="k0000001", server="notes"))
        remote.may_refresh.set()
        await refused(call)  # the end of the connection may come first
        assert (await refused(here.call(user="k0000001")))["code"] == "SIGN_IN_REQUIRED"
        await until(lambda: remote.refreshed and not (remote.access or remote.refreshes))
        assert not list((tmp_path / "sign-ins").glob("token-*.json"))


async def test_a_removed_server_takes_its_tokens_along(tmp_path: Path, remote: OAuthServer) -> None:
    """They are deleted and revoked."""
    async with site(tmp_path, remote) as here:
        await here.sign_in("k0000001", "ada")
        here.hub.put(without=("w", "notes"))
        await until(lambda: len(remote.revoked) == 2)
        assert not list((tmp_path / "sign-ins").glob("*.json"))


async def test_another_user_cannot_finish_a_sign_in(tmp_path: Path, remote: OAuthServer) -> None:
    """Account takeover by a link: neither another user nor another browser can finish what one has begun, and a link
    for one user is refused to another. Each attempt ends the sign-in."""
    async with site(tmp_path, remote) as here:
        said = await remote.agree(await here.begin("k0000001"))
        with pytest.raises(SignInStateInvalid, match="another user"):
            await here.finish(said, "k0000002")
        with pytest.raises(SignInStateInvalid, match="unknown, over"):
            await here.finish(said, "k0000001")
        said = await remote.agree(await here.begin("k0000001"))
        with pytest.raises(SignInStateInvalid, match="another browser"):
            await here.finish(said, "k0000001", browser="another")
        with pytest.raises(SignInForbidden, match="another user"):
            await here.begin("k0000002", for_principal="k0000001")
        assert not list((tmp_path / "sign-ins").glob("token-*"))


async def test_mix_up(tmp_path: Path, remote: OAuthServer) -> None:
    """An answer that says that it comes from another issuer is refused, and the code is not sent anywhere."""
    async with site(tmp_path, remote) as here:
        said = await remote.agree(await here.begin())
        with pytest.raises(SignInFailed, match="Another authorization server"):
            await here.finish({**said, "iss": "https://evil.example"})
        assert remote.codes


async def test_no_secret_is_shown(tmp_path: Path, remote: OAuthServer, caplog: pytest.LogCaptureFixture) -> None:
    """No token and no code is in a log line, in the status, or in an error."""
    caplog.set_level("DEBUG")
    async with site(tmp_path, remote) as here:
        await here.sign_in()
        code = next(iter(here.remote.codes), "")
        await here.call()
        status = (await here.hub.reporter.status()).model_dump_json()
        known = set(remote.secrets)
        remote.end_everything()
        error = str(await refused(here.call()))
    text = "\n".join([*(f"{record.getMessage()} {vars(record)}" for record in caplog.records), status, error])
    known |= remote.secrets | ({code} if code else set())
    assert known
    assert not [secret for secret in known if secret and secret in text]
