"""JWTs of an external authorization server: which are accepted, for how long, and as whom."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from bridge.credentials.records import user_id
from bridge.settings import Settings
from sidecar.access import jwks
from sidecar.access.jwks import KeySet
from sidecar.access.jwt_tokens import MAX_TOKEN, SKEW_SECONDS, JwtTokens
from tests.support.fake_server import settle
from tests.support.jwts import ANY, ISSUER, JWKS_URL, METADATA_URL, Issuer


@contextlib.asynccontextmanager
async def accepting(issuer: Issuer, at: list[float] | None = None, **settings: Any) -> AsyncIterator[JwtTokens]:
    """They are accepted, by keys that were fetched already."""
    given = Settings(jwt_issuer=ISSUER, **settings)
    tokens, until = JwtTokens(given, KeySet(given, issuer.fetch), (lambda: at[0]) if at else None), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tokens.run(until))
        await settle()
        yield tokens
        until.set()


@pytest.fixture
def issuer() -> Issuer:
    """It has one key."""
    return Issuer()


async def test_who_it_is(issuer: Issuer) -> None:
    """The claims say who it is; the token's audiences are kept for the check at the endpoint."""
    now = int(time.time())
    async with accepting(issuer) as tokens:
        token = issuer.token(exp=now + 600, roles=["writer"])
        assert tokens.recognises(token)
        found = tokens.check(token)
        assert found is not None
        user = user_id(ISSUER, "ada")
        assert (found.principal.id, found.principal.name, found.principal.client) == (user, "Ada", "agent")
        assert (found.principal.admin, found.principal.workspaces) == (False, None)
        subjects = {f"user:{user}", "email:ada@example.com", "group:dev", "role:writer"}
        assert found.principal.subjects == subjects
        assert found.principal.claims == {"sub": "ada", "name": "Ada", "email": "Ada@Example.com", "issuer": ISSUER}
        assert (found.until, found.lacks) == (now + 600 + SKEW_SECONDS, "")
        assert found.audiences == {"https://hub.example/mcp/w"}
        other = tokens.check(issuer.token(client_id="other"))
        assert other is not None
        assert other.principal.grant != found.principal.grant
        assert tokens.current(found.principal) == found.principal
        assert issuer.fetched == [METADATA_URL, JWKS_URL]


@pytest.mark.parametrize("kind", ["EC", "RSA"])
async def test_kinds_of_keys(issuer: Issuer, kind: str) -> None:
    """With an id in the header, and without."""
    issuer.add("two", kind)
    async with accepting(issuer, jwt_jwks_url=JWKS_URL) as tokens:
        assert tokens.check(issuer.token("two"))
        assert tokens.check(issuer.token("two", {"kid": None}))
        assert tokens.check(issuer.token("two", {"unknown": "x"}))
        assert issuer.fetched == [JWKS_URL]


async def test_what_is_refused(issuer: Issuer) -> None:
    """Another issuer, audience or time, a shared secret, no signature, another key, and what is no access token."""
    now = int(time.time())
    stranger = Issuer()
    public = json.dumps(issuer.keys["one"].as_dict(private=False))
    secret = OctKey.import_key(public.encode())
    head, body, signature = issuer.token().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    own_key = {"jwk": stranger.keys["one"].as_dict(private=False)}
    claims = {"iss": ISSUER, "sub": "ada", "aud": "x", "exp": now + 600}
    refused = [
        issuer.token(iss="https://id.example"),
        issuer.token(aud="https://elsewhere.example"),
        issuer.token(aud=None),
        issuer.token(exp=None),
        issuer.token(exp=True),
        issuer.token(exp="soon"),
        issuer.token(sub=None),
        issuer.token(sub=""),
        issuer.token(header={"typ": "dpop+jwt"}),
        critical(issuer),
        stranger.token(),
        stranger.token(header=own_key),
        jwt.encode({"alg": "HS256", "kid": "one"}, claims, secret, algorithms=["HS256"]),
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}",
        "eyJ.eyJ.x",
        f"eyJ{'A' * 50}.{'[' * 3000}.x",
        issuer.token(name="x" * MAX_TOKEN),
    ]
    async with accepting(issuer, jwt_audience="https://hub.example/mcp/w,other") as tokens:
        assert [token[:80] for token in refused if tokens.check(token)] == []
        assert [token[:80] for token in refused if await tokens.learn(token)] == []
        found = tokens.check(issuer.token(aud=["x", "other"]))
        assert found is not None
        assert found.audiences is None, "checked"
    async with accepting(issuer, jwt_algorithms="RS256") as tokens:
        assert tokens.check(issuer.token()) is None


