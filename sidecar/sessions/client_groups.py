"""Client groups: the upstreams of `per_client` servers for modern clients, whose requests each declare capabilities.

Modern clients that declare the same capabilities and client info form a group: within one SSE session, or, as requests
over Streamable HTTP have no session, within a workspace. To the rest of the hub a group is a `Session`: it has its own
upstreams and a view. In an SSE session all calls share one upstream. Over Streamable HTTP, a legacy server that may
send requests to its client serves one call at a time: its upstream is *leased* to that call from its first request to
its answer, so that the server's requests can only concern that call (ADR 14).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from bridge.models import ServerSpec
from sidecar.errors import INTERNAL_ERROR, SidecarError, TooManyInstances, TooManySessions
from sidecar.features import input_requests
from sidecar.protocol import eras as era
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.routing.view import View
from sidecar.sessions.session import Session
from sidecar.sessions.suspended_calls import InteractiveCall, QuestionRouter
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Upstream

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_GROUPS = 100
"""Limit for the groups of clients without a session in one workspace; a new one evicts the longest idle one."""
MAX_GROUPS_OF_SESSION = 8
"""The same limit for one SSE session, each request of which may declare other capabilities."""


@dataclass(eq=False, slots=True)
class Lease:
    """An upstream of a group, and the router for the requests that its server sends."""

    upstream: Upstream
    question_router: QuestionRouter
    idle_since: float = field(default_factory=time.monotonic)

    @property
    def era(self) -> str:
        """The era that the server speaks; empty before it is known."""
        return self.upstream.catalog.greeting.era if self.upstream.catalog else ""


class ClientGroup(Session):
    """Modern clients that the hub does not distinguish, with their own upstreams.

    `client_session` is the session that they belong to, None for Streamable HTTP. `answer_timeout` is the number of
    seconds within which a client must answer a server's request. `publish` passes on list changes of the group.
    """

    transport = "http"

    def __init__(
        self,
        client_session: Session | None,
        capabilities: dict[str, Any],
        answer_timeout: float,
        replica: str,
        publish: Callable[[ClientGroup, str], None],
    ) -> None:
        super().__init__(replica=replica)
        self.capabilities = capabilities
        self.client_session = client_session
        self.requests = 0
        """The number of requests in progress."""
        self._exclusive = client_session is None and input_requests.exclusive(capabilities)
        self._answer_timeout = answer_timeout
        self._publish = publish
        self._opened = 0
        self._leases: dict[str, list[Lease]] = defaultdict(list)

    # --- Session -------------------------------------------------------------------------------------------------

    def clients(self) -> tuple[Session, ...]:
        """No clients: those of an SSE session are counted there, and those without a session are not connected."""
        return ()

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Publish a list change; it reaches modern clients through `subscriptions/listen`."""
        self._publish(self, method)

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Refuse: requests of servers go to the client of a call, by the `QuestionRouter`."""
        return jsonrpc.error(0, {"code": INTERNAL_ERROR, "message": f"{method}: this client cannot be asked"})

    def acquire(self, pool: Pool, spec: ServerSpec) -> Upstream:
        """Start the upstream from which the server's lists are read. Raises TooManyInstances."""
        return self._open(pool, spec).upstream

    def pop_spares(self, key: str | None = None) -> Iterable[Upstream]:
        """Forget the additional upstreams of a server, or of all servers, and return them; the caller releases them."""
        for found in [key] if key is not None else list(self._leases):
            yield from (lease.upstream for lease in self._leases.pop(found, ())[1:])

    # --- what servers tell additional upstreams --------------------------------------------------------------------
    # The lists and subscriptions of the group are at the first upstream of a server, and a server may tell only the
    # connection whose call changed something.

    def resource_updated(self, source: object, uri: str) -> None:
        """A resource of an additional upstream changed: notify the subscribers of the first one."""
        if first := self._first_beside(source):
            for subscriber in first.subscriptions.subscribers_of(uri):
                subscriber.resource_updated(first, uri)

    def compare_lists(self, upstream: Upstream) -> None:
        """If an additional upstream has other lists than the first one, have the first one read its lists again."""
        if not (first := self._first_beside(upstream)) or not first.connection:
            return
        if first.catalog and upstream.catalog and first.catalog.lists != upstream.catalog.lists:
            first.connection.read_lists()

    async def subscribe_spares(self) -> None:
        """Subscribe the additional upstreams with a call to the resources that clients listen to."""
        for leases in tuple(self._leases.values()):
            for lease in leases[1:]:
                if lease.question_router.calls:
                    await self.subscribe(lease.upstream)

    async def subscribe(self, upstream: Upstream) -> None:
        """Subscribe an additional upstream to the resources to which clients are subscribed at the first one.

        Failures and refusals are logged: they affect updates of resources, not the call that the upstream is for.
        """
        if not (first := self._first_beside(upstream)):
            return
        wanted = {uri for uri in first.subscriptions if first.subscriptions.subscribers_of(uri) - {self}}
        held = set(upstream.subscriptions)
        try:
            for uri in sorted(wanted - held):
                frame = await upstream.subscribe(uri, self)
                if "error" in frame:
                    told = {"server": upstream.spec.key, "reason": jsonrpc.describe_error(frame)}
                    log.warning("another process of a server refused a subscription", extra=told)
            for uri in sorted(held - wanted):
                await upstream.unsubscribe(uri, self)
        except SidecarError as error:
            told = {"server": upstream.spec.key, "code": error.code, "reason": error.message}
            log.warning("another process of a server could not be subscribed to", extra=told)

    def _first_beside(self, upstream: object) -> Upstream | None:
        """The first upstream of a server of which `upstream` is an additional one; None if it is none."""
        for leases in self._leases.values():
            if any(lease.upstream is upstream for lease in leases[1:]):
                return leases[0].upstream
        return None

    # --- leases --------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a request or a suspended call of the group is in progress."""
        return bool(self.requests) or any(
            lease.question_router.calls for leases in self._leases.values() for lease in leases
        )

    @contextmanager
    def using(self) -> Iterator[None]:
        """Count a request in progress while the context is open."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.last_used = time.monotonic()

    def _open(self, pool: Pool, spec: ServerSpec) -> Lease:
        self._opened += 1
        question_router = QuestionRouter(self.capabilities, self._answer_timeout)
        lease = Lease(
            pool.acquire(spec, self, owner=f"{self.id}-{self._opened}", client=question_router), question_router
        )
        self._leases[spec.key].append(lease)
        return lease

    def lease_for_call(self, pool: Pool, spec: ServerSpec, call: InteractiveCall) -> Lease:
        """Lease an upstream to a call: one without another call if its server could send requests to the client.

        Raises:
            TooManyInstances: a further upstream would exceed `max_instances` or the key's share.
        """
        leases = self._leases[spec.key]
        lease = next((each for each in leases if not each.question_router.calls), None)
        if not self._exclusive or leases[0].era == "modern":
            lease = leases[0]
        lease = lease or self._open(pool, spec)
        lease.question_router.add_call(call)
        return lease

    def end_lease(self, pool: Pool, spec: ServerSpec, lease: Lease, call: InteractiveCall, *, clean: bool) -> bool:
        """End the lease of a call. `clean`: the server has answered. Returns whether the upstream was closed.

        That is done to one that may still be working on an abandoned call: another client would get the requests that
        its server sends for that call.
        """
        lease.question_router.remove_call(call)
        lease.idle_since = time.monotonic()
        leases = self._leases.get(spec.key, [])
        closes = lease in leases and not clean and self._exclusive and lease.era == "legacy"
        if closes:
            self._drop(pool, spec.key, lease)
        return closes

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
        """As `ClientGroups.idle`, without the upstream whose lists a request in progress or a session uses."""
        for key, leases in self._leases.items():
            for lease in leases[1:] if self.requests or self.client_session else leases:
                if lease.upstream.fingerprint == fingerprint and not lease.question_router.calls:
                    yield lease.idle_since, partial(self._drop, pool, key, lease)

    def close_idle_spares(self, pool: Pool, idle: float) -> None:
        """Close the additional upstreams that have had no call for `idle` seconds."""
        latest = time.monotonic() - idle
        for key, leases in tuple(self._leases.items()):
            for lease in leases[1:]:
                if not lease.question_router.calls and lease.idle_since <= latest:
                    self._drop(pool, key, lease)


class ClientGroups:
    """The client groups of one workspace.

    A group without a session is closed after `idle_timeout` seconds without a request. `join` and `leave` add a group
    to the workspace and remove it.
    """

    def __init__(
        self, pool: Pool, idle_timeout: float, answer_timeout: float, replica: str,
        publish: Callable[[ClientGroup, str], None], join: Callable[[Session], None], leave: Callable[[Session], None],
    ) -> None:  # fmt: skip
        self._pool = pool
        self._idle_timeout = idle_timeout
        self._answer_timeout = answer_timeout
        self._replica = replica
        self._publish = publish
        self._join = join
        self._leave = leave
        self._groups: dict[tuple[str, bytes], ClientGroup] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._groups)

    def group_of(self, session: Session, params: Mapping[str, Any]) -> ClientGroup:
        """The group of a request; made if there is none. Raises TooManySessions if all are in use."""
        client_session = session if session.has_session else None
        key = _key(client_session, params)
        group = self._groups.get(key)
        if group is None:
            self._evict_idle(client_session)
            capabilities = era.envelope(params, era.CAPABILITIES_KEY)
            group = self._groups[key] = ClientGroup(
                client_session, capabilities, self._answer_timeout, self._replica, self._publish
            )
            self._join(group)
            self._schedule_cleanup()
        return group

    def private_view_of(self, session: Session, params: Mapping[str, Any]) -> View | None:
        """The private view of a request's group; None if there is no such group, or its view is the common one."""
        if not self._groups:
            return None
        group = self._groups.get(_key(session if session.has_session else None, params))
        return group.private_view if group else None

    def compare_lists(self, upstream: Upstream) -> None:
        """As `ClientGroup.compare_lists`, of whichever group the upstream is."""
        for group in self._groups.values():
            group.compare_lists(upstream)

    def acquire(self, session: Session, spec: ServerSpec) -> Upstream:
        """Start a session's own upstream, closing an idle one of a group if necessary. Raises TooManyInstances."""
        return self._acquire_or_evict(spec, session.tenant, lambda: session.acquire(self._pool, spec))

    def lease_for_call(self, group: ClientGroup, spec: ServerSpec, call: InteractiveCall) -> Lease:
        """Lease an upstream to a call, closing an idle one if necessary. Raises TooManyInstances."""
        return self._acquire_or_evict(spec, group.tenant, lambda: group.lease_for_call(self._pool, spec, call))

    def end_lease(
        self, group: ClientGroup, spec: ServerSpec, lease: Lease, call: InteractiveCall, *, clean: bool
    ) -> bool:
        """As `ClientGroup.end_lease`."""
        return group.end_lease(self._pool, spec, lease, call, clean=clean)

    def _acquire_or_evict(self, spec: ServerSpec, tenant: str, acquire: Callable[[], T]) -> T:
        try:
            return acquire()
        except TooManyInstances:
            if not self._pool.close_idle(self._pool.fingerprint(spec), tenant):
                raise
            return acquire()

    def idle(self, fingerprint: str) -> Iterator[tuple[float, Callable[[], None]]]:
        """The idle upstreams of a server: since when each is idle, and a function to close it (`pool.IdleHolder`)."""
        for group in self._groups.values():
            yield from group.idle(self._pool, fingerprint)

    def _evict_idle(self, client_session: Session | None) -> None:
        """End the longest idle group if the limit is reached. Raises TooManySessions if none is idle."""
        existing = [group for group in self._groups.values() if group.client_session is client_session]
        most = MAX_GROUPS if client_session is None else MAX_GROUPS_OF_SESSION
        if len(existing) < most:
            return
        idle = [group for group in existing if not group.busy]
        if not idle:
            raise TooManySessions(f"Clients of {most} kinds use this workspace at once.")
        self._end(min(idle, key=lambda group: group.last_used))

    def _end(self, group: ClientGroup) -> None:
        self._groups = {key: each for key, each in self._groups.items() if each is not group}
        self._leave(group)

    def session_ended(self, session: Session) -> None:
        """End the groups of a session that has ended."""
        for group in tuple(self._groups.values()):
            if group.client_session is session:
                self._end(group)

    def _schedule_cleanup(self) -> None:
        if self._timer is None and self._groups:
            self._timer = asyncio.get_running_loop().call_later(self._idle_timeout / 4, self._clean_up)

    def _clean_up(self) -> None:
        """End idle groups and close idle upstreams; scheduled as long as there is a group."""
        self._timer = None
        now = time.monotonic()
        for group in tuple(self._groups.values()):
            group.close_idle_spares(self._pool, self._idle_timeout)
            if group.client_session is None and not group.busy and now - group.last_used >= self._idle_timeout:
                self._end(group)
        self._schedule_cleanup()

    def close(self) -> None:
        """End all groups, as the workspace ends."""
        if self._timer is not None:
            self._timer.cancel()
        for group in tuple(self._groups.values()):
            self._end(group)


def _key(client_session: Session | None, params: Mapping[str, Any]) -> tuple[str, bytes]:
    """The key of a group: its session, and a hash of what the request declares (which may be of any length)."""
    said = [
        era.envelope(params, era.CAPABILITIES_KEY),
        None if client_session else era.envelope(params, era.CLIENT_INFO_KEY),
    ]
    return (
        client_session.id if client_session else "",
        hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest(),
    )
