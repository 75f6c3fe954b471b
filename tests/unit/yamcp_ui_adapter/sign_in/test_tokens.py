"""Codes, tokens and grants: what is issued, what is refused, and what ends when something was copied."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bridge.keys import KeysFile, StoredKey, new_token, token_hash
from bridge.models import (
    EndGrant,
    Grant,
    IssueCode,
    ListGrants,
    RedeemCode,
    RefreshGrant,
    RevokeToken,
)
from tests.unit.yamcp_ui_adapter.sign_in.hub import HUB_TOKEN, RESOURCE, START, VERIFIER, Hub, redemption

INVALID = ("OAUTH_GRANT_INVALID", "invalid_grant")
TARGET = ("OAUTH_GRANT_INVALID", "invalid_target")


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "data")


@pytest.fixture
def client(hub: Hub) -> str:
    return hub.client()


def grants(hub: Hub, principal: str | None = None) -> tuple[Grant, ...]:
    return hub.ask(ListGrants(principal=principal)).grants


def refreshing(token: str, client: str, **changes: Any) -> RefreshGrant:
    return RefreshGrant(refresh_token=token, client=client, **changes)


def test_a_code_gives_tokens_and_a_grant(hub: Hub, client: str) -> None:
    """The access token is good for an hour, and what is stored names neither it nor the code."""
    code = hub.code(client)
    tokens = hub.ask(redemption(code, client))
    assert (tokens.expires_in, tokens.scopes) == (3600, ("mcp",))
    [grant] = grants(hub)
    assert grant == Grant(
        id=tokens.grant, client=client, client_name="Claude", redirect_host="client.example", principal="admin",
        principal_name="admin", workspace="research", scopes=("mcp",), at=START, last_used=None,
        expires=START + 2_592_000,
    )  # fmt: skip
    found = hub.reader().access(tokens.access_token)
    assert found is not None
    assert (found.grant.id, found.until) == (tokens.grant, START + 3600)
    text = hub.path.read_text()
    assert not [secret for secret in (code, tokens.access_token, tokens.refresh_token, HUB_TOKEN) if secret in text]
    assert hub.path.stat().st_mode & 0o777 == 0o600
    hub.now += 3600
    assert not hub.accepts(tokens.access_token)


def test_the_redirect_uri_need_not_be_repeated(hub: Hub, client: str) -> None:
    """A client of OAuth 2.1 sends none with the code; PKCE is still checked, and the code good once."""
    code = hub.code(client)
    body = redemption(code, client, redirect_uri="")
    assert hub.accepts(hub.ask(body).access_token)
    assert hub.refusal(body) == INVALID
    stolen = redemption(hub.code(client), client, redirect_uri="", verifier="w" * 43)
    assert hub.refusal(stolen) == INVALID


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"client": "c0000000000000000"}, INVALID),
        ({"redirect_uri": "https://client.example/other"}, INVALID),
        ({"verifier": "w" * 43}, INVALID),
        ({"verifier": ""}, INVALID),
        ({"resource": "https://hub.example/mcp/lab"}, TARGET),
    ],
)
def test_a_code_is_for_what_it_was_issued_for(
    hub: Hub, client: str, changes: dict[str, str], refused: tuple[str, str]
) -> None:
    """Whoever tries it with anything else uses it up: it was copied."""
    code = hub.code(client)
    body = redemption(code, client).model_copy(update=changes)
    assert hub.refusal(body) == refused
    assert hub.refusal(redemption(code, client)) == INVALID
    assert grants(hub) == ()


def test_a_challenge_that_is_its_own_verifier_is_refused(hub: Hub, client: str) -> None:
    """PKCE cannot be downgraded to `plain`."""
    code = hub.code(client, challenge=VERIFIER)
    assert hub.refusal(redemption(code, client, verifier=VERIFIER)) == INVALID


@pytest.mark.parametrize("verifier", ["v" * 42, "v" * 129, "v" * 42 + "é", "v" * 42 + "\n"])
def test_a_verifier_has_the_form_of_one(hub: Hub, client: str, verifier: str) -> None:
    """RFC 7636, section 4.1, even if its hash is the challenge."""
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = hub.code(client, challenge=challenge)
    assert hub.refusal(redemption(code, client, verifier=verifier)) == INVALID


def test_a_code_that_comes_twice_ends_its_grant(hub: Hub, client: str) -> None:
    """Also when the client has refreshed meanwhile, and not another grant."""
    code = hub.code(client)
    first, other = hub.ask(redemption(code, client)), hub.tokens(client)
    second = hub.refresh(first, client)
    assert hub.refusal(redemption(code, client)) == INVALID
    assert not hub.accepts(first.access_token)
    assert not hub.accepts(second.access_token)
    assert hub.accepts(other.access_token)
    assert hub.refusal(refreshing(second.refresh_token, client)) == INVALID
    assert hub.changes[-1][1].endswith("its authorization code was used again\n")


def test_a_code_is_good_for_a_minute_and_one_process(hub: Hub, client: str) -> None:
    """It is in memory only."""
    code = hub.code(client)
    hub.now += 59
    assert hub.ask(redemption(code, client)).grant
    late = hub.code(client)
    hub.now += 60
    assert hub.refusal(redemption(late, client)) == INVALID
    lost = hub.code(client)
    hub.restart()
    assert hub.refusal(redemption(lost, client)) == INVALID


def test_codes_are_bounded(hub: Hub, client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A principal's oldest unused ones make room, and after an hour all are forgotten."""
    codes = [hub.code(client) for _ in range(25)]
    assert hub.refusal(redemption(codes[4], client)) == INVALID
    assert hub.ask(redemption(codes[5], client)).grant
    hub.now += 3600
    assert hub.refusal(redemption(codes[24], client)) == INVALID
    hub.code(client)
    assert hub.refusal(redemption(codes[5], client)) == INVALID
    assert len(grants(hub)) == 1, "a code that is forgotten ends nothing"


