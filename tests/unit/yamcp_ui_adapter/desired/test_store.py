"""What is remembered over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from yamcp_ui_adapter.desired.store import STATE_FILE, StateStore, StoredState, lock_directory
from yamcp_ui_adapter.errors import AdapterRunning, DataDirUnusable
from yamcp_ui_adapter.format.entries import HubFile, LastGood

GOOD = LastGood(hub=HubFile(servers={"a": {"enabled": False}}))


def test_what_was_kept_is_found_again_and_private(tmp_path: Path) -> None:
    """It may hold secrets."""
    StateStore(tmp_path).save(StoredState(epoch=3, good=GOOD), sync=True)
    assert StateStore(tmp_path).load() == StoredState(epoch=3, good=GOOD)
    assert (tmp_path / STATE_FILE).stat().st_mode & 0o777 == 0o600


def test_nothing_kept_is_a_first_start(tmp_path: Path) -> None:
    """Not an error."""
    assert StateStore(tmp_path).load() is None


def test_what_cannot_be_read_back_still_says_that_there_was_an_epoch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next is later than any before; the broken text, which may hold secrets, is not logged."""
    (tmp_path / STATE_FILE).write_text('{"epoch": 7, "good": "s3cret"}')
    kept = StateStore(tmp_path).load()
    assert kept is not None
    assert kept.epoch > 1_000_000_000
    assert kept.good == LastGood()
    assert "s3cret" not in caplog.text


def test_a_failed_save_is_seen_and_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The hub goes on without; the next one that works mends it."""
    store = StateStore(tmp_path / "gone")
    store.save(StoredState(good=GOOD))
    store.save(StoredState(good=GOOD))
    assert not store.saved
    assert len(caplog.records) == 1
    (tmp_path / "gone").mkdir()
    store.save(StoredState(good=GOOD))
    assert store.saved


def test_a_data_directory_has_one_owner(tmp_path: Path) -> None:
    """Two adapters would overwrite each other's epochs."""
    with lock_directory(tmp_path / "new"), pytest.raises(AdapterRunning), lock_directory(tmp_path / "new"):
        pass
    with lock_directory(tmp_path / "new"):
        pass


def test_a_data_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """With its path."""
    (tmp_path / "file").touch()
    with pytest.raises(DataDirUnusable, match="file"), lock_directory(tmp_path / "file" / "hub"):
        pass
