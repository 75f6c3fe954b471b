"""Keys in files of the hub's data directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.local_key import load_key


def test_the_key_is_made_once(tmp_path: Path) -> None:
    """The first call makes a private file, the next reads it."""
    path = tmp_path / "data" / "fingerprint.key"
    key = load_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path) == key
    assert [file.name for file in path.parent.iterdir()] == ["fingerprint.key"]


def test_a_damaged_key_is_replaced(tmp_path: Path) -> None:
    """A key file cut short by a full disk is made anew, not used."""
    path = tmp_path / "key"
    path.write_bytes(b"short")
    key = load_key(path)
    assert len(key) == 32
    assert path.read_bytes() == key


def test_an_unusable_place_is_an_error(tmp_path: Path) -> None:
    """What cannot be read is not silently replaced."""
    with pytest.raises(OSError, match="directory"):
        load_key(tmp_path)
