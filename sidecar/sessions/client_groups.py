"""The upstreams of modern clients: `per_client` servers where each request says for itself what its client can do.

Modern clients that say the same of themselves are a *party*: those of one SSE session, or, as requests over Streamable
HTTP have no session, those of one key. A party is what a session is to the rest of the hub: it has upstreams of its own
and a view. Within a session every call uses the same upstream. Over Streamable HTTP a legacy server that may ask serves
one call at a time: its upstream is *leased* to that call, from first request to answer, so that what it asks can be
nobody else's.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from bridge.models import ServerSpec
from sidecar.errors import INTERNAL_ERROR, TooManyInstances, TooManySessions
from sidecar.features import input_requests
from sidecar.protocol import eras as era
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.routing.view import View
from sidecar.sessions.session import Session
from sidecar.sessions.suspended_calls import Call, Desk
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Upstream

T = TypeVar("T")

MOST_PARTIES = 100
"""Different kinds of clients without a session in one workspace; one more has the one go that was idle for longest."""
MOST_OF_SESSION = 8
"""The same of one session, which can say something else of itself with each request."""


@dataclass(eq=False, slots=True)
class Lease:
    """An upstream of a party, and where its questions arrive."""

    upstream: Upstream
    desk: Desk
    idle_since: float = field(default_factory=time.monotonic)

    @property
    def era(self) -> str:
        """The era that the server speaks; empty before it is known."""
        return self.upstream.catalog.greeting.era if self.upstream.catalog else ""


class Party(Session):
    """Modern clients that cannot, and need not, be told apart; `behind` is their session, if they have one."""

    transport = "http"

    def __init__(
        self,
        behind: Session | None,
        capabilities: dict[str, Any],
        patience: float,
        publish: Callable[[Party, str], None],
    ) -> None:
        super().__init__()
        self.capabilities = capabilities
        self.behind = behind
        self.requests = 0
        """How many are under way."""
        self._exclusive = behind is None and input_requests.exclusive(capabilities)
        self._patience = patience
        self._publish = publish
        self._opened = 0
        self._leases: dict[str, list[Lease]] = defaultdict(list)

    # --- what a session is ---------------------------------------------------------------------------------------

    def clients(self) -> tuple[Session, ...]:
        """None that is not counted elsewhere: nobody is connected, or a session is."""
        return ()

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Changed lists reach modern clients through `subscriptions/listen`."""
        self._publish(self, method)

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Refused: what there is to ask goes to a call (parked.Desk)."""
        return jsonrpc.error(0, {"code": INTERNAL_ERROR, "message": f"{method}: this client cannot be asked"})

    def acquire(self, pool: Pool, spec: ServerSpec) -> Upstream:
        """The upstream by which a server's lists are shown. Raises TooManyInstances."""
        return self._open(pool, spec).upstream

    def spares(self, key: str | None = None) -> Iterable[Upstream]:
        """The further upstreams of a server, or of all, forgotten from now on."""
        for found in [key] if key is not None else list(self._leases):
            yield from (lease.upstream for lease in self._leases.pop(found, ())[1:])

    # --- leases --------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether somebody asks, or may come back."""
        return bool(self.requests) or any(lease.desk.calls for leases in self._leases.values() for lease in leases)

    @contextmanager
    def using(self) -> Iterator[None]:
        """A request is under way."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.last_used = time.monotonic()

    def _open(self, pool: Pool, spec: ServerSpec) -> Lease:
        self._opened += 1
        desk = Desk(self.capabilities, self._patience)
        lease = Lease(pool.acquire(spec, self, owner=f"{self.id}-{self._opened}", client=desk), desk)
        self._leases[spec.key].append(lease)
        return lease

    def lend(self, pool: Pool, spec: ServerSpec, call: Call) -> Lease:
        """An upstream for a call: one that serves no other, where it could ask. Raises TooManyInstances."""
        leases = self._leases[spec.key]
        lease = next((each for each in leases if not each.desk.calls), None)
        if not self._exclusive or leases[0].era == "modern":
            lease = leases[0]
        lease = lease or self._open(pool, spec)
        lease.desk.begin(call)
        return lease

    def give_back(self, pool: Pool, spec: ServerSpec, lease: Lease, call: Call, *, clean: bool) -> None:
        """The call is over. `clean`: its server answered.

        A server that may still be at a call that was given up serves no other client: what it asks then would be
        another's to answer.
        """
        lease.desk.left(call)
        lease.idle_since = time.monotonic()
        leases = self._leases.get(spec.key, [])
        if lease in leases and not clean and self._exclusive and lease.era == "legacy":
            self._drop(pool, spec.key, lease)

    def _drop(self, pool: Pool, key: str, lease: Lease) -> None:
        leases = self._leases[key]
        leases.remove(lease)
        if self.own.get(key) is lease.upstream:
            self.own.pop(key)
            self.private_view = None
            if leases:
                self.own[key] = leases[0].upstream
            else:
                del self._leases[key]
        pool.release(lease.upstream, self)

    def idle(self, pool: Pool, fingerprint: str) -> Iterator[tuple[float, Callable[[], None]]]:
        """As `Parties.idle`; none of what a request under way looks at, nor of a session that may come back."""
        for key, leases in self._leases.items():
            for lease in leases[1:] if self.requests or self.behind else leases:
                if lease.upstream.fingerprint == fingerprint and not lease.desk.calls:
                    yield lease.idle_since, partial(self._drop, pool, key, lease)

    def trim(self, pool: Pool, idle: float) -> None:
        """Close the further upstreams that have had no call for so many seconds."""
        latest = time.monotonic() - idle
        for key, leases in tuple(self._leases.items()):
            for lease in leases[1:]:
                if not lease.desk.calls and lease.idle_since <= latest:
                    self._drop(pool, key, lease)


class Parties:
    """The parties of one workspace. `linger` is how long one without a session is kept unused, in seconds."""

    def __init__(
        self, pool: Pool, linger: float, patience: float, publish: Callable[[Party, str], None],
        join: Callable[[Session], None], leave: Callable[[Session], None],
    ) -> None:  # fmt: skip
        self._pool = pool
        self._linger = linger
        self._patience = patience
        self._publish = publish
        self._join = join
        self._leave = leave
        self._found: dict[tuple[str, bytes], Party] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._found)

    def of(self, session: Session, params: Mapping[str, Any]) -> Party:
        """The party of a request. Raises TooManySessions: there are as many as there may be, all in use."""
        behind = session if session.lasting else None
        key = _key(behind, params)
        party = self._found.get(key)
        if party is None:
            self._make_room(behind)
            capabilities = era.envelope(params, era.CAPABILITIES_KEY)
            party = self._found[key] = Party(behind, capabilities, self._patience, self._publish)
            self._join(party)
            self._watch()
        return party

    def seen(self, session: Session, params: Mapping[str, Any]) -> View | None:
        """What the party of a request sees, if that is more than everybody does; none that was not there before."""
        if not self._found:
            return None
        party = self._found.get(_key(session if session.lasting else None, params))
        return party.private_view if party else None

    def acquire(self, session: Session, spec: ServerSpec) -> Upstream:
        """A session's own upstream; an idle one of a party makes room. Raises TooManyInstances."""
        return self._with_room(spec, session.tenant, lambda: session.acquire(self._pool, spec))

    def lend(self, party: Party, spec: ServerSpec, call: Call) -> Lease:
        """An upstream for a call. Raises TooManyInstances, as `acquire`."""
        return self._with_room(spec, party.tenant, lambda: party.lend(self._pool, spec, call))

    def give_back(self, party: Party, spec: ServerSpec, lease: Lease, call: Call, *, clean: bool) -> None:
        """The call is over; `clean`: its server answered."""
        party.give_back(self._pool, spec, lease, call, clean=clean)

    def _with_room(self, spec: ServerSpec, tenant: str, acquire: Callable[[], T]) -> T:
        try:
            return acquire()
        except TooManyInstances:
            if not self._pool.close_idle(self._pool.fingerprint(spec), tenant):
                raise
            return acquire()

    def idle(self, fingerprint: str) -> Iterator[tuple[float, Callable[[], None]]]:
        """The upstreams of a server that nobody uses now: since when, and how to close each (PerClient.idle)."""
        for party in self._found.values():
            yield from party.idle(self._pool, fingerprint)

    def _make_room(self, behind: Session | None) -> None:
        """Have the one go that was idle for longest, where there are as many as may be. Raises TooManySessions."""
        there = [party for party in self._found.values() if party.behind is behind]
        most = MOST_PARTIES if behind is None else MOST_OF_SESSION
        if len(there) < most:
            return
        idle = [party for party in there if not party.busy]
        if not idle:
            raise TooManySessions(f"Clients of {most} kinds use this workspace at once.")
        self._end(min(idle, key=lambda party: party.last_used))

    def _end(self, party: Party) -> None:
        self._found = {key: each for key, each in self._found.items() if each is not party}
        self._leave(party)

    def left(self, session: Session) -> None:
        """A session has ended, and with it what it had here."""
        for party in tuple(self._found.values()):
            if party.behind is session:
                self._end(party)

    def _watch(self) -> None:
        if self._timer is None and self._found:
            self._timer = asyncio.get_running_loop().call_later(self._linger / 4, self._look)

    def _look(self) -> None:
        """End what nobody has used for long; runs while there is anything to end."""
        self._timer = None
        now = time.monotonic()
        for party in tuple(self._found.values()):
            party.trim(self._pool, self._linger)
            if party.behind is None and not party.busy and now - party.last_used >= self._linger:
                self._end(party)
        self._watch()

    def close(self) -> None:
        """The workspace ends."""
        if self._timer is not None:
            self._timer.cancel()
        for party in tuple(self._found.values()):
            self._end(party)


def _key(behind: Session | None, params: Mapping[str, Any]) -> tuple[str, bytes]:
    """What a party is found by: its session, or what it says of itself, of any length."""
    said = [era.envelope(params, era.CAPABILITIES_KEY), None if behind else era.envelope(params, era.CLIENT_INFO_KEY)]
    return (behind.id if behind else "", hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest())
