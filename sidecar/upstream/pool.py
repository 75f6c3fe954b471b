"""The upstreams that run, shared by fingerprint and counted by who holds them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from typing import Protocol

from bridge.models import ServerSpec
from sidecar.concurrency.shares import may_take, uncontested
from sidecar.errors import TooManyInstances
from sidecar.observe.metrics import Metrics
from sidecar.protocol.catalog import Greeting
from sidecar.upstream.client_features import Client, ClientPort
from sidecar.upstream.list_reader import Undeclared
from sidecar.upstream.upstream import Connect, Listener, Prepare, Upstream

log = logging.getLogger(__name__)


class Holder(Protocol):
    """Who holds an upstream: a workspace, or a session."""

    @property
    def tenant(self) -> str:
        """Id of the key whose it is; empty for the hub's own."""

    def clients(self) -> Iterable[Client]:
        """The clients that are served through it."""


class Lender(Protocol):
    """Who keeps upstreams that nobody uses for a while."""

    @property
    def tenant(self) -> str:
        """Id of the key whose they are; empty for the hub's own."""

    def idle(self, fingerprint: str) -> Iterator[tuple[float, Callable[[], None]]]:
        """Those of a server: since when (`time.monotonic`), and how to close each."""


class Pool:
    """Owns the task of every upstream. An upstream runs as long as somebody holds it."""

    def __init__(
        self,
        connector: Callable[[ServerSpec], Connect],
        fingerprint: Callable[[ServerSpec], str],
        listener: Listener,
        metrics: Metrics,
        drain_timeout: float,
        prepare: Prepare | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        """`redact` masks secrets in the reasons why upstreams are not ready."""
        self._prepare = prepare
        self._redact = redact
        self._connector = connector
        self.fingerprint = fingerprint
        self._listener = listener
        self._metrics = metrics
        self._drain_timeout = drain_timeout
        self.lenders: set[Lender] = set()
        self.contested: Callable[[], bool] = uncontested
        """Whether several keys use the hub: then each has a share of a server's instances (concurrency/shares.py)."""
        self._held: dict[tuple[str, str], tuple[Upstream, set[Holder]]] = {}
        """By fingerprint and owner."""
        self._keys: dict[Upstream, tuple[str, str]] = {}
        """Where each of them is found there."""
        self._draining: set[Upstream] = set()
        self._greetings: dict[str, Greeting] = {}
        self.owned: Callable[[Upstream], Collection[str]] = lambda _: ()
        """The extensions unknown to the hub that a server alone has; the hub sets it."""
        self._undeclared: dict[str, Undeclared] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, until: asyncio.Event) -> None:
        """Own the upstreams until `until` is set, then close them all, at once."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await until.wait()
            finally:
                self._tasks = None
            for upstream in (*self, *self._draining):
                upstream.stop()

    def acquire(self, spec: ServerSpec, holder: Holder, *, owner: str = "", port: ClientPort | None = None) -> Upstream:
        """The upstream for `spec`, held by `holder` from now on; opened if there is none.

        `owner` names the session (whose `port` it then has) or the key that has it alone; empty for a shared one.

        Raises:
            TooManyInstances: one more would exceed the server's `max_instances`, or the key's share of them.
        """
        key = (self.fingerprint(spec), owner)
        if key not in self._held:
            if self._tasks is None:
                raise RuntimeError("the pool is not running")
            if owner:
                self._check_share(key[0], spec, holder.tenant)
            upstream = Upstream(
                key[0], spec, self._connector(spec), self._listener, self._metrics, port, self.contested
            )
            upstream.prepare, upstream.redact = self._prepare, self._redact
            upstream.owned = lambda: self.owned(upstream)
            upstream.undeclared = self._undeclared.setdefault(key[0], Undeclared())
            upstream.for_key = bool(owner) and spec.settings.session == "shared"
            self._held[key] = (upstream, set[Holder]())
            self._keys[upstream] = key
            self._tasks.create_task(self._run(upstream))
        upstream, holders = self._held[key]
        upstream.respec(spec)
        holders.add(holder)
        return upstream

    # --- what servers said of themselves ---------------------------------------------------------------------------

    def remember(self, upstream: Upstream) -> None:
        """Keep what a server said in its handshake: a `per_client` one runs only while a client is there."""
        if upstream.catalog is not None:
            self._greetings[upstream.fingerprint] = upstream.catalog.greeting

    def greeting(self, spec: ServerSpec) -> Greeting | None:
        """What a server said in its last handshake, with whichever client; None where there was none."""
        return self._greetings.get(self.fingerprint(spec))

    def keep_greetings(self, fingerprints: set[str]) -> None:
        """Forget those of all servers but these."""
        for fingerprint in self._greetings.keys() - fingerprints:
            del self._greetings[fingerprint]

    def connect(self, spec: ServerSpec) -> Connect:
        """A way to connect to a server beside its upstreams."""
        return self._connector(spec)

    def release(self, upstream: Upstream, holder: Holder) -> None:
        """`holder` no longer needs it; with the last holder it is closed, after the calls in flight."""
        if (key := self._keys.get(upstream)) is None:
            return
        _, holders = self._held[key]
        holders.discard(holder)
        if not holders:
            del self._held[key], self._keys[upstream]
            self._draining.add(upstream)
            upstream.stop(self._drain_timeout)

    def _check_share(self, fingerprint: str, spec: ServerSpec, tenant: str) -> None:
        most, used, held = spec.settings.max_instances, self._instances(fingerprint), self._held_by(fingerprint, tenant)
        if may_take(held, used, most, contested=self.contested()):
            return
        whom = "sessions" if spec.settings.session == "per_client" else "keys"
        if used >= most:
            raise TooManyInstances(f"The server {spec.key!r} already runs for {most} {whom}.")
        raise TooManyInstances(
            f"The server {spec.key!r} already runs for {held} {whom} of this key; the rest of {most} is for other keys."
        )

    def make_room(self, fingerprint: str, tenant: str) -> bool:
        """Close the upstream of a server that has been idle for longest; whether there was one.

        It is one of the key `tenant` itself, unless the key has none: then any may have to go.
        """
        any_keys = not self._held_by(fingerprint, tenant)
        lenders = [lender for lender in self.lenders if any_keys or lender.tenant == tenant]
        found = [each for lender in lenders for each in lender.idle(fingerprint)]
        if found:
            min(found, key=lambda each: each[0])[1]()
        return bool(found)

    async def _run(self, upstream: Upstream) -> None:
        try:
            await upstream.run()
        finally:
            self._draining.discard(upstream)

    def clients(self, upstream: Upstream) -> set[Client]:
        """The clients that it serves, in whichever workspace."""
        return {client for holder in self._holders(upstream) for client in holder.clients()}

    def only_client(self, upstream: Upstream) -> Client | None:
        """The client that it serves, if that is one alone."""
        found: Client | None = None
        for client in chain.from_iterable(holder.clients() for holder in self._holders(upstream)):
            if found is not None and client is not found:
                return None
            found = client
        return found

    def between_keys(self, upstream: Upstream) -> bool:
        """Whether it serves several keys, or a key and the hub's own."""
        return len({holder.tenant for holder in self._holders(upstream)}) > 1

    def shared(self, fingerprint: str) -> Upstream | None:
        """The one that nobody has alone."""
        return self._held.get((fingerprint, ""), (None, None))[0]

    def _holders(self, upstream: Upstream) -> set[Holder]:
        key = self._keys.get(upstream)
        return self._held[key][1] if key is not None else set[Holder]()

    def holders(self, upstream: Upstream) -> frozenset[Holder]:
        """The same, as they are now."""
        return frozenset(self._holders(upstream))

    def __iter__(self) -> Iterator[Upstream]:
        return iter([upstream for upstream, _ in self._held.values()])

    def _instances(self, fingerprint: str) -> int:
        return sum(1 for held, owner in self._held if held == fingerprint and owner)

    def _held_by(self, fingerprint: str, tenant: str) -> int:
        """How many of them a key has."""
        return sum(
            1
            for (held, owner), (_, holders) in self._held.items()
            if held == fingerprint and owner and any(holder.tenant == tenant for holder in holders)
        )
