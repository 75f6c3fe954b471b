"""Keeps this hub's files and the shared configuration the same: takes what others change, gives what is changed here.

The hub reads its files as it does alone, so that these are its last good copy: while the source is away, it goes on
with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Literal

from bridge.author import ASKED
from bridge.errors import HubError
from bridge.models import Issue
from bridge.models.cluster import ClusterState, Replica
from yamcp_ui_adapter.cluster.copy import WorkingCopy
from yamcp_ui_adapter.cluster.documents import NAMES, Decision, Newest, decide, digest, parsed
from yamcp_ui_adapter.cluster.errors import ConfigDatabaseUnavailable, ConfigNotImported, ConfigReadOnly
from yamcp_ui_adapter.cluster.source import Applied, Source, Transaction
from yamcp_ui_adapter.errors import issue

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Seconds between looks for changes of this hub's files by other programs."""
POLL_SECONDS = 10.0
"""Seconds between looks into the source, in case a notice was missed."""
STATE_SECONDS = 2.0
"""Seconds that the source has to say what the replicas have, for the state; then what it said last counts."""
EDIT_SECONDS = 4.0
"""Seconds within which an edit must have begun; who asked for it waits 5 s for an answer (BridgeClient)."""
FIRST_RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 10.0
SUBJECT = "cluster"


