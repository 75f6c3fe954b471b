"""Prometheus metrics, in a registry of their own."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric, Sample
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from bridge.history.durations import BUCKETS
from bridge.models import ServerState, ServerStatus, SnapshotId, WorkspaceState, WorkspaceStatus
from sidecar.admission.context import CallContext
from sidecar.errors import SidecarError

BOUNDS = (*(str(float(bound)) for bound in BUCKETS), "+Inf")
"""The values of the buckets' `le` labels."""
MAX_METERS = 5000
OTHER = "_other"
"""Tool label of calls beyond MAX_METERS, so that a server with ever new tool names cannot exhaust memory."""


class Totals(NamedTuple):
    """The totals of a meter: calls, calls whose outcome was not `ok`, their duration in seconds, calls by bucket."""

    calls: int
    errors: int
    seconds: float
    buckets: tuple[int, ...]

    def since(self, before: Totals) -> Totals:
        """The difference to earlier totals."""
        buckets = tuple(now - then for now, then in zip(self.buckets, before.buckets, strict=True))
        seconds = max(0.0, self.seconds - before.seconds)
        return Totals(self.calls - before.calls, self.errors - before.errors, seconds, buckets)

    def plus(self, other: Totals) -> Totals:
        """The sum of both."""
        buckets = tuple(one + two for one, two in zip(self.buckets, other.buckets, strict=True))
        return Totals(self.calls + other.calls, self.errors + other.errors, self.seconds + other.seconds, buckets)


NOTHING = Totals(0, 0, 0.0, (0,) * (len(BUCKETS) + 1))


class CallMeter:
    """The figures of one tool of one server.

    It holds plain numbers because every call updates it: the metric classes of prometheus_client take locks and are
    several times as slow.
    """

    __slots__ = ("began", "buckets", "first", "outcomes", "seconds")

    def __init__(self) -> None:
        self.began = time.time()
        self.buckets = [0] * len(BOUNDS)
        """Calls by bucket; not cumulative."""
        self.seconds = 0.0
        self.outcomes: dict[str, int] = {}
        """Calls by outcome."""
        self.first: dict[str, float] = {}
        """Unix time at which each outcome occurred first."""

    def observe(self, seconds: float, outcome: str) -> None:
        """Count a completed call. `outcome` is `ok`, or a word or code from a small set."""
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
        try:
            self.outcomes[outcome] += 1
        except KeyError:
            self.first[outcome] = time.time()  # before `outcomes` has it: CallCollector runs in another thread
            self.outcomes[outcome] = 1

    @property
    def calls(self) -> int:
        """Number of calls."""
        return sum(self.outcomes.values())

    def totals(self) -> Totals:
        """A copy of the current totals."""
        calls = self.calls
        return Totals(calls, calls - self.outcomes.get("ok", 0), self.seconds, tuple(self.buckets))


class CallCollector:
    """Converts the meters to Prometheus metrics on each scrape."""

    def __init__(self, meters: dict[tuple[str, str], CallMeter]) -> None:
        self._meters = meters

    def collect(self) -> Iterator[Metric]:
        """The calls by outcome, and the histogram of their durations."""
        # This runs in a thread while the event loop may add to the dicts, so iterate copies. `dict.copy` is atomic,
        # unlike `tuple(items)`, which may start a garbage collection and so a switch of threads.
        meters = self._meters.copy()
        yield self._calls(meters)
        yield self._times(meters)

    def _calls(self, meters: dict[tuple[str, str], CallMeter]) -> Metric:
        labels = ("server", "tool", "outcome")
        family = CounterMetricFamily(
            "yamcp_hub_calls", "Requests of clients for which a server was asked.", labels=labels
        )
        for key, meter in meters.items():
            for outcome, count in meter.outcomes.copy().items():
                family.add_metric((*key, outcome), count, meter.first[outcome])
        return family

    def _times(self, meters: dict[tuple[str, str], CallMeter]) -> Metric:
        labels = ("server", "tool")
        family = HistogramMetricFamily("yamcp_hub_call_seconds", "Time from a request to its answer.", labels=labels)
        for key, meter in meters.items():
            family.add_metric(key, list(zip(BOUNDS, accumulate(meter.buckets), strict=True)), meter.seconds)
            created = Sample(f"{family.name}_created", dict(zip(labels, key, strict=True)), meter.began)
            family.samples.append(created)  # `add_metric` of histograms cannot add it
        return family


