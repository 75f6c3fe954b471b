"""The adapter as a process: how it starts, ends, and refuses to start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient
from bridge.models import ReadDesired
from bridge.settings import Settings


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def start(place: Path, **others: str) -> subprocess.Popen[str]:
    """An adapter in that directory."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HUB_")},
        "HUB_SETTINGS_FILE": str(place / "none"),
        "HUB_DATA_DIR": str(place / "hub"),
        "HUB_YAMCP_DIR": str(place / "yamcp"),
        **others,
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "yamcp_ui_adapter"], env=env, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit status and what it wrote to stderr."""
    _, errors = process.communicate(timeout=100)
    return process.returncode, errors


async def desired(place: Path) -> Any:
    """Its answer, as soon as it serves."""
    settings = Settings(data_dir=place / "hub", yamcp_dir=place / "yamcp")
    async with BridgeClient(settings.desired_address) as client:
        return await client.request(ReadDesired(), timeout=100)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_told_to_stop(place: Path, number: signal.Signals) -> None:
    """Logs in JSON, one line an event, and ends with status 0."""
    process = start(place)
    found = await desired(place)
    assert [spec.slug for spec in found.snapshot.workspaces] == ["demo"]
    process.send_signal(number)
    status, errors = ended(process)
    assert status == 0
    records = [json.loads(line) for line in errors.splitlines()]
    assert records[-1]["message"] == "stopped"
    assert {record["process"] for record in records} == {"adapter"}


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({"HUB_PORT": "abc"}, "SETTING_INVALID: HUB_PORT"),
        ({"HUB_DATA_DIR": "/dev/null/hub"}, "DATA_DIR_UNUSABLE"),
        ({"HUB_YAMCP_DIR": "/dev/null/yamcp"}, "DATA_DIR_UNUSABLE"),
        ({"HUB_RUNTIME_DIR": "/dev/null/run"}, "RUNTIME_DIR_UNSAFE"),
    ],
)
def test_what_it_cannot_use_is_said_in_one_line(place: Path, others: dict[str, str], code: str) -> None:
    """And it ends with status 2."""
    status, errors = ended(start(place, **others))
    assert status == 2
    assert len(errors.splitlines()) == 1
    assert errors.startswith(code)


async def test_a_second_one_says_so_and_ends(place: Path) -> None:
    """With the same data directory, or with the same runtime directory alone."""
    first = start(place)
    await desired(place)
    status, errors = ended(start(place))
    assert (status, errors.partition(":")[0]) == (2, "ADAPTER_RUNNING")
    status, errors = ended(start(place, HUB_DATA_DIR=str(place / "other"), HUB_RUNTIME_DIR=str(place / "hub" / "run")))
    assert status == 2
    assert errors.splitlines()[-1].startswith("BRIDGE_ADDRESS_TAKEN")
    first.terminate()
    assert ended(first)[0] == 0


async def test_killed_in_the_middle_it_starts_again_with_a_later_epoch(place: Path) -> None:
    """Whatever it left behind: lock, socket, files."""
    first = start(place)
    before = (await desired(place)).snapshot
    first.kill()
    ended(first)
    (place / "yamcp" / "providers.json").write_bytes(b"")
    second = start(place)
    after = (await desired(place)).snapshot
    assert (after.servers, after.workspaces) == (before.servers, before.workspaces)
    assert after.id.newer_than(before.id)
    second.terminate()
    assert ended(second)[0] == 0
