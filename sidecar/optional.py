"""The parts of the sidecar that only some hubs have. Each is imported only where it is configured."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

from bridge.keys import Keyring
from sidecar.hub.endings import Endings
from sidecar.listener.auth import Gate
from sidecar.listener.challenges import Challenges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp

    from bridge.models import DrainState, Event, LogRecords, Logs
    from bridge.settings import Settings
    from sidecar.cluster.on_demand import Cluster
    from sidecar.downstream.router import Router
    from sidecar.downstream.streamable import HttpTransport
    from sidecar.hub.bridge_api import BridgeApi
    from sidecar.hub.hub import Hub
    from sidecar.hub.sign_in_service import SignInService
    from sidecar.hub.status import StatusReporter
    from sidecar.observe.metrics import Metrics
    from sidecar.observe.redaction import Redactor
    from sidecar.placement.leases import LeaseStore, Placement
    from sidecar.replicas.forwarding import Forwarding
    from sidecar.replicas.placed import PlacedServers
    from sidecar.upstream.connector import Connector


def traced(
    settings: Settings, hub: Hub, metrics: Metrics, redactor: Redactor
) -> contextlib.AbstractAsyncContextManager[None]:
    """Trace requests while the context is open, where an OTLP endpoint is configured."""
    if not settings.otlp_endpoint:
        return contextlib.nullcontext()
    from sidecar.tracing import exporting  # noqa: PLC0415

    return exporting.traced(settings, hub, metrics, redactor)


def forwarding(
    router: Router,
    settings: Settings,
    hub: Hub,
    sessions: HttpTransport,
    reporter: StatusReporter,
    publish: Callable[[Event], None],
    metrics: Metrics,
) -> Forwarding | None:
    """The layer around `router` that hands requests to other replicas; None where HUB_REPLICAS is not set.

    Raises:
        SettingInvalid: the file with the secret of the replicas cannot be used.
    """
    if not settings.replicas:
        return None
    from sidecar.replicas.draining import Draining  # noqa: PLC0415
    from sidecar.replicas.forwarding import Forwarding  # noqa: PLC0415
    from sidecar.replicas.signature import PURPOSE  # noqa: PLC0415

    key = settings.replica_key(PURPOSE)
    assert key is not None  # noqa: S101  # HUB_REPLICAS is set
    draining = Draining(hub, settings.drain_seconds, settings.drain_timeout, publish)
    reporter.troubles.append(draining.trouble)
    return Forwarding(router, settings, key, hub.admission, sessions, draining, metrics.handed)


def questions(
    app: ASGIApp, settings: Settings, api: BridgeApi, find: Callable[[Logs], Iterable[dict[str, Any]]], cluster: Cluster
) -> ASGIApp:
    """The layer around `app` for what replicas ask each other, which `api` uses; `app` where HUB_REPLICAS is not set.

    Raises:
        SettingInvalid: the file with the secret of the replicas cannot be used.
    """
    addresses = settings.replica_addresses
    if addresses is None:
        api.logs_of_replicas = _alone
        return app
    from sidecar.replicas.questions import PURPOSE, Questions  # noqa: PLC0415

    key = settings.replica_key(PURPOSE)
    assert key is not None  # noqa: S101  # HUB_REPLICAS is set
    made = Questions(app, key, addresses, find, cluster.state)
    api.logs_of_replicas = made.logs
    return made


async def _alone(_: Logs) -> LogRecords:
    from sidecar.replicas.errors import ReplicasOff  # noqa: PLC0415

    raise ReplicasOff("This hub has no other replicas.", hint="Leave the replica out, or set HUB_REPLICAS.")


def gate(endpoints: ASGIApp, settings: Settings, hub: Hub, sessions: HttpTransport, redactor: Redactor) -> Gate | None:
    """The layer around `endpoints` that authenticates requests; None in an unprotected hub."""
    if not settings.protected:
        return None
    from sidecar.access.build import authentication  # noqa: PLC0415

    if settings.token:
        redactor.add("", {settings.token.get_secret_value()})
    checks = authentication(settings, Keyring(settings))
    hub.named_keys, hub.has_removed = lambda: checks.several, checks.has_removed
    endings = Endings(hub, checks.current, sessions.end_invalid)
    return Gate(endpoints, checks, Challenges(settings), endings.changed, hub.admission, endings.looked)


async def drain(forwarding: Forwarding | None) -> DrainState:
    """Have this replica leave, or tell how far it is. Raises ReplicasOff."""
    if forwarding is None:
        from sidecar.replicas.errors import ReplicasOff  # noqa: PLC0415

        raise ReplicasOff("This hub has no other replicas.")
    return forwarding.draining.begin()


def placement(settings: Settings, hub: Hub) -> Placement:
    """What decides which replica runs a server with `placement` `one`: leases, where there is a place for them.

    Raises:
        SettingInvalid: it is to be Kubernetes, and the hub runs in no pod.
    """
    from sidecar.placement import leases  # noqa: PLC0415

    if (store := _leases(settings)) is None:
        return leases.NoPlacement() if settings.replica else leases.EverywherePlacement()

    def wanted() -> set[str]:
        return {each.spec.key for each in hub.pool if each.spec.settings.placement == "one"}

    return leases.LeaseKeeper(store, wanted, lambda server: hub.pool.reconnect(server))  # noqa: PLW0108  # it has none yet


def _leases(settings: Settings) -> LeaseStore | None:
    """Where the replicas keep leases; None: nowhere. Raises SettingInvalid."""
    holder = secrets.token_hex(16)
    if settings.placement == "kubernetes":
        from sidecar.placement.kubernetes import KubernetesLeases, api_address  # noqa: PLC0415

        return KubernetesLeases(api_address(), settings.lease_prefix, holder, settings.replica)
    if (url := settings.config_database_url) is None:
        return None
    from sidecar.placement.postgresql import PostgresLeases  # noqa: PLC0415  # asyncpg takes 60 ms to import

    return PostgresLeases(url, settings.config_schema, holder, settings.replica)


def placed_servers(settings: Settings, hub: Hub, placement: Placement) -> PlacedServers | None:
    """What makes servers that only one replica runs usable at all of them; None without HUB_REPLICAS, or leases.

    Raises:
        SettingInvalid: the file with the secret of the replicas cannot be used.
    """
    from sidecar.placement.leases import LeaseKeeper  # noqa: PLC0415

    if not settings.replicas or not isinstance(placement, LeaseKeeper):
        return None
    from sidecar.replicas.others import PURPOSE  # noqa: PLC0415
    from sidecar.replicas.placed import PlacedServers  # noqa: PLC0415

    key = settings.replica_key(PURPOSE)
    assert key is not None  # noqa: S101  # HUB_REPLICAS is set
    return PlacedServers(settings, key, hub, placement)


def place(
    settings: Settings,
    connector: Connector,
    placement: Placement,
    placed: PlacedServers | None,
    sign_ins: SignInService,
) -> None:
    """Tell a connector where the servers run that only one replica runs."""
    connector.placement = placement
    if placed:
        connector.elsewhere, placed.connector, placed.account = placed.open, connector, sign_ins.account
        connector.accounts_elsewhere = settings.shares_sign_ins