def critical(issuer: Issuer) -> str:
    """A token with an extension that whoever checks it has to know (RFC 7515, 4.1.11)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ANY, "check_header", lambda header: None)
        return issuer.token(header={"crit": ["x"], "x": 1})


async def test_clocks_differ(issuer: Issuer) -> None:
    """By a minute at most; and a token that was checked is checked for its end again."""
    now = int(time.time())
    at = [now]
    async with accepting(issuer, at) as tokens:
        ends = issuer.token(exp=now + 10)
        begins = issuer.token(nbf=now + 100)
        assert tokens.check(ends)
        assert not tokens.check(begins)
        at[0] = now + 10 + SKEW_SECONDS - 1
        assert tokens.check(ends)
        assert tokens.check(begins)
        at[0] += 1
        assert not tokens.check(ends)
        assert not tokens.check(issuer.token(exp=now + 9))


async def test_scopes_and_addresses(issuer: Issuer) -> None:
    """Scopes are in `scope` or `scp`; an address counts only if the issuer does not call it unverified."""
    async with accepting(issuer, jwt_scopes="read,write") as tokens:
        for given in ({"scope": "write read x"}, {"scope": None, "scp": ["read", "write"]}, {"scope": "read write"}):
            found = tokens.check(issuer.token(**given))
            assert found is not None
            assert found.lacks == ""
        for less in ({"scope": "read"}, {"scope": None}, {"scope": 1}):
            found = tokens.check(issuer.token(**less))
            assert found is not None
            assert found.lacks == "read write"
        unverified = tokens.check(issuer.token(email_verified=False))
        assert unverified is not None
        assert not [each for each in unverified.principal.subjects if each.startswith("email:")]


async def test_a_newer_token_prolongs(issuer: Issuer) -> None:
    """What a client has opened lasts as long as its newest token, whichever of its tokens it began with."""
    now = int(time.time())
    async with accepting(issuer) as tokens:
        first, second = (issuer.token(exp=now + seconds) for seconds in (100, 500))
        old = tokens.check(first)
        assert tokens.check(second)
        assert old is not None
        newest = tokens.current(old.principal)
        assert newest is not None
        assert newest.valid_until == now + 500 + SKEW_SECONDS
        again = tokens.check(first)
        assert again is not None
        assert (again.until, again.principal.valid_until) == (now + 100 + SKEW_SECONDS, newest.valid_until)


async def test_a_token_with_other_groups(issuer: Issuer) -> None:
    """It prolongs nothing that was opened with the groups of before, and takes nothing from that, either."""
    now = int(time.time())
    async with accepting(issuer) as tokens:
        token = issuer.token(exp=now + 100, groups=["dev", "ops"])
        first = tokens.check(token)
        assert tokens.check(issuer.token(exp=now + 500, groups=["dev"]))
        for found in (first, tokens.check(token)):
            assert found is not None
            assert tokens.current(found.principal) == found.principal
            assert found.principal.valid_until == now + 100 + SKEW_SECONDS
            assert "group:ops" in found.principal.subjects


async def test_rotation(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of a new key makes the hub fetch the keys, and is accepted then; a key that is withdrawn ends its
    tokens, and what was opened with them."""
    monkeypatch.setattr(jwks, "MIN_INTERVAL", 0.0)
    async with accepting(issuer) as tokens:
        old = tokens.check(issuer.token())
        issuer.add("two")
        token = issuer.token("two", sub="eve")
        assert not tokens.check(token)
        assert await tokens.learn(token)
        assert tokens.check(token)
        before, version = issuer.token(), tokens.version
        del issuer.keys["one"]
        issuer.add("three")
        assert await tokens.learn(issuer.token("three"))
        assert tokens.version > version
        assert not tokens.check(before)
        assert old is not None
        assert tokens.current(old.principal) is None
        assert tokens.check(issuer.token("three"))
        assert tokens.current(old.principal) is not None, "the client has come with a token of another key"


