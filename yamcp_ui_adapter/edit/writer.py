"""Writes YAMCP's files, which other programs write at the same time. No program's change is lost; conflicts are
reported.

See docs/adr/0010-edits.md. `DesiredStateService` runs only one of its coroutines at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.errors import HubError
from bridge.private import make_directory
from yamcp_ui_adapter.edit.backups import Backups
from yamcp_ui_adapter.edit.edits import ROLES, Contents, Files, Found, parse, unreadable
from yamcp_ui_adapter.edit.merge import Recent, merge, undone
from yamcp_ui_adapter.edit.replace import Displaced, FileChanged, read, replace
from yamcp_ui_adapter.errors import DataDirUnusable, EditConflict
from yamcp_ui_adapter.files.reader import DELETION_GRACE_SECONDS
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES, KeepLastGood, Reading
from yamcp_ui_adapter.format.entry_positions import Content, entry_hashes
from yamcp_ui_adapter.format.jsontext import file_hash, same_content, stringify

log = logging.getLogger("yamcp_ui_adapter.writer")  # the name that log filters know

WRITE_ORDER = (WORKSPACES, PROVIDERS)
"""The order in which files are written, which is YAMCP-UI's when it renames a server."""
CHANGE_TIMEOUT_SECONDS = 2.0
"""Seconds for which a change is retried while another program keeps writing the file."""
UNFINISHED_FILE_SECONDS = 0.3
"""Seconds to wait for a file that cannot be parsed; a program that truncated it is about to write it."""
WATCH_SECONDS = 1.0
"""Seconds for which a displaced file is watched for writes by a program that had opened it before."""
POLL_SECONDS = 0.003

MAX_WATCHED_FILES = 16
"""Number of displaced files that are watched at the same time."""

Edit = Callable[[Files], Contents]


@dataclass(frozen=True, eq=False)
class _Watched:
    """A displaced file, its content when it was displaced, and until when it is watched for writes."""

    until: float
    file: str
    before: Content
    displaced: Displaced


