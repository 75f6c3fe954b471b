"""The state of all credentials together with the journal that keeps it: a change is written first, then applied."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bridge.credentials.records import AnyRecord, line_of
from yamcp_ui_adapter.errors import DataDirUnusable
from yamcp_ui_adapter.sign_in.state import State
from yamcp_ui_adapter.sign_in.store import Store

log = logging.getLogger(__name__)


class Ledger:
    """`state` is that of the journal at `path`. `now` returns Unix time in seconds. Call `close` at the end."""

    def __init__(self, path: Path, most_clients: int, now: Callable[[], float] = time.time) -> None:
        """Raises DataDirUnusable: the journal cannot be read."""
        self.now = now
        self._store = Store(path)
        self._most_clients = most_clients
        self.on_commit: Callable[[Sequence[AnyRecord]], None] = lambda _: None
        """Told of the records of this hub when they are written."""
        self.state = State(most_clients)
        self.loads = 0
        """How often the journal was read."""
        self.load()

    def load(self) -> None:
        """Read the journal anew. Raises DataDirUnusable: it cannot be read."""
        records, self.state = self._store.load(), State(self._most_clients)
        for record in records:
            self.state.apply(record)
        self.loads += 1

    def follow(self) -> None:
        """Read the journal anew if somebody has removed it or put another in its place, as when a backup is restored:
        what it no longer has does not come back. Raises DataDirUnusable.
        """
        if self._store.taken:
            log.warning("the journal of credentials was removed or replaced: it is read anew")
            self.load()

    def commit(self, records: Sequence[AnyRecord]) -> None:
        """Write records, and apply them. Raises DataDirUnusable: nothing has changed."""
        self.follow()
        if records:
            self.take(records)
            self.on_commit(records)

    def take(self, records: Sequence[AnyRecord]) -> None:
        """Write records, which may be of another hub, and apply them. Raises DataDirUnusable: nothing has changed."""
        self._store.append(records, self.state.records(self.now()))
        for record in records:
            self.state.apply(record)
        if self._store.grown:
            self._compact()

    def replace(self, records: Iterable[AnyRecord]) -> None:
        """Replace everything by the state after these records, unless it is so already. Raises DataDirUnusable."""
        state, now = State(self._most_clients), self.now()
        for record in records:
            state.apply(record)
        if sorted(map(line_of, state.records(now))) == sorted(map(line_of, self.state.records(now))):
            return
        self._store.compact(state.records(now))
        self.state = state
        self.loads += 1

    def close(self) -> None:
        """Close the journal."""
        self._store.close()

    def _compact(self) -> None:
        try:
            self._store.compact(self.state.records(self.now()))
        except DataDirUnusable as error:
            log.warning("the journal cannot be compacted", extra={"why": error.message})
