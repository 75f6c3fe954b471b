"""Reading files as they are found, and writing them whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.private import write_file
from yamcp_ui_adapter.edit import replace
from yamcp_ui_adapter.files.reader import DELETION_GRACE_SECONDS, FileReader
from yamcp_ui_adapter.format.entries import KeepLastGood


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_file_gone_for_a_moment_is_not_deleted(tmp_path: Path) -> None:
    """Editors rename while they save: only what stays missing is gone."""
    clock = Clock()
    source = FileReader({"a": tmp_path / "a"}, clock)
    assert source.read(expected=["a"]) == {"a": KeepLastGood(None)}
    clock.now += DELETION_GRACE_SECONDS / 2
    assert source.read(expected=["a"]) == {"a": KeepLastGood(None)}
    clock.now += DELETION_GRACE_SECONDS
    assert source.read(expected=["a"]) == {"a": None}


def test_the_grace_begins_anew_after_each_return(tmp_path: Path) -> None:
    """Two saves in a row are not one deletion."""
    clock = Clock()
    source = FileReader({"a": tmp_path / "a"}, clock)
    source.read(expected=["a"])
    clock.now += DELETION_GRACE_SECONDS
    (tmp_path / "a").write_bytes(b"{}")
    assert source.read(expected=["a"]) == {"a": b"{}"}
    (tmp_path / "a").unlink()
    assert source.read(expected=["a"]) == {"a": KeepLastGood(None)}


def test_a_file_that_nobody_expects_may_be_missing_at_once(tmp_path: Path) -> None:
    """As on a first start."""
    assert FileReader({"a": tmp_path / "a"}).read(expected=[]) == {"a": None}


def test_only_the_files_asked_for_are_read(tmp_path: Path) -> None:
    """A change of hub.json says nothing of a half-written neighbour."""
    source = FileReader({"a": tmp_path / "a", "b": tmp_path / "b"})
    assert source.read([], only=["b"]) == {"b": None}


def test_what_is_there_but_cannot_be_read_is_held_and_reported(tmp_path: Path) -> None:
    """A directory in its place, or no right to read it."""
    reading = FileReader({"a": tmp_path}).read(["a"])["a"]
    assert isinstance(reading, KeepLastGood)
    assert reading.issue is not None
    assert reading.issue.code == "FILE_UNREADABLE"


def test_a_change_that_nothing_noticed_can_be_seen(tmp_path: Path) -> None:
    """By times and sizes, also through a link."""
    target = tmp_path / "target"
    target.write_bytes(b"1")
    (tmp_path / "a").symlink_to(target)
    source = FileReader({"a": tmp_path / "a"})
    source.read([])
    assert not source.changed()
    target.write_bytes(b"22")
    assert source.changed()
    source.read([])
    target.unlink()
    assert source.changed()


def test_a_file_is_replaced_and_private(tmp_path: Path) -> None:
    """Mode 0600 unless asked otherwise, and nothing left beside it."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_file(path, b"new", sync=False)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208 - names, not paths


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """People keep configuration in other directories."""
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "a").symlink_to("target")
    write_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, say."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["FIFO", "directory", "device", "loop"])
def test_what_is_no_regular_file_is_not_read(tmp_path: Path, kind: str) -> None:
    """It is reported, at once: a FIFO would be waited for, and a device may have no end."""
    path = tmp_path / "a"
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path.name)
    reading = FileReader({"a": path}).read(expected=["a"])["a"]
    assert isinstance(reading, KeepLastGood)
    assert reading.issue is not None
    assert reading.issue.code == "FILE_UNREADABLE"
    with pytest.raises(OSError, match=r"regular|directory|symbolic"):
        replace.read(path)
