"""Users and browser logins: who is signed in, and what ends when somebody is removed or signs out elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.credentials.records import user_id
from bridge.models import BeginLogin, EndLogins, EndUser, IssueCode, ListGrants, ListUsers, SignInUser, User
from tests.unit.yamcp_ui_adapter.sign_in.hub import CHALLENGE, START, URI, Hub, redemption

ISSUER = "https://id.example"
DAY = 86_400


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "data")


def user(hub: Hub, sub: str = "1", issuer: str = ISSUER, **claims: str) -> str:
    """The id of a user who has just signed in."""
    return hub.ask(SignInUser(issuer=issuer, sub=sub, **({"name": "Ada", "email": "ada@example.com"} | claims))).id


def login(hub: Hub, principal: str, nonce: str, sid: str = "", issuer: str = ISSUER) -> str:
    """A login for a day."""
    hub.ask(BeginLogin(id=nonce, principal=principal, until=hub.now + DAY, sid=sid, issuer=issuer))
    return nonce


def open_logins(hub: Hub, *nonces: str) -> list[bool]:
    """Which of these logins a front would accept."""
    reader = hub.reader()
    return [reader.login(nonce) is not None for nonce in nonces]


def test_a_user_has_an_id_of_issuer_and_subject(hub: Hub) -> None:
    """Which stays when the claims change; another issuer's subject of the same name is another user."""
    first = user(hub)
    assert first == user_id(ISSUER, "1") == user(hub, email="ada@new.example")
    assert len({first, user(hub, "2"), user(hub, issuer="https://evil.example")}) == 3
    found = hub.reader().user(first)
    assert found is not None
    assert (found.email, found.sub, found.issuer) == ("ada@new.example", "1", ISSUER)


def test_users_are_listed_with_what_they_have(hub: Hub) -> None:
    """By name, with the number of logins and grants."""
    ada, bob = user(hub), user(hub, "2", name="Bob", email="")
    login(hub, ada, "n1")
    hub.tokens(hub.client(), principal=ada)
    first, second = hub.ask(ListUsers()).users
    assert first == User(
        id=ada, issuer=ISSUER, sub="1", name="Ada", email="ada@example.com", groups=(), roles=(), at=START, logins=1,
        grants=1,
    )  # fmt: skip
    assert (second.id, second.logins, second.grants) == (bob, 0, 0)
    assert hub.ask(ListGrants(principal=ada)).grants[0].principal_name == "Ada"


@pytest.mark.parametrize("named_by", ["id", "address"])
def test_a_removed_user_has_nothing_left(hub: Hub, named_by: str) -> None:
    """Grants and logins end; other users keep theirs; and the history says so."""
    ada, bob, client = user(hub), user(hub, "2", name="Bob", email="bob@example.com"), hub.client()
    adas, bobs = hub.tokens(client, principal=ada), hub.tokens(client, principal=bob)
    code = hub.code(client, principal=ada)
    login(hub, ada, "n1")
    login(hub, bob, "n2")
    hub.ask(EndUser(user=ada if named_by == "id" else "Ada@Example.com"))
    assert not hub.accepts(adas.access_token)
    assert hub.accepts(bobs.access_token)
    assert open_logins(hub, "n1", "n2") == [False, True]
    assert [each.id for each in hub.ask(ListUsers()).users] == [bob]
    assert hub.changes[-2][1].startswith(f"- grant {adas.grant} of ")
    assert hub.changes[-1] == ("Ada", f"- user {ada} 'Ada' of {ISSUER}\n")
    asked = IssueCode(
        client=client, client_name="", redirect_uri=URI, challenge=CHALLENGE, workspace="research", principal=ada
    )
    assert hub.refusal(asked) == ("PRINCIPAL_UNKNOWN", "access_denied")
    assert hub.refusal(BeginLogin(id="n3", principal=ada, until=hub.now + DAY))[0] == "PRINCIPAL_UNKNOWN"
    assert code
    hub.restart()
    assert not hub.accepts(adas.access_token)


