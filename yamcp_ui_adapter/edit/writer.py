"""Writes YAMCP's files, which other programs write too: nobody's change is lost, and what cannot be kept is told.

See docs/adr/0010-edits.md. Its owner lets one of its coroutines run at a time.
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
from yamcp_ui_adapter.edit.replace import Displaced, Moved, read, replace
from yamcp_ui_adapter.errors import DataDirUnusable, EditConflict
from yamcp_ui_adapter.files.reader import DELETION_GRACE_SECONDS
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES, KeepLastGood, Reading
from yamcp_ui_adapter.format.entry_positions import Content, entry_hashes
from yamcp_ui_adapter.format.jsontext import file_hash, same_content, stringify

log = logging.getLogger("yamcp_ui_adapter.writer")  # the name that log filters know

ORDER = (WORKSPACES, PROVIDERS)
"""As YAMCP-UI writes them when it renames a server."""
PATIENCE = 2.0
"""Seconds that a change is tried for while somebody else keeps writing the file."""
UNFINISHED = 0.3
"""Seconds that a file which cannot be parsed is given: whoever truncated it is about to write."""
WATCHED = 1.0
"""Seconds for which a displaced file is watched, as somebody may have opened it before."""
LOOK = 0.003

AT_MOST = 16
"""Displaced files that are watched at once."""

Edit = Callable[[Files], Contents]


@dataclass(frozen=True, eq=False)
class _Watched:
    """A displaced file, what it said when it was displaced, and until when it is looked at."""

    until: float
    file: str
    before: Content
    displaced: Displaced


class Writer:
    """YAMCP's two files, and what was done to them lately. `expected` names those that have entries."""

    def __init__(self, paths: Mapping[str, Path], backups: Backups, expected: Callable[[], Collection[str]]) -> None:
        self._paths = {name: paths[name] for name in ORDER}
        self._backups = backups
        self._expected = expected
        self._recent = Recent()
        self._parsed: dict[str, Found] = {}
        self._last: dict[str, tuple[Content, Content]] = {}
        self._remember_until: dict[str, float] = {}
        self._watched: list[_Watched] = []

    def close(self) -> None:
        """Let go of the files that are still watched."""
        while self._watched:
            self._watched.pop().displaced.close()

    @property
    def watching(self) -> bool:
        """Whether `mend` has anything to look at, whatever the files are now."""
        return bool(self._watched)

    async def look(self, name: str) -> Found:
        """A file as it is once nobody is in the middle of writing it, or saving it under another name."""
        began = time.monotonic()
        while True:
            found = self._look(name)
            gone = found.raw is None and name in self._expected()
            if time.monotonic() - began > (DELETION_GRACE_SECONDS if gone else UNFINISHED) or not (
                gone or found.document is None
            ):
                return found
            await asyncio.sleep(LOOK)

    def _look(self, name: str) -> Found:
        try:
            return self._parse(name, read(self._paths[name]))
        except OSError as error:
            return unreadable(name, error.strerror or "")

    def _parse(self, name: str, raw: bytes | None) -> Found:
        """What bytes say; nothing is parsed twice, as documents are never changed."""
        known = self._parsed.get(name)
        if known is None or known.raw != raw:
            known = self._parsed[name] = parse(name, raw)
        return known

    async def change(self, edit: Edit) -> dict[str, tuple[Content, Content]]:
        """Write what `edit` makes of the files as they are. Returns what each written file said before, and says now.

        Raises:
            EditConflict: somebody else changed the same entry in that moment, or does not stop writing.
            ConfigFileBroken, DataDirUnusable, and what `edit` raises: nothing was changed.
        """
        await self.mend()
        deadline = time.monotonic() + PATIENCE
        while True:
            files = dict(zip(ORDER, await asyncio.gather(*(self.look(name) for name in ORDER)), strict=True))
            contents = {
                name: made for name, made in edit(files).items() if not same_content(made, files[name].document)
            }
            with contextlib.suppress(Moved):
                await self._write(files, contents)
                self._last = {name: (files[name].document or {}, made) for name, made in contents.items()}
                return {name: change for name, change in self._last.items() if files[name].issue is None}
            if time.monotonic() > deadline:
                raise _busy(files[next(iter(contents))])
            await asyncio.sleep(LOOK)

    async def _write(self, files: Files, contents: Contents) -> None:
        """Write all of the documents, or none. Raises Moved and what `change` raises."""
        written: list[str] = []
        try:
            for name in ORDER:
                if name in contents:
                    await self._put(files[name], contents[name])
                    written.append(name)
        except (Moved, HubError):
            for name in written:
                with contextlib.suppress(HubError):  # what went wrong first is what is told
                    await self._bring(name, contents[name], files[name].document or {})
            raise

    async def _put(self, found: Found, content: Content) -> None:
        """Replace a document, and take in what somebody else wrote in that moment. Raises what `change` raises."""
        name, before = found.file, found.document or {}
        displaced = self._replace(found, content)
        written = await self._written_to(name, displaced)
        if written is None:
            return
        theirs = written.content
        conflicts = merge(name, before, content, theirs).conflicts
        if conflicts:
            await self._bring(name, content, before)
        await self._take_in(name, before, displaced)
        if conflicts:
            data = {"file": ROLES[name], "key": conflicts[0], "hash": entry_hashes(name, theirs).get(conflicts[0], "")}
            raise EditConflict(f"{conflicts[0]!r} in {name} was changed by somebody else at the same time.", data=data)

    async def _bring(self, name: str, base: Content, ours: Content) -> None:
        """Do to a file, whatever it is now, what makes `ours` of `base`; what others changed as well stays theirs."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = await self.look(name)
            merged = merge(name, base, ours, found.content)
            if merged.conflicts:
                log.warning("changed by two at once; the later one counts", extra={"file": name})
            if same_content(merged.content, found.content):
                return
            with contextlib.suppress(Moved):
                await self._take_in(name, found.content, self._replace(found, merged.content))
                return
            if time.monotonic() > deadline:
                raise _busy(found)
            await asyncio.sleep(LOOK)

    async def _take_in(self, name: str, before: Content, displaced: Displaced | None) -> None:
        """Do to the file what somebody did to the one that it displaced."""
        if displaced and (written := await self._written_to(name, displaced)):
            await self._bring(name, before, written.content)
            displaced.expected = written.raw or b""
            log.info("taken in what was written at the same time", extra={"file": name})

    async def _written_to(self, name: str, displaced: Displaced | None) -> Found | None:
        """What somebody wrote to a displaced file, once it is whole; none if nobody did, or it takes too long."""
        deadline = time.monotonic() + UNFINISHED
        while displaced and displaced.changed():
            if (found := parse(name, displaced.read())).document is not None:
                with contextlib.suppress(HubError):
                    self._backups.keep(name, found.raw or b"")
                return found
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(LOOK)
        return None

    def _replace(self, found: Found, content: Content) -> Displaced | None:
        """Replace a document, and remember that. Raises Moved, DataDirUnusable."""
        path, before = self._paths[found.file], found.document or {}
        if found.raw is not None:
            self._backups.keep(found.file, found.raw)
        try:
            make_directory(path.parent)
            displaced = replace(path, found.raw, stringify(content))
        except OSError as error:
            raise DataDirUnusable(f"{path} cannot be written: {error.strerror}.") from None
        self._recent.note(found.file, before, content, self._time(found.file))
        until = time.monotonic() + WATCHED
        self._remember_until[found.file] = until + WATCHED
        if displaced:
            self._watched.append(_Watched(until, found.file, before, displaced))
        while len(self._watched) > AT_MOST:
            self._watched.pop(0).displaced.close()
        return displaced

    def _time(self, name: str) -> int:
        with contextlib.suppress(OSError):
            return self._paths[name].stat().st_mtime_ns
        return time.time_ns()

    # --- afterwards --------------------------------------------------------------------------------------------------

    def undone(self, readings: Mapping[str, Reading]) -> bool:
        """Whether what was read is a stale copy that undoes a change of ours."""
        said = {name: readings[name] for name in ORDER if self._recent.watches(name)}
        return any(
            self._stale(self._parse(name, raw)) for name, raw in said.items() if not isinstance(raw, KeepLastGood)
        )

    def check(self, readings: Mapping[str, Reading]) -> None:
        """Whether the last change is in what was read.

        Raises:
            EditConflict: another program wrote over it, again and again.
        """
        for name, (before, after) in self._last.items():
            found = self._parse(name, raw) if not isinstance(raw := readings[name], KeepLastGood) else None
            if found and found.document is not None and undone(name, before, after, found.document):
                raise _busy(found)

    def _stale(self, found: Found) -> dict[str, Any]:
        if found.document is None:
            return {}
        return self._recent.undone(found.file, found.document, self._time(found.file))

    async def mend(self) -> None:
        """Take in what was written to displaced files, and put back what stale copies undid; or give up and log."""
        for item in list(self._watched):
            if item in self._watched:
                with _logged(item.file):
                    await self._take_in(item.file, item.before, item.displaced)
            if item in self._watched and time.monotonic() > item.until:
                self._watched.remove(item)
                item.displaced.close()
        for name in ORDER:
            done = False
            with _logged(name):
                done = await self._put_back(name)
            if not done or time.monotonic() > self._remember_until.get(name, 0):
                self._recent.forget(name)

    async def _put_back(self, name: str) -> bool:
        """Whether nothing of the file is undone any more, as far as can be seen."""
        deadline = time.monotonic() + PATIENCE
        while self._recent.watches(name):
            found = await self.look(name)
            undone = self._stale(found)
            if not undone:
                return True
            try:
                displaced = self._replace(found, self._recent.restored(name, found.content, undone))
            except Moved:
                if time.monotonic() > deadline:
                    return False
                await asyncio.sleep(LOOK)
                continue
            self._recent.put_back(name, undone)
            log.warning("put back what a stale copy of a file undid", extra={"file": name, "entries": list(undone)})
            await self._take_in(name, found.content, displaced)
        return True


@contextlib.contextmanager
def _logged(name: str) -> Iterator[None]:
    """What cannot be mended is not worth ending for: there is a copy in the backups."""
    try:
        yield
    except HubError as error:
        fields = {"file": name, "code": error.code, "why": error.message}
        log.warning("what two wrote at once could not be brought together", extra=fields)


def _busy(found: Found) -> EditConflict:
    data = {"file": ROLES[found.file], "key": None, "hash": file_hash(found.raw)}
    return EditConflict(f"{found.file} is being written by somebody else all the time.", data=data)
