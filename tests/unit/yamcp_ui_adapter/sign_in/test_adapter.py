"""Sign-in in the whole adapter: when it is opened, what follows from edits, and what a crash leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bridge.author import Author
from bridge.client import BridgeClient
from bridge.credentials import JOURNAL_FILE
from bridge.credentials.journal import Journal
from bridge.credentials.records import record_of
from bridge.errors import HubError, RemoteError
from bridge.models import (
    AddKey,
    EndGrant,
    EndLogins,
    EndUser,
    IssueCode,
    ListGrants,
    ListUsers,
    PutWorkspace,
    RedeemCode,
    RefreshGrant,
    RegisterClient,
    Request,
    RevokeKey,
    RevokeToken,
    SignInUser,
    Tokens,
)
from bridge.settings import Settings
from tests.unit.yamcp_ui_adapter.fixtures import Adapter, in_place, server, until
from tests.unit.yamcp_ui_adapter.sign_in.hub import CHALLENGE, HUB_TOKEN, URI, VERIFIER

A = TypeVar("A")
PACKAGE = "yamcp_ui_adapter.sign_in"
WITHOUT_SIGN_IN = """
import asyncio, os, sys
from bridge.settings import load
from yamcp_ui_adapter.app import run
async def main(host):
    os.environ["HUB_HOST"] = host
    started = asyncio.Event()
    task = asyncio.create_task(run(load(), started))
    await started.wait()
    print(sorted(name for name in sys.modules if name.startswith(("yamcp_ui_adapter.sign_in", "bridge.credentials"))))
    task.cancel()
    await asyncio.wait([task])
for host in sys.argv[1:]:
    asyncio.run(main(host))
"""
"""Prints the modules of sign-in that an adapter has imported when it has started, with each of these hosts."""


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter of a protected hub with one workspace, not started."""
    return made(tmp_path, host="0.0.0.0")


def made(directory: Path, **settings: Any) -> Adapter:
    """An adapter with one server in a workspace."""
    found = Adapter(directory, **settings)
    found.settings.own_token_file.write_text(HUB_TOKEN)
    in_place(found.providers, {"a": server("1")})
    in_place(found.workspaces, {"w": ["a"]})
    return found


async def signed_in(client: BridgeClient, principal: str = "admin") -> tuple[str, Tokens]:
    """A client's id and tokens."""
    known = (await client.request(RegisterClient(name="Claude", redirect_uris=(URI,)))).id
    asked = IssueCode(
        client=known, client_name="Claude", redirect_uri=URI, challenge=CHALLENGE, workspace="w", principal=principal
    )
    code = (await client.request(asked)).code
    return known, await client.request(RedeemCode(code=code, client=known, redirect_uri=URI, verifier=VERIFIER))


async def refusal(client: BridgeClient, body: Request[Any]) -> str:
    """The code of the error that a request is answered with."""
    with pytest.raises(RemoteError) as caught:
        await client.request(body)
    return caught.value.remote_code


