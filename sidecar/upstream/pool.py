"""The pool of running upstreams: shared between workspaces by fingerprint, with reference counting by holder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Protocol

from bridge.models import RemoteLaunch, ServerSpec
from sidecar.admission.admission import Admission
from sidecar.concurrency.shares import may_take, uncontested
from sidecar.errors import TooManyInstances
from sidecar.observe.metrics import Metrics
from sidecar.protocol.catalog import Catalog, Greeting
from sidecar.supervision.known_lists import KnownLists
from sidecar.supervision.opening import Connect, Prepare
from sidecar.supervision.server_state import UpstreamListener
from sidecar.supervision.start_turns import StartTurns
from sidecar.trust.changes import Changes
from sidecar.upstream.client_features import Client, ClientFeatures
from sidecar.upstream.list_reader import UndeclaredLists
from sidecar.upstream.server_account import ServerAccount, SignIn
from sidecar.upstream.upstream import Upstream
from sidecar.upstream.variables import acts_for_user, uses_claims

log = logging.getLogger(__name__)


class Holder(Protocol):
    """Holds references to upstreams: a workspace, or a session."""

    @property
    def tenant(self) -> str:
        """Id of the access key that the holder belongs to; empty for the hub's own workspaces."""

    def clients(self) -> Iterable[Client]:
        """The clients that the holder's upstreams serve."""


class IdleHolder(Protocol):
    """Keeps upstreams for a while after their last use, so that a client that comes back finds its server running."""

    @property
    def tenant(self) -> str:
        """Id of the access key that the upstreams belong to; empty for the hub's own workspaces."""

    def idle(self, fingerprint: str) -> Iterator[tuple[float, Callable[[], None]]]:
        """The idle upstreams of a server: since when each is idle (`time.monotonic`), and a function to close it."""


