"""By properties: whatever happens, a restart and a reader know what the adapter knew."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import HubError
from bridge.models import (
    BeginLogin,
    EndGrant,
    EndLogins,
    EndUser,
    RefreshGrant,
    RevokeToken,
    SignInUser,
    Tokens,
)
from tests.support.properties import examples
from tests.unit.yamcp_ui_adapter.sign_in.hub import Hub

KINDS = (
    *("client", "user", "login", "grant", "refresh", "refresh again", "revoke", "end", "end user", "end logins"),
    *("rename", "use", "expire", "compact", "wait", "wait long"),
)
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 5)), min_size=5, max_size=40)


class Story:
    """A hub to which things happen, and all tokens that it ever issued."""

    def __init__(self, directory: Path) -> None:
        self.hub = Hub(directory, oauth_clients=3)
        self.clients: list[str] = []
        self.users: list[str] = []
        self.issued: list[tuple[str, Tokens]] = []

    def happen(self, step: str, which: int) -> None:
        """Do one step with the first, second, … of what there is; what is refused changes nothing."""
        before = known(self.hub)
        try:
            self._do(step, which)
        except HubError as error:
            assert error.code in {"NO_SUCH_CLIENT", "TOO_MANY_CLIENTS", "OAUTH_GRANT_INVALID", "NO_SUCH_GRANT"} | {
                "NO_SUCH_USER", "PRINCIPAL_UNKNOWN", "OAUTH_WORKSPACE",
            }  # fmt: skip
            assert known(self.hub) == before or "refresh" in step, "but for a replay, which ends the grant"

    def _do(self, step: str, which: int) -> None:
        hub = self.hub
        client = self.clients[which % len(self.clients)] if self.clients else "c0"
        user = self.users[which % len(self.users)] if self.users else "u0"
        owner, tokens = self.issued[-1 - which % len(self.issued)] if self.issued else ("c0", None)
        match step:
            case "client":
                self.clients.append(hub.client())
            case "user":
                self.users.append(
                    hub.ask(SignInUser(issuer="https://id.example", sub=str(which), name=str(hub.now))).id
                )
            case "login":
                hub.ask(BeginLogin(id=f"n{which}", principal=user, until=hub.now + 5000))
            case "grant":
                principal = user if which % 2 else "admin"
                workspace = sorted(hub.workspaces)[which % 2]
                self.issued.append((client, hub.tokens(client, principal=principal, workspace=workspace)))
            case "refresh" | "refresh again" if tokens:
                again = RefreshGrant(refresh_token=tokens.refresh_token, client=owner)
                self.issued.append((owner, hub.ask(again)))
            case "revoke" if tokens:
                hub.ask(RevokeToken(token=(tokens.access_token, tokens.refresh_token)[which % 2], client=owner))
            case "end" if tokens:
                hub.ask(EndGrant(id=tokens.grant))
            case "end user":
                hub.ask(EndUser(user=user))
            case "end logins":
                hub.ask(EndLogins(id=f"n{which}"))
            case _:
                self._pass(step, tokens)

    def _pass(self, step: str, tokens: Tokens | None) -> None:
        hub = self.hub
        match step:
            case "rename":
                names = {name: f"{name}x" for name in hub.workspaces}
                hub.sign_in.upkeep.renamed(names)
                hub.workspaces = set(names.values())
            case "use" if tokens:
                hub.sign_in.upkeep.used({tokens.grant: hub.now})
            case "expire":
                hub.sign_in.upkeep.expire()
            case "compact":
                hub.sign_in._ledger._compact()
            case "wait":
                hub.now += 40
            case "wait long":
                hub.now += 3000


def known(hub: Hub) -> dict[str, object]:
    """All that the adapter knows and that is in force, without what has expired."""
    state, now = hub.sign_in._ledger.state, hub.now
    held = state.credentials
    return {
        "clients": {each.id: each for each in state.clients.records()},
        "grants": dict(held.grants),
        "tokens": {grant: {each for each in held.tokens(grant) if each.until > now} for grant in held.grants},
        "refreshes": {grant: set(state.refreshes.family(grant)) for grant in held.grants},
        "users": dict(held.users),
        "logins": {each.id: each for each in held.logins.values() if each.until > now},
        "used": dict(state.used),
    }


@given(STEPS)
@examples(40)
def test_restart_compaction_and_readers_agree_with_the_adapter(steps: list[tuple[str, int]]) -> None:
    """After each story: the same state from the journal, before and after its compaction, and the same tokens."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        story = Story(Path(directory) / "data")
        hub, reader = story.hub, story.hub.reader()
        for step, which in steps:
            story.happen(step, which)
            reader.refresh()
        before = known(hub)
        valid = {each.hash for tokens in before["tokens"].values() for each in tokens}  # type: ignore[attr-defined]
        for journal in (reader, hub.reader()):
            accepted = {tokens.access_token for _, tokens in story.issued if journal.access(tokens.access_token)}
            assert len(accepted) == len(valid)
        hub.restart()
        assert known(hub) == before
        hub.sign_in._ledger._compact()
        hub.restart()
        assert known(hub) == before
        hub.sign_in.close()
