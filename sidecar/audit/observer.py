"""Notes each request and session of the clients (admission.Observer), for the writer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from time import perf_counter, time
from typing import Any, NamedTuple

from sidecar.admission.context import CallContext, Client, ClientSession
from sidecar.audit.rows import LONGEST_NAME, Extras, Row, sender_row, shown_id
from sidecar.errors import SidecarError

MOST_QUEUED = 20_000
"""Records that wait for the writer in memory; further ones are counted as lost."""
MOST_EXAMINED = 4096
"""Characters of a URI that are examined for secrets, more than are kept."""
REFUSED = "refused"
"""The outcome of a request that the hub refused."""


class Taken(NamedTuple):
    """What the writer takes from the queue."""

    calls: list[Row]
    senders: list[tuple[str, str, str, str]]
    begun: list[dict[str, Any]]
    ended: list[dict[str, Any]]
    lost: int
    """Records that did not fit into the queue."""

    @property
    def records(self) -> int:
        """How many records these are, without lost ones."""
        return len(self.calls) + len(self.begun) + len(self.ended)


class CallObserver:
    """Puts what is recorded of each request on a queue. The writer takes it from there within half a second.

    `wake` is called when a record comes while the writer is `asleep`.
    """

    def __init__(self, wake: Callable[[], None], redact: Callable[[str], str] = str) -> None:
        """`redact` masks secrets in the URI of a resource."""
        self._wake = wake
        self._redact = redact
        self.asleep = True
        self.extras: Callable[[CallContext], Extras] | None = None
        """Returns what is recorded of a request's arguments and result; None if nothing is."""
        self.held = 0
        """Bytes of arguments and results on the queue."""
        self._count = itertools.count(1)
        self._seen: memoryview = memoryview(bytearray(8)).cast("Q")
        self._begin()

    def _begin(self) -> None:
        self._calls: list[Row] = []
        self._senders: list[tuple[Client, str]] = []
        self._places: dict[int, int] = {}
        """By id(), the places of the clients in `_senders`."""
        self._begun: list[dict[str, Any]] = []
        self._ended: list[dict[str, Any]] = []
        self._lost = self.held = 0

    def count_in(self, seen: memoryview) -> None:
        """Keep the number of all records in `seen`, a view of one number (bridge/history/spool.py)."""
        seen[0] = self._seen[0]
        self._seen = seen

    @property
    def waiting(self) -> bool:
        """Whether there is anything to take."""
        return bool(self._calls or self._begun or self._ended or self._lost)

    def take(self) -> Taken:
        """Return what is on the queue, and empty it."""
        senders = [sender_row(client, era) for client, era in self._senders]
        taken = Taken(self._calls, senders, self._begun, self._ended, self._lost)
        self._begin()
        return taken

    # --- admission.Observer ------------------------------------------------------------------------------------------

    def ended(self, call: CallContext, outcome: str, seconds: float) -> None:
        """Note a request that was answered or cancelled."""
        self._seen[0] = next(self._count)
        if len(self._calls) >= MOST_QUEUED:
            self._lost += 1
            return
        client, params, method = call.client, call.params, call.method
        place = self._places.get(id(client))
        row = (
            time(),
            seconds,
            self._place(client, call.era) if place is None else place,
            call.workspace,
            method,
            call.server,
            call.tool,
            call.number,
            call.era,
            outcome,
        )
        if "_meta" in params or method != "tools/call" or call.waited or self.extras:
            row = self._with_extras(row, call)
        self._calls.append(row)
        if self.asleep:
            self._wake()

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """Note a request that the hub refused."""
        self._seen[0] = next(self._count)
        if len(self._calls) >= MOST_QUEUED:
            self._lost += 1
            return
        place, seconds = self._place(call.client, call.era), perf_counter() - call.began
        asked = (call.workspace[:LONGEST_NAME], call.method[:LONGEST_NAME], call.server, call.tool, call.number)
        row = self._with_extras((time(), seconds, place, *asked, call.era, REFUSED), call)
        extras = row[10] if len(row) > 10 else {}
        self._calls.append((*row[:10], {**extras, "code": error.code, "address": call.address}))
        if self.asleep:
            self._wake()

    def omitted(self, count: int) -> None:
        """Count refused requests of which nothing more is known as lost records."""
        self._seen[0] += count
        self._count = itertools.count(self._seen[0] + 1)
        self._lost += count
        if self.asleep:
            self._wake()

    def _place(self, client: Client, era: str) -> int:
        self._places[id(client)] = place = len(self._senders)  # `_senders` keeps it, so that its id is not reused
        self._senders.append((client, era))
        return place

    def _with_extras(self, row: Row, call: CallContext) -> Row:
        """Add what few calls have, and the name of what the request is about, if it is no tool of a server."""
        extras: Extras = self.extras(call) if self.extras else {}
        if traceparent := call.trace:
            extras["traceparent"] = traceparent[:LONGEST_NAME]
        if call.waited:
            extras["waited"] = call.waited
        if not call.tool:
            row = (*row[:4], row[4][:LONGEST_NAME], row[5], self._subject(call.params), *row[7:])
        return (*row, extras) if extras else row

    def _subject(self, params: dict[str, Any]) -> str:
        """What a request is about, if no tool was found: an unknown tool, a prompt, or the URI of a resource."""
        if isinstance(name := params.get("name"), str) and name:
            return name[:LONGEST_NAME]
        uri = params.get("uri")
        return self._redact(uri[:MOST_EXAMINED])[:LONGEST_NAME] if isinstance(uri, str) else ""

    # --- admission.SessionObserver -----------------------------------------------------------------------------------

    def session_began(self, session: ClientSession) -> None:
        """Note that a client opened a session."""
        record = {
            "id": shown_id(session.id),
            "workspace": session.workspace_name,
            "principal": session.principal.name,
            "transport": session.transport,
            "client": session.client_name,
            "began": round(time(), 3),
        }
        self._add(self._begun, record)

    def session_ended(self, session: ClientSession) -> None:
        """Note that a session ended."""
        self._add(self._ended, {"id": shown_id(session.id), "at": round(time(), 3)})

    def _add(self, queue: list[dict[str, Any]], record: dict[str, Any]) -> None:
        self._seen[0] = next(self._count)
        if len(queue) >= MOST_QUEUED:
            self._lost += 1
            return
        queue.append(record)
        if self.asleep:
            self._wake()
