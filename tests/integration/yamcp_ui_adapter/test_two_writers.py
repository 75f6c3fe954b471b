"""The adapter as a process, and another program that rewrites the same files: at the end every change is there."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient, Subscriber
from bridge.errors import RemoteError
from bridge.models import Changed, PutServer, PutWorkspace, ReadDesired, Reload
from bridge.settings import Settings
from tests.integration.yamcp_ui_adapter.test_process import desired, ended, start
from tests.unit.yamcp_ui_adapter.fixtures import in_place, server
from yamcp_ui_adapter.edit.merge import STALE_WINDOW_NS

REWRITER = Path(__file__).parent / "rewriter.py"
THEIRS = 60


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path is short enough for sockets, with one server and one workspace."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "yamcp").mkdir()
        in_place(place / "yamcp" / "providers.json", {"a": server()})
        in_place(place / "yamcp" / "workspaces.json", {"x": ["a"]})
        yield place


def said(place: Path, name: str) -> dict[str, Any]:
    """What one of the files says."""
    return dict(json.loads((place / "yamcp" / f"{name}.json").read_text("utf-8")))


async def rewriter(place: Path, name: str, prefix: str) -> asyncio.subprocess.Process:
    """Another program, at work."""
    path = str(place / "yamcp" / f"{name}.json")
    return await asyncio.create_subprocess_exec(sys.executable, str(REWRITER), path, prefix, str(THEIRS))


async def test_no_change_of_either_is_lost(place: Path) -> None:
    """Of those that were answered with a snapshot; the others were told so. The snapshot has them all."""
    adapter = start(place)
    await desired(place)
    others = [await rewriter(place, "providers", "s"), await rewriter(place, "workspaces", "w")]
    settings = Settings(data_dir=place / "hub", yamcp_dir=place / "yamcp")
    kept: dict[str, set[str]] = {"put_server": set(), "put_workspace": set()}
    async with BridgeClient(settings.desired_address) as client:

        async def ask(name: str, body: PutServer | PutWorkspace) -> None:
            try:
                assert isinstance(await client.request(body, timeout=100), Changed)
            except RemoteError as error:
                assert error.remote_code == "EDIT_CONFLICT"
            else:
                kept[body.kind].add(name)

        number = 0
        while number < 8 or any(other.returncode is None for other in others):
            key, name = f"o{number}", f"v{number}"
            await ask(key, PutServer(key=key, entry=server(key), expect=""))
            await ask(name, PutWorkspace(name=name, servers=("a", key), expect=""))
            number += 1
        assert [await other.wait() for other in others] == [0, 0]
        await asyncio.sleep(STALE_WINDOW_NS / 1e9)  # within it a stale copy, the last one, would be put right
        await client.request(Reload())
        snapshot = (await client.request(ReadDesired())).snapshot
    theirs = range(THEIRS)
    assert {f"s{each}" for each in theirs} | kept["put_server"] <= said(place, "providers").keys()
    assert {f"w{each}" for each in theirs} | kept["put_workspace"] <= said(place, "workspaces").keys()
    assert len(kept["put_server"]) + len(kept["put_workspace"]) >= number
    assert {spec.key for spec in snapshot.servers} == said(place, "providers").keys()
    assert {spec.name for spec in snapshot.workspaces} == said(place, "workspaces").keys()
    adapter.terminate()
    assert ended(adapter)[0] == 0


async def test_events_tell_of_edits_over_the_real_socket(place: Path) -> None:
    """Of ours and of others', each with the snapshot that then is in force."""
    adapter = start(place)
    await desired(place)
    settings = Settings(data_dir=place / "hub", yamcp_dir=place / "yamcp")
    async with (
        BridgeClient(settings.desired_address) as client,
        Subscriber(settings.desired_events_address, ("desired",)) as events,
        asyncio.timeout(100),
    ):
        stream = aiter(events)
        assert (await anext(stream)).topic == "joined"
        changed = await client.request(PutServer(key="b", entry=server("b", namespace="m")))
        while (await anext(stream)).data["revision"] < changed.snapshot.revision:
            pass
        in_place(place / "yamcp" / "workspaces.json", {"x": ["a", "b"]})
        event = await anext(stream)
        while event.data["revision"] <= changed.snapshot.revision:
            event = await anext(stream)
        found = await client.request(ReadDesired())
        assert event.data == {"epoch": found.snapshot.id.epoch, "revision": found.snapshot.id.revision, "issues": 0}
    adapter.terminate()
    assert ended(adapter)[0] == 0
