"""bridge.runtime: the directory of the sockets is ours alone."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from bridge.errors import AddressInvalid, AddressTaken, RuntimeDirUnsafe
from bridge.runtime import claim_socket, prepare_runtime_dir, socket_path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A runtime directory, made."""
    return prepare_runtime_dir(tmp_path / "run")


def test_it_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    """Parents are made too; the mode is 0700 whatever the umask."""
    before = os.umask(0)
    try:
        made = prepare_runtime_dir(tmp_path / "a/b/run")
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert prepare_runtime_dir(made) == made


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701])
def test_one_that_is_open_to_others_is_refused(directory: Path, mode: int) -> None:
    """Any right of group or others is too much."""
    directory.chmod(mode)
    with pytest.raises(RuntimeDirUnsafe, match="open to others"):
        prepare_runtime_dir(directory)


def test_one_of_another_user_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that someone else owns is not used, even when it is closed."""
    monkeypatch.setattr(os, "geteuid", lambda: directory.stat().st_uid + 1)
    with pytest.raises(RuntimeDirUnsafe, match="belongs to user"):
        prepare_runtime_dir(directory)


def test_a_file_or_a_link_in_its_place_is_refused(directory: Path, tmp_path: Path) -> None:
    """A link could lead anywhere, and a file is no directory."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(directory)
    with pytest.raises(RuntimeDirUnsafe, match="cannot be made"):
        prepare_runtime_dir(tmp_path / "file")
    with pytest.raises(RuntimeDirUnsafe, match="not a directory"):
        prepare_runtime_dir(tmp_path / "link")


@pytest.mark.parametrize("address", ["", "ipc://", "ipc://relative", "/path", "inproc://x", "ipc:///" + "x" * 107])
def test_what_is_no_ipc_address_is_refused(address: str) -> None:
    """Only absolute paths that fit a Unix socket."""
    with pytest.raises(AddressInvalid):
        socket_path(address)


def test_tcp_is_refused_with_its_reason() -> None:
    """There is no bridge over tcp without keys."""
    with pytest.raises(AddressInvalid, match="unencrypted"):
        socket_path("tcp://127.0.0.1:5555")


def test_a_stale_socket_file_is_removed(directory: Path) -> None:
    """What a killed process left does not stand in the way."""
    path = directory / "x.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    claim_socket(path)
    assert not path.exists()
    claim_socket(path)


def test_the_socket_of_a_living_process_is_left_alone(directory: Path) -> None:
    """A second hub does not take the first one's place, even when the first is too busy to answer."""
    path = directory / "x.sock"
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(path))
        alive.listen(0)
        for _ in range(3):  # each asks by connecting: from the second on the backlog is full
            with pytest.raises(AddressTaken):
                claim_socket(path)
    assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(directory: Path) -> None:
    """Only sockets are removed."""
    path = directory / "x.sock"
    path.write_text("precious")
    with pytest.raises(AddressTaken, match="not a socket"):
        claim_socket(path)
    assert path.read_text() == "precious"
