"""The tokens of users and keys that are removed: deleted, and revoked at the server; those of nobody else."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from bridge.credentials.records import Head, UserEnd, line_of
from bridge.keys import key_id
from bridge.models import RemoteLaunch, ServerSettings, ServerSpec
from sidecar.listener import auth
from tests.integration.upstream_auth.test_sign_in import Site
from tests.support.fake_server import until
from tests.support.grants import Grants
from tests.support.inprocess import World, space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.oauth_server import OAuthServer

SECONDS = 5.0
"""Within which it is done, on a busy machine; two looks of the sidecar, half a second each, are enough."""


@pytest.fixture
async def remote() -> AsyncIterator[OAuthServer]:
    """The servers."""
    async with OAuthServer().serving() as server:
        yield server


@pytest.fixture
def root() -> Iterator[Path]:
    """The data directory, short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as name:
        yield Path(name)


def serving(root: Path) -> contextlib.AbstractAsyncContextManager[World]:
    """A protected hub, which looks at its files."""
    return world(root, serve=True, token=HUB_TOKEN, runtime_dir=root / "run")


def put(hub: World, remote: OAuthServer) -> None:
    """Apply a snapshot with the server."""
    launch, settings = RemoteLaunch(url=f"{remote.url}/mcp"), ServerSettings(sign_in="user")
    hub.put(ServerSpec(key="notes", namespace="notes", launch=launch, settings=settings), space("notes"))


def owners(root: Path) -> set[str]:
    """Whose tokens are stored."""
    return {json.loads(file.read_bytes())["names"][0] for file in (root / "sign-ins").glob("token-*.json")}


def tokens(remote: OAuthServer) -> dict[str, set[str]]:
    """The tokens of each person that are good at the server."""
    found: dict[str, set[str]] = {}
    for token, (_, person) in (*remote.access.items(), *remote.refreshes.items()):
        found.setdefault(person, set()).add(token)
    return found


async def looked(hub: World) -> None:
    """Wait until the hub has looked at its files twice."""
    looks = 0
    before = hub.gate._on_look

    def count() -> None:
        nonlocal looks
        looks += 1
        before()

    hub.gate._on_look = count
    await until(lambda: looks >= 2)


async def test_while_the_hub_runs(root: Path, remote: OAuthServer) -> None:
    """A user that is removed and a key that is revoked lose their tokens within a second or so."""
    grants, keys = Grants(root), KeyFile(root)
    people = {grants.user(name): name for name in ("ada", "eve")}
    people |= {key_id(keys.add(name)) or "": name for name in ("ci", "cd")}
    async with serving(root) as hub:
        put(hub, remote)
        here = Site(hub, remote)
        for owner, person in {**people, "": "hub"}.items():
            await here.sign_in(owner, person)
        before = tokens(remote)
        assert (owners(root), len(before)) == ({*people, ""}, 5)
        grants.end_user("ada")
        await until(lambda: "ada" not in tokens(remote), SECONDS)
        assert owners(root) == {owner for owner, person in people.items() if person != "ada"} | {""}
        keys.revoke("ci")
        await until(lambda: "ci" not in tokens(remote), SECONDS)
        assert owners(root) == {owner for owner, person in people.items() if person in ("eve", "cd")} | {""}
        assert tokens(remote) == {person: before[person] for person in ("eve", "cd", "hub")}
        grants.user("ada")  # who signs in at the hub again, is not signed in there
        await looked(hub)
        assert len(owners(root)) == 3


async def test_who_was_removed_while_the_hub_was_away(root: Path, remote: OAuthServer) -> None:
    """At the next start, who is in the files no longer has lost the tokens, also if the journal was compacted since."""
    grants, keys = Grants(root), KeyFile(root)
    ada, eve, key = grants.user("ada"), grants.user("eve"), key_id(keys.add("ci")) or ""
    async with serving(root) as hub:
        put(hub, remote)
        for owner in (ada, eve, key):
            await Site(hub, remote).sign_in(owner, owner)
    compacted = [line for line in grants.path.read_bytes().splitlines(keepends=True) if eve.encode() in line]
    grants.path.write_bytes(b"".join((line_of(Head(id="another")), *compacted)))
    keys.revoke("ci")
    async with serving(root) as hub:
        put(hub, remote)
        await until(lambda: tokens(remote).keys() == {eve})
        assert owners(root) == {eve}


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def damaged(path: Path) -> None:
    path.write_bytes(line_of(Head(id="another")) + b"{damaged}\n")


def made_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("change", [Path.unlink, emptied, damaged, made_a_directory])
async def test_nobody_loses_tokens_by_a_fault(
    root: Path, remote: OAuthServer, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that is gone, empty, damaged or unreadable says nothing of who was removed, and neither does such a
    keys.json. A later line that removes a user counts."""
    monkeypatch.setattr(auth, "POLL_SECONDS", 0.02)
    grants, keys = Grants(root), KeyFile(root)
    people = {grants.user("ada"), grants.user("eve"), key_id(keys.add("ci")) or ""}
    async with serving(root) as hub:
        put(hub, remote)
        for owner in people:
            await Site(hub, remote).sign_in(owner, owner)
        change(grants.path)
        keys.path.write_bytes(b"{")
        await looked(hub)
        put(hub, remote)
        assert owners(root) == people
    async with serving(root) as hub:
        put(hub, remote)
        await looked(hub)
        assert owners(root) == people
        if grants.path.is_file():
            with grants.path.open("ab") as file:
                file.write(line_of(UserEnd(id=next(each for each in people if each[0] == "u"))))
            await until(lambda: len(owners(root)) == 2, SECONDS)
    assert len(remote.revoked) in (0, 2)
