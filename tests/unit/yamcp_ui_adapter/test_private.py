"""Everything that the adapter writes is for its user alone, though the umask is 0 and files were open before."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.models import AddKey, PutServer, SetWorkspace
from tests.unit.yamcp_ui_adapter.fixtures import Adapter, server
from yamcp_ui_adapter.edit.replace import replace


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """What is made without a mode is open to all."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_paths(*roots: Path) -> list[str]:
    """The paths, below these and they themselves, that others than the owner may do anything with."""
    paths = [path for root in roots for path in (root, *root.rglob("*"))]
    return [f"{path} {path.stat().st_mode:o}" for path in paths if path.stat().st_mode & 0o077]


async def test_the_first_start_and_edits(tmp_path: Path) -> None:
    """The demo, edits of each file, keys, copies, kept state, locks, directories."""
    adapter = Adapter(tmp_path, seed_demo=True)
    own = adapter.settings
    for directory in (own.yamcp_dir, own.data_dir):
        shutil.rmtree(directory)
    async with adapter.sidecar.running(), adapter.running() as client:
        assert adapter.providers.exists()
        assert open_paths(own.yamcp_dir, own.data_dir) == []
        await client.request(PutServer(key="z", entry=server("1")))
        await client.request(SetWorkspace(name="demo", enabled=False))
        await client.request(AddKey(name="laptop"))
        assert {"hub.json", "keys.json", "backups"} <= {path.name for path in own.data_dir.iterdir()}
        assert open_paths(own.yamcp_dir, own.data_dir) == []


@pytest.mark.parametrize(("before", "after"), [(0o666, 0o600), (0o644, 0o600), (0o640, 0o600), (0o400, 0o400)])
def test_a_file_that_is_there(tmp_path: Path, before: int, after: int) -> None:
    """What others could do is taken away; a stricter mode stays."""
    path = tmp_path / "providers.json"
    path.write_bytes(b"{}")
    path.chmod(before)
    displaced = replace(path, b"{}", b"[]")
    assert displaced
    displaced.close()
    assert stat.S_IMODE(path.stat().st_mode) == after
