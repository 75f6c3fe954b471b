"""The journal on disk: after a crash, on a full disk, and while others read it."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.credentials.journal import Journal
from bridge.credentials.records import AnyRecord, GrantEnd, GrantRecord, TokenRecord, UserRecord, line_of
from bridge.errors import HubError
from bridge.keys import token_hash
from bridge.models import EndGrant, ListGrants
from bridge.private import write_file
from tests.unit.yamcp_ui_adapter.sign_in.hub import START, Hub, redemption
from yamcp_ui_adapter.errors import DataDirUnusable
from yamcp_ui_adapter.sign_in import store as stores
from yamcp_ui_adapter.sign_in.store import Store

USER = UserRecord(id="u1", issuer="https://id.example", sub="1", at=START)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "data")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A disk on which only as many bytes fit as the list has; the failure is undone by clearing it."""
    left: list[int] = []
    real = os.write

    def write(file: int, data: bytes) -> int:
        if not left:
            return real(file, data)
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(file, data[: left[0]])
        left[0] -= written
        return written

    def replace(path: Path, content: bytes) -> None:
        if left:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_file(path, content)

    monkeypatch.setattr(stores.os, "write", write)
    monkeypatch.setattr(stores, "write_file", replace)
    return left


def test_nothing_is_written_before_there_is_something(hub: Hub) -> None:
    """The file comes with the first client."""
    hub.ask(ListGrants())
    assert not hub.path.exists()
    hub.client()
    assert hub.path.read_text().startswith('{"t":"journal"')


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_last_line_that_is_not_complete_is_dropped(hub: Hub, cut: int, caplog: pytest.LogCaptureFixture) -> None:
    """As a crash leaves it; everything before it counts, and what comes next is read by all."""
    client = hub.client()
    tokens = hub.tokens(client)
    content = hub.path.read_bytes()
    hub.path.write_bytes(content + line_of(GrantEnd(id=tokens.grant))[:-cut])
    reader = hub.reader()
    hub.restart()
    assert "not complete" in caplog.text
    assert hub.accepts(tokens.access_token)
    newer = hub.tokens(client)
    assert hub.path.read_bytes().endswith(b"\n")
    for journal in (reader, hub.reader()):
        journal.refresh()
        assert journal.access(tokens.access_token)
        assert journal.access(newer.access_token)
    hub.restart()
    assert hub.refresh(newer, client)


def test_lines_that_cannot_be_used_are_skipped_and_told(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """The others count; no value of the line is logged."""
    tokens = hub.tokens(hub.client())
    with hub.path.open("a") as file:
        file.write('{"t":"grant_end","id":["s3cret"]}\nnothing\n{"t":"from_tomorrow","x":1}\n')
    hub.restart()
    assert hub.accepts(tokens.access_token)
    assert caplog.text.count("cannot be used") == 2 + 2, "by the adapter and by the reader"
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("fits", [0, 1, 300, 500])
def test_on_a_full_disk_nothing_is_half_done(hub: Hub, full: list[int], fits: int) -> None:
    """The request is refused with the reason, the state is as before, also on disk; and it works when there is room."""
    client = hub.client()
    code, kept = hub.code(client), hub.tokens(client)
    content, reader = hub.path.read_bytes(), hub.reader()
    full[:] = [fits]
    with pytest.raises(DataDirUnusable, match="No space left on device"):
        hub.ask(redemption(code, client))
    assert hub.path.read_bytes() == content
    assert [each.id for each in hub.ask(ListGrants()).grants] == [kept.grant]
    assert hub.refusal(EndGrant(id=kept.grant))[0] == "DATA_DIR_UNUSABLE"
    full.clear()
    tokens = hub.ask(redemption(code, client))
    for journal in (reader, hub.reader()):
        journal.refresh()
        assert journal.access(tokens.access_token)
        assert journal.access(kept.access_token) is not None
    hub.restart()
    assert len(hub.ask(ListGrants()).grants) == 2


def test_a_reader_of_half_a_write_that_failed_reads_anew(hub: Hub, full: list[int]) -> None:
    """It may have seen complete lines of it, after which other lines came at the same place."""
    client = hub.client()
    code = hub.code(client)
    seen: list[bytes] = []
    truncate = os.ftruncate
    reader = hub.reader()

    def look(file: int, size: int) -> None:
        reader.refresh()
        seen.append(hub.path.read_bytes())
        truncate(file, size)

    full[:] = [500]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores.os, "ftruncate", look)
        assert hub.refusal(redemption(code, client))[0] == "DATA_DIR_UNUSABLE"
    assert seen[0].count(b"\n") > hub.path.read_bytes().count(b"\n")
    full.clear()
    tokens = hub.ask(redemption(code, client))
    reader.refresh()
    assert reader.access(tokens.access_token)


