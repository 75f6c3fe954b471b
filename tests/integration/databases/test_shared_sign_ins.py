"""Two sidecars that share sign-ins at a remote server in a real PostgreSQL; the authorization server is real, too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.models import EndUpstreamSignIn, RemoteLaunch, ServerSettings, ServerSpec
from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import SidecarError
from sidecar.upstream_auth.shared import store
from sidecar.upstream_auth.shared.database import SignInDatabase
from tests.integration.upstream_auth.test_sign_in import Site, refused
from tests.support.fake_server import until
from tests.support.inprocess import space, world
from tests.support.oauth_server import OAuthServer
from tests.support.postgres import Postgres

ADA = "k0000001"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is back is noticed sooner; only notices tell of changes."""
    monkeypatch.setattr(store, "FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(store, "MAX_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(store, "POLL_SECONDS", 1000.0)
    monkeypatch.setattr(store, "SETTLED_SECONDS", 0.0)


@pytest.fixture
async def remote() -> AsyncIterator[OAuthServer]:
    """The servers."""
    async with OAuthServer().serving() as server:
        yield server


@pytest.fixture
def shared(postgres: Postgres, schema: str) -> dict[str, Any]:
    """The settings that replicas have in common."""
    return {"config_database": postgres.url(), "config_schema": schema, "replicas_secret": "s" * 32}


def server(remote: OAuthServer) -> ServerSpec:
    """The server `notes`."""
    launch, settings = RemoteLaunch(url=f"{remote.url}/mcp"), ServerSettings(sign_in="user")
    return ServerSpec(key="notes", namespace="notes", launch=launch, settings=settings)


@contextlib.asynccontextmanager
async def replica(root: Path, remote: OAuthServer, **settings: Any) -> AsyncIterator[Site]:
    """A hub with the server `notes`."""
    async with world(root, **settings) as hub:
        hub.put(server(remote), space("notes"))
        await hub.settled()
        yield Site(hub, remote)


@pytest.fixture
async def pair(tmp_path: Path, remote: OAuthServer, shared: dict[str, Any]) -> AsyncIterator[tuple[Site, Site]]:
    """Two replicas, which have found the database."""
    async with (
        replica(tmp_path / "r0", remote, **shared) as one,
        replica(tmp_path / "r1", remote, **shared) as two,
    ):
        await found(one, two)
        yield one, two


async def found(*sites: Site) -> None:
    """Wait until the replicas have reached the database."""
    for each in sites:
        await until(lambda each=each: each.service._store.available)


def signed_in(site: Site) -> bool:
    """Whether a replica has a sign-in of Ada."""
    return bool(site.service._store.read("token", (ADA, "notes")))


async def sign_out(site: Site) -> None:
    """Sign Ada out."""
    await site.service.end(EndUpstreamSignIn(principal=ADA, server="notes"))


async def test_a_user_who_signed_in_at_one_replica_calls_through_the_other(
    pair: tuple[Site, Site], remote: OAuthServer, postgres: Postgres, schema: str
) -> None:
    """The sign-in begins at one and is finished at the other, once; both use the account, until a sign-out at one. No
    secret is in the database."""
    one, two = pair
    said = await remote.agree(await one.begin(ADA), "ada")
    await two.finish(said, ADA)
    await until(lambda: signed_in(one))
    assert await one.call(user=ADA) == await two.call(user=ADA) == "ada"
    assert (await refused(one.finish(said, ADA)))["code"] == "SIGN_IN_STATE_INVALID"
    database = await asyncpg.connect(postgres.url())
    try:
        kept = str(await database.fetch(f"SELECT * FROM {schema}.sign_ins"))
    finally:
        await database.close()
    assert not [secret for secret in remote.secrets if secret in kept]
    await one.sign_in(ADA, "grace")  # somebody else there: the other replica connects anew
    while not any(tool == "whoami" and person == "grace" for tool, person in remote.calls):
        with contextlib.suppress(SidecarError, ErrorResponse):
            await two.call(user=ADA)
    assert len(remote.clients) == 1
    await sign_out(two)
    await until(lambda: one.upstreams(ADA)[0].state == "sign_in_required")
    assert (await refused(one.call(user=ADA)))["code"] == "SIGN_IN_REQUIRED"
    assert not signed_in(one)


async def test_replicas_refresh_a_token_once(pair: tuple[Site, Site], remote: OAuthServer) -> None:
    """Calls at both after the token has ended cause one refresh, whose refresh token replaces the one that was used;
    all calls succeed."""
    one, two = pair
    await one.sign_in(ADA, "ada")
    await until(lambda: signed_in(two))
    assert await two.call(user=ADA) == "ada"
    remote.needs = {"write": "write"}  # what a request at one lacks, a sign-in at the other asks for
    assert (await refused(one.call("notes_write", ADA)))["code"] == "SIGN_IN_REQUIRED"
    await until(lambda: two.service.latest(server(remote), ADA).wanted == ("write",))
    assert "scope=read+write" in await two.begin(ADA)
    for number in (1, 2, 3):
        remote.refresh_delay = 0.05
        remote.end_access()
        calls = [each.call(user=ADA) for _ in range(10) for each in pair]
        assert await asyncio.gather(*calls) == ["ada"] * 20
        assert remote.refreshed == number


async def test_without_the_database(pair: tuple[Site, Site], remote: OAuthServer, postgres: Postgres) -> None:
    """Tokens that have not ended are used; nobody refreshes or signs in, and nothing is lost. What ends at one replica
    ends at the other when the database is back."""
    one, two = pair
    eve = "k0000002"
    await one.sign_in(ADA, "ada")
    await one.sign_in(eve, "eve")
    await until(lambda: signed_in(two) and bool(two.service._store.read("token", (eve, "notes"))))
    assert (await two.call(user=ADA), await two.call(user=eve)) == ("ada", "eve")
    postgres.kill()
    assert await one.call(user=ADA) == await two.call(user=ADA) == "ada"
    await sign_out(one)
    await until(lambda: one.upstreams(ADA)[0].state == "sign_in_required")
    assert (await refused(one.call(user=ADA)))["code"] == "SIGN_IN_REQUIRED"
    assert (await refused(one.begin(ADA)))["code"] == "SIGN_IN_UNAVAILABLE"
    remote.end_access()
    error = await refused(two.call(user=eve))
    assert (error["code"], error["retryable"]) == ("SIGN_IN_UNAVAILABLE", True)
    postgres.start()
    await until(lambda: not signed_in(two))
    await found(one, two)
    assert await two.call(user=eve) == "eve"
    assert await one.call(user=eve) == "eve"
    assert remote.refreshed == 1


async def test_a_refresh_whose_commit_is_lost(pair: tuple[Site, Site], remote: OAuthServer, postgres: Postgres) -> None:
    """The database goes away while a token is refreshed: the replica uses the new one, and gives it to the other later.
    That one never uses the old refresh token again."""
    one, two = pair
    await one.sign_in(ADA, "ada")
    await until(lambda: signed_in(two))
    remote.end_access()
    remote.may_refresh.clear()
    call = asyncio.ensure_future(one.call(user=ADA))
    await until(lambda: remote.refreshing)
    postgres.kill()
    remote.may_refresh.set()
    assert await call == "ada"
    postgres.start()
    await found(one, two)
    assert await two.call(user=ADA) == "ada"
    assert remote.refreshed == 1


async def test_hubs_that_have_sign_ins_join_and_leave(
    tmp_path: Path, remote: OAuthServer, shared: dict[str, Any]
) -> None:
    """What a hub had alone becomes a part of what all have, and a hub that leaves keeps what it knows. What ended while
    a replica was away has ended there, too."""
    async with replica(tmp_path / "r0", remote) as alone:
        await alone.sign_in(ADA, "ada")
        await alone.sign_in("k0000002", "eve")
    async with replica(tmp_path / "r1", remote, **shared) as two:
        async with replica(tmp_path / "r0", remote, **shared) as one:
            await until(lambda: signed_in(two))
            await found(one)
            assert await two.call(user=ADA) == "ada"
        await sign_out(two)
        assert not signed_in(two)
    async with replica(tmp_path / "r0", remote, **shared) as one:
        await until(lambda: not signed_in(one))
    async with replica(tmp_path / "r0", remote) as alone:
        assert await alone.call(user="k0000002") == "eve"
        assert not signed_in(alone)


async def test_a_claim_outlives_the_connection_and_ends_by_itself(postgres: Postgres, schema: str) -> None:
    """A replica that has lost the database may still be refreshing; one that has died is not waited for in vain."""
    one, two = (SignInDatabase(postgres.url(), schema, name) for name in ("one", "two"))
    assert await one.claim("a", 1000)
    assert await one.claim("a", 1000)
    await one.close()
    assert not await two.claim("a", 1000)
    assert await two.claim("b", 1000)
    await one.release("a")
    assert await two.claim("a", 0)
    assert await one.claim("a", 1000)
    for each in (one, two):
        await each.close()


async def test_a_removed_server(pair: tuple[Site, Site], remote: OAuthServer) -> None:
    """Its tokens are removed from the database, too, and revoked."""
    one, two = pair
    await one.sign_in(ADA, "ada")
    await until(lambda: signed_in(two))
    one.hub.put(without=("w", "notes"))
    await until(lambda: not signed_in(two) and len(remote.revoked) == 2)