async def test_rotation_of_a_key_without_an_id(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another key although it has the place of the one before: tokens of that one are no longer accepted."""
    monkeypatch.setattr(jwks, "MIN_INTERVAL", 0.0)
    fetch = issuer.fetch

    async def nameless(url: str) -> Any:
        found = await fetch(url)
        keys = [{name: value for name, value in key.items() if name != "kid"} for key in found.get("keys", ())]
        return {"keys": keys} if keys else found

    monkeypatch.setattr(issuer, "fetch", nameless)
    async with accepting(issuer) as tokens:
        token = issuer.token(header={"kid": None})
        old = tokens.check(token)
        assert old is not None
        issuer.keys.clear()
        issuer.add("one")
        assert not await tokens.learn(issuer.token(header={"kid": "made-up"}))
        assert tokens.check(issuer.token(header={"kid": None}, sub="eve"))
        assert not tokens.check(token)
        assert tokens.current(old.principal) is None


async def test_a_flood_of_unknown_keys(issuer: Issuer) -> None:
    """Fetches nothing again within half a minute; tokens that are wrong anyway fetch nothing ever."""
    async with accepting(issuer) as tokens:
        before = len(issuer.fetched)
        for number in range(1000):
            token = issuer.token(header={"kid": f"made-up-{number}"})
            assert not tokens.check(token)
            assert not await tokens.learn(token)
        assert len(issuer.fetched) == before
        assert tokens.check(issuer.token())


async def test_one_fetch_for_many(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that wait for the same keys share one fetch."""
    monkeypatch.setattr(jwks, "MIN_INTERVAL", 0.0)
    async with accepting(issuer) as tokens:
        before = len(issuer.fetched)
        issuer.add("two")
        assert all(await asyncio.gather(*(tokens.learn(issuer.token("two")) for _ in range(50))))
        assert len(issuer.fetched) == before + 2


async def test_the_issuer_is_away(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last good keys are kept; and where there were none, they are fetched when it is back."""
    monkeypatch.setattr(jwks, "MIN_INTERVAL", 0.0)
    async with accepting(issuer) as tokens:
        issuer.away = True
        issuer.add("two")
        assert not await tokens.learn(issuer.token("two"))
        assert tokens.check(issuer.token())
        issuer.away = False
        assert await tokens.learn(issuer.token("two"))
    issuer.away = True
    async with accepting(issuer) as tokens:
        assert not tokens.check(issuer.token())
        issuer.away = False
        assert await tokens.learn(issuer.token())
        assert tokens.check(issuer.token())


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example", "jwks_uri": JWKS_URL},
        {"issuer": ISSUER, "jwks_uri": "http://id.example/keys"},
        {"issuer": ISSUER},
        [],
    ],
)
async def test_metadata_that_is_not_to_be_trusted(issuer: Issuer, metadata: Any) -> None:
    """Of another issuer, with an address in the clear, or without one: no key is used."""
    issuer.metadata = metadata
    async with accepting(issuer) as tokens:
        assert not tokens.check(issuer.token())


@pytest.mark.parametrize(
    "given",
    [
        {"jwt_issuer": "http://id.example"},
        {"jwt_issuer": "id.example"},
        {"jwt_jwks_url": "ftp://x"},
        {"jwt_algorithms": "HS256"},
        {"jwt_algorithms": "none"},
        {"jwt_algorithms": " "},
    ],
)
def test_settings(given: dict[str, str]) -> None:
    """An issuer is one of HTTPS, and no algorithm has a shared secret."""
    with pytest.raises(ValueError, match=r"https://|is none of"):
        Settings(**given)
