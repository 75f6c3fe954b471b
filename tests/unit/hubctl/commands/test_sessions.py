"""`hubctl sessions` against a hub of canned answers."""

from __future__ import annotations

import json
import time

import pytest

from bridge.models import EndSession, ListSessions, Sessionless, Sessions, SessionStatus
from tests.unit.hubctl.canned import CannedHub

pytestmark = pytest.mark.outside


def known() -> Sessions:
    """Two of three sessions, and requests without any."""
    now = time.time()
    one = SessionStatus(
        id="3f2a90c1b7de",
        workspace="My Work",
        transport="http",
        era="legacy",
        protocol_version="2025-11-25",
        client_name="ed\x1b[31mitor",
        client_version="1.2",
        capabilities=("elicitation", "roots"),
        principal="laptop",
        since=now - 7300,
        requests=12,
        last_request=now - 61,
    )
    silent = SessionStatus(id="000000000001", workspace="idle", transport="sse", era="", since=now - 5)
    use = Sessionless(workspace="idle", principal="agent", requests=7, last_request=now - 3700, listening=1)
    return Sessions(total=3, sessions=(silent, one), sessionless=(use, Sessionless(workspace="idle", requests=1)))


async def test_sessions_are_listed(hub: CannedHub) -> None:
    """Of all workspaces, or of one by name or slug; what clients say of themselves is made harmless."""
    assert await hub.hubctl("sessions") == (0, "No client has a session.\n", "")
    hub.sessions = known()
    code, out, _ = await hub.hubctl("sessions", "my-work", "-n", "2")
    assert (code, hub.asked) == (0, [ListSessions(), ListSessions(workspace="My Work", limit=2)])
    header, silent, one, *rest = out.splitlines()
    assert header.split()[:3] == ["ID", "WORKSPACE", "CLIENT"]
    assert silent.split() == ["000000000001", "idle", "-", "sse", "-", "-", "5", "s", "-", "0"]
    assert "ed\\x1b[31mitor 1.2" in one
    for cell in ("3f2a90c1b7de", "legacy 2025-11-25", "laptop", "2 h", "1 min", "12", "elicitation, roots"):
        assert cell in one
    assert rest == [
        "The newest 2 of 3 sessions; --limit shows more.",
        "idle (key agent): 7 requests of modern clients without a session, the last one 1 h ago; 1 stream listening",
        "idle: 1 request of modern clients without a session",
    ]
    code, out, _ = await hub.hubctl("sessions", "--json")
    assert [session["id"] for session in json.loads(out)["sessions"]] == ["000000000001", "3f2a90c1b7de"]
    code, _, err = await hub.hubctl("sessions", "none")
    assert (code, err.partition(":")[0]) == (1, "NO_SUCH_WORKSPACE")


async def test_sessions_are_ended(hub: CannedHub) -> None:
    """Each by its id; where one is no id, none."""
    ids = ["3f2a90c1b7de", "000000000001"]
    code, out, _ = await hub.hubctl("sessions", "end", *ids)
    assert (code, hub.asked) == (0, [EndSession(id=each) for each in ids])
    assert out.splitlines()[0] == "Session 3f2a90c1b7de is ended; its client has to connect again."
    code, out, _ = await hub.hubctl("sessions", "end", ids[0], "--json")
    assert json.loads(out) == {"ended": [ids[0]]}
    code, _, err = await hub.hubctl("sessions", "end", ids[0], "3f2a")
    assert (code, err.partition(":")[0], len(hub.asked)) == (2, "CLI_ARGUMENTS", 3)
    code, _, err = await hub.hubctl("sessions", "idle", "x")
    assert (code, err.partition(":")[0]) == (2, "CLI_ARGUMENTS")
    assert "one word too many" in err
