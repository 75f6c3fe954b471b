"""The sign-ins of all replicas, seen from this one: the database has them, and the files of this hub are a copy.

Rows are sealed with a key that comes from the replicas' common secret, which is not in the database; the copy is sealed
with the hub's own key, so that a hub that leaves the others keeps what it knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import NamedTuple

from bridge.deadlines import set_within
from sidecar.sign_in_errors import SignInUnavailable
from sidecar.upstream_auth.sealing import Damaged, Names, Sealer, id_of, names_in
from sidecar.upstream_auth.shared.database import Head, Row, SignInDatabase
from sidecar.upstream_auth.store import MAX_ONCE, ONCE, ONCE_SECONDS, SealedFiles

log = logging.getLogger(__name__)

POLL_SECONDS = 10.0
"""Seconds between looks into the database, in case a notice was missed."""
FIRST_RETRY_SECONDS = 0.25
MAX_RETRY_SECONDS = 2.0
"""Short, since a token that was refreshed without the database has to be there before another replica refreshes."""
CLAIM_SECONDS = 30.0
"""How long a refresh may take: three times the longest request."""
CLAIM_POLL = 0.1
"""Seconds between two attempts to claim what another replica has claimed."""
SETTLED_SECONDS = 15.0
"""Age from which on a record may be ended by its cause: configuration, keys and users come on other ways."""
UNSENT = "unsent"
"""Kind of the files that say which records are newer than those of the database."""
ENDED = "ended"
"""Kind of the files that say which records were removed here, and may not be in the database yet."""
JOINED = "joined"
"""Kind of the file that names the database whose copy this hub's files are."""


class Known(NamedTuple):
    """A row that the copy has."""

    version: int
    kind: str
    names: Names
    since: float
    """When this process first knew it (monotonic)."""