def recorded(adapter: Adapter) -> list[dict[str, Any]]:
    """The changes of grants in the spool, oldest first."""
    files = sorted(adapter.settings.spool_dir.glob("*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    changes = [change for line in lines for change in line.get("changes", ())]
    return [change for change in changes if "grant g" in change["diff"]]


def environment(settings: Settings) -> dict[str, str]:
    """The variables of a process with these settings."""
    names = ("host", "yamcp_dir", "data_dir", "runtime_dir", "seed_demo")
    return {**os.environ, **{f"HUB_{name.upper()}": str(getattr(settings, name)) for name in names}}


@pytest.mark.outside
async def test_nothing_is_imported_before_it_is_needed(adapter: Adapter) -> None:
    """In a hub on loopback, and in a protected one in which nobody has signed in yet."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WITHOUT_SIGN_IN, "127.0.0.1", "0.0.0.0",
        env=environment(adapter.settings), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    light = ["bridge.credentials", PACKAGE, f"{PACKAGE}.errors", f"{PACKAGE}.on_demand"]
    assert out.decode() == f"{light}\n" * 2
    assert not (adapter.settings.data_dir / JOURNAL_FILE).exists()


@pytest.mark.parametrize("settings", [{}, {"host": "0.0.0.0", "oauth": False}], ids=["unprotected", "switched off"])
async def test_a_hub_that_is_no_authorization_server_says_so(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Without credentials at all, or with HUB_OAUTH off; there are no grants and users, and none can be ended."""
    adapter = made(tmp_path, **settings)
    async with adapter.running() as client:
        assert await refusal(client, RegisterClient(name="x", redirect_uris=(URI,))) == "OAUTH_OFF"
        assert await refusal(client, EndGrant(id="g1")) == "NO_SUCH_GRANT"
        assert await refusal(client, EndUser(user="u1")) == "NO_SUCH_USER"
        assert (await client.request(ListGrants())).grants == ()
        assert (await client.request(ListUsers())).users == ()
        for body in (RevokeToken(token="yha_x"), EndLogins(id="n1")):
            await client.request(body)
        if not adapter.settings.protected:
            signing_in = SignInUser(issuer="https://id.example", sub="1")
            assert await refusal(client, signing_in) == "OAUTH_OFF"
    assert not (adapter.settings.data_dir / JOURNAL_FILE).exists()


async def test_a_grant_follows_its_workspace_and_ends_with_its_key(adapter: Adapter) -> None:
    """A rename keeps it; revoking the key ends it, and the history has all of it."""
    async with adapter.running() as client:
        key = await client.request(AddKey(name="laptop"))
        known, tokens = await signed_in(client, key.id)
        journal = Journal(adapter.settings.data_dir / JOURNAL_FILE)
        await client.request(PutWorkspace(name="v", old_name="w", servers=("a",)))
        found = journal.of_grant(tokens.grant)
        journal.refresh()
        found = journal.of_grant(tokens.grant)
        assert found is not None
        assert found.grant.workspace == "v"
        tokens = await client.request(RefreshGrant(refresh_token=tokens.refresh_token, client=known))
        await client.request(RevokeKey(key="laptop"), by=Author(principal="boss", source="console"))
        await until(lambda: journal.access(tokens.access_token) is None)
        assert (await client.request(ListGrants())).grants == ()
    made, ended = recorded(adapter)
    assert (made["principal"], made["source"], made["kind"]) == ("laptop", "console", "redeem_code")
    assert made["subject"] == ended["subject"] == "Claude"
    assert ended["diff"].endswith("its key was revoked, or may no longer use the workspace\n")


async def test_a_removed_workspace_ends_its_grants(adapter: Adapter) -> None:
    """Also if it was removed from the file by hand."""
    async with adapter.running() as client:
        _, tokens = await signed_in(client)
        journal = Journal(adapter.settings.data_dir / JOURNAL_FILE)
        in_place(adapter.workspaces, {"other": []})
        await until(lambda: journal.access(tokens.access_token) is None)


async def test_grants_are_listed_with_their_last_use(adapter: Adapter) -> None:
    """Which the sidecar knows."""
    async with adapter.sidecar.running(), adapter.running() as client:
        _, tokens = await signed_in(client)
        adapter.sidecar.grants = {tokens.grant: 1_000_000.0}
        await adapter.sidecar.count(1)

        async def used() -> float | None:
            return (await client.request(ListGrants())).grants[0].last_used

        async with asyncio.timeout(100):
            while await used() is None:  # noqa: ASYNC110 - the adapter connects to the sidecar meanwhile
                await asyncio.sleep(0.01)
        assert await used() == 1_000_000.0


@pytest.fixture
async def process(adapter: Adapter) -> AsyncIterator[Callable[[], Any]]:
    """Starts the adapter as a process; what still runs at the end is killed."""
    running: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "yamcp_ui_adapter", env=environment(adapter.settings)
        )
        running.append(started)
        return started

    yield start
    for each in running:
        if each.returncode is None:
            each.kill()
        await each.wait()


@pytest.mark.outside
async def test_a_killed_adapter_loses_nothing_that_it_answered(adapter: Adapter, process: Callable[[], Any]) -> None:
    """Killed while clients refresh: each answered token is valid, and each client goes on with the one that it has, as
    its last answer may be lost; also if the journal ends within a line.
    """
    path = adapter.settings.data_dir / JOURNAL_FILE
    clients: list[tuple[str, Tokens]] = []
    refreshed = asyncio.Event()

    async def refresh(client: BridgeClient, number: int) -> None:
        while True:
            known, tokens = clients[number]
            clients[number] = known, await client.request(again(known, tokens))
            refreshed.set()

    async with asyncio.timeout(100), BridgeClient(adapter.settings.desired_address) as client:
        running = await process()
        for _ in range(3):
            clients.append(await answered(lambda: signed_in(client)))
        tasks = [asyncio.create_task(refresh(client, number)) for number in range(3)]
        await refreshed.wait()
        running.send_signal(signal.SIGKILL)
        await running.wait()
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError | HubError) for each in done)
    assert all(record_of(line) for line in path.read_bytes().split(b"\n")[:-1])
    journal = Journal(path)
    assert all(journal.access(tokens.access_token) for _, tokens in clients)
    with path.open("ab") as file:
        file.write(b'{"t":"grant_end","id":"')
    async with asyncio.timeout(100), BridgeClient(adapter.settings.desired_address) as client:
        await process()
        for known, tokens in clients:
            body = again(known, tokens)
            assert (await answered(lambda body=body: client.request(body))).grant == tokens.grant
    assert path.read_bytes().endswith(b"\n")


def again(client: str, tokens: Tokens) -> RefreshGrant:
    """The request for new tokens."""
    return RefreshGrant(refresh_token=tokens.refresh_token, client=client)


async def answered(ask: Callable[[], Awaitable[A]]) -> A:
    """Ask until the adapter, which starts, answers; an answer that is an error is raised."""
    while True:
        try:
            return await ask()
        except RemoteError:
            raise
        except HubError:
            await asyncio.sleep(0.01)
