"""Notes each request and session of the clients (admission.Observer), for the writer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sidecar.admission.context import CallContext, ClientSession
from sidecar.audit.rows import LONGEST_NAME, NO_BODIES, SHOWN_ID_CHARACTERS, Bodies, Noted
from sidecar.errors import SidecarError

MOST_QUEUED = 20_000
"""Records that wait for the writer in memory; further ones are counted as lost."""
REFUSED = "refused"
"""The outcome of a request that the hub refused."""


class CallObserver:
    """Puts what is recorded of each request on a queue. The writer takes it from there within half a second.

    `seen` is a view of a number that counts all records (bridge/history/spool.py). `wake` is called when the queue was
    empty. `bodies` returns what is recorded of a request's arguments and result, and forgets it.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.calls: deque[Noted] = deque()
        self.begun: list[dict[str, Any]] = []
        self.ended_sessions: list[dict[str, Any]] = []
        self.lost = 0
        """Records that were lost since the writer last looked."""
        self.seen: memoryview = memoryview(bytearray(8)).cast("Q")
        self.bodies: Callable[[CallContext], Bodies] | None = None
        self._wake = wake
        self.asleep = True
        """Whether the writer waits until it is woken."""

    def ended(self, call: CallContext, outcome: str, seconds: float) -> None:
        """Note a request that was answered or cancelled (admission.Observer)."""
        self.seen[0] += 1
        if len(self.calls) >= MOST_QUEUED:
            self.lost += 1
            return
        params, method = call.params, call.method
        self.calls.append(
            (
                time.time(),
                seconds,
                call.waited,
                call.client,
                call.workspace,
                method,
                call.server,
                call.tool or (_subject(params) if params else ""),
                call.number,
                call.era,
                outcome,
                outcome if outcome[:1].isupper() else "",
                call.trace if "_meta" in params else "",
                "",
                NO_BODIES if self.bodies is None else self.bodies(call),
            )
        )
        if self.asleep:
            self._wake()

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """Note a request that the hub refused (admission.Observer)."""
        self.seen[0] += 1
        if len(self.calls) >= MOST_QUEUED:
            self.lost += 1
            return
        seconds = time.perf_counter() - call.began
        who, trace = (call.client, call.workspace, call.method, call.server), call.trace
        what = (call.tool or _subject(call.params), call.number, call.era, REFUSED, error.code, trace, call.address)
        self.calls.append((time.time(), seconds, call.waited, *who, *what, NO_BODIES))
        if self.asleep:
            self._wake()

    def session_began(self, session: ClientSession) -> None:
        """Note that a client opened a session."""
        self._session(
            self.begun,
            {
                "id": session.id[:SHOWN_ID_CHARACTERS],
                "workspace": session.workspace_name,
                "principal": session.principal.name,
                "transport": session.transport,
                "client": session.client_name,
                "began": round(time.time() - (time.monotonic() - session.since), 3),
            },
        )

    def session_ended(self, session: ClientSession) -> None:
        """Note that a session ended."""
        at, shown = round(time.time(), 3), session.id[:SHOWN_ID_CHARACTERS]
        self._session(self.ended_sessions, {"id": shown, "at": at})

    def _session(self, where: list[dict[str, Any]], record: dict[str, Any]) -> None:
        self.seen[0] += 1
        if len(where) >= MOST_QUEUED:
            self.lost += 1
            return
        where.append(record)
        if self.asleep:
            self._wake()


def _subject(params: dict[str, Any]) -> str:
    """The name that a request is about, if no tool was found: a tool, a prompt, or the URI of a resource."""
    name = params.get("name") or params.get("uri")
    return name[:LONGEST_NAME] if isinstance(name, str) else ""
