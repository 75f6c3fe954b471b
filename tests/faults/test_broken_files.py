"""Configuration and data directory while they break: never a crash, always the last good state, always a report.

Others: a disk that is full (tests/faults/test_failing_servers.py), each kind of broken entry
(tests/unit/yamcp_ui_adapter/format), how a write is done (tests/unit/yamcp_ui_adapter/edit/test_writer.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.errors import RemoteError
from bridge.models import ReadDesired, SetWorkspace
from tests.acceptance.steps import call, pids, signal_to, until
from tests.faults.scene import WAYS
from tests.support import peers
from tests.support.hub import COMMANDS, Hub, running
from tests.support.shifted_clock import VARIABLE, set_clock
from tests.support.yamcp import Providers, Workspaces, mock

pytestmark = pytest.mark.asyncio(loop_scope="module")

EDITS = int(os.environ.get("HUB_RAPID_EDITS", "150"))
"""Edits in a row; issue 14 names 1,000, of which 500 are mutated files."""
AS_A_USER = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""Runs a program without the right of root to read every file."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Hub]:
    """Adapter and sidecar, with one server that no test touches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(COMMANDS, "adapter", (*AS_A_USER, *COMMANDS["adapter"]))
        async with running({"kept": mock("kept")}, {"w": ["kept"]}) as made:
            yield made


def files(number: int) -> tuple[Providers, Workspaces]:
    """What YAMCP's files may say: the server that stays, and one whose environment each edit changes."""
    return (
        {"kept": mock("kept"), "edited": mock("edited", env={"NUMBER": str(number)})},
        {"w": ["kept"], f"v{number}": ["edited"]},
    )


def mutated(text: str, chance: random.Random) -> bytes:
    """The text with some of it lost, doubled or replaced."""
    data = bytearray(text.encode())
    for _ in range(chance.randrange(1, 4)):
        at, length = chance.randrange(len(data)), chance.randrange(1, 30)
        kind = chance.randrange(5)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = data[at : at + length]
        elif kind == 3:
            data[at : at + length] = bytes(chance.randrange(256) for _ in range(length))
        else:
            token = chance.choice(["null", '"x"', "[]", "{}", "1e999", "\\u0000", "-", "true", "[" * 2000])
            data[at : at + length] = token.encode()
        data = data or bytearray(b"{")
    return bytes(data)


async def test_rapid_and_broken_edits(hub: Hub) -> None:
    """Every second edit is a mutated file: calls to the server that stays go on, and the end is the final file."""
    chance = random.Random(14)
    before = hub.pid("adapter"), (await hub.server("kept")).pids
    async with peers.connected(hub.http("w"), "http", "modern") as peer:
        for number in range(EDITS):
            providers, workspaces = files(number)
            if number % 2:
                name = chance.choice(["providers.json", "workspaces.json"])
                text = json.dumps(providers if name[0] == "p" else workspaces, indent=1)
                (hub.yamcp_dir / name).write_bytes(mutated(text, chance))
            else:
                hub.write(providers, workspaces)
            if number % 10 == 0:
                with contextlib.suppress(AssertionError):  # a mutated file may well remove the server
                    await call(peer, "kept_echo", text=str(number))
    await _ends_at_the_final_file(hub)
    assert hub.pid("adapter") == before[0]
    assert "Traceback" not in hub.log("adapter") + hub.log("sidecar")


async def _ends_at_the_final_file(hub: Hub, number: int = 10**6) -> None:
    """Write good files: they take effect, and no trouble is reported any more."""
    hub.write(*files(number))
    await _is_in_force(hub, number)
    async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
        assert await call(peer, "kept_echo", text="final") == "final"


async def _is_in_force(hub: Hub, number: int) -> None:
    await hub.wait_settled()
    status = await hub.status()
    assert {workspace.name for workspace in status.workspaces} == {"w", f"v{number}"}
    assert {server.key: server.state for server in status.servers} == {"kept": "ready", "edited": "ready"}
    assert [issue for issue in await _issues(hub) if issue.severity != "info"] == []


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _forbidden(path: Path) -> None:
    path.unlink()
    path.touch(mode=0)


