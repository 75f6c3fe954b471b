"""Whether shared servers offer more to clients with features: each is looked at once, over a connection that ends at
once (docs/adr/0015)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

from bridge.models import ServerSpec
from sidecar.errors import METHOD_NOT_FOUND, SidecarError
from sidecar.protocol import extensions, jsonrpc
from sidecar.protocol.catalog import LIST_METHODS, Catalog, Kind
from sidecar.protocol.channel import Frame
from sidecar.upstream.connection import Connection
from sidecar.upstream.list_reader import Undeclared
from sidecar.upstream.upstream import Connect, Upstream

log = logging.getLogger(__name__)

FEATURES = frozenset({"sampling", "elicitation", "roots"})
NAMES_SHOWN = 5
LONGEST_NAME = 64


class Probes:
    """Looks at one server at a time, when a client with features lists what a shared one offers."""

    def __init__(self, connect: Callable[[ServerSpec], Connect], found: Callable[[Upstream], None]) -> None:
        self._connect = connect
        self._found = found
        self._looked: dict[str, frozenset[str]] = {}
        """The features with which each definition has been looked at, by fingerprint."""
        self._more: dict[str, dict[str, str]] = {}
        """What each offers more, in words, by fingerprint and features."""
        self._waiting: dict[str, tuple[Upstream, frozenset[str]]] = {}
        self._news = asyncio.Event()

    def want(self, upstreams: Iterable[Upstream], capabilities: dict[str, Any]) -> None:
        """A client with these capabilities lists what these servers offer."""
        features = FEATURES & capabilities.keys()
        if not features:
            return
        for upstream in upstreams:
            missing = features - self._looked.get(upstream.fingerprint, frozenset())
            if missing and upstream.state == "ready" and upstream.fingerprint not in self._waiting:
                self._waiting[upstream.fingerprint] = (upstream, features)
                self._news.set()

    def hints(self, fingerprint: str) -> tuple[str, ...]:
        """What to tell of a server in its status."""
        return tuple(
            f"To clients with {features} the server offers more: {names}. Each client has that with a process of its "
            "own: set `session` to `per_client` in hub.json."
            for features, names in self._more.get(fingerprint, {}).items()
        )

    def keep(self, fingerprints: set[str]) -> None:
        """Forget all servers but these."""
        for known in (self._looked, self._more, self._waiting):
            for fingerprint in known.keys() - fingerprints:
                del known[fingerprint]

    async def run(self) -> None:
        """Look at what is wanted, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                fingerprint, (upstream, features) = next(iter(self._waiting.items()))
                try:
                    await self._look(upstream, features)
                finally:
                    self._waiting.pop(fingerprint, None)

    async def _look(self, upstream: Upstream, features: frozenset[str]) -> None:
        fingerprint = upstream.fingerprint
        self._looked[fingerprint] = self._looked.get(fingerprint, frozenset()) | features  # also where it fails
        try:
            catalog = await offered(upstream.spec, self._connect(upstream.spec), features)
        except Exception as error:  # whatever a server does must not keep the next from being looked at
            expected = isinstance(error, SidecarError | TimeoutError)
            log.log(
                logging.INFO if expected else logging.ERROR,
                "a server could not be looked at with client features",
                extra={"server": upstream.spec.key, "reason": str(error)},
                exc_info=not expected,
            )
            return
        if upstream.catalog is not None and (names := more(catalog, upstream.catalog)):
            self._more.setdefault(fingerprint, {})[_joined(sorted(features))] = names
            self._found(upstream)


async def offered(spec: ServerSpec, connect: Connect, features: frozenset[str]) -> Catalog:
    """The lists of a server for a client with these features.

    Raises:
        SidecarError: it could not be connected, or did not shake hands.
        TimeoutError: not in time (`start_timeout`).
    """
    look = Look(features)
    connection = Connection(spec.settings, look, look)
    async with asyncio.timeout(spec.settings.start_timeout):
        async with connect(connection.on_frame) as channel:
            reason = await connection.run(channel, look.end)
    if reason is not None:
        raise reason
    return connection.catalog


class Look:
    """`connection.Owner` and `connection.ClientPort` of a connection that ends when the lists are there."""

    def __init__(self, features: frozenset[str]) -> None:
        self.log_level: str | None = None
        self.rename: Callable[[str], str] = str
        self.owned: Callable[[], Collection[str]] = tuple
        self.undeclared = Undeclared(asked=False)
        self.capabilities: dict[str, Any] = {feature: {} for feature in sorted(features)}
        # As the connection that it is compared with.
        self.capabilities["extensions"] = dict(extensions.SHARED_CONNECTION)
        self.end = asyncio.Event()

    def catalog_read(self, connection: Connection) -> None:
        """That was it."""
        self.end.set()

    def subscribed(self) -> Iterable[str]:
        """Nothing."""
        return ()

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """Nobody is there to be told."""

    def feature_refused(self, method: str) -> None:
        """Not called: this connection has a client."""

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Nobody is there to be asked; roots, which servers ask for at once, are none."""
        if method == "roots/list":
            return jsonrpc.result(0, {"roots": []})
        return jsonrpc.error(0, {"code": METHOD_NOT_FOUND, "message": f"{method}: there is no client yet"})


def more(rich: Catalog, plain: Catalog) -> str:
    """What the one has and the other has not, in words; empty where there is nothing."""
    found = [words for kind in LIST_METHODS if (words := _surplus(kind, getattr(rich, kind), getattr(plain, kind)))]
    return "; ".join(found)


def _surplus(kind: Kind, rich: tuple[dict[str, Any], ...], plain: tuple[dict[str, Any], ...]) -> str:
    known = {_name(item) for item in plain}
    names = [name for item in rich if (name := _name(item)) not in known]
    if not names:
        return ""
    shown = ", ".join(name[:LONGEST_NAME] for name in names[:NAMES_SHOWN])
    return f"{kind} {shown}" + (f" and {len(names) - NAMES_SHOWN} others" if len(names) > NAMES_SHOWN else "")


def _joined(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _name(item: dict[str, Any]) -> str:
    return str(item.get("uri") or item.get("uriTemplate") or item.get("name"))
