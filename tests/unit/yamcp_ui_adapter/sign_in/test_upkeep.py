"""Grants end with their key and their workspace, follow a rename, and survive what is only a disturbance."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.keys import KeysFile, StoredKey, token_hash
from bridge.models import ListGrants
from tests.unit.yamcp_ui_adapter.sign_in.hub import Hub

KEY = StoredKey(id="k1a2b3c4", name="laptop", hash=token_hash("x" * 20), workspaces=None, admin=False, created=1.0)


class WithGrants(Hub):
    """A hub with a grant of its token for `lab`, and one of a key for `research`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.keys(KEY)
        self.sign_in.upkeep.check()
        self.one = self.client()
        self.of_token = self.tokens(self.one, workspace="lab")
        self.of_key = self.tokens(self.one, principal=KEY.id)

    def keys(self, *keys: StoredKey) -> None:
        """Write keys.json, and look at it at once."""
        self.settings.keys_file.write_text(KeysFile(keys=keys).model_dump_json())
        self.look()

    def look(self) -> None:
        """Half a second passes."""
        self.sign_in.upkeep._principals._keyring.refresh()

    def check(self) -> list[bool]:
        """Check once; whether the two are accepted then."""
        self.look()
        self.sign_in.upkeep.check()
        return [self.accepts(self.of_token.access_token), self.accepts(self.of_key.access_token)]


@pytest.fixture
def hub(tmp_path: Path) -> WithGrants:
    return WithGrants(tmp_path / "data")


def test_grants_go_on_where_nothing_changes(hub: WithGrants) -> None:
    """Also over a restart."""
    assert hub.check() == [True, True]
    hub.restart()
    assert hub.check() == [True, True]


@pytest.mark.parametrize(
    "keys",
    [
        (),
        (KEY.model_copy(update={"hash": token_hash("y" * 20)}),),
        (KEY.model_copy(update={"workspaces": ("lab",)}),),
    ],
    ids=["revoked", "another token", "other workspaces"],
)
def test_grants_end_with_their_key(hub: WithGrants, keys: tuple[StoredKey, ...]) -> None:
    """Revoked, replaced by hand, or limited to other workspaces; the end stays when the key comes back."""
    hub.keys(*keys)
    assert hub.check() == [True, False]
    assert "its key was revoked" in hub.changes[-1][1]
    hub.keys(KEY)
    assert hub.check() == [True, False]


def test_grants_of_the_hubs_token_end_with_it(hub: WithGrants) -> None:
    """When the token is another, not while its file is missing."""
    content = hub.settings.own_token_file.read_text()
    hub.settings.own_token_file.unlink()
    assert hub.check() == [True, True]
    hub.settings.own_token_file.write_text(content)
    assert hub.check() == [True, True]
    hub.settings.own_token_file.write_text("another-token-of-it")
    assert hub.check() == [False, True]


def test_a_keys_file_that_cannot_be_read_ends_nothing(hub: WithGrants) -> None:
    """The sidecar lets nobody in meanwhile; a comma ends no sign-in for good."""
    hub.settings.keys_file.write_text("{")
    assert hub.check() == [True, True]
    hub.keys(KEY)
    assert hub.check() == [True, True]


def test_grants_end_with_their_workspace(hub: WithGrants) -> None:
    """A new one of the same name is another workspace."""
    hub.workspaces.remove("lab")
    assert hub.check() == [False, True]
    hub.workspaces.add("lab")
    assert hub.check() == [False, True]


def test_grants_follow_a_renamed_workspace(hub: WithGrants) -> None:
    """Whether the name or the desired state changes first; two workspaces may swap their names."""
    hub.sign_in.upkeep.renamed({"lab": "study"})
    assert hub.check() == [True, True]
    hub.workspaces = {"research", "study"}
    assert hub.check() == [True, True]
    hub.sign_in.upkeep.renamed({"research": "study", "study": "research"})
    assert hub.check() == [True, True]
    found = {each.id: each.workspace for each in hub.ask(ListGrants()).grants}
    assert found == {hub.of_token.grant: "research", hub.of_key.grant: "study"}
    hub.restart()
    assert hub.refresh(hub.of_key, hub.one).grant == hub.of_key.grant
    assert {each.workspace for each in hub.ask(ListGrants()).grants} == {"research", "study"}


def test_grants_of_a_workspace_that_was_removed_meanwhile_end(hub: WithGrants) -> None:
    """The adapter did not run; a workspace that is missing for a moment does not count."""
    hub.restart()
    hub.workspaces = {"research"}
    assert hub.check() == [True, True]
    hub.sign_in.upkeep.expire()
    hub.workspaces.add("lab")
    hub.sign_in.upkeep.expire()
    hub.workspaces.remove("lab")
    hub.sign_in.upkeep.expire()
    assert hub.accepts(hub.of_token.access_token)
    hub.sign_in.upkeep.expire()
    assert hub.check() == [False, True]


def test_uses_are_kept_once(hub: WithGrants) -> None:
    """The latest; neither of the future nor of grants that are not there."""
    grant = hub.of_token.grant
    for at in (hub.now - 5, hub.now - 9, float("nan"), hub.now + 1000):
        hub.sign_in.upkeep.used({grant: at, "g0": at})
    hub.restart()
    assert {each.id: each.last_used for each in hub.ask(ListGrants()).grants}[grant] == hub.now
    assert hub.path.read_text().count('"grant_used"') == 2
    assert hub.fetched == 1


def test_a_thousand_expired_tokens_leave_memory_and_file(hub: WithGrants, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next upkeep drops them, and the next compaction leaves them out."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a thousand of them take seconds
    tokens = hub.of_token
    for _ in range(1000):
        hub.now += 400
        tokens = hub.refresh(tokens, hub.one)
    hub.sign_in.upkeep.expire()
    state = hub.sign_in._ledger.state
    assert len(state.credentials.tokens(tokens.grant)) == 9
    hub.sign_in._ledger._compact()
    assert hub.path.read_text().count('"token"') == 9
    assert len(hub.path.read_bytes()) < 12_000