class Writer:
    """YAMCP's two files, and the recent changes to them. `expected` returns the names of the files that have
    entries.
    """

    def __init__(self, paths: Mapping[str, Path], backups: Backups, expected: Callable[[], Collection[str]]) -> None:
        self._paths = {name: paths[name] for name in WRITE_ORDER}
        self._backups = backups
        self._expected = expected
        self._recent = Recent()
        self._parsed: dict[str, Found] = {}
        self._last: dict[str, tuple[Content, Content]] = {}
        self._remember_until: dict[str, float] = {}
        self._watched: list[_Watched] = []

    def close(self) -> None:
        """Close the files that are still watched."""
        while self._watched:
            self._watched.pop().displaced.close()

    def forget(self, names: Collection[str]) -> None:
        """Forget the recent changes of these files: they are replaced on purpose, maybe by what was there before."""
        for name in names:
            self._recent.forget(name)
            self._last.pop(name, None)
            for item in [each for each in self._watched if each.file == name]:
                self._watched.remove(item)
                item.displaced.close()

    @property
    def watching(self) -> bool:
        """Whether `mend` has anything to check, even if the files did not change."""
        return bool(self._watched)

    async def look(self, name: str) -> Found:
        """Return a file's content once no program is in the middle of writing it, or of saving it under another
        name.
        """
        began = time.monotonic()
        while True:
            found = self._look(name)
            gone = found.raw is None and name in self._expected()
            if time.monotonic() - began > (DELETION_GRACE_SECONDS if gone else UNFINISHED_FILE_SECONDS) or not (
                gone or found.document is None
            ):
                return found
            await asyncio.sleep(POLL_SECONDS)

    def _look(self, name: str) -> Found:
        try:
            return self._parse(name, read(self._paths[name]))
        except OSError as error:
            return unreadable(name, error.strerror or "")

    def _parse(self, name: str, raw: bytes | None) -> Found:
        """Return the parsed bytes, from a cache if they are unchanged; documents are never modified in place."""
        known = self._parsed.get(name)
        if known is None or known.raw != raw:
            known = self._parsed[name] = parse(name, raw)
        return known

    async def change(self, edit: Edit) -> dict[str, tuple[Content, Content]]:
        """Write the result of `edit` on the present files. Return each written file's content before and after.

        Raises:
            EditConflict: another program changed the same entry at that moment, or keeps writing.
            ConfigFileBroken, DataDirUnusable, and as `edit` raises: nothing was changed.
        """
        await self.mend()
        deadline = time.monotonic() + CHANGE_TIMEOUT_SECONDS
        while True:
            files = dict(
                zip(WRITE_ORDER, await asyncio.gather(*(self.look(name) for name in WRITE_ORDER)), strict=True)
            )
            contents = {
                name: made for name, made in edit(files).items() if not same_content(made, files[name].document)
            }
            with contextlib.suppress(FileChanged):
                await self._write(files, contents)
                self._last = {name: (files[name].document or {}, made) for name, made in contents.items()}
                return {name: change for name, change in self._last.items() if files[name].issue is None}
            if time.monotonic() > deadline:
                raise _being_written(files[next(iter(contents))])
            await asyncio.sleep(POLL_SECONDS)

    async def _write(self, files: Files, contents: Contents) -> None:
        """Write all documents, or none. Raises FileChanged, and as `change` raises."""
        written: list[str] = []
        try:
            for name in WRITE_ORDER:
                if name in contents:
                    await self._put(files[name], contents[name])
                    written.append(name)
        except (FileChanged, HubError):
            for name in written:
                with contextlib.suppress(HubError):  # what went wrong first is what is told
                    await self._merge_into(name, contents[name], files[name].document or {})
            raise

    async def _put(self, found: Found, content: Content) -> None:
        """Replace a document, and merge what another program wrote at the same moment. Raises as `change` raises."""
        name, before = found.file, found.document or {}
        displaced = self._replace(found, content)
        written = await self._written_to(name, displaced)
        if written is None:
            return
        theirs = written.content
        conflicts = merge(name, before, content, theirs).conflicts
        if conflicts:
            await self._merge_into(name, content, before)
        await self._merge_displaced(name, before, displaced)
        if conflicts:
            data = {"file": ROLES[name], "key": conflicts[0], "hash": entry_hashes(name, theirs).get(conflicts[0], "")}
            raise EditConflict(f"{conflicts[0]!r} in {name} was changed by somebody else at the same time.", data=data)

    async def _merge_into(self, name: str, base: Content, ours: Content) -> None:
        """Apply the changes from `base` to `ours` to the present file; entries that other programs changed, too, stay
        as they are.
        """
        deadline = time.monotonic() + CHANGE_TIMEOUT_SECONDS
        while True:
            found = await self.look(name)
            merged = merge(name, base, ours, found.content)
            if merged.conflicts:
                log.warning(
                    "two programs changed an entry at the same time; the later change is kept", extra={"file": name}
                )
            if same_content(merged.content, found.content):
                return
            with contextlib.suppress(FileChanged):
                await self._merge_displaced(name, found.content, self._replace(found, merged.content))
                return
            if time.monotonic() > deadline:
                raise _being_written(found)
            await asyncio.sleep(POLL_SECONDS)

    async def _merge_displaced(self, name: str, before: Content, displaced: Displaced | None) -> None:
        """Merge into the file what another program wrote to the displaced one."""
        if displaced and (written := await self._written_to(name, displaced)):
            await self._merge_into(name, before, written.content)
            displaced.expected = written.raw or b""
            log.info("merged a change that another program made at the same time", extra={"file": name})

    async def _written_to(self, name: str, displaced: Displaced | None) -> Found | None:
        """Return what another program wrote to a displaced file, once it is complete; None if nothing, or not
        in time.
        """
        deadline = time.monotonic() + UNFINISHED_FILE_SECONDS
        while displaced and displaced.changed():
            if (found := parse(name, displaced.read())).document is not None:
                with contextlib.suppress(HubError):
                    self._backups.keep(name, found.raw or b"")
                return found
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        return None

    def _replace(self, found: Found, content: Content) -> Displaced | None:
        """Replace a document, and record the change. Raises FileChanged, DataDirUnusable."""
        path, before = self._paths[found.file], found.document or {}
        if found.raw is not None:
            self._backups.keep(found.file, found.raw)
        try:
            make_directory(path.parent)
            displaced = replace(path, found.raw, stringify(content))
        except OSError as error:
            raise DataDirUnusable(f"{path} cannot be written: {error.strerror}.") from None
        self._recent.note(found.file, before, content, self._time(found.file))
        until = time.monotonic() + WATCH_SECONDS
        self._remember_until[found.file] = until + WATCH_SECONDS
        if displaced:
            self._watched.append(_Watched(until, found.file, before, displaced))
        while len(self._watched) > MAX_WATCHED_FILES:
            self._watched.pop(0).displaced.close()
        return displaced

    def _time(self, name: str) -> int:
        with contextlib.suppress(OSError):
            return self._paths[name].stat().st_mtime_ns
        return time.time_ns()

    # --- afterwards --------------------------------------------------------------------------------------------------

    def undone(self, readings: Mapping[str, Reading]) -> bool:
        """Return whether the readings are a stale copy that undoes one of the hub's changes."""
        said = {name: readings[name] for name in WRITE_ORDER if self._recent.watches(name)}
        return any(
            self._stale(self._parse(name, raw)) for name, raw in said.items() if not isinstance(raw, KeepLastGood)
        )

    def check(self, readings: Mapping[str, Reading]) -> None:
        """Check that the readings contain the last change.

        Raises:
            EditConflict: another program overwrote it repeatedly.
        """
        for name, (before, after) in self._last.items():
            found = self._parse(name, raw) if not isinstance(raw := readings[name], KeepLastGood) else None
            if found and found.document is not None and undone(name, before, after, found.document):
                raise _being_written(found)

    def _stale(self, found: Found) -> dict[str, Any]:
        if found.document is None:
            return {}
        return self._recent.undone(found.file, found.document, self._time(found.file))

    async def mend(self) -> None:
        """Merge what was written to displaced files, and restore what stale copies undid; after repeated failures, only
        log it.
        """
        for item in list(self._watched):
            if item in self._watched:
                with _log_errors(item.file):
                    await self._merge_displaced(item.file, item.before, item.displaced)
            if item in self._watched and time.monotonic() > item.until:
                self._watched.remove(item)
                item.displaced.close()
        for name in WRITE_ORDER:
            done = False
            with _log_errors(name):
                done = await self._put_back(name)
            if not done or time.monotonic() > self._remember_until.get(name, 0):
                self._recent.forget(name)

    async def _put_back(self, name: str) -> bool:
        """Restore undone changes of a file; return whether none is undone any more."""
        deadline = time.monotonic() + CHANGE_TIMEOUT_SECONDS
        while self._recent.watches(name):
            found = await self.look(name)
            undone = self._stale(found)
            if not undone:
                return True
            try:
                displaced = self._replace(found, self._recent.restored(name, found.content, undone))
            except FileChanged:
                if time.monotonic() > deadline:
                    return False
                await asyncio.sleep(POLL_SECONDS)
                continue
            self._recent.put_back(name, undone)
            log.warning(
                "restored changes that a stale copy of the file had undone",
                extra={"file": name, "entries": list(undone)},
            )
            await self._merge_displaced(name, found.content, displaced)
        return True


@contextlib.contextmanager
def _log_errors(name: str) -> Iterator[None]:
    """Log errors of repairs instead of raising them; the backups have a copy of the file."""
    try:
        yield
    except HubError as error:
        fields = {"file": name, "code": error.code, "why": error.message}
        log.warning("changes of two programs could not be merged", extra=fields)


def _being_written(found: Found) -> EditConflict:
    data = {"file": ROLES[found.file], "key": None, "hash": file_hash(found.raw)}
    return EditConflict(f"{found.file} is being written by somebody else all the time.", data=data)
