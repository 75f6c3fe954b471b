"""Files and directories that nobody else can read, whatever the umask is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.private import make_directory, write_file


@pytest.fixture(params=[0, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """An umask, for the time of the test."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Its permissions."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_directories(tmp_path: Path) -> None:
    """Those above that were missing too; what is there stays as it is."""
    tmp_path.chmod(0o755)
    make_directory(tmp_path / "a" / "b" / "c")
    make_directory(tmp_path / "a" / "b")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert mode(tmp_path) == 0o755


@pytest.mark.usefixtures("umask")
def test_files(tmp_path: Path) -> None:
    """New ones, and those that others could read before."""
    for name in ("new", "old"):
        (tmp_path / "old").write_bytes(b"")
        (tmp_path / "old").chmod(0o666)
        write_file(tmp_path / name, b"x", sync=False)
        assert mode(tmp_path / name) == 0o600


def test_a_file_in_the_place_of_a_directory(tmp_path: Path) -> None:
    """The error names what is in the way."""
    (tmp_path / "a").write_bytes(b"")
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(FileExistsError) as caught:
            make_directory(path)
        assert caught.value.filename == str(tmp_path / "a")
