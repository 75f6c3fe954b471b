"""`hubctl keys` against a hub of canned answers."""

from __future__ import annotations

import json
import time

import pytest

from bridge.models import AddKey, Key, RevokeKey
from bridge.settings import Settings
from hubctl.main import parser
from tests.unit.hubctl.canned import CannedHub

pytestmark = pytest.mark.outside

TOKEN = "yh_k1a2b3c4_" + "x" * 43


async def test_keys_are_listed_with_what_they_open(hub: CannedHub) -> None:
    """Names made harmless; without an action as with `list`."""
    assert await hub.hubctl("keys") == (0, "There are no keys; `hubctl keys add NAME` makes one.\n", "")
    now = time.time()
    hub.keys = (
        Key(id="k0000001", name="laptop", workspaces=None, admin=False, created=now - 7300, last_used=now - 125),
        Key(id="k0000002", name="a\x1bgent", workspaces=("My Work", "idle"), admin=False, created=now - 61),
        Key(id="k0000003", name="boss", workspaces=None, admin=True, created=now - 90_000),
        Key(id="k0000004", name="nobody", workspaces=(), admin=False, created=now - 180_000),
    )
    code, out, _ = await hub.hubctl("keys", "list")
    assert code == 0
    assert [line.split(maxsplit=2)[2] for line in out.splitlines()] == [
        "OPENS           AGE    LAST USED",
        "all workspaces  2 h    2 min ago",
        "My Work, idle   1 min  -",
        "everything      1 d    -",
        "nothing         2 d    -",
    ]
    assert "a\\x1bgent  k0000002" in out
    for words in (("keys", "--json"), ("keys", "list", "--json"), ("keys", "--json", "list")):
        code, out, _ = await hub.hubctl(*words)
        assert [(key["id"], key["last_used"]) for key in json.loads(out)] == [(k.id, k.last_used) for k in hub.keys]


async def test_a_key_is_made_for_names_or_slugs(hub: CannedHub) -> None:
    """Its token is on a line of its own; what is not there is told before anything is made."""
    code, out, _ = await hub.hubctl("keys", "add", "agent", "--workspace", "my-work", "--workspace", "idle")
    assert (code, hub.asked) == (0, [AddKey(name="agent", workspaces=("My Work", "idle"))])
    assert out.splitlines()[0].startswith("Key agent (k1a2b3c4) opens My Work, idle. Its token")
    assert f"\n  {TOKEN}\n" in out
    assert "asks for no token" in out
    code, out, _ = await hub.hubctl("keys", "add", "boss", "--admin", "--json")
    assert (json.loads(out), hub.asked[-1]) == ({"id": "k1a2b3c4", "token": TOKEN}, AddKey(name="boss", admin=True))
    code, _, err = await hub.hubctl("keys", "add", "x", "--workspace", "gone")
    assert (code, err.partition(":")[0], len(hub.asked)) == (1, "NO_SUCH_WORKSPACE", 2)


async def test_on_a_protected_hub_nothing_is_said_of_loopback(hub: CannedHub) -> None:
    """The key counts."""
    hub.settings = Settings(**{**hub.settings.model_dump(exclude_none=True), "token": "0123456789abcdef"})
    _, out, _ = await hub.hubctl("keys", "add", "laptop")
    assert out.endswith("Authorization: Bearer <token>\n")


async def test_a_key_is_revoked_by_id_or_name(hub: CannedHub) -> None:
    """As the adapter finds it."""
    assert await hub.hubctl("keys", "revoke", "agent") == (0, "Key agent is revoked; its sessions end.\n", "")
    assert hub.asked == [RevokeKey(key="agent")]
    assert (await hub.hubctl("keys", "revoke", "agent", "--json"))[:2] == (0, "{}\n")


@pytest.mark.parametrize("words", [["add"], ["revoke"], ["lend", "x"], ["add", "x", "--forever"]])
def test_words_that_cannot_be_used_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, with the form of the command."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["keys", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("CLI_ARGUMENTS: ")