def test_refreshed_tokens_replace_each_other(hub: Hub, client: str) -> None:
    """The grant stays the same, and ends a month after its last refresh."""
    first = hub.tokens(client)
    hub.now += 3000
    second = hub.refresh(first, client)
    assert (second.grant, second.scopes) == (first.grant, ("mcp",))
    assert hub.accepts(first.access_token)
    found = hub.reader().access(first.access_token)
    assert found is not None
    assert found.until == START + 3000 + 3600, "a refresh prolongs what is open"
    assert grants(hub)[0].expires == START + 3000 + 2_592_000


def test_the_former_refresh_token_is_good_for_a_minute_in_case_an_answer_was_lost(hub: Hub, client: str) -> None:
    """Both successors are good until one is used; then the other is the former one."""
    first = hub.tokens(client)
    lost = hub.refresh(first, client)
    hub.now += 60
    kept = hub.refresh(first, client)
    assert kept.grant == lost.grant
    hub.now += 3000
    assert hub.refresh(kept, client).grant == first.grant
    assert hub.refresh(lost, client).grant == first.grant
    hub.now += 61
    assert hub.refusal(refreshing(lost.refresh_token, client)) == INVALID
    assert grants(hub) == ()


def test_a_refresh_token_that_was_used_ends_the_grant(hub: Hub, client: str) -> None:
    """After the grace; every token of the family, whoever has it."""
    stolen = hub.tokens(client)
    kept = hub.refresh(stolen, client)
    hub.now += 61
    assert hub.refusal(refreshing(stolen.refresh_token, client)) == INVALID
    assert not hub.accepts(kept.access_token)
    assert hub.refusal(refreshing(kept.refresh_token, client)) == INVALID
    assert grants(hub) == ()
    assert "it was copied" in hub.changes[-1][1]
    assert '"why":"replayed"' in hub.path.read_text()


def test_a_thief_within_the_grace_is_noticed_at_the_next_refresh(hub: Hub, client: str) -> None:
    """The thief's tokens and the owner's are siblings: the one that comes later ends both."""
    first = hub.tokens(client)
    owners = hub.refresh(first, client)
    thiefs = hub.refresh(first, client)
    hub.now += 3500
    newest = hub.refresh(thiefs, client)
    hub.now += 61
    assert hub.refusal(refreshing(owners.refresh_token, client)) == INVALID
    assert not hub.accepts(newest.access_token)


def test_a_token_older_than_the_former_has_no_grace(hub: Hub, client: str) -> None:
    """Its successor was used, so its answer was not lost."""
    first = hub.tokens(client)
    second = hub.refresh(first, client)
    hub.now += 1
    hub.refresh(second, client)
    assert hub.refusal(refreshing(first.refresh_token, client)) == INVALID
    assert grants(hub) == ()


@pytest.mark.parametrize("moved", [-86_400.0, -600.0, 86_400.0])
def test_a_clock_that_is_set_gives_no_copy_more_time(hub: Hub, client: str, moved: float) -> None:
    """The former generation is the one before the newest, whatever the clock said when it was used."""
    first = hub.tokens(client)
    second = hub.refresh(first, client)
    hub.now += moved
    third = hub.refresh(second, client)
    assert hub.refresh(second, client).grant == third.grant, "its answer was lost"
    assert hub.refusal(refreshing(first.refresh_token, client)) == INVALID
    assert grants(hub) == ()