class Metrics:
    """All metrics of one sidecar."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        self._meters: dict[tuple[str, str], CallMeter] = {}
        registry.register(CallCollector(self._meters))
        self._sessions = Gauge(
            "yamcp_hub_sessions", "Open client sessions.", ["workspace", "transport"], registry=registry
        )
        self._states = Gauge(
            "yamcp_hub_upstream_state", "1 for the state that a server is in.", ["server", "state"], registry=registry
        )
        self._workspaces = Gauge(
            "yamcp_hub_workspace_state",
            "1 for the state that a workspace is in.",
            ["workspace", "state"],
            registry=registry,
        )
        self._breakers = Gauge(
            "yamcp_hub_upstream_breaker_open",
            "1 while requests for a server fail at once, since it is known to be down.",
            ["server"],
            registry=registry,
        )
        self._in_flight = Gauge(
            "yamcp_hub_calls_in_flight", "Requests that a server has not answered yet.", ["server"], registry=registry
        )
        self._restarts = Counter(
            "yamcp_hub_upstream_restarts", "Connections opened anew.", ["server"], registry=registry
        )
        self._offers_changed = Counter(
            "yamcp_hub_tool_changes",
            "Tools, prompts and instructions that differ from their pins.",
            ["server"],
            registry=registry,
        )
        self._revisions = Gauge(
            "yamcp_hub_snapshot_revision", "Revision of the desired state.", ["stage"], registry=registry
        )
        self._epochs = Gauge("yamcp_hub_snapshot_epoch", "Epoch of the desired state.", ["stage"], registry=registry)
        self._cached = Counter(
            "yamcp_hub_cached_calls",
            "Calls whose results may be kept, by whether a kept one was used.",
            ["server", "use"],
            registry=registry,
        )
        self._spans = Counter(
            "yamcp_hub_spans", "Spans of traced requests, by whether they were sent.", ["result"], registry=registry
        )
        self._ended = Counter(
            "yamcp_hub_client_connections_ended",
            "Connections of clients that a limit ended.",
            ["code"],
            registry=registry,
        )
        self._records_lost = Counter(
            "yamcp_hub_records_lost",
            "Records of the history that could not be written to the spool.",
            registry=registry,
        )
        self._limited = Counter(
            "yamcp_hub_limited",
            "Requests and sessions that a limit of their principal refused.",
            ["limit", "principal"],
            registry=registry,
        )
        self._shares_limits: Gauge | None = None
        self._knows_replicas: Gauge | None = None
        self._handed: Counter | None = None
        self._servers: set[str] = set()

    def call(self, server: str, tool: str) -> CallMeter:
        """The meter of a tool; for requests other than tool calls, `tool` is the method."""
        meter = self._meters.get((server, tool))
        if meter is None:
            if len(self._meters) >= MAX_METERS and tool != OTHER:
                return self.call(server, OTHER)
            meter = self._meters[server, tool] = CallMeter()
            self._servers.add(server)
        return meter

    def ended(self, call: CallContext, outcome: str, seconds: float) -> None:
        """Count a client's request that a server was asked for (admission.Observer)."""
        if not call.server:
            return
        key = (call.server, call.tool if call.method == "tools/call" else call.method)
        try:
            meter = self._meters[key]
        except KeyError:
            meter = self.call(*key)
        meter.observe(seconds, outcome)

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """No server's figures have it."""

    def meters(self) -> Iterable[tuple[tuple[str, str], CallMeter]]:
        """All meters, by server and tool."""
        return self._meters.items()

    def sessions(self, workspace: str, transport: str, count: int) -> None:
        """Set the number of sessions of a workspace over one transport; 0 removes the metric."""
        if count:
            self._sessions.labels(workspace, transport).set(count)
        else:
            self._sessions.remove_by_labels({"workspace": workspace, "transport": transport})

    def connection_ended(self, code: str) -> None:
        """Count a client's connection that the hub ended; `code` is that of the limit (docs/errors.md)."""
        self._ended.labels(code).inc()

    def limited(self, limit: str, principal: str) -> None:
        """Count a request or session that a limit of its principal refused, by the kind of each."""
        self._limited.labels(limit, principal).inc()

    def shares_limits(self, reachable: bool) -> None:
        """Set whether the Redis answers in which several hubs count for limits; it is absent where none is set."""
        if self._shares_limits is None:
            self._shares_limits = Gauge(
                "yamcp_hub_limits_shared",
                "1 while limits are counted together with other hubs, 0 while HUB_LIMITS_URL does not answer.",
                registry=self._registry,
            )
        self._shares_limits.set(reachable)

    def knows_replicas(self, reachable: bool) -> None:
        """Set whether the Redis answers in which replicas tell each other of themselves; absent where none is set."""
        if self._knows_replicas is None:
            self._knows_replicas = Gauge(
                "yamcp_hub_replicas_known",
                "1 while replicas tell each other of themselves, 0 while HUB_REDIS_URL does not answer.",
                registry=self._registry,
            )
        self._knows_replicas.set(reachable)

    def handed(self, outcome: str) -> None:
        """Count a request that was for another replica, by what became of it (`replicas.forwarding.Outcome`); the
        metric is absent before the first."""
        if self._handed is None:
            self._handed = Counter(
                "yamcp_hub_handed",
                "Requests that were for another replica.",
                ["outcome"],
                registry=self._registry,
            )
        self._handed.labels(outcome).inc()

    def records_lost(self, count: int) -> None:
        """Count records of the history that were lost before they reached the recorder."""
        self._records_lost.inc(count)

    def cached(self, server: str, use: str) -> None:
        """Count a call whose result may be kept: `hit`, `miss`, `bypass`, or `error` of the store."""
        self._cached.labels(server, use).inc()

    def spans(self, result: str, count: int) -> None:
        """Count spans that were `sent`, or whose sending `failed`."""
        self._spans.labels(result).inc(count)

    def upstream_state(self, server: str, state: ServerState, *, is_down: bool = False) -> None:
        """Set the state of a server; `is_down`: its circuit breaker is open."""
        self._servers.add(server)
        self._breakers.labels(server).set(is_down)
        for other in get_args(ServerState):
            self._states.labels(server, other).set(other == state)

    def workspace_states(self, workspaces: Iterable[WorkspaceStatus]) -> None:
        """Set the states of all workspaces; those that are not among them are removed."""
        self._workspaces.clear()
        for workspace in workspaces:
            for state in get_args(WorkspaceState):
                self._workspaces.labels(workspace.name, state).set(state == workspace.state)

    def servers_in_flight(self, servers: Iterable[ServerStatus]) -> None:
        """Set the numbers of calls in flight of all servers; those that are not among them are removed."""
        self._in_flight.clear()
        for server in servers:
            self._in_flight.labels(server.key).set(server.calls_in_flight)

    def restarted(self, server: str) -> None:
        """Count a reconnection to a server."""
        self._servers.add(server)
        self._restarts.labels(server).inc()

    def offers_changed(self, server: str, count: int) -> None:
        """Count what a server offers that differs from its pins."""
        self._servers.add(server)
        self._offers_changed.labels(server).inc(count)

    def snapshot(self, accepted: SnapshotId | None, applied: SnapshotId | None) -> None:
        """Set the revision and epoch of the accepted and of the applied desired state."""
        for stage, snapshot in (("accepted", accepted), ("applied", applied)):
            if snapshot is not None:
                self._revisions.labels(stage).set(snapshot.revision)
                self._epochs.labels(stage).set(snapshot.epoch)

    def keep_tools(self, server: str, tools: Collection[str]) -> None:
        """Remove the figures of a server's tools except for `tools`."""
        for key in [key for key in self._meters if key[0] == server and key[1] not in tools]:
            del self._meters[key]

    def keep_servers(self, servers: Collection[str]) -> None:
        """Remove the figures of all servers except for `servers`."""
        for server in self._servers.difference(servers):
            self.keep_tools(server, ())
            self._states.remove_by_labels({"server": server})
            self._breakers.remove_by_labels({"server": server})
            self._restarts.remove_by_labels({"server": server})
            self._offers_changed.remove_by_labels({"server": server})
            self._cached.remove_by_labels({"server": server})
        self._servers.intersection_update(servers)

    def render(self) -> tuple[bytes, str]:
        """The metrics in Prometheus' text format, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
