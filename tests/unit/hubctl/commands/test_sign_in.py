"""`hubctl grants` and `hubctl users` against a hub of canned answers."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from bridge.models import Done, EndGrant, EndUser, Grant, Grants, ListGrants, ListUsers, User, Users
from tests.unit.hubctl.canned import CannedHub

pytestmark = pytest.mark.outside


def grant(**changes: Any) -> Grant:
    """A grant of a key, made an hour ago."""
    now = time.time()
    fields = {"id": "g0000000000000001", "client": "c1", "client_name": "Claude", "redirect_host": "claude.ai"}
    fields |= {"principal": "k1a2b3c4", "principal_name": "laptop", "workspace": "My Work", "scopes": ("mcp",)}
    return Grant(**{**fields, "at": now - 3700, "last_used": None, "expires": now + 90_000, **changes})


def user(**changes: Any) -> User:
    """A user who signed in two minutes ago."""
    fields = {"id": "u00000000000000a", "issuer": "https://id.example", "sub": "1", "name": "Ada", "roles": ()}
    fields |= {"email": "ada@example.com", "groups": ("dev", "ops"), "at": time.time() - 125, "logins": 1, "grants": 2}
    return User(**{**fields, **changes})


async def test_grants_are_listed(hub: CannedHub) -> None:
    """Names made harmless; of one principal, by its id or name."""
    hub.answers[ListGrants] = Grants(grants=())
    assert (await hub.hubctl("grants"))[1].startswith("No client has been allowed anything")
    other = grant(
        id="g0000000000000002", client_name="", client="https://x.example", principal="admin", principal_name="admin",
        last_used=time.time() - 125, workspace="a\x1bb",
    )  # fmt: skip
    hub.answers[ListGrants] = Grants(grants=(grant(), other))
    code, out, _ = await hub.hubctl("grants", "list")
    assert code == 0
    assert out.splitlines()[1].split() == [
        "g0000000000000001", "Claude", "claude.ai", "My", "Work", "laptop", "1", "h", "-", "1", "d",
    ]  # fmt: skip
    assert "https://x.example" in out
    assert "a\\x1bb" in out
    assert "2 min ago" in out
    for name in ("laptop", "k1a2b3c4"):
        code, out, _ = await hub.hubctl("grants", "list", "--principal", name, "--json")
        assert [each["id"] for each in json.loads(out)] == ["g0000000000000001"]


async def test_grants_are_ended(hub: CannedHub) -> None:
    """One after the other."""
    hub.answers[EndGrant] = Done()
    code, out, _ = await hub.hubctl("grants", "end", "g1", "g2")
    assert (code, hub.asked) == (0, [EndGrant(id="g1"), EndGrant(id="g2")])
    assert out.splitlines() == [
        f"Grant {each} has ended; its client has to ask its user again." for each in ("g1", "g2")
    ]
    assert json.loads((await hub.hubctl("grants", "end", "g3", "--json"))[1]) == {"ended": ["g3"]}


async def test_users_are_listed(hub: CannedHub) -> None:
    """With their groups, logins and grants."""
    hub.answers[ListUsers] = Users(users=())
    assert await hub.hubctl("users") == (0, "No user has signed in at an OpenID provider.\n", "")
    hub.answers[ListUsers] = Users(users=(user(), user(id="u00000000000000b", name="", email="", groups=())))
    code, out, _ = await hub.hubctl("users", "list")
    assert code == 0
    first, second = out.splitlines()[1:]
    assert first.split() == [
        "Ada", "u00000000000000a", "ada@example.com", "dev,", "ops", "2", "min", "ago", "1", "2", "https://id.example",
    ]  # fmt: skip
    assert second.split()[:4] == ["-", "u00000000000000b", "-", "-"]
    assert json.loads((await hub.hubctl("users", "--json"))[1])[0]["groups"] == ["dev", "ops"]


async def test_a_user_is_removed(hub: CannedHub) -> None:
    """By id or address."""
    hub.answers[EndUser] = Done()
    code, out, _ = await hub.hubctl("users", "end", "ada@example.com")
    assert (code, hub.asked) == (0, [EndUser(user="ada@example.com")])
    assert out.startswith("All grants and logins of ada@example.com have ended")
    assert json.loads((await hub.hubctl("users", "end", "u1", "--json"))[1]) == {}
