"""Finds out whether shared servers offer more items to clients with features such as sampling (ADR 15).

Each server is probed once: the hub opens a second connection that declares the features, reads the lists, and closes
it. What a probe finds is a hint in the server's status.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

from bridge.models import ServerSpec
from sidecar.errors import METHOD_NOT_FOUND, SidecarError
from sidecar.protocol import extensions, jsonrpc
from sidecar.protocol.catalog import LIST_METHODS, Catalog, ListKind
from sidecar.protocol.channel import Frame
from sidecar.supervision.expected_tools import ExpectedTools
from sidecar.supervision.opening import Connect
from sidecar.upstream.connection import Connection
from sidecar.upstream.list_reader import UndeclaredLists
from sidecar.upstream.upstream import Upstream

log = logging.getLogger(__name__)

FEATURES = frozenset({"sampling", "elicitation", "roots"})
MAX_NAMES_SHOWN = 5
MAX_NAME_LENGTH = 64


class FeatureProbes:
    """Probes one server at a time, when a client with features lists the items of a shared server.

    `found` is called with an upstream after a probe found items that it does not offer to the hub.
    """

    def __init__(self, connect: Callable[[ServerSpec], Connect], found: Callable[[Upstream], None]) -> None:
        self._connect = connect
        self._found = found
        self._probed: dict[str, frozenset[str]] = {}
        """The features with which each server has been probed, by fingerprint."""
        self._extra_items: dict[str, dict[str, str]] = {}
        """The text about additional items, by fingerprint and then by features."""
        self._queue: dict[str, tuple[Upstream, frozenset[str]]] = {}
        self._queued = asyncio.Event()

    def want(self, upstreams: Iterable[Upstream], capabilities: dict[str, Any]) -> None:
        """Queue probes: a client with these capabilities lists the items of these servers."""
        features = FEATURES & capabilities.keys()
        if not features:
            return
        for upstream in upstreams:
            missing = features - self._probed.get(upstream.fingerprint, frozenset())
            if missing and upstream.state == "ready" and upstream.fingerprint not in self._queue:
                self._queue[upstream.fingerprint] = (upstream, features)
                self._queued.set()

    def hints(self, fingerprint: str) -> tuple[str, ...]:
        """The hints for the status of a server."""
        return tuple(
            f"To clients with {features} the server offers more: {names}. Each client has that with a process of its "
            "own: set `session` to `per_client` in hub.json."
            for features, names in self._extra_items.get(fingerprint, {}).items()
        )

    def keep(self, fingerprints: set[str]) -> None:
        """Forget all servers but those with these fingerprints."""
        for known in (self._probed, self._extra_items, self._queue):
            for fingerprint in known.keys() - fingerprints:
                del known[fingerprint]

    async def run(self) -> None:
        """Probe the queued servers, until cancelled."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            while self._queue:
                fingerprint, (upstream, features) = next(iter(self._queue.items()))
                try:
                    await self._probe(upstream, features)
                finally:
                    self._queue.pop(fingerprint, None)

    async def _probe(self, upstream: Upstream, features: frozenset[str]) -> None:
        fingerprint = upstream.fingerprint
        self._probed[fingerprint] = self._probed.get(fingerprint, frozenset()) | features  # also where it fails
        try:
            catalog = await read_catalog(upstream.spec, self._connect(upstream.spec), features)
        except Exception as error:  # the fault of one server must not stop the probes of the others
            expected = isinstance(error, SidecarError | TimeoutError)
            log.log(
                logging.INFO if expected else logging.ERROR,
                "a server could not be probed for client features",
                extra={"server": upstream.spec.key, "reason": str(error)},
                exc_info=not expected,
            )
            return
        if upstream.catalog is not None and (names := describe_surplus(catalog, upstream.catalog)):
            self._extra_items.setdefault(fingerprint, {})[_joined(sorted(features))] = names
            self._found(upstream)


async def read_catalog(spec: ServerSpec, connect: Connect, features: frozenset[str]) -> Catalog:
    """Connect to a server as a client with these features, and read its lists.

    Raises:
        SidecarError: the connection or the handshake failed.
        TimeoutError: it took longer than `start_timeout`.
    """
    owner = ProbeOwner(features)
    connection = Connection(spec.settings, owner, owner)
    async with asyncio.timeout(spec.settings.start_timeout):
        async with connect(connection.on_frame) as channel:
            reason = await connection.run(channel, owner.end)
    if reason is not None:
        raise reason
    return connection.catalog


class ProbeOwner:
    """The `ConnectionOwner` and `ClientFeatures` of a connection that ends as soon as the lists are read."""

    def __init__(self, features: frozenset[str]) -> None:
        self.log_level: str | None = None
        self.rename: Callable[[str], str] = str
        self.owned: Callable[[], Collection[str]] = tuple
        self.undeclared = UndeclaredLists(asked=False)
        self.expected = ExpectedTools()
        self.in_flight = 0
        self.capabilities: dict[str, Any] = {feature: {} for feature in sorted(features)}
        # The connection that the result is compared with declares these too.
        self.capabilities["extensions"] = dict(extensions.SHARED_CONNECTION)
        self.end = asyncio.Event()

    def catalog_read(self, connection: Connection) -> None:
        """End the connection: the lists are read."""
        self.end.set()

    def subscribed(self) -> Iterable[str]:
        """No resources: a probe subscribes to none."""
        return ()

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """Ignore the notification: a probe has no client."""

    def feature_refused(self, method: str) -> None:
        """Never called, since this connection declares client features."""

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Answer a request of the server: with no roots (servers ask for them at once), else with an error."""
        if method == "roots/list":
            return jsonrpc.result(0, {"roots": []})
        return jsonrpc.error(0, {"code": METHOD_NOT_FOUND, "message": f"{method}: there is no client yet"})


def describe_surplus(rich: Catalog, plain: Catalog) -> str:
    """The items that `rich` has and `plain` has not, as text for a hint; empty if there are none."""
    found = [
        words
        for kind in LIST_METHODS
        if (words := _describe_surplus_of(kind, getattr(rich, kind), getattr(plain, kind)))
    ]
    return "; ".join(found)


def _describe_surplus_of(kind: ListKind, rich: tuple[dict[str, Any], ...], plain: tuple[dict[str, Any], ...]) -> str:
    known = {_name(item) for item in plain}
    names = [name for item in rich if (name := _name(item)) not in known]
    if not names:
        return ""
    shown = ", ".join(name[:MAX_NAME_LENGTH] for name in names[:MAX_NAMES_SHOWN])
    return f"{kind} {shown}" + (f" and {len(names) - MAX_NAMES_SHOWN} others" if len(names) > MAX_NAMES_SHOWN else "")


def _joined(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _name(item: dict[str, Any]) -> str:
    return str(item.get("uri") or item.get("uriTemplate") or item.get("name"))