def test_a_removed_journal_ends_everything(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """It does not come back from memory; a restored one counts at once."""
    client = hub.client()
    tokens = hub.tokens(client)
    saved = hub.path.read_bytes()
    hub.path.unlink()
    assert hub.ask(ListGrants()).grants == ()
    assert "removed or replaced" in caplog.text
    other = hub.client()
    hub.path.unlink()
    hub.path.write_bytes(saved)
    assert [each.id for each in hub.ask(ListGrants()).grants] == [tokens.grant]
    assert hub.refresh(tokens, client)
    assert hub.refusal(redemption("yhc_", other))[0] == "OAUTH_GRANT_INVALID"


def test_a_restored_journal_counts_before_anything_is_written(hub: Hub) -> None:
    """Also if the adapter has only read the one that was there, or there was none."""
    tokens = hub.tokens(hub.client())
    saved = hub.path.read_bytes()
    hub.path.unlink()
    assert hub.ask(ListGrants()).grants == ()
    for there in (False, True):
        if there:
            hub.path.write_bytes(saved.splitlines(keepends=True)[0])
        hub.restart()
        assert hub.ask(ListGrants()).grants == ()
        hub.path.unlink(missing_ok=True)
        hub.path.write_bytes(saved)
        assert [each.id for each in hub.ask(ListGrants()).grants] == [tokens.grant]
        hub.path.unlink()
        assert hub.ask(ListGrants()).grants == ()


def test_a_journal_that_is_restored_in_place_counts_at_once(hub: Hub) -> None:
    """`cp` writes into the file that is there: the adapter follows it, as the readers do."""
    kept = hub.tokens(hub.client())
    saved = hub.path.read_bytes()
    later = hub.tokens(hub.client())
    hub.path.write_bytes(saved)
    assert [each.id for each in hub.ask(ListGrants()).grants] == [kept.grant]
    hub.client()
    assert hub.accepts(kept.access_token)
    assert not hub.accepts(later.access_token)
    hub.restart()
    assert [each.id for each in hub.ask(ListGrants()).grants] == [kept.grant]


def test_a_journal_that_cannot_be_read_is_an_error(hub: Hub) -> None:
    """It is not taken for an empty one, which would be written over it."""
    hub.path.mkdir()
    with pytest.raises(DataDirUnusable, match="Is a directory"):
        hub.restart()


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads that compute give way to others after 0.1 ms, not 5 ms."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("quick_switches")
def test_readers_see_each_state_once_while_it_is_compacted(tmp_path: Path) -> None:
    """Whatever a reader meets: a grant that has not ended is never missed, one that has ended never comes back."""
    path, grants = tmp_path / "credentials.jsonl", 60
    store, state = Store(path), dict[str, list[AnyRecord]]()
    store.load()
    stop, faults = threading.Event(), list[str]()
    begun, ending, over = dict[int, bool](), dict[int, bool](), dict[int, bool]()

    def read() -> None:
        journal = Journal(path, now=lambda: START)
        while not stop.is_set():
            ended, started = list(over), [number for number in list(begun) if number not in over]
            journal.refresh()
            faults.extend(f"{number} came back" for number in ended if journal.access(f"yha_{number}"))
            present = [number for number in started if journal.access(f"yha_{number}")]
            faults.extend(f"{number} is missing" for number in set(started) - set(present) - set(ending))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(grants):
        grant = GrantRecord(id=f"g{number}", client="c", principal="admin", workspace="w", at=START)
        records = [grant, TokenRecord(hash=token_hash(f"yha_{number}"), grant=grant.id, until=START + 60)]
        store.append(records, ())
        state[grant.id] = list(records)
        begun[number] = True
        if number % 3 == 0:
            store.compact([record for records in state.values() for record in records])
        if number % 2:
            over_id = f"g{number - 1}"
            del state[over_id]
            ending[number - 1] = True
            store.append([GrantEnd(id=over_id)], ())
            over[number - 1] = True
    stop.set()
    for reader in readers:
        reader.join()
    store.close()
    assert faults == []
    journal = Journal(path, now=lambda: START)
    assert sum(journal.access(f"yha_{number}") is not None for number in range(grants)) == grants / 2


def test_the_journal_is_compacted_when_it_has_grown(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays small, whatever is refreshed; a failure to compact it changes nothing."""
    monkeypatch.setattr(stores, "COMPACT_BYTES", 20_000)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    client = hub.client()
    tokens = hub.tokens(client)
    sizes = []
    for _ in range(200):
        hub.now += 3600
        tokens = hub.refresh(tokens, client)
        sizes.append(hub.path.stat().st_size)
    assert max(sizes) < 25_000
    monkeypatch.setattr(stores, "write_file", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space")))
    for _ in range(100):
        hub.now += 3600
        tokens = hub.refresh(tokens, client)
    assert hub.path.stat().st_size > 25_000
    assert hub.accepts(tokens.access_token)


def test_upkeep_outlasts_a_directory_that_cannot_be_read(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, and everything goes on afterwards."""
    tokens = hub.tokens(hub.client())
    directory = hub.path.parent
    directory.rename(directory.with_name("away"))
    directory.write_text("a file")
    for _ in range(2):
        with hub.sign_in.upkeep._reported():
            hub.sign_in.upkeep.check()
    assert caplog.text.count("grants cannot be kept up") == 1
    assert hub.refusal(ListGrants())[0] == "DATA_DIR_UNUSABLE"
    directory.unlink()
    directory.with_name("away").rename(directory)
    hub.sign_in.upkeep.check()
    assert [each.id for each in hub.ask(ListGrants()).grants] == [tokens.grant]


def test_what_cannot_be_created_is_told(tmp_path: Path) -> None:
    """The directory is gone."""
    store = Store(tmp_path / "gone" / "credentials.jsonl")
    store.load()
    with pytest.raises(HubError, match="cannot be written: No such file or directory"):
        store.append([USER], ())
