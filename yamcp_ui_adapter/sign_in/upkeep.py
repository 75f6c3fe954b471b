"""Ends what has no ground any more: grants of revoked keys and removed workspaces, and what has expired."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from bridge.credentials.records import GrantRecord, GrantUsed
from bridge.errors import HubError
from yamcp_ui_adapter.sign_in import people
from yamcp_ui_adapter.sign_in.ledger import Ledger
from yamcp_ui_adapter.sign_in.principals import Principals
from yamcp_ui_adapter.sign_in.reports import Reports
from yamcp_ui_adapter.sign_in.state import ended

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.4
"""Seconds between two checks of keys and workspaces: a grant ends within a second with its key."""
SUSPECT_SECONDS = 15.0
"""How long a hub that shares its grants waits for the key or workspace of one."""
EXPIRY_CHECKS = 150
"""Every so many checks, what has expired is ended: once a minute."""


class Upkeep:
    """`workspaces` returns the names of all workspaces. `shared`, for a journal that several hubs share, returns
    whether its database is there: without it nothing is ended, as other hubs may have prolonged it.
    """

    def __init__(
        self,
        ledger: Ledger,
        principals: Principals,
        reports: Reports,
        workspaces: Callable[[], Collection[str]],
        shared: Callable[[], bool] | None = None,
    ) -> None:
        self._ledger = ledger
        self._principals = principals
        self._reports = reports
        self._workspaces = workspaces
        self._shared = shared
        self._suspects: dict[str, float] = {}
        """In a shared journal: the grants whose principal seems to be gone, and since when."""
        self._known: frozenset[str] | None = None
        """The workspaces at the last check."""
        self._seen: tuple[int, int] | None = None
        """The version of the keys, and of the journal, for which all grants were looked at."""
        self._strays: frozenset[str] = frozenset()
        """Grants for unknown workspaces at the last look at all of them."""
        self._failed = ""

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            for _ in range(EXPIRY_CHECKS):
                with self._reported():
                    self.check()
                await asyncio.sleep(CHECK_SECONDS)
            with self._reported():
                self.expire()

    def check(self) -> None:
        """End the grants whose workspace was removed, or whose key was revoked. Raises DataDirUnusable."""
        self._ledger.follow()
        if self._shared:
            self._check_shared()
            return
        present = frozenset(self._workspaces())
        gone = (self._known or frozenset()) - present
        grants = self._ledger.state.grants_of(None)
        removed = [each for each in grants if each.workspace in gone]
        self._end(removed, "its workspace was removed")
        self._known = present
        if (seen := (self._principals.version, self._ledger.loads)) == self._seen:
            return
        gone_ids = {each.id for each in removed}
        revoked = [each for each in grants if each.id not in gone_ids and self._principals.has_ended(each)]
        self._end(revoked, "its key was revoked, or may no longer use the workspace")
        self._seen = seen

    def _check_shared(self) -> None:
        """As `check`. Keys and workspaces come from other hubs on another way than grants: a grant may be here before
        its key, or still name a workspace by its old name. So it ends after SUSPECT_SECONDS; meanwhile, its tokens are
        refused where the key is gone. Grants of removed workspaces end by `expire`.
        """
        if not (self._shared and self._shared()):
            self._suspects = {}
            return
        seen, now = (self._principals.version, self._ledger.loads), time.monotonic()
        if seen == self._seen and not self._suspects:
            return
        ended = [each for each in self._ledger.state.grants_of(None) if self._principals.has_ended(each)]
        self._suspects = {each.id: self._suspects.get(each.id, now) for each in ended}
        over = [each for each in ended if now - self._suspects[each.id] >= SUSPECT_SECONDS]
        if over:
            self._end(over, "its key was revoked, or may no longer use the workspace")
        self._seen = seen

    def expire(self) -> None:
        """End what has expired, and grants for workspaces that have been unknown since the last time (a workspace may
        have been removed while the adapter did not run). Raises DataDirUnusable.
        """
        if self._shared and not self._shared():
            return
        state, now = self._ledger.state, self._ledger.now()
        known = frozenset(self._workspaces())
        strays = frozenset(each.id for each in state.grants_of(None) if each.workspace not in known)
        lost, self._strays = [state.credentials.grants[each] for each in strays & self._strays], strays
        self._end(lost, "its workspace was removed")
        self._ledger.commit([*state.expired(now), *people.forgotten(state.credentials, now)])
        state.credentials.drop_expired(now)

    def renamed(self, renames: Mapping[str, str]) -> None:
        """Workspaces have new names: their grants go on. If that cannot be written, the grants end with the old name,
        which is logged.
        """
        with self._reported():
            self._ledger.commit(self._ledger.state.renamed(renames))

    def used(self, uses: Mapping[str, float]) -> None:
        """Record when grants were used (Unix time)."""
        state, now = self._ledger.state, self._ledger.now()
        records = [
            GrantUsed(id=grant, at=min(at, now))
            for grant, at in uses.items()
            if grant in state.credentials.grants and math.isfinite(at) and at > state.used.get(grant, 0.0)
        ]
        with self._reported():
            self._ledger.commit(records)

    def _end(self, grants: list[GrantRecord], detail: str) -> None:
        self._ledger.commit(ended(each.id for each in grants))
        self._reports.ended(grants, "revoked", detail)

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        """Log an error once, and go on."""
        try:
            yield
        except HubError as error:
            if error.message != self._failed:
                log.warning("grants cannot be kept up", extra={"code": error.code, "why": error.message})
            self._failed = error.message
        else:
            self._failed = ""
