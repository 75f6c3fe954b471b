"""keys_used.json: who was used when, from sidecar and front to `keys` and the file."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from pathlib import Path

import pytest

from bridge.models import AddKey, ListKeys, NoteKeyUses, RevokeKey
from tests.unit.yamcp_ui_adapter.fixtures import PATIENCE, Adapter, in_place, server
from yamcp_ui_adapter import key_uses
from yamcp_ui_adapter.key_uses import KeyUses

ONE, OTHER = "k0000001", "k0000002"


def kept(path: Path, *known: str) -> KeyUses:
    """The times in a file, of these keys."""
    return KeyUses(path, lambda: known)


def test_later_times_of_known_keys_are_kept(tmp_path: Path) -> None:
    """Neither an earlier one, nor one from the future, nor of a key that is none; the file says the same."""
    path = tmp_path / "keys_used.json"
    uses = kept(path, ONE)
    uses.note({ONE: 1000.5, OTHER: 1000.0})
    uses.note({ONE: 900.0})
    assert (uses.last(ONE), uses.last(OTHER)) == (1000.5, None)
    uses.save()
    assert json.loads(path.read_text()) == {"used": {ONE: 1000.5}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    uses.note({ONE: time.time() + 1e6})
    uses.note({ONE: float("inf")})
    later = uses.last(ONE)
    assert later is not None
    assert later <= time.time()
    assert kept(path, ONE).last(ONE) == 1000.5


def test_the_file_is_written_where_it_is_to_be_another(tmp_path: Path) -> None:
    """And forgets keys that are gone."""
    path, known = tmp_path / "keys_used.json", [ONE, OTHER]
    uses = KeyUses(path, lambda: known)
    uses.save()
    assert not path.exists()
    uses.note({ONE: 1.0, OTHER: 2.0})
    uses.save()
    before = path.stat().st_ino
    uses.save()
    assert path.stat().st_ino == before
    known.remove(ONE)
    uses.save()
    assert json.loads(path.read_text()) == {"used": {OTHER: 2.0}}


@pytest.mark.parametrize("text", ["", "[]", '{"used": {"k0000001": "today"}}', "\xff"])
def test_a_file_that_cannot_be_used_says_nothing(tmp_path: Path, text: str) -> None:
    """It is only information: it is made anew."""
    path = tmp_path / "keys_used.json"
    path.write_bytes(text.encode("latin-1"))
    uses = kept(path, ONE)
    assert uses.last(ONE) is None
    uses.note({ONE: 3.0})
    uses.save()
    assert kept(path, ONE).last(ONE) == 3.0


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    """It is tried again a minute later."""
    uses = kept(tmp_path / "gone" / "keys_used.json", ONE)
    uses.note({ONE: 1.0})
    uses.save()
    (tmp_path / "gone").mkdir()
    uses.save()
    assert kept(tmp_path / "gone" / "keys_used.json", ONE).last(ONE) == 1.0


async def test_the_list_has_what_the_sidecar_and_the_front_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written a minute later, and when the adapter ends."""
    adapter = Adapter(tmp_path, token="0123456789abcdef")
    in_place(adapter.providers, {"a": server("1")})
    in_place(adapter.workspaces, {"w": ["a"]})
    file = adapter.settings.data_dir / "keys_used.json"
    monkeypatch.setattr(key_uses, "PERIOD", 0.02)
    async with adapter.running() as client:
        one, other = [await client.request(AddKey(name=name)) for name in ("one", "other")]
        assert [key.last_used for key in (await client.request(ListKeys())).keys] == [None, None]
        async with adapter.sidecar.running():
            await adapter.sidecar.count(1)
            adapter.sidecar.uses = {one.id: 1000.0, "k9999999": 5.0}
            await client.request(NoteKeyUses(uses={other.id: 2000.0, "k9999999": 5.0}))
            async with asyncio.timeout(PATIENCE):
                while not file.exists() or len(json.loads(file.read_text())["used"]) < 2:  # noqa: ASYNC110 - a file
                    await asyncio.sleep(0.005)
            assert [key.last_used for key in (await client.request(ListKeys())).keys] == [1000.0, 2000.0]
        monkeypatch.setattr(key_uses, "PERIOD", 1000.0)
        await client.request(NoteKeyUses(uses={other.id: 3000.0}))
        await client.request(RevokeKey(key="one"))
    assert json.loads(file.read_text()) == {"used": {other.id: 3000.0}}
    async with adapter.running() as client:
        assert [key.last_used for key in (await client.request(ListKeys())).keys] == [3000.0]