class SharedConfig:
    """The shared configuration, seen from this hub.

    `files` is held whenever the hub's files are read or written; `held` keeps snapshots from the sidecar for the time
    of a block; `reread` reads the files into the desired state at once.
    """

    def __init__(
        self,
        source: Source,
        copy: WorkingCopy,
        files: asyncio.Lock,
        held: Callable[[], AbstractContextManager[None]],
        reread: Callable[[], None],
        announce: Callable[[], None],
        replica: str = "",
    ) -> None:
        self.source = source
        self.copy = copy
        self.files, self._held, self._reread, self._announce = files, held, reread, announce
        self._replica = replica
        self._error: HubError | None = None
        self._since = time.time()
        self._told = "current"
        self._empty = False
        self._taken = False
        """Whether the last change of the files came from the source, and `took` has not told of it."""
        self._overruled: tuple[str, ...] = ()
        self._replicas: list[Applied] = []
        self._retry = FIRST_RETRY_SECONDS
        self._next_poll = 0.0

    # --- following ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the source, and the files, until cancelled."""
        try:
            while True:
                noticed = await self.source.wait(self._retry if self._error else LOOK_SECONDS)
                due = noticed or bool(self._error) or time.monotonic() >= self._next_poll
                if due or self.copy.changed():
                    await self.refresh()
        finally:
            await self.source.close()

    async def refresh(self) -> None:
        """Bring files and source together. A source that is away is noted, not raised."""
        try:
            newest = await self.source.read()
            async with self.files:
                await self._bring_together(newest)
            await self._report()
        except HubError as error:
            self._note(error)
            self._retry = min(2 * self._retry, MAX_RETRY_SECONDS)
        else:
            self._note(None)
            self._retry = FIRST_RETRY_SECONDS
        self._next_poll = time.monotonic() + POLL_SECONDS

    async def _bring_together(self, newest: Newest) -> None:
        """Take and give. `files` must be held."""
        if newest.epoch < self.copy.base.epoch:  # read before the last edit at this hub, or restored from a backup
            newest = await self.source.read()
        self._empty = newest.epoch == 0
        if self._empty:
            return
        if not any(self._to_give(newest, self._decide(newest)).values()):
            self._take(newest)
            return
        async with self.source.transaction() as transaction:
            await self._give(transaction)

    async def _give(self, transaction: Transaction) -> None:
        """Write what other programs changed in this hub's files. `files` must be held."""
        decisions = self._decide(transaction.newest)
        changes = self._to_give(transaction.newest, decisions)
        self._take(transaction.newest, decisions)
        if changes:
            self._taken = False
            self.copy.save(await transaction.commit(changes, self.author("file")))

    def _decide(self, newest: Newest) -> dict[str, Decision]:
        """What becomes of each document that the source may have."""
        common, files = self.copy.common(newest.identity), self.copy.read()
        known = self.copy.base.identity == newest.identity
        decided = {}
        for name in self._documents(newest):
            ours, theirs = files.get(name), newest.documents.get(name)
            mine = known and not self.source.fixed((name,))
            decided[name] = decide(name, common.get(name), ours, theirs) if mine else Decision(theirs, theirs)
        return decided

    def _documents(self, newest: Newest) -> Collection[str]:
        """The documents that the source decides about: a directory only about those that it has, or had."""
        if self.source.kind == "directory":
            return {*newest.documents, *self.copy.common(newest.identity)}
        return NAMES

    def _to_give(self, newest: Newest, decisions: Mapping[str, Decision]) -> dict[str, bytes | None]:
        if self.source.kind == "directory":
            return {}
        return {name: each.shared for name, each in decisions.items() if each.shared != newest.documents.get(name)}

    def _take(self, newest: Newest, decisions: Mapping[str, Decision] | None = None) -> None:
        """Write what is new in the source into the files. `files` must be held."""
        decisions = self._decide(newest) if decisions is None else decisions
        overruled = tuple(name for each in decisions.values() for name in each.overruled)
        if overruled:
            self._overruled = overruled
            log.warning("changes of files were overruled by other hubs", extra={"entries": list(overruled)})
        if self.copy.write({name: each.local for name, each in decisions.items()}):
            self._taken = True
        self.copy.save(newest)

    def take_all(self, newest: Newest) -> None:
        """Make this hub's files equal to the source's documents. `files` must be held."""
        self.copy.write({name: newest.documents.get(name) for name in NAMES})
        self.copy.save(newest)
        self._empty, self._overruled = False, ()
        self._tell()

    def took(self) -> bool:
        """Return whether the files' last change is one of another hub, which was taken from the source: once for each
        change.
        """
        taken, self._taken = self._taken and not self.copy.changed(), False
        return taken

    async def _report(self) -> None:
        made = self.copy.base.epoch, self.hash
        if self._replica and not self._empty:
            await self.source.report(self._replica, *made)

    def _note(self, error: HubError | None) -> None:
        if (error and error.code) != (self._error and self._error.code):
            if error:
                fields = {"code": error.code, "why": error.message}
                log.warning("the shared configuration is not available; the last good copy is in use", extra=fields)
            else:
                log.info("the shared configuration is available again", extra={"epoch": self.copy.base.epoch})
        self._error = error
        self._tell()

    def _tell(self) -> None:
        """Note since when the present state lasts, and announce the issues."""
        if self._told != self._state:
            self._told, self._since = self._state, time.time()
        self._announce()

    # --- what people see ---------------------------------------------------------------------------------------------

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What people should know: also shown by console, `hubctl status` and `hubctl doctor`."""
        found = []
        if self._error:
            message = f"{self._error.message} The hub uses its last good copy ({self._error.code})."
            found.append(issue("CONFIG_FROM_COPY", SUBJECT, "", message))
        elif self._empty:
            message = f"{self.source.target} has no configuration yet; the hub uses its own files."
            found.append(issue("CONFIG_EMPTY", SUBJECT, "", message))
        if self._overruled:
            message = (
                f"Other hubs changed the same: changes of {', '.join(self._overruled)} in files here are not used."
            )
            found.append(issue("CONFIG_OVERRULED", SUBJECT, "", message))
        return tuple(found)

    async def state(self) -> ClusterState:
        """Return the state of the shared configuration, as this hub sees it now."""
        if not self._error:
            # a source that does not answer is noted by `refresh`, which waits longer than who asks for the state
            with contextlib.suppress(TimeoutError):
                try:
                    async with asyncio.timeout(STATE_SECONDS):
                        self._replicas = await self.source.applied()
                except HubError as error:
                    self._note(error)
        replicas = [] if self._error else self._replicas
        return ClusterState(
            source=self.source.kind,
            target=self.source.target,
            state=self._state,
            since=self._since,
            error=self._error.body() if self._error else None,
            replica=self._replica,
            epoch=self.copy.base.epoch,
            hash=self.hash,
            documents=tuple(sorted(self.copy.base.documents)),
            replicas=tuple(
                Replica(name=name, epoch=epoch, hash=hash_, seen=seen) for name, epoch, hash_, seen in replicas
            ),
        )

    @property
    def _state(self) -> Literal["current", "empty", "unavailable"]:
        return "unavailable" if self._error else "empty" if self._empty else "current"

    @property
    def hash(self) -> str:
        """Of the configuration that this hub has in common with the source."""
        return digest(self.copy.common(self.copy.base.identity))

    # --- editing -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def editing(self, *names: str) -> AsyncIterator[None]:
        """An edit of the files `names`, which `files` is held for. The block begins with the newest files; what it
        changes is written to the source at its end. The sidecar sees the change only if that worked; else the files
        are restored.

        Raises:
            ConfigDatabaseUnavailable, ConfigNotImported, ConfigReadOnly, ConfigSchemaNewer: nothing was changed.
        """
        if fixed := self.source.fixed(names):
            raise ConfigReadOnly(f"{next(iter(fixed))} comes from {self.source.target}, which the hub only reads.")
        try:
            async with self._begun() as transaction:
                if not transaction.newest.epoch:
                    raise ConfigNotImported(f"{self.source.target} has no configuration yet.")
                decisions = self._decide(transaction.newest)
                given = self._to_give(transaction.newest, decisions)
                self._take(transaction.newest, decisions)
                with self._held():
                    before = self.copy.read()
                    try:
                        yield
                        await self._commit(transaction, before, given)
                    except BaseException:
                        self.copy.write(before)
                        self._reread()
                        raise
        except HubError as error:
            if error.code in ("CONFIG_DATABASE_UNAVAILABLE", "CONFIG_SCHEMA_NEWER"):
                self._note(error)
            raise
        self._overruled = ()

    @contextlib.asynccontextmanager
    async def _begun(self) -> AsyncIterator[Transaction]:
        """A transaction that began in time: whoever asked for the edit does not wait longer for its answer."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(EDIT_SECONDS):
                    transaction = await stack.enter_async_context(self.source.transaction())
            except TimeoutError:
                message = f"{self.source.target} was not free for this edit within {EDIT_SECONDS:g} s."
                raise ConfigDatabaseUnavailable(message) from None
            yield transaction

    async def _commit(
        self, transaction: Transaction, before: Mapping[str, bytes | None], given: Mapping[str, bytes | None]
    ) -> None:
        after = {name: raw for name, raw in self.copy.read().items() if raw != before[name]}
        whole = {name: raw for name, raw in after.items() if raw is None or parsed(raw) is not None}
        changes = dict(given) | whole  # without a file that another program is writing at this moment
        if changes:
            self._taken = False
            newest = await transaction.commit(changes, self.author("hub"))
            self.copy.save(newest)

    def author(self, fallback: str) -> str:
        """Who makes the present change, for the versions in the source."""
        author = ASKED.get().author
        said = f"{author.principal or 'unknown'} ({author.source})" if author else fallback
        return f"{said} at {self._replica}" if self._replica else said
