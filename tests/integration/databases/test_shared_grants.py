"""Two adapters that share clients, grants and logins in a real PostgreSQL; a journal shows what a sidecar accepts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.client import BridgeClient
from bridge.credentials import JOURNAL_FILE
from bridge.credentials.journal import Journal
from bridge.errors import RemoteError
from bridge.models import (
    BeginLogin,
    EndGrant,
    EndLogins,
    IssueCode,
    ListGrants,
    PutWorkspace,
    RedeemCode,
    RefreshGrant,
    RegisterClient,
    RevokeToken,
    SignInUser,
    Tokens,
)
from bridge.models.cluster import ImportConfig
from tests.support.postgres import Postgres
from tests.unit.yamcp_ui_adapter.fixtures import Adapter, in_place, server, until
from tests.unit.yamcp_ui_adapter.sign_in.hub import CHALLENGE, HUB_TOKEN, URI, VERIFIER
from tests.unit.yamcp_ui_adapter.sign_in.test_adapter import refusal, signed_in
from yamcp_ui_adapter.cluster import shared
from yamcp_ui_adapter.sign_in import upkeep
from yamcp_ui_adapter.sign_in.shared import journal


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is back is noticed sooner; only notices tell of changes."""
    for module in (shared, journal):
        monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.02)
        monkeypatch.setattr(module, "MAX_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(journal, "POLL_SECONDS", 1000.0)
    monkeypatch.setattr(journal, "SPREAD_SECONDS", 0.0)


class Replica(Adapter):
    """A protected hub; all have the same token and workspace."""

    def __init__(self, directory: Path, name: str, postgres: Postgres, schema: str) -> None:
        (directory / name).mkdir(exist_ok=True)
        place = {"config_database": postgres.url(), "config_schema": schema, "replica": name}
        super().__init__(directory / name, host="0.0.0.0", **place)
        self.settings.own_token_file.write_text(HUB_TOKEN)
        in_place(self.providers, {"a": server("1")})
        in_place(self.workspaces, {"w": ["a"]})
        self.journal = Journal(self.settings.data_dir / JOURNAL_FILE)

    def accepts(self, token: str) -> bool:
        """Whether this hub's sidecar accepts an access token now."""
        self.journal.refresh()
        return self.journal.access(token) is not None

    def workspace(self, tokens: Tokens) -> str:
        """The workspace that an access token is for; empty if it is not accepted."""
        self.journal.refresh()
        found = self.journal.access(tokens.access_token)
        return found.grant.workspace if found else ""


@contextlib.asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[list[BridgeClient]]:
    """Adapters and their sidecars; their clients."""
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for each in replicas:
            await stack.enter_async_context(each.sidecar.running())
            clients.append(await stack.enter_async_context(each.running()))
        yield clients


@pytest.fixture
def pair(tmp_path: Path, postgres: Postgres, schema: str) -> tuple[Replica, Replica]:
    """Two replicas, not started."""
    return Replica(tmp_path, "r1", postgres, schema), Replica(tmp_path, "r2", postgres, schema)


async def test_each_step_of_a_sign_in_can_be_at_another_hub(pair: tuple[Replica, Replica]) -> None:
    """Registration, code, tokens, refresh and revocation alternate; a token that was copied ends the grant."""
    one, two = pair
    async with running(one, two) as (first, second):
        client = (await first.request(RegisterClient(name="Claude", redirect_uris=(URI,)))).id
        asked: dict[str, Any] = {"client_name": "Claude", "redirect_uri": URI, "challenge": CHALLENGE}
        issued = await second.request(IssueCode(client=client, workspace="w", principal="admin", **asked))
        redemption = RedeemCode(code=issued.code, client=client, redirect_uri=URI, verifier=VERIFIER)
        tokens = await first.request(redemption)
        assert one.accepts(tokens.access_token)
        await until(lambda: two.accepts(tokens.access_token))

        newer = await second.request(RefreshGrant(refresh_token=tokens.refresh_token, client=client))
        newest = await first.request(RefreshGrant(refresh_token=newer.refresh_token, client=client))
        await until(lambda: two.accepts(newest.access_token))
        replay = RefreshGrant(refresh_token=tokens.refresh_token, client=client)
        assert await refusal(second, replay) == "OAUTH_GRANT_INVALID"
        assert not two.accepts(newest.access_token)
        await until(lambda: not one.accepts(newest.access_token))
        assert await refusal(second, redemption) == "OAUTH_GRANT_INVALID"  # the code was used at the other hub

        client, tokens = await signed_in(first)
        await second.request(RevokeToken(token=tokens.refresh_token, client=client))
        await until(lambda: not one.accepts(tokens.access_token))
        assert (await first.request(ListGrants())).grants == ()


async def test_logins_are_shared(pair: tuple[Replica, Replica]) -> None:
    """A user who has signed in at one hub is signed out at the other."""
    one, two = pair
    async with running(one, two) as (first, second):
        user = (await first.request(SignInUser(issuer="https://id.example", sub="ann"))).id
        await first.request(BeginLogin(id="n1", principal=user, until=4e9))
        await until(lambda: two.journal.login("n1") is not None)
        await second.request(EndLogins(id="n1"))
        await until(lambda: one.journal.login("n1") is None)


async def test_without_the_database_the_copy_counts(pair: tuple[Replica, Replica], postgres: Postgres) -> None:
    """Tokens are accepted, also after a restart; what ends there is told to the others later; no token is made."""
    one, two = pair
    async with running(one, two) as (first, _):
        client, kept = await signed_in(first)
        _, ending = await signed_in(first)
        await until(lambda: two.accepts(kept.access_token) and two.accepts(ending.access_token))
        postgres.kill()
        refreshing = RefreshGrant(refresh_token=kept.refresh_token, client=client)
        with pytest.raises(RemoteError) as caught:
            await first.request(refreshing)
        assert caught.value.remote_code == "CONFIG_DATABASE_UNAVAILABLE"
        assert caught.value.data["oauth_error"] == "temporarily_unavailable"
        await first.request(EndGrant(id=ending.grant))
        assert not one.accepts(ending.access_token)
    async with running(one, two) as (first, second):
        for each in (one, two):
            assert each.accepts(kept.access_token)
        assert not one.accepts(ending.access_token)
        postgres.start()
        await until(lambda: not two.accepts(ending.access_token))
        assert not one.accepts(ending.access_token)
        assert {each.id for each in (await second.request(ListGrants())).grants} == {kept.grant}
        assert (await second.request(refreshing)).grant == kept.grant  # it was not used up by the refusal


async def test_a_commit_that_is_lost_leaves_nothing(
    pair: tuple[Replica, Replica], postgres: Postgres, schema: str
) -> None:
    """The connection ends between the hub's decision and the commit: the refresh token can be used again later."""
    one, _ = pair
    async with running(one) as (first,):
        client, tokens = await signed_in(first)
        other = await asyncpg.connect(postgres.url())
        try:
            await other.execute(
                f"CREATE FUNCTION {schema}.lost() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END$$"
            )
            await other.execute(
                f"CREATE TRIGGER lost BEFORE INSERT ON {schema}.journal_records EXECUTE FUNCTION {schema}.lost()"
            )
            refreshing = RefreshGrant(refresh_token=tokens.refresh_token, client=client)
            assert await refusal(first, refreshing) == "CONFIG_DATABASE_UNAVAILABLE"
            await other.execute(f"DROP TRIGGER lost ON {schema}.journal_records")
        finally:
            await other.close()
        again = await first.request(refreshing)
        once = await first.request(RefreshGrant(refresh_token=again.refresh_token, client=client))
        assert one.accepts(once.access_token)


async def test_hubs_that_had_grants_before_join_them(
    pair: tuple[Replica, Replica], tmp_path: Path, postgres: Postgres, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grants of both count at both; then the table is compacted, and a hub with an empty disk gets all."""
    one, two = pair
    tokens = []
    for each in pair:
        together, each.settings = each.settings, each.settings.model_copy(update={"config_database": None})
        async with each.running() as client:
            tokens.append((await signed_in(client))[1].access_token)
        each.settings = together
    async with running(one, two):
        await until(lambda: all(each.accepts(token) for each in pair for token in tokens))
        monkeypatch.setattr(journal, "COMPACT_RECORDS", -1000)
        third = Replica(tmp_path, "r3", postgres, schema)
        async with running(third) as (client,):
            await until(lambda: all(third.accepts(token) for token in tokens))
            made = (await signed_in(client))[1].access_token
            await until(lambda: one.accepts(made) and two.accepts(made) and one.accepts(tokens[1]))
    for each in pair:  # the database is lost, and a new one begins with what the hubs have
        each.settings = each.settings.model_copy(update={"config_schema": f"{schema}_new"})
    async with running(one, two) as (first, second):
        for client in (first, second):
            assert len((await client.request(ListGrants())).grants) == 3


async def test_a_grant_whose_key_is_not_here_yet_waits_for_it(
    pair: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub with another token refuses the token at once, but ends the grant only when it is sure."""
    one, two = pair
    two.settings.own_token_file.write_text("another-token-12345")
    monkeypatch.setattr(upkeep, "CHECK_SECONDS", 0.01)
    async with running(one, two) as (first, _):
        _, tokens = await signed_in(first)
        await until(lambda: two.accepts(tokens.access_token))
        assert one.accepts(tokens.access_token)
        monkeypatch.setattr(upkeep, "SUSPECT_SECONDS", 0.0)
        two.settings.own_token_file.write_text("yet-another-token-1")
        await until(lambda: not one.accepts(tokens.access_token))


async def test_a_renamed_workspace_keeps_its_grants_at_all_hubs(pair: tuple[Replica, Replica]) -> None:
    """Also at the hub that learns the new name and the grant on different ways."""
    one, two = pair
    async with running(one, two) as (first, second):
        await first.request(ImportConfig())
        _, tokens = await signed_in(first)
        await until(lambda: two.accepts(tokens.access_token))
        await second.request(PutWorkspace(name="v", old_name="w", servers=("a",)))
        for each in pair:
            await until(lambda each=each: each.workspace(tokens) == "v")
            assert each.accepts(tokens.access_token)