class Pool:
    """Owns the task of each upstream. An upstream runs as long as it has a holder."""

    def __init__(
        self,
        connector: Callable[..., Connect],
        fingerprint: Callable[[ServerSpec], str],
        listener: UpstreamListener[Upstream],
        metrics: Metrics,
        drain_timeout: float,
        prepare: Prepare | None = None,
        redact: Callable[[str], str] = str,
        shared_connector: Callable[[ServerSpec], Connect] | None = None,
        turns: StartTurns | None = None,
        known_lists: KnownLists | None = None,
        sign_in: SignIn | None = None,
        trust: Changes | None = None,
    ) -> None:
        """Make a pool; `redact` masks secrets in the reasons why upstreams are not ready.

        `shared_connector` is for upstreams that all clients share, if that is another than `connector`. `turns` limits
        how many servers start at once; `known_lists` keeps those of lazy servers; `sign_in` makes the accounts at
        servers with that setting.

        `drain_timeout` is the number of seconds that calls have to end when an upstream loses its last holder.
        """
        self._prepare = prepare
        self._redact = redact
        self._turns = turns
        self.known_lists = known_lists
        self._sign_in = sign_in
        self._trust = trust
        self._connector = connector
        self._shared_connector = shared_connector or connector
        self.fingerprint = fingerprint
        self._listener = listener
        self._metrics = metrics
        self._drain_timeout = drain_timeout
        self.idle_holders: set[IdleHolder] = set()
        self.contested: Callable[[], bool] = uncontested
        """Whether several keys use the hub; if so, each has a share of a server's instances (concurrency/shares.py)."""
        self.server_gates = Admission()
        """The gates that requests pass at a server, beside its own limit. The hub sets it."""
        self._held: dict[tuple[str, str], tuple[Upstream, set[Holder]]] = {}
        """By fingerprint and owner."""
        self._keys: dict[Upstream, tuple[str, str]] = {}
        """The key in `_held` of each upstream."""
        self._draining: set[Upstream] = set()
        self._greetings: dict[str, Greeting] = {}
        self.owned: Callable[[Upstream], Collection[str]] = lambda _: ()
        """The `owned` function of each upstream (`ConnectionOwner.owned`). The hub sets it."""
        self.in_use: Callable[[Upstream], bool] = lambda _: False
        """Whether a client depends on an upstream without a request in progress. The hub sets it."""
        self.claims_of: Callable[[str], Mapping[str, str]] = lambda _: {}
        """The claims of the principal with an id, for `${user.…}` in headers. The hub sets it."""
        self._undeclared: dict[str, UndeclaredLists] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, until: asyncio.Event) -> None:
        """Run the upstreams until `until` is set, then close all of them without waiting for their calls."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await until.wait()
            finally:
                self._tasks = None
            for upstream in (*self, *self._draining):
                upstream.stop()

    def shown(self, spec: ServerSpec, upstream: Upstream) -> Catalog | None:
        """What clients of the server `spec` see of an upstream's lists: all of it, or what was accepted."""
        if self._trust is None or spec.settings.changes == "allow":
            return upstream.catalog
        if self.fingerprint(spec) != upstream.fingerprint:  # it serves until its changed successor is ready
            spec = upstream.spec
        return self._trust.shown(spec, upstream)

    def acquire(
        self, spec: ServerSpec, holder: Holder, *, owner: str = "", client: ClientFeatures | None = None
    ) -> Upstream:
        """Add `holder` to the upstream for `spec`, which is started if there is none, and return it.

        `owner` is the id of the session or key that does not share the upstream; empty for a shared upstream.
        `client` is the client of a session's own upstream.

        Raises:
            TooManyInstances: one more would exceed the server's `max_instances`, or the key's share of them.
        """
        key = (self.fingerprint(spec), owner)
        if key not in self._held:
            if self._tasks is None:
                raise RuntimeError("the pool is not running")
            if owner:
                self._check_share(key[0], spec, holder.tenant)
            account = self._account(spec, holder)
            upstream = Upstream(
                key[0],
                spec,
                account.connect if account else self._connect_for(spec, holder, owner),
                self._listener,
                self._metrics,
                client,
                self.contested,
                self.server_gates,
            )
            upstream.account, upstream.redact = account, self._redact
            upstream.opening.prepare, upstream.opening.turns = self._prepare, self._turns
            upstream.sleep.known_lists = None if acts_for_user(spec) else self.known_lists
            upstream.sleep.in_use = lambda: self.in_use(upstream)
            upstream.owned = lambda: self.owned(upstream)
            upstream.undeclared = self._undeclared.setdefault(key[0], UndeclaredLists())
            upstream.for_key = bool(owner) and spec.settings.session == "shared"
            self._held[key] = (upstream, set[Holder]())
            self._keys[upstream] = key
            self._tasks.create_task(self._run(upstream))
        upstream, holders = self._held[key]
        upstream.update_spec(spec)
        holders.add(holder)
        return upstream

    # --- greetings (handshake results) -----------------------------------------------------------------------------

    def remember(self, upstream: Upstream) -> None:
        """Keep the server's greeting, for the time in which no client is connected to a `per_client` server."""
        if upstream.catalog is not None:
            self._greetings[upstream.fingerprint] = upstream.catalog.greeting

    def greeting(self, spec: ServerSpec) -> Greeting | None:
        """The greeting of a server's last handshake, with any client; None if there was none."""
        return self._greetings.get(self.fingerprint(spec))

    def keep_greetings(self, fingerprints: set[str]) -> None:
        """Forget the greetings and lists of all servers but those with these fingerprints."""
        for fingerprint in self._greetings.keys() - fingerprints:
            del self._greetings[fingerprint]
        if self.known_lists is not None:
            self.known_lists.keep(fingerprints)

    def connect(self, spec: ServerSpec) -> Connect:
        """A function that opens a channel to a server, independent of its upstreams."""
        account = self._account(spec)
        return account.connect if account else self._connector(spec)

    def _connect_for(self, spec: ServerSpec, holder: Holder, owner: str) -> Connect:
        if uses_claims(spec.launch):
            return self._connector(spec, claims=lambda: self.claims_of(holder.tenant), principal=holder.tenant)
        return (self._connector if owner else self._shared_connector)(spec)

    def _account(self, spec: ServerSpec, holder: Holder | None = None) -> ServerAccount | None:
        """The account with which a holder, or the hub itself, uses a server; None for a server without `sign_in`."""
        if self._sign_in is None or spec.settings.sign_in == "none" or not isinstance(spec.launch, RemoteLaunch):
            return None
        return self._sign_in(spec, holder.tenant if holder else "")

    def reconnect(self, server: str) -> None:
        """Close all connections to a server now, whatever is in progress, and connect again where it is held."""
        for upstream in [each for each in (*self, *self._draining) if each.spec.key == server]:
            upstream.stop() if upstream in self._draining else upstream.restart()

    def in_flight(self, server: str) -> int:
        """The requests in progress at a server, over all connections to it."""
        return sum(each.in_flight for each in (*self, *self._draining) if each.spec.key == server)

    def release(self, upstream: Upstream, holder: Holder) -> None:
        """Remove `holder`. After the last holder has gone, the upstream is closed when its calls have ended."""
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

    def close_idle(self, fingerprint: str, tenant: str) -> bool:
        """Close the upstream of a server that has been idle for longest. Returns False if none is idle.

        The key `tenant` closes one of its own; if it has none, one of any key.
        """
        any_keys = not self._held_by(fingerprint, tenant)
        idle_holders = [holder for holder in self.idle_holders if any_keys or holder.tenant == tenant]
        found = [each for holder in idle_holders for each in holder.idle(fingerprint)]
        if found:
            min(found, key=lambda each: each[0])[1]()
        return bool(found)

    async def _run(self, upstream: Upstream) -> None:
        try:
            await upstream.run()
        finally:
            self._draining.discard(upstream)

    def clients(self, upstream: Upstream) -> set[Client]:
        """The clients that the upstream serves, in all workspaces."""
        return {client for holder in self._holders(upstream) for client in holder.clients()}

    def only_client(self, upstream: Upstream) -> Client | None:
        """The client that the upstream serves; None if it serves none or several."""
        found: Client | None = None
        for client in chain.from_iterable(holder.clients() for holder in self._holders(upstream)):
            if found is not None and client is not found:
                return None
            found = client
        return found

    def shared_between_keys(self, upstream: Upstream) -> bool:
        """Whether the upstream serves several keys, or a key and the hub's own workspaces."""
        return len({holder.tenant for holder in self._holders(upstream)}) > 1

    def find_shared(self, fingerprint: str) -> Upstream | None:
        """The shared upstream of a server; None if there is none."""
        return self._held.get((fingerprint, ""), (None, None))[0]

    def _holders(self, upstream: Upstream) -> set[Holder]:
        key = self._keys.get(upstream)
        return self._held[key][1] if key is not None else set[Holder]()

    def holders(self, upstream: Upstream) -> frozenset[Holder]:
        """The holders of the upstream at this moment."""
        return frozenset(self._holders(upstream))

    def __iter__(self) -> Iterator[Upstream]:
        return iter([upstream for upstream, _ in self._held.values()])

    def _instances(self, fingerprint: str) -> int:
        return sum(1 for held, owner in self._held if held == fingerprint and owner)

    def _held_by(self, fingerprint: str, tenant: str) -> int:
        """The number of unshared instances of a server that a key holds."""
        return sum(
            1
            for (held, owner), (_, holders) in self._held.items()
            if held == fingerprint and owner and any(holder.tenant == tenant for holder in holders)
        )