def test_a_clock_that_is_set_back_prolongs_no_grace(hub: Hub, client: str) -> None:
    """Neither that of a refresh token, nor the minute of a code."""
    code = hub.code(client)
    first = hub.tokens(client)
    hub.refresh(first, client)
    hub.now -= 3600
    assert hub.refusal(redemption(code, client)) == INVALID
    assert hub.refusal(refreshing(first.refresh_token, client)) == INVALID


def test_replays_are_noticed_over_restarts_and_compactions(hub: Hub, client: str) -> None:
    """What the journal keeps of used tokens is enough."""
    first = hub.tokens(client)
    second = hub.refresh(first, client)
    hub.restart()
    hub.sign_in._ledger._compact()
    hub.restart()
    hub.now += 61
    assert hub.accepts(second.access_token)
    assert hub.refusal(refreshing(first.refresh_token, client)) == INVALID
    hub.restart()
    assert grants(hub) == ()


def test_repeated_use_within_the_grace_is_bounded(hub: Hub, client: str) -> None:
    """A copied token does not fill the journal; it is refused, and the grant goes on."""
    first = hub.tokens(client)
    tokens = [hub.refresh(first, client) for _ in range(10)]
    assert hub.refusal(refreshing(first.refresh_token, client)) == INVALID
    assert hub.refresh(tokens[-1], client)


def test_access_tokens_of_a_grant_are_bounded(hub: Hub, client: str) -> None:
    """A client that refreshes all the time has ten valid ones, the newest."""
    tokens = [hub.tokens(client)]
    for _ in range(15):
        tokens.append(hub.refresh(tokens[-1], client))
    assert [hub.accepts(each.access_token) for each in tokens] == [False] * 6 + [True] * 10


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"client": "c0000000000000000"}, INVALID),
        ({"resource": "https://hub.example/mcp/lab"}, TARGET),
        ({"scopes": ("mcp", "admin")}, ("OAUTH_GRANT_INVALID", "invalid_scope")),
        ({"refresh_token": "yhr_" + "x" * 43}, INVALID),
        ({"refresh_token": ""}, INVALID),
    ],
)
def test_a_refresh_that_is_refused_changes_nothing(
    hub: Hub, client: str, changes: dict[str, Any], refused: tuple[str, str]
) -> None:
    """Another client, another resource, more scopes, another token."""
    tokens = hub.tokens(client)
    assert hub.refusal(refreshing(tokens.refresh_token, client).model_copy(update=changes)) == refused
    assert hub.refresh(tokens, client)


@pytest.mark.parametrize("kind", ["code", "access_token"])
def test_a_token_is_good_for_its_own_use_only(hub: Hub, client: str, kind: str) -> None:
    """An access token or a code refreshes nothing, and a refresh token opens nothing."""
    code = hub.code(client)
    tokens = hub.ask(redemption(code, client))
    wrong = code if kind == "code" else tokens.access_token
    assert hub.refusal(refreshing(wrong, client)) == INVALID
    assert hub.refusal(RedeemCode(code=tokens.refresh_token, client=client, redirect_uri="", verifier="")) == INVALID
    assert not hub.accepts(tokens.refresh_token)
    assert not hub.accepts(code)


def test_a_grant_expires_with_its_refresh_token(tmp_path: Path) -> None:
    """It is refused at once, and its end is recorded by the next upkeep."""
    hub = Hub(tmp_path / "data", oauth_access_lifetime=100, oauth_refresh_lifetime=1000)
    client = hub.client()
    tokens = hub.tokens(client)
    assert tokens.expires_in == 100
    hub.now += 1000
    assert hub.refusal(refreshing(tokens.refresh_token, client)) == INVALID
    assert grants(hub) == ()
    hub.sign_in.upkeep.expire()
    assert '"why":"expired"' in hub.path.read_text()


@pytest.mark.parametrize("ending", ["", "/", "/sse", "/sse/"])
def test_a_workspace_is_one_resource_by_each_of_its_addresses(hub: Hub, client: str, ending: str) -> None:
    """Clients add a slash, or use the address of the other transport; another one, or a part of it, is another."""
    code = hub.code(client, resource=RESOURCE + "/sse")
    tokens = hub.ask(redemption(code, client, resource=RESOURCE + ending))
    assert hub.ask(refreshing(tokens.refresh_token, client, resource=RESOURCE + ending))
    for other in (RESOURCE + "2", RESOURCE[:-1], RESOURCE + "/sse/sse", RESOURCE + "?x", "https://evil.example/mcp/x"):
        assert hub.refusal(refreshing(tokens.refresh_token, client, resource=other)) == TARGET


