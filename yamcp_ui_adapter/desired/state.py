"""The desired state as a function of the last good content of each file. A new snapshot is made only if it differs."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping

from bridge.models import Issue, Snapshot
from yamcp_ui_adapter.desired.last_good import AppliedReadings, Renames, apply_readings
from yamcp_ui_adapter.desired.store import STATE_FILE, StateStore, StoredState
from yamcp_ui_adapter.desired.translate import translate
from yamcp_ui_adapter.errors import issue
from yamcp_ui_adapter.format.entries import ACCESS, HUB, PROVIDERS, WORKSPACES, LastGood, Reading
from yamcp_ui_adapter.format.hubfile import Section

log = logging.getLogger("yamcp_ui_adapter.state")  # the name that log filters know

EMPTIED_FILE_SECONDS = 0.3
"""Seconds to wait for the writer of a file that became unusable."""
DANGLING_MEMBER_SECONDS = 0.06
"""Seconds to wait for the other half of a rename, when a member of a workspace has no server."""

LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


class DesiredState:
    """The present snapshot and issues. Each start begins a new epoch, which is stored before anything is published."""

    def __init__(self, store: StateStore) -> None:
        stored = store.load()
        self._store = store
        self.remembers = stored is not None and stored.good != LastGood()
        """Whether a last good state of an earlier run was loaded."""
        self._good = stored.good if stored else LastGood()
        self._epoch = (stored.epoch if stored else 0) + 1
        self._save(sync=True)
        if not store.saved:
            self._epoch = max(self._epoch, int(time.time()))
        self._raw: dict[str, Reading] = {}
        self._applied: tuple[LastGood, dict[str, Reading], AppliedReadings] | None = None
        """The result of the last readings that were examined, with the state they were applied to; avoids parsing
        twice.
        """
        self._held: dict[str, Issue | None] = {}
        translation = translate(self._good)
        self._issues = translation.issues
        self.snapshot = Snapshot.of(self._epoch, 1, translation.servers, translation.workspaces, translation.access)

    @property
    def issues(self) -> tuple[Issue, ...]:
        """The issues of files, entries and settings."""
        files = [found for found in self._held.values() if found]
        if not self._store.saved:
            message = f"{STATE_FILE} cannot be written: after a restart the hub knows only what the files say then."
            files.append(issue("STATE_NOT_SAVED", f"file:{STATE_FILE}", STATE_FILE, message))
        return (*files, *self._issues)

    @property
    def held(self) -> frozenset[str]:
        """The files that are unusable now, so that their last good version is in use."""
        return frozenset(self._held)

    @property
    def settling(self) -> bool:
        """Whether a file is missing but does not count as deleted yet, so that it must be read again soon."""
        return None in self._held.values()

    @property
    def expected(self) -> frozenset[str]:
        """The files that have entries; one of these that is missing for a moment is probably being saved, not
        deleted.
        """
        good = self._good
        said = {
            PROVIDERS: good.servers.entries or good.servers.unusable,
            WORKSPACES: good.workspaces.entries,
            HUB: good.hub.servers or good.hub.workspaces,
            ACCESS: good.access.file,
        }
        return frozenset(name for name, entries in said.items() if entries)

    @property
    def servers(self) -> frozenset[str]:
        """The keys of all servers in use."""
        return frozenset(self._good.servers.entries)

    @property
    def workspaces(self) -> frozenset[str]:
        """The names of all workspaces in use."""
        return frozenset(self._good.workspaces.entries)

    @property
    def readings(self) -> dict[str, Reading]:
        """The reading of each file that was applied last."""
        return dict(self._raw)

    def has_settings(self, section: Section, names: Collection[str]) -> bool:
        """Return whether hub.json has settings for one of these, or (for servers) names one in those of a workspace."""
        hub = self._good.hub
        named = {key for each in hub.workspaces.values() for key in each.named_servers}
        known = {*hub.servers, *named} if section == "servers" else hub.workspaces.keys()
        return any(name in known for name in names)

    def exists(self, section: Section, name: str) -> bool:
        """Return whether an entry of that name exists, usable or not."""
        good = self._good
        known = {*good.servers.entries, *good.servers.unusable} if section == "servers" else good.workspaces.entries
        return name in known

    def members(self, workspace: str) -> tuple[str, ...]:
        """Return the members of a workspace in use."""
        return self._good.workspaces.entries[workspace].members

    def apply(self, readings: Mapping[str, Reading]) -> Renames:
        """Apply the readings of the files, skipping those that are unchanged, and return the renames that were
        found.
        """
        news = self._changed_readings(readings)
        self._raw.update(news)
        if not news:
            return Renames({}, {}, {})
        before, never_read = self.issues, self._never_read
        applied = self._apply_to_last_good(news)
        self._held = {name: found for name, found in self._held.items() if name not in news} | applied.held
        if applied.good != self._good or never_read != self._never_read:
            self._good = applied.good
            self._translate()
            self._save()
        _log_changes(before, self.issues)
        return applied.renames

    def settle_seconds(self, readings: Mapping[str, Reading]) -> float:
        """Return for how many seconds the files should be read again, because the readings look like half an edit.

        A file that became unusable gets `EMPTIED_FILE_SECONDS`: a program that truncates a file is about to write it. A
        member without a server gets `DANGLING_MEMBER_SECONDS`: YAMCP renames a server in one file some 4 ms before the
        other, but more often the server was deleted.
        """
        applied = self._apply_to_last_good(self._changed_readings(readings))
        if any(found and not self._held.get(name) for name, found in applied.held.items()):
            return EMPTIED_FILE_SECONDS
        return DANGLING_MEMBER_SECONDS if _dangling_members(applied.good) - _dangling_members(self._good) else 0

    def _changed_readings(self, readings: Mapping[str, Reading]) -> dict[str, Reading]:
        return {
            name: reading for name, reading in readings.items() if name not in self._raw or self._raw[name] != reading
        }

    def _apply_to_last_good(self, news: dict[str, Reading]) -> AppliedReadings:
        if self._applied is None or self._applied[0] is not self._good or self._applied[1] != news:
            self._applied = self._good, news, apply_readings(self._good, news)
        return self._applied[2]

    def continue_after(self, epoch: int) -> None:
        """Start an epoch after the given one, which the sidecar has and this adapter does not know."""
        self._epoch = max(self._epoch, epoch) + 1
        now = self.snapshot
        self.snapshot = Snapshot.of(self._epoch, 1, now.servers, now.workspaces, now.access)
        self._save(sync=True)

    @property
    def _never_read(self) -> dict[str, bool]:
        """The files of settings that are unusable and were never read successfully, as arguments of `translate`."""
        good, held = self._good, self._held
        return {
            "settings_unknown": HUB in held and not good.hub.known,
            "access_unknown": ACCESS in held and not good.access.known,
        }

    def _translate(self) -> None:
        translation = translate(self._good, **self._never_read)
        self._issues = translation.issues
        revision = self.snapshot.id.revision + 1
        snapshot = Snapshot.of(self._epoch, revision, translation.servers, translation.workspaces, translation.access)
        if snapshot.id.hash != self.snapshot.id.hash:
            self.snapshot = snapshot

    def _save(self, sync: bool = False) -> None:
        self._store.save(StoredState(epoch=self._epoch, good=self._good), sync=sync)


def _log_changes(before: tuple[Issue, ...], after: tuple[Issue, ...]) -> None:
    for found in after:
        if found not in before:
            fields = {"code": found.code, "subject": found.subject, "file": found.file}
            log.log(LEVELS[found.severity], found.message, extra=fields)
    for found in before:
        if found not in after:
            log.info("issue resolved", extra={"code": found.code, "subject": found.subject, "file": found.file})


def _dangling_members(good: LastGood) -> set[tuple[str, str]]:
    """Return the members of workspaces for which there is no server, as pairs of workspace and member."""
    known = {*good.servers.entries, *good.servers.unusable}
    return {
        (name, member)
        for name, entry in good.workspaces.entries.items()
        for member in entry.members
        if member not in known
    }