class SharedStore:
    """A `Store` (store.py). `kinds` are those that are shared; `changed` is called with kind and names of a record
    that another replica has written or removed."""

    def __init__(
        self,
        files: SealedFiles,
        database: SignInDatabase,
        key: bytes,
        kinds: Iterable[str],
        changed: Callable[[str, Names], None],
    ) -> None:
        self._files, self._database, self._kinds, self._changed = files, database, tuple(kinds), changed
        self._sealer = Sealer(lambda: key)
        self._using = asyncio.Lock()
        """Held while a record changes in the database and in the copy."""
        self._known: dict[str, Known] = {}
        """The rows that the copy has, by id."""
        self._identity = ""
        """Of the database; empty: the copy has to be compared in full."""
        self._due: dict[tuple[str, Names], str] = {}
        """What the database has to be given: the mark of a record, by UNSENT or ENDED with its kind and names."""
        self.available = False

    # --- Store -------------------------------------------------------------------------------------------------------

    def read(self, kind: str, names: Names) -> bytes | None:
        """See `Store`."""
        return self._files.read(kind, names)

    def names(self, kind: str) -> list[Names]:
        """See `Store`."""
        return self._files.names(kind)

    def endable(self, kind: str) -> list[Names]:
        """None while the database is away: what this hub knows of servers and owners may be old then, too."""
        before = time.monotonic() - SETTLED_SECONDS
        known = self._known.values() if self.available else ()
        return [each.names for each in known if each.kind == kind and each.since < before]

    @property
    def settles(self) -> float:
        """See `Store`."""
        before = time.monotonic() - SETTLED_SECONDS
        settled = self.available and all(each.since < before for each in self._known.values())
        return 0.0 if settled else SETTLED_SECONDS + 1

    @contextlib.asynccontextmanager
    async def locked(self, kind: str, names: Names) -> AsyncIterator[None]:
        """See `Store`."""
        key = id_of(kind, names)
        async with self._files.locked(kind, names):
            await self._claim(key)
            try:
                async with self._using:
                    if (UNSENT, (kind, *names)) not in self._due:
                        await self._take(await self._database.row(key), key)
                yield
            finally:
                with contextlib.suppress(SignInUnavailable):  # then it ends by itself
                    await self._database.release(key)

    async def _claim(self, key: str) -> None:
        """Claim a record. Raises SignInUnavailable."""
        try:
            async with asyncio.timeout(CLAIM_SECONDS):
                while not await self._database.claim(key, CLAIM_SECONDS):  # noqa: ASYNC110
                    await asyncio.sleep(CLAIM_POLL)
        except TimeoutError:
            raise SignInUnavailable("Another replica is refreshing the access token, and does not end.") from None

    async def write(self, kind: str, names: Names, content: bytes, mark: str = "") -> None:
        """See `Store`."""
        async with self._using:
            key, sealed = id_of(kind, names), self._sealer.seal(kind, names, content, mark).decode()
            version = await self._database.put(key, kind, sealed, mark)
            self._files.put(kind, names, content, mark)
            self._done(ENDED, (kind, *names))
            self._know(key, version, kind, names)

    async def renew(self, kind: str, names: Names, content: bytes, mark: str) -> bool:
        """See `Store`. Without the database it is renewed here, and there later: the old refresh token may be void."""
        async with self._using:
            if not await self._files.renew(kind, names, content, mark):
                return False
            self._is_due(UNSENT, (kind, *names), mark)
            try:
                return await self._send(kind, names)
            except SignInUnavailable as error:
                self._lost(error)
                return True

    def remove(self, kind: str, names: Names) -> None:
        """See `Store`."""
        with contextlib.suppress(Damaged):
            mark = self._files.mark(kind, names)
            if mark is not None:
                self._is_due(ENDED, (kind, *names), mark)
        self._files.remove(kind, names)
        self._database.noticed.set()

    async def put_once(self, name: str, content: bytes) -> None:
        """See `Store`."""
        sealed = self._sealer.seal(ONCE, (name,), content, "").decode()
        await self._database.put_once(id_of(ONCE, (name,)), sealed, ONCE_SECONDS, MAX_ONCE)

    async def take_once(self, name: str) -> bytes | None:
        """See `Store`."""
        found = await self._database.take_once(id_of(ONCE, (name,)), ONCE_SECONDS)
        return None if found is None else self._sealer.open(ONCE, (name,), found.encode())

    def drop_old(self) -> None:
        """See `Store`. The database forgets those of all replicas when one begins."""
        self._files.drop_old()

    # --- following the others ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the other replicas until cancelled."""
        retry = FIRST_RETRY_SECONDS
        while True:
            await self.catch_up()
            retry = FIRST_RETRY_SECONDS if self.available else min(2 * retry, MAX_RETRY_SECONDS)
            if not self.available:
                await asyncio.sleep(retry)
                continue
            await set_within(self._database.noticed, POLL_SECONDS)

    async def close(self) -> None:
        """See `Store`. What was refreshed last is given to the database before."""
        if self._due and self.available:
            await self.catch_up()
        await self._database.close()

    async def catch_up(self) -> None:
        """Give what the database does not have yet, and take what others have written. Errors are logged."""
        self._database.noticed.clear()
        async with self._using:
            try:
                if not self.available:  # an earlier process may have left something
                    self._load_due()
                await self._give()
                head = await self._database.head()
                if head.identity != self._identity:
                    await self._join(head.identity)
                elif not self._same(head):
                    await self._follow()
            except SignInUnavailable as error:
                self._lost(error)
                return
            except OSError as error:
                log.error("sign-ins cannot be copied", extra={"why": error.strerror})  # noqa: TRY400
                return
        if not self.available:
            log.info("sign-ins at servers are shared", extra={"database": self._database.target})
        self.available = True

    def _same(self, head: Head) -> bool:
        return (head.records, head.versions) == (len(self._known), sum(each.version for each in self._known.values()))

    async def _give(self) -> None:
        for (due, (kind, *rest)), mark in sorted(self._due.items()):
            names = tuple(rest)
            if due == UNSENT:
                await self._send(kind, names)
            else:
                await self._database.remove(id_of(kind, names), mark)
                self._done(ENDED, (kind, *names))

    def _load_due(self) -> None:
        for due in (UNSENT, ENDED):
            for names in self._files.names(due):
                with contextlib.suppress(Damaged):
                    self._due.setdefault((due, names), (self._files.read(due, names) or b"").decode())

    def _is_due(self, due: str, names: Names, mark: str) -> None:
        """Remember it, also for a later process."""
        self._due[due, names] = mark
        with contextlib.suppress(OSError):
            self._files.put(due, names, mark.encode())

    def _done(self, due: str, names: Names) -> None:
        if self._due.pop((due, names), None) is not None:
            self._files.remove(due, names)

    async def _send(self, kind: str, names: Names) -> bool:
        """Give a renewed record to the database; False if that has another one by now, which is taken."""
        content, mark, key = self._files.read(kind, names), self._files.mark(kind, names) or "", id_of(kind, names)
        version = None
        if content is not None:
            version = await self._database.renew(key, self._sealer.seal(kind, names, content, mark).decode(), mark)
        if version is None:
            await self._take(await self._database.row(key), key)
        else:
            self._know(key, version, kind, names)
        self._done(UNSENT, (kind, *names))
        return version is not None

    async def _join(self, identity: str) -> None:
        """Compare in full. What a hub has before it joins becomes a part of what all have."""
        joined = False
        with contextlib.suppress(Damaged):
            joined = self._files.read(JOINED, ()) == identity.encode()
        own = {id_of(kind, names): (kind, names) for kind in self._kinds for names in self._files.names(kind)}
        if not joined:
            for key, (kind, names) in own.items():
                with contextlib.suppress(Damaged):
                    content, mark = self._files.read(kind, names), self._files.mark(kind, names) or ""
                    if content is not None:
                        sealed = self._sealer.seal(kind, names, content, mark).decode()
                        await self._database.add(key, kind, sealed, mark)
            self._files.put(JOINED, (), identity.encode())
        self._known = {}
        for key, (kind, names) in own.items():
            self._know(key, 0, kind, names)
        await self._follow()
        self._identity = identity

    async def _follow(self) -> None:
        """Take all that others have written since the last look, and drop what they have removed."""
        for row in await self._database.rows(max((each.version for each in self._known.values()), default=0)):
            await self._take(row, row.id)
        if self._same(await self._database.head()):
            return
        versions = await self._database.versions()
        for key in [*self._known, *versions]:
            if key not in versions or key not in self._known or self._known[key].version != versions[key]:
                await self._take(await self._database.row(key), key)

    async def _take(self, row: Row | None, key: str) -> None:
        """Make the copy of a record equal to its row, if that is news."""
        known = self._known.get(key)
        if row is None:
            if known is not None:
                del self._known[key]
                self._files.remove(known.kind, known.names)
                self._changed(known.kind, known.names)
        elif known is None or row.version != known.version:
            names: Names = ()
            try:
                names = names_in(row.content.encode())
                content = self._sealer.open(row.kind, names, row.content.encode())
            except (ValueError, Damaged) as error:
                log.error("a shared sign-in cannot be read; is the secret the same?", extra={"why": str(error)})  # noqa: TRY400
            else:
                if (ENDED, (row.kind, *names)) in self._due:
                    return  # the database is to be told first
                if row.kind in self._kinds:
                    self._files.put(row.kind, names, content, row.mark)
                    self._changed(row.kind, names)
            self._know(key, row.version, row.kind, names)
            await asyncio.sleep(0)  # at a start there are many

    def _know(self, key: str, version: int, kind: str, names: Names) -> None:
        since = self._known[key].since if key in self._known else time.monotonic()
        self._known[key] = Known(version, kind, names, since)

    def _lost(self, error: SignInUnavailable) -> None:
        if self.available:
            log.warning("the shared sign-ins are away: this hub's copy counts", extra={"why": error.message})
        self.available = False