BROKEN = {
    "a directory": _directory,
    "a FIFO": _fifo,
    "a link to itself": _loop,
    "forbidden": _forbidden,
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 100),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_file_that_cannot_be_read(hub: Hub, what: str) -> None:
    """The last good state stays in force and the reason is reported, until the file is good again."""
    await _ends_at_the_final_file(hub, 1)
    path = hub.yamcp_dir / "providers.json"
    BROKEN[what](path)
    issues = await until(lambda: _issues(hub), bool)
    assert issues
    async with peers.connected(hub.http("w"), "http", "legacy") as peer:
        assert await call(peer, "kept_echo", text="kept") == "kept"
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    await _ends_at_the_final_file(hub, 2)


async def _issues(hub: Hub) -> tuple[Any, ...]:
    return (await hub.desired.request(ReadDesired())).issues


async def test_the_directory_is_removed_and_made_anew(hub: Hub) -> None:
    """It is reported while it is away, as files that are gone are deleted; what is in the new one takes effect."""
    await _ends_at_the_final_file(hub, 1)
    shutil.rmtree(hub.yamcp_dir)
    assert await until(lambda: _issues(hub), bool)
    hub.yamcp_dir.mkdir()
    await _ends_at_the_final_file(hub, 2)


async def test_the_clock_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A year ahead, then a year back: sessions go on, edits take effect, and a server that dies is back."""
    clock, year = tmp_path / "clock", 365 * 86400
    set_clock(clock, 0)
    for name, module in (("adapter", "yamcp_ui_adapter"), ("sidecar", "sidecar")):
        monkeypatch.setitem(COMMANDS, name, (sys.executable, "-m", "tests.support.shifted_clock", module))
    async with running(*files(0), **{VARIABLE: str(clock)}) as hub, contextlib.AsyncExitStack() as stack:
        connections = [peers.connected(hub.http("w"), transport, era) for transport, era in WAYS]
        clients = [await stack.enter_async_context(each) for each in connections]
        before = hub.pid("adapter"), hub.pid("sidecar"), (await pids(hub))["kept"]
        for number, ahead in enumerate((year, -year), 1):
            set_clock(clock, ahead)
            hub.write(*files(number))
            for path in hub.yamcp_dir.glob("*.json"):
                os.utime(path, (time.time() + ahead,) * 2)
            await _is_in_force(hub, number)
            old = await hub.server("edited")
            assert abs(old.since - ahead - time.time()) < 1000
            signal_to(old.pids, signal.SIGKILL)
            await until(
                lambda: hub.server("edited"), lambda new, old=old: new.state == "ready" and new.pids != old.pids
            )  # type: ignore[misc]
            for client in clients:
                assert await call(client, "kept_echo", text=str(ahead)) == str(ahead)
        assert (hub.pid("adapter"), hub.pid("sidecar"), (await pids(hub))["kept"]) == before
        assert "Traceback" not in hub.log("adapter") + hub.log("sidecar")


@contextlib.contextmanager
def small_disk(path: Path) -> Any:
    """A file system of 64 KiB at this directory. Skips the test where this user may not mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", str(path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


async def test_a_disk_that_is_full() -> None:
    """Edits take effect; what has to be kept is refused with the reason; with room again, all is kept."""
    async with running({"kept": mock("kept")}, {"w": ["kept"]}, settle=False) as hub:
        await hub.stop("adapter")
        await hub.stop("sidecar")
        shutil.rmtree(hub.data_dir, ignore_errors=True)
        hub.data_dir.mkdir()
        with small_disk(hub.data_dir):
            await asyncio.gather(hub.start("adapter"), hub.start("sidecar"))
            await hub.wait_settled()
            fill = hub.data_dir / "fill"
            with contextlib.suppress(OSError):
                fill.write_bytes(bytes(1 << 20))
            hub.write({"kept": mock("kept"), "new": mock("new")}, {"w": ["kept", "new"]})
            await hub.wait_settled()
            async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
                assert await call(peer, "new_echo", text="full") == "full"
                with pytest.raises(RemoteError) as refused:
                    await hub.desired.request(SetWorkspace(name="w", enabled=False))
                assert refused.value.remote_code == "DATA_DIR_UNUSABLE"
                assert "space" in str(refused.value).lower()
                assert "STATE_NOT_SAVED" in [issue.code for issue in await _issues(hub)]
                fill.unlink()
                await hub.desired.request(SetWorkspace(name="w", enabled=True))
                assert await call(peer, "kept_echo", text="room") == "room"
            await until(lambda: _issues(hub), lambda issues: not issues)
            await hub.stop("adapter")
            await hub.stop("sidecar")
