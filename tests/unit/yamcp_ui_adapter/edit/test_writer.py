"""Two writers of one file: what each did is there at the end, or its writer was told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.models import DeleteServer, PutConfig, PutServer, PutWorkspace
from tests.unit.yamcp_ui_adapter.fixtures import in_place, server
from yamcp_ui_adapter.edit import replace, writer
from yamcp_ui_adapter.edit.backups import Backups
from yamcp_ui_adapter.edit.edits import delete_server, put_config, put_server, put_workspace
from yamcp_ui_adapter.edit.merge import MAX_PUT_BACKS
from yamcp_ui_adapter.edit.writer import Edit, Writer
from yamcp_ui_adapter.errors import DataDirUnusable, EditConflict, NoSuchServer

A, B, C = server("a"), server("b"), server("c")


class Place:
    """Two files with two servers in a workspace, and a writer of them."""

    def __init__(self, directory: Path) -> None:
        self.providers = directory / "providers.json"
        self.workspaces = directory / "workspaces.json"
        in_place(self.providers, {"a": A, "b": B})
        in_place(self.workspaces, {"w": ["a", "b"]})
        paths = {path.name: path for path in (self.providers, self.workspaces)}
        self.backups = Backups(directory / "hub")
        self.writer = Writer(paths, self.backups, lambda: {"providers.json"})

    def said(self) -> dict[str, Any]:
        """What providers.json says."""
        return json.loads(self.providers.read_text())

    def readings(self) -> dict[str, bytes]:
        """Both files' bytes."""
        return {path.name: path.read_bytes() for path in (self.providers, self.workspaces)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Two files and their writer, which is closed at the end."""
    made = Place(tmp_path)
    with contextlib.closing(made.writer):
        yield made


def put(key: str, entry: dict[str, Any], **others: Any) -> Edit:
    """An edit that writes a server."""
    return partial(put_server, body=PutServer(key=key, entry=entry, **others))


def before_exchange(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], object]) -> None:
    """What somebody else does after the writer looked for the last time, and before it writes; one act a write."""
    real, waiting = replace._try_exchange, list(acts)

    def exchange(temporary: Path, path: Path) -> bool:
        if waiting:
            waiting.pop(0)()
        return real(temporary, path)

    monkeypatch.setattr(replace, "_try_exchange", exchange)


async def test_what_was_written_since_the_file_was_read_is_kept(place: Place) -> None:
    """The edit is made again, of what is there then."""
    others = [{"a": A, "b": B, "n": C}]

    def edit(files: Any) -> Any:
        if others:
            in_place(place.providers, others.pop())
        return put("a", C)(files)

    await place.writer.change(edit)
    assert place.said() == {"a": C, "b": B, "n": C}


async def test_what_is_written_in_place_in_the_last_moment_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lands in the displaced file, and is brought over."""
    before_exchange(monkeypatch, lambda: in_place(place.providers, {"a": A, "b": C, "n": C}))
    await place.writer.change(put("a", C))
    assert place.said() == {"a": C, "b": C, "n": C}


async def test_what_is_renamed_there_in_the_last_moment_is_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As editors do that save under another name first."""

    def save() -> None:
        aside = place.providers.with_suffix(".new")
        in_place(aside, {"b": B})
        aside.replace(place.providers)

    before_exchange(monkeypatch, save)
    await place.writer.change(put("c", C))
    assert place.said() == {"b": B, "c": C}


async def test_a_file_that_is_truncated_in_the_last_moment_is_waited_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever truncated it is about to write, to the displaced file."""
    file = place.providers.open("r+")

    def finish() -> None:
        with file:
            json.dump({"a": A, "b": B, "n": C}, file)

    def begin() -> None:
        file.truncate(0)
        asyncio.get_running_loop().call_later(0.05, finish)

    before_exchange(monkeypatch, begin)
    await place.writer.change(put("a", C))
    assert place.said() == {"a": C, "b": B, "n": C}


async def test_two_changes_of_one_entry_at_once_are_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs stays, ours is undone, and our caller gets the hash of what is there."""
    before_exchange(monkeypatch, lambda: in_place(place.providers, {"a": C, "b": B, "n": C}))
    with pytest.raises(EditConflict) as caught:
        await place.writer.change(put("a", B))
    assert place.said() == {"a": C, "b": B, "n": C}
    assert caught.value.data["hash"]
    await place.writer.mend()
    assert place.said() == {"a": C, "b": B, "n": C}


async def test_a_conflict_in_the_second_file_undoes_the_first(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename writes both or none."""
    before = place.workspaces.read_text()
    before_exchange(monkeypatch, lambda: None, lambda: in_place(place.providers, {"a": C, "b": B}))
    with pytest.raises(EditConflict):
        await place.writer.change(put("z", A, old_key="a"))
    assert place.said() == {"a": C, "b": B}
    assert json.loads(place.workspaces.read_text()) == json.loads(before)


async def test_the_second_file_changed_since_it_was_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is undone and all of it made again."""
    real, acts = writer.replace, [lambda: None, lambda: in_place(place.providers, {"a": A, "n": C})]

    def late(path: Path, expected: bytes | None, content: bytes) -> Any:
        if acts:
            acts.pop(0)()
        return real(path, expected, content)

    monkeypatch.setattr(writer, "replace", late)
    await place.writer.change(partial(delete_server, body=DeleteServer(key="a")))
    assert place.said() == {"n": C}
    assert json.loads(place.workspaces.read_text()) == {"w": ["b"]}


async def test_an_edit_that_turns_out_impossible_undoes_the_first_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is raised is what went wrong."""
    real, acts = writer.replace, [lambda: None, lambda: in_place(place.providers, {"n": C})]

    def late(path: Path, expected: bytes | None, content: bytes) -> Any:
        if acts:
            acts.pop(0)()
        return real(path, expected, content)

    monkeypatch.setattr(writer, "replace", late)
    with pytest.raises(NoSuchServer):
        await place.writer.change(partial(delete_server, body=DeleteServer(key="a")))
    assert json.loads(place.workspaces.read_text()) == {"w": ["a", "b"]}


async def test_what_an_open_editor_writes_afterwards_is_brought_over(place: Place) -> None:
    """To a handle that it had before; where both changed an entry, ours counts, as theirs is the older."""
    with place.providers.open("r+") as file:
        await place.writer.change(put("a", C))
        assert place.writer.watching
        json.dump({"a": B, "b": C, "n": C}, file)
        file.truncate()
        file.flush()
        await place.writer.mend()
    assert place.said() == {"a": C, "b": C, "n": C}
    assert [json.loads(path.read_text()).get("n") for path in sorted(place.backups.directory.iterdir())].count(C) >= 1


def open_files() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_displaced_files_are_let_go(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second, when there are too many, and at the end."""
    before = open_files()
    for number in range(writer.MAX_WATCHED_FILES + 5):
        await place.writer.change(put("a", server(str(number))))
    assert open_files() == before + writer.MAX_WATCHED_FILES
    place.writer.close()
    assert open_files() == before
    monkeypatch.setattr(writer, "WATCH_SECONDS", 0)
    await place.writer.change(put("a", C))
    assert place.writer.watching
    await place.writer.mend()
    assert not place.writer.watching
    assert open_files() == before


async def test_a_stale_copy_does_not_undo_a_change(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Added, changed, renamed and removed entries are put back in their places; what the copy changed itself stays."""
    stale = place.said()
    await place.writer.change(put("a", C))
    await place.writer.change(put("first", A, expect=""))
    await place.writer.change(put("B", B, old_key="b"))
    wanted = place.said()
    in_place(place.providers, {**stale, "n": C})
    assert place.writer.undone(place.readings())
    with caplog.at_level(logging.WARNING):
        await place.writer.mend()
    assert place.said() == {**wanted, "n": C}
    assert list(place.said())[:2] == ["a", "B"]
    assert caplog.messages == ["restored changes that a stale copy of the file had undone"]
    assert not place.writer.undone(place.readings())


async def test_a_later_edit_sees_through_a_stale_copy(place: Place) -> None:
    """It is put right first, so that nobody is refused for it."""
    stale = place.said()
    await place.writer.change(put("a", C))
    in_place(place.providers, stale)
    await place.writer.change(put("b", C))
    assert place.said() == {"a": C, "b": C}


async def test_what_somebody_means_is_left_alone(place: Place) -> None:
    """Another value at once, or the old one a second later."""
    stale = place.said()
    await place.writer.change(put("a", C))
    in_place(place.providers, {**stale, "a": server("theirs")})
    await place.writer.mend()
    assert place.said()["a"] == server("theirs")
    await place.writer.change(put("b", C))
    in_place(place.providers, stale)
    later = place.providers.stat().st_mtime_ns + 1_500_000_000
    os.utime(place.providers, ns=(later, later))
    assert not place.writer.undone(place.readings())
    await place.writer.mend()
    assert place.said() == stale


async def test_who_insists_wins(place: Place) -> None:
    """A program that writes its old copy again and again is not fought for ever."""
    stale = place.said()
    await place.writer.change(put("a", C))
    for _ in range(MAX_PUT_BACKS):
        in_place(place.providers, stale)
        await place.writer.mend()
        assert place.said()["a"] == C
    in_place(place.providers, stale)
    await place.writer.mend()
    assert place.said() == stale
    with pytest.raises(EditConflict):
        place.writer.check(place.readings())


async def test_what_cannot_be_put_back_is_given_up(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a line in the log, not an end of the adapter."""
    stale = place.said()
    await place.writer.change(put("a", C))
    in_place(place.providers, stale)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "replace", full)
    with caplog.at_level(logging.WARNING):
        await place.writer.mend()
    assert [record.__dict__["code"] for record in caplog.records] == ["DATA_DIR_UNUSABLE"]
    assert not place.writer.undone(place.readings())
    with pytest.raises(DataDirUnusable, match="No space left"):
        await place.writer.change(put("a", C))


@contextlib.asynccontextmanager
async def hammered(path: Path) -> AsyncIterator[None]:
    """Somebody writes the file each time that the writer waits."""
    number = 0

    async def hammer() -> None:
        nonlocal number
        while True:
            number += 1
            in_place(path, {"a": A, "b": server(str(number))})
            await asyncio.sleep(0)

    task = asyncio.create_task(hammer())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_file_that_never_rests_is_told_of(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, and nothing was changed; nor is it put back for ever."""
    monkeypatch.setattr(writer, "CHANGE_TIMEOUT_SECONDS", 0.05)
    real = writer.replace

    def late(path: Path, expected: bytes | None, content: bytes) -> Any:
        in_place(path, {"a": A, "b": server(str(len(content)), str(os.urandom(4)))})
        return real(path, expected, content)

    monkeypatch.setattr(writer, "replace", late)
    async with hammered(place.providers):
        with pytest.raises(EditConflict, match="all the time"):
            await place.writer.change(put("a", C))
    assert place.said()["a"] == A
    monkeypatch.setattr(writer, "replace", real)
    await place.writer.change(put("a", C))
    in_place(place.providers, {"a": A, "b": B})
    monkeypatch.setattr(writer, "replace", late)
    await place.writer.mend()
    assert not place.writer.undone(place.readings())


@pytest.mark.parametrize("number", [95, 38])
async def test_without_exchange_it_works_too(place: Place, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Some file systems cannot swap two files; what is written in place is still seen."""

    def refuse(source: Path, target: Path, *_: object) -> None:
        raise OSError(number, "not here")

    theirs = [{"a": A, "b": B, "n": C}]

    def exchange(*_: object) -> bool:
        if theirs:
            in_place(place.providers, theirs.pop())
        return False

    monkeypatch.setattr(replace, "_try_exchange", exchange)
    monkeypatch.setattr(os, "link", refuse)
    await place.writer.change(put("a", C))
    assert place.said() == {"a": C, "b": B, "n": C}
    place.workspaces.unlink()
    await place.writer.change(partial(put_workspace, body=PutWorkspace(name="v", servers=("a",))))
    assert json.loads(place.workspaces.read_text()) == {"v": ["a"]}


def test_a_file_that_comes_or_goes_in_the_last_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is another than what was read."""
    path = tmp_path / "x"
    path.write_bytes(b"1")
    for expected in (None, b"2"):
        with pytest.raises(replace.FileChanged):
            replace.replace(path, expected, b"new")
    monkeypatch.setattr(replace, "read", lambda _: b"1")
    path.unlink()
    with pytest.raises(replace.FileChanged):
        replace.replace(path, b"1", b"new")
    monkeypatch.setattr(replace, "_try_exchange", lambda *_: False)
    with pytest.raises(replace.FileChanged):
        replace.replace(path, b"1", b"new")
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        replace.replace(path, b"1", b"new")
    path.rmdir()

    def unsupported(*_: object) -> None:
        path.write_bytes(b"1")
        raise OSError(95, "not here")

    monkeypatch.setattr(os, "link", unsupported)
    with pytest.raises(replace.FileChanged):
        replace.replace(path, None, b"new")
    assert [found.name for found in tmp_path.iterdir()] == ["x"]


def test_an_error_of_the_exchange_is_told(tmp_path: Path) -> None:
    """A directory has no place in a file's."""
    (tmp_path / "new").write_bytes(b"")
    with pytest.raises(OSError, match=r"/proc/self/status"):
        replace._try_exchange(tmp_path / "new", Path("/proc/self/status"))


async def test_a_whole_file_is_put_back_after_a_stale_copy(place: Place) -> None:
    """Each of its entries."""
    stale = place.said()
    body = PutConfig(file="providers", content={"c": C})
    await place.writer.change(partial(put_config, body=body))
    in_place(place.providers, {**stale, "n": A})
    await place.writer.mend()
    assert place.said() == {"c": C, "n": A}
