"""Records changes of the configuration for the history (docs/history.md): what changed, who changed it, and where."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.author import ASKED, Asked
from bridge.history.spool import drop
from bridge.models import AccessFile, Model, Reload, Snapshot
from yamcp_ui_adapter.format.entries import ACCESS
from yamcp_ui_adapter.format.masking import mask_snapshot

log = logging.getLogger(__name__)

HOLD_SECONDS = 1.0
"""Seconds for which a change that was noticed in the files waits for the request that tells who made it."""
MOST_DIFF_CHARACTERS = 64 * 1024
CONTEXT_LINES = 3
MASKED_CHANGE = "# a masked value of server {!r} changed\n"
CUT = "# the rest is cut\n"
Entries = Mapping[tuple[str, str], Model]
"""Servers and workspaces by kind and name."""


class ChangeLog:
    """Writes a record for each new snapshot to the spool, in two steps, so that the change's id for undo is known.

    `spool` is None where no history is kept. Call `close` at the end.
    """

    def __init__(self, spool: Path | None, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._spool = spool
        self._max_bytes = max_bytes
        self._clock = clock
        self._before: Snapshot | None = None
        self._after: Snapshot | None = None
        self._lost = 0
        self.recorded_elsewhere: Callable[[], bool] = lambda: False
        """Whether a change that was noticed in the files was made at another replica, which records it."""
        self._awaited: list[Asked] = []
        """The requests for which the files are being read."""
        self._held: dict[str, Any] | None = None
        """The record of a change that was noticed in the files less than HOLD_SECONDS ago."""
        self._timer: asyncio.TimerHandle | None = None

    def note(self, before: Snapshot, after: Snapshot) -> None:
        """Note that a snapshot took the place of another; `write` follows without a wait in between."""
        if self._spool is not None and before.id.hash != after.id.hash:
            self._before, self._after = self._before or before, after

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """The files are read for the request that is being handled: a change that the hub notices in them by itself,
        meanwhile or up to HOLD_SECONDS before, is recorded as that of the request."""
        asked = ASKED.get()
        if self._held is not None:
            self._held |= _made_by(asked)
            self._flush()
        self._awaited.append(asked)
        try:
            yield
        finally:
            self._awaited.remove(asked)

    @contextlib.contextmanager
    def of_request(self) -> Iterator[None]:
        """Write what was noted within the context and is not written at its end, as a request failed after it changed
        something: else the next request would be recorded as its author."""
        try:
            yield
        finally:
            self.write()

    def write(self, change: str = "") -> None:
        """Write what was noted, if anything. `change` is the id of the change, if it can be undone."""
        before, after = self._before, self._after
        self._before = self._after = None
        if before is None or after is None:
            return
        subject, diff = describe(before, after)
        self._write(subject, change, before.id.hash, after.id.hash, diff)

    def key(self, name: str, diff: str, snapshot: Snapshot) -> None:
        """Write that the request which is being handled changed a key."""
        self._write(name, "", snapshot.id.hash, snapshot.id.hash, diff)

    def close(self) -> None:
        """Write the record that is held."""
        self._flush()

    def _flush(self) -> None:
        """Write the record that is held, if any."""
        if self._timer is not None:
            self._timer.cancel()
        record, self._held, self._timer = self._held, None, None
        if record is not None:
            self._drop({"changes": [record], "lost": self._lost})

    def _write(self, subject: str, change: str, before: str, after: str, diff: str) -> None:
        asked = ASKED.get()
        if not asked.kind and self._awaited:
            asked = self._awaited[-1]
        self._flush()
        if not asked.kind and self.recorded_elsewhere():
            return
        self._held = {
            "at": round(self._clock(), 3),
            **_made_by(asked),
            "subject": subject,
            "change": change,
            "before": before,
            "after": after,
            "diff": diff,
        }
        if asked.kind:
            self._flush()
        else:
            self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._flush)

    def _drop(self, batch: dict[str, Any]) -> None:
        if self._spool is None:
            return
        reason = "the spool is full"
        try:
            if drop(self._spool, "adapter", batch, self._max_bytes):
                self._lost = 0
                return
        except OSError as error:
            reason = str(error)
        self._lost += 1
        log.warning("a change could not be recorded", extra={"lost": self._lost, "reason": reason})


def _made_by(asked: Asked) -> dict[str, str]:
    """The fields of a record that tell who made the change, from where, and by which kind of request."""
    kind, author = asked
    return {
        "principal": author.principal if author else "",
        "source": author.source if author else "file" if kind in ("", Reload.kind) else "api",
        "kind": kind or "file",
    }


def describe(before: Snapshot, after: Snapshot) -> tuple[str, str]:
    """The subject of a change, and its unified diff with secrets masked, cut at MOST_DIFF_CHARACTERS."""
    old, new = _entries(before), _entries(after)
    touched = [place for place in {**old, **new} if old.get(place) != new.get(place)]
    servers = [name for kind, name in touched if kind == "server"]
    names = servers or [name for _, name in touched]
    subject = names[0] if len(names) == 1 else f"{len(touched)} entries"
    return subject, _cut("".join(_diff(touched, before, after)))


def _entries(snapshot: Snapshot, masked: bool = False) -> Entries:
    servers = mask_snapshot(snapshot).servers if masked else snapshot.servers
    found: dict[tuple[str, str], Model] = {("server", server.key): server for server in servers}
    if snapshot.access is not None:
        found["file", ACCESS] = snapshot.access
    return found | {("workspace", workspace.name): workspace for workspace in snapshot.workspaces}


def _diff(touched: list[tuple[str, str]], before: Snapshot, after: Snapshot) -> Iterator[str]:
    """The lines of the diff of these entries, each as indented JSON."""
    old, new = (_entries(_only(touched, snapshot), masked=True) for snapshot in (before, after))
    for kind, name in touched:
        was, now, title = _text(old.get((kind, name))), _text(new.get((kind, name))), f"{kind} {name}"
        yield from list(difflib.unified_diff(was, now, title, title, n=CONTEXT_LINES)) or [MASKED_CHANGE.format(name)]


def _only(touched: list[tuple[str, str]], snapshot: Snapshot) -> Snapshot:
    """The touched servers and workspaces of a snapshot: only they have to be masked."""
    chosen = set(touched)
    return snapshot.model_copy(
        update={
            "servers": tuple(each for each in snapshot.servers if ("server", each.key) in chosen),
            "workspaces": tuple(each for each in snapshot.workspaces if ("workspace", each.name) in chosen),
            "access": snapshot.access if ("file", ACCESS) in chosen else None,
        }
    )


def _text(entry: Model | None) -> list[str]:
    if entry is None:
        return []
    if isinstance(entry, AccessFile):
        return _lines_of_access(entry)
    text = json.dumps(entry.model_dump(mode="json", exclude_defaults=True), indent=2, ensure_ascii=False)
    return [f"{line}\n" for line in text.splitlines()]


def _lines_of_access(file: AccessFile) -> list[str]:
    """One line for each entry, so that a large file is compared quickly."""
    content = file.model_dump(mode="json", exclude_defaults=True)
    lines = []
    for section, value in content.items():
        entries = value if isinstance(value, list) else [value]
        lines += [f"{section}: {json.dumps(entry, ensure_ascii=False)}\n" for entry in entries]
    return lines


def _cut(diff: str) -> str:
    return diff if len(diff) <= MOST_DIFF_CHARACTERS else diff[: MOST_DIFF_CHARACTERS - len(CUT)] + CUT