@pytest.mark.parametrize("field", ["access_token", "refresh_token"])
@pytest.mark.parametrize("asks", ["its client", "anybody", "another client"])
def test_a_token_that_is_given_back_ends_its_grant(hub: Hub, client: str, field: str, asks: str) -> None:
    """RFC 7009: by either token; one that is unknown, or another client's, changes nothing, which is not told."""
    tokens, other = hub.tokens(client), hub.tokens(client)
    who = {"its client": client, "anybody": "", "another client": "c0000000000000000"}[asks]
    hub.ask(RevokeToken(token=getattr(tokens, field), client=who))
    hub.ask(RevokeToken(token="yha_" + "x" * 43, client=client))
    assert hub.accepts(tokens.access_token) is (asks == "another client")
    assert hub.accepts(other.access_token)


def test_a_grant_is_ended_by_its_principal_or_an_admin(hub: Hub, client: str) -> None:
    """Not by another principal, who does not learn that it exists."""
    tokens = hub.tokens(client)
    assert hub.refusal(EndGrant(id=tokens.grant, principal="k1a2b3c4")) == ("NO_SUCH_GRANT", "")
    assert hub.accepts(tokens.access_token)
    hub.ask(EndGrant(id=tokens.grant, principal="admin"))
    assert not hub.accepts(tokens.access_token)
    assert hub.refusal(EndGrant(id=tokens.grant)) == ("NO_SUCH_GRANT", "")


def test_the_history_has_who_made_and_ended_a_grant(hub: Hub, client: str) -> None:
    """The client, its host and the workspace are named."""
    tokens = hub.tokens(client)
    hub.ask(EndGrant(id=tokens.grant))
    text = f"grant {tokens.grant} of 'admin' for client 'Claude' at client.example, workspace 'research'"
    assert hub.changes == [("Claude", f"+ {text}\n"), ("Claude", f"- {text}: revoked\n")]


def test_grants_of_a_principal_are_bounded(hub: Hub, client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was used the longest time ago ends."""
    monkeypatch.setattr("yamcp_ui_adapter.sign_in.state.MAX_GRANTS_PER_PRINCIPAL", 3)
    made = []
    for _ in range(3):
        made.append(hub.tokens(client))
        hub.now += 1
    hub.sign_in.upkeep.used({made[0].grant: hub.now, "g0": hub.now})
    made.append(hub.tokens(client))
    assert [hub.accepts(each.access_token) for each in made] == [True, False, True, True]
    assert grants(hub, "admin")[-1].last_used == hub.now
    assert grants(hub, "k1a2b3c4") == ()


def key(hub: Hub, *workspaces: str, name: str = "laptop") -> StoredKey:
    """A named key in keys.json, limited to these workspaces; to none if none are given."""
    token = new_token("k1a2b3c4")
    made = StoredKey(
        id="k1a2b3c4", name=name, hash=token_hash(token), workspaces=workspaces or None, admin=False, created=1.0
    )
    hub.settings.keys_file.write_text(KeysFile(keys=(made,)).model_dump_json())
    hub.restart()
    return made


def test_a_key_gives_what_it_may_use_itself(hub: Hub, client: str) -> None:
    """No code for another workspace, for one that does not exist, or for a key that does not exist."""
    made = key(hub, "research")
    assert hub.tokens(client, principal=made.id)
    assert grants(hub, made.id)[0].principal_name == "laptop"

    def refused(**changes: str) -> tuple[str, str]:
        asked = {"client": client, "client_name": "", "redirect_uri": "https://client.example/callback"}
        asked |= {"challenge": "A" * 43, "workspace": "research", "principal": made.id}
        return hub.refusal(IssueCode(**(asked | changes)))

    assert refused(workspace="lab") == ("OAUTH_WORKSPACE", "invalid_target")
    assert refused(workspace="nowhere") == ("OAUTH_WORKSPACE", "invalid_target")
    assert refused(principal="k0000000") == ("PRINCIPAL_UNKNOWN", "access_denied")
    assert refused(principal="front") == ("PRINCIPAL_UNKNOWN", "access_denied")
    assert refused(client="c0000000000000000") == ("NO_SUCH_CLIENT", "invalid_client")
    assert refused(redirect_uri="https://evil.example/callback") == ("CLIENT_INVALID", "invalid_request")


def test_a_code_ends_with_its_key(hub: Hub, client: str) -> None:
    """Between the consent and the client's request for tokens."""
    made = key(hub, "research")
    code = hub.code(client, principal=made.id)
    hub.settings.keys_file.unlink()
    hub.sign_in.upkeep._principals._keyring.refresh()
    assert hub.refusal(redemption(code, client)) == ("PRINCIPAL_UNKNOWN", "access_denied")