def test_a_provider_ends_logins_with_the_grants_that_were_allowed_in_them(hub: Hub) -> None:
    """Not those of the user's other logins; and a log-out in the hub ends no grant."""
    ada, client = user(hub), hub.client()
    first, second = login(hub, ada, "n1", sid="s1"), login(hub, ada, "n2", sid="s2")
    one, two = (hub.tokens(client, principal=ada, login=each) for each in (first, second))
    pending = hub.code(client, principal=ada, login=first)
    hub.ask(EndLogins(issuer=ISSUER, sid="s1", grants=True))
    assert open_logins(hub, "n1", "n2") == [False, True]
    assert (hub.accepts(one.access_token), hub.accepts(two.access_token)) == (False, True)
    assert hub.changes[-1][1].endswith("the login in which it was allowed was ended\n")
    assert hub.refusal(redemption(pending, client))[1] == "invalid_grant"
    hub.ask(EndLogins(id=second))
    assert open_logins(hub, "n2") == [False]
    assert hub.accepts(two.access_token)


def test_a_user_is_named_without_doubt(hub: Hub) -> None:
    """Not by an address that two have, and the empty address names nobody."""
    user(hub)
    user(hub, "2")
    user(hub, "3", email="")
    for name in ("ada@example.com", "", "nobody", "u000000000000000"):
        assert hub.refusal(EndUser(user=name)) == ("NO_SUCH_USER", "")


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (EndLogins(id="a1"), ["a2", "b1", "e1", "k1"]),
        (EndLogins(issuer=ISSUER, sid="s1"), ["a2", "e1", "k1"]),
        (EndLogins(issuer=ISSUER, sub="1"), ["b1", "e1", "k1"]),
        (EndLogins(issuer=ISSUER, sub="1", sid="s1"), ["a2", "b1", "e1", "k1"]),
        (EndLogins(principal=user_id(ISSUER, "1")), ["b1", "e1", "k1"]),
        (EndLogins(id="a1", principal="admin"), ["a1", "a2", "b1", "e1", "k1"]),
        (EndLogins(issuer="https://other.example", sid="s1"), ["a1", "a2", "b1", "k1"]),
        (EndLogins(issuer=ISSUER), ["a1", "a2", "b1", "e1", "k1"]),
        (EndLogins(), ["a1", "a2", "b1", "e1", "k1"]),
        (EndLogins(id="nothing"), ["a1", "a2", "b1", "e1", "k1"]),
    ],
)
def test_logins_end_by_what_is_known_of_them(hub: Hub, asked: EndLogins, left: list[str]) -> None:
    """A provider names session, subject or both, and can end those of its own users only."""
    ada, bob, eve = user(hub), user(hub, "2"), user(hub, "1", issuer="https://other.example")
    login(hub, ada, "a1", "s1")
    login(hub, ada, "a2", "s2")
    login(hub, bob, "b1", "s1")
    login(hub, eve, "e1", "s1", "https://other.example")
    login(hub, "admin", "k1", issuer="")
    hub.ask(asked)
    every = ["a1", "a2", "b1", "e1", "k1"]
    assert [nonce for nonce, is_open in zip(every, open_logins(hub, *every), strict=True) if is_open] == left


def test_logins_survive_a_restart_and_end_by_themselves(hub: Hub) -> None:
    """At their time."""
    ada = user(hub)
    login(hub, ada, "n1")
    hub.restart()
    assert open_logins(hub, "n1") == [True]
    hub.now += DAY
    assert open_logins(hub, "n1") == [False]
    hub.sign_in.upkeep.expire()
    assert hub.ask(ListUsers()).users[0].logins == 0


def test_logins_and_users_are_bounded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The login that ends first makes room, and the user who has nothing and was not here for longest."""
    monkeypatch.setattr("yamcp_ui_adapter.sign_in.people.MAX_USERS", 3)
    ada = user(hub)
    for number in range(51):
        login(hub, ada, f"n{number}")
        hub.now += 1
    assert open_logins(hub, "n0", "n1", "n50") == [False, True, True]
    for sub in ("2", "3", "4"):
        user(hub, sub)
        hub.now += 1
    assert {each.sub for each in hub.ask(ListUsers()).users} == {"1", "3", "4"}


def test_users_who_stay_away_are_forgotten(hub: Hub) -> None:
    """After 90 days, unless they have a grant or a login."""
    ada, bob, client = user(hub), user(hub, "2", name="Bob"), hub.client()
    tokens = hub.tokens(client, principal=ada)
    for _ in range(4):
        hub.now += 25 * DAY
        tokens = hub.refresh(tokens, client)
    hub.sign_in.upkeep.expire()
    assert [each.id for each in hub.ask(ListUsers()).users] == [ada]
    assert bob != ada
