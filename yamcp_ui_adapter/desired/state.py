"""Desired state: a function of the last good parse of each file; its snapshot changes only when its content does."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping

from bridge.models import Issue, Snapshot
from yamcp_ui_adapter.desired.last_good import Absorbed, Renames, absorb
from yamcp_ui_adapter.desired.store import NAME, Kept, Store
from yamcp_ui_adapter.desired.translate import translate
from yamcp_ui_adapter.errors import issue
from yamcp_ui_adapter.format.entries import HUB, PROVIDERS, WORKSPACES, LastGood, Reading
from yamcp_ui_adapter.format.hubfile import Section

log = logging.getLogger("yamcp_ui_adapter.state")  # the name that log filters know

EMPTIED = 0.3
DANGLING = 0.06

LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


class DesiredState:
    """What should be, and what could not be used. Each start is a new epoch, kept before anything is published."""

    def __init__(self, store: Store) -> None:
        kept = store.load()
        self._store = store
        self.remembers = kept is not None and kept.good != LastGood()
        """Whether there is a last good state of an earlier run."""
        self._good = kept.good if kept else LastGood()
        self._epoch = (kept.epoch if kept else 0) + 1
        self._save(sync=True)
        if not store.saved:
            self._epoch = max(self._epoch, int(time.time()))
        self._raw: dict[str, Reading] = {}
        self._absorbed: tuple[LastGood, dict[str, Reading], Absorbed] | None = None
        """What the last reading that was looked at would make of which state: nothing is parsed twice."""
        self._held: dict[str, Issue | None] = {}
        desire = translate(self._good)
        self._issues = desire.issues
        self.snapshot = Snapshot.of(self._epoch, 1, desire.servers, desire.workspaces)

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What is wrong with files, entries and settings."""
        files = [found for found in self._held.values() if found]
        if not self._store.saved:
            message = f"{NAME} cannot be written: after a restart the hub knows only what the files say then."
            files.append(issue("STATE_NOT_SAVED", f"file:{NAME}", NAME, message))
        return (*files, *self._issues)

    @property
    def held(self) -> frozenset[str]:
        """The files that say nothing now, so that their last good version is in use."""
        return frozenset(self._held)

    @property
    def settling(self) -> bool:
        """Whether a file is gone and not yet taken for deleted: it has to be read again soon."""
        return None in self._held.values()

    @property
    def expected(self) -> frozenset[str]:
        """The files that have entries: gone for a moment, they are being saved rather than deleted."""
        good = self._good
        said = {
            PROVIDERS: good.servers.entries or good.servers.unusable,
            WORKSPACES: good.workspaces.entries,
            HUB: good.hub.servers or good.hub.workspaces,
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
        """What each file said when it was last taken in."""
        return dict(self._raw)

    def has_settings(self, section: Section, names: Collection[str]) -> bool:
        """Whether hub.json has settings for one of these, or (servers) a switch in the settings of a workspace."""
        hub = self._good.hub
        switched = {key for each in hub.workspaces.values() for key in each.disabled_servers}
        known = {*hub.servers, *switched} if section == "servers" else hub.workspaces.keys()
        return any(name in known for name in names)

    def exists(self, section: Section, name: str) -> bool:
        """Whether there is an entry of that name, even one that cannot be used."""
        good = self._good
        known = {*good.servers.entries, *good.servers.unusable} if section == "servers" else good.workspaces.entries
        return name in known

    def members(self, workspace: str) -> tuple[str, ...]:
        """The members of a workspace, in use."""
        return self._good.workspaces.entries[workspace].members

    def take(self, readings: Mapping[str, Reading]) -> Renames:
        """Take in what the files say; what is the same as last time is skipped. Returns what was renamed."""
        news = self._news(readings)
        self._raw.update(news)
        if not news:
            return Renames({}, {}, {})
        before = self.issues
        absorbed = self._absorb(news)
        self._held = {name: found for name, found in self._held.items() if name not in news} | absorbed.held
        if absorbed.good != self._good:
            self._good = absorbed.good
            self._translate()
            self._save()
        _log_changes(before, self.issues)
        return absorbed.renames

    def doubt(self, readings: Mapping[str, Reading]) -> float:
        """Seconds that the readings should be given to change once more, as they look like half an edit.

        Long where a file says nothing any more: whoever truncated it is about to write. Short where a server is
        nowhere any more: YAMCP renames it in one file some 4 ms before the other, but more often it was deleted.
        """
        absorbed = self._absorb(self._news(readings))
        if any(found and not self._held.get(name) for name, found in absorbed.held.items()):
            return EMPTIED
        return DANGLING if _dangling(absorbed.good) - _dangling(self._good) else 0

    def _news(self, readings: Mapping[str, Reading]) -> dict[str, Reading]:
        return {
            name: reading for name, reading in readings.items() if name not in self._raw or self._raw[name] != reading
        }

    def _absorb(self, news: dict[str, Reading]) -> Absorbed:
        if self._absorbed is None or self._absorbed[0] is not self._good or self._absorbed[1] != news:
            self._absorbed = self._good, news, absorb(self._good, news)
        return self._absorbed[2]

    def leap(self, epoch: int) -> None:
        """Go on in an epoch after the given one, which the sidecar has seen and this adapter forgot."""
        self._epoch = max(self._epoch, epoch) + 1
        self.snapshot = Snapshot.of(self._epoch, 1, self.snapshot.servers, self.snapshot.workspaces)
        self._save(sync=True)

    def _translate(self) -> None:
        desire = translate(self._good, settings_unknown=HUB in self._held and not self._good.hub.known)
        self._issues = desire.issues
        snapshot = Snapshot.of(self._epoch, self.snapshot.id.revision + 1, desire.servers, desire.workspaces)
        if snapshot.id.hash != self.snapshot.id.hash:
            self.snapshot = snapshot

    def _save(self, sync: bool = False) -> None:
        self._store.save(Kept(epoch=self._epoch, good=self._good), sync=sync)


def _log_changes(before: tuple[Issue, ...], after: tuple[Issue, ...]) -> None:
    for found in after:
        if found not in before:
            fields = {"code": found.code, "subject": found.subject, "file": found.file}
            log.log(LEVELS[found.severity], found.message, extra=fields)
    for found in before:
        if found not in after:
            log.info("no longer so", extra={"code": found.code, "subject": found.subject, "file": found.file})


def _dangling(good: LastGood) -> set[tuple[str, str]]:
    """Members of workspaces that no provider is behind."""
    known = {*good.servers.entries, *good.servers.unusable}
    return {
        (name, member)
        for name, entry in good.workspaces.entries.items()
        for member in entry.members
        if member not in known
    }
