"""Figures for Prometheus, in a registry of their own."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric, Sample
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from bridge.models import ServerState, SnapshotId

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BOUNDS = (*(str(float(bound)) for bound in BUCKETS), "+Inf")
"""The buckets as their `le` labels have them."""
MOST_TOOLS = 5000
OTHER = "_other"
"""Label of the tools beyond `MOST_TOOLS`: a server that invents names must not grow the figures without bound."""


class Totals(NamedTuple):
    """What a meter has counted: calls, those whose outcome was not `ok`, their time, and how many in each bucket."""

    calls: int
    errors: int
    seconds: float
    buckets: tuple[int, ...]

    def since(self, before: Totals) -> Totals:
        """What came after that."""
        buckets = tuple(now - then for now, then in zip(self.buckets, before.buckets, strict=True))
        seconds = max(0.0, self.seconds - before.seconds)
        return Totals(self.calls - before.calls, self.errors - before.errors, seconds, buckets)

    def plus(self, other: Totals) -> Totals:
        """Both together."""
        buckets = tuple(one + two for one, two in zip(self.buckets, other.buckets, strict=True))
        return Totals(self.calls + other.calls, self.errors + other.errors, self.seconds + other.seconds, buckets)


NOTHING = Totals(0, 0, 0.0, (0,) * (len(BUCKETS) + 1))


class CallMeter:
    """The figures of one tool of one server; keep it for the next call.

    Plain numbers, as every call passes here: prometheus_client's own take locks, and cost several times as much.
    """

    __slots__ = ("began", "buckets", "first", "outcomes", "seconds")

    def __init__(self) -> None:
        self.began = time.time()
        self.buckets = [0] * len(BOUNDS)
        """Calls by bucket, each in one only."""
        self.seconds = 0.0
        self.outcomes: dict[str, int] = {}
        """Calls by outcome."""
        self.first: dict[str, float] = {}
        """When each outcome came first."""

    def observe(self, seconds: float, outcome: str) -> None:
        """Count one call that ended; `outcome` is `ok`, or a word or code from a small set."""
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
        try:
            self.outcomes[outcome] += 1
        except KeyError:
            self.first[outcome] = time.time()  # before the outcome is there for `CallCollector` to see
            self.outcomes[outcome] = 1

    @property
    def calls(self) -> int:
        """How many calls it has counted."""
        return sum(self.outcomes.values())

    def totals(self) -> Totals:
        """All that it has counted."""
        calls = self.calls
        return Totals(calls, calls - self.outcomes.get("ok", 0), self.seconds, tuple(self.buckets))


class CallCollector:
    """Makes Prometheus' figures of the meters, when they are asked for."""

    def __init__(self, meters: dict[tuple[str, str], CallMeter]) -> None:
        self._meters = meters

    def collect(self) -> Iterator[Metric]:
        """Calls by outcome, and their times."""
        # This runs in a thread, and a dict to which the event loop adds cannot be iterated: hence copies. Not tuples of
        # its items: making these may begin a garbage collection, which may let the event loop in.
        meters = self._meters.copy()
        yield self._calls(meters)
        yield self._times(meters)

    def _calls(self, meters: dict[tuple[str, str], CallMeter]) -> Metric:
        labels = ("server", "tool", "outcome")
        family = CounterMetricFamily("yamcp_hub_calls", "Requests to servers that ended.", labels=labels)
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
            family.samples.append(created)  # which `add_metric` does not know for histograms
        return family


class Metrics:
    """All figures of one sidecar."""

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
        self._restarts = Counter(
            "yamcp_hub_upstream_restarts", "Connections opened anew.", ["server"], registry=registry
        )
        self._revisions = Gauge(
            "yamcp_hub_snapshot_revision", "Revision of the desired state.", ["stage"], registry=registry
        )
        self._epochs = Gauge("yamcp_hub_snapshot_epoch", "Epoch of the desired state.", ["stage"], registry=registry)
        self._ended = Counter(
            "yamcp_hub_client_connections_ended",
            "Connections of clients that a limit ended.",
            ["code"],
            registry=registry,
        )
        self._servers: set[str] = set()

    def call(self, server: str, tool: str) -> CallMeter:
        """The meter of a tool (or, for requests that are no tool calls, of a method)."""
        meter = self._meters.get((server, tool))
        if meter is None:
            if len(self._meters) >= MOST_TOOLS and tool != OTHER:
                return self.call(server, OTHER)
            meter = self._meters[server, tool] = CallMeter()
            self._servers.add(server)
        return meter

    def meters(self) -> Iterable[tuple[tuple[str, str], CallMeter]]:
        """The meters that there are, by server and tool."""
        return self._meters.items()

    def sessions(self, workspace: str, transport: str, count: int) -> None:
        """How many sessions a workspace has over one transport; 0 takes the figure away."""
        if count:
            self._sessions.labels(workspace, transport).set(count)
        else:
            self._sessions.remove_by_labels({"workspace": workspace, "transport": transport})

    def connection_ended(self, code: str) -> None:
        """A client's connection was ended, by the limit of this code."""
        self._ended.labels(code).inc()

    def upstream_state(self, server: str, state: ServerState) -> None:
        """A server entered a state."""
        self._servers.add(server)
        for other in get_args(ServerState):
            self._states.labels(server, other).set(other == state)

    def restarted(self, server: str) -> None:
        """A server's connection is opened anew."""
        self._servers.add(server)
        self._restarts.labels(server).inc()

    def snapshot(self, accepted: SnapshotId | None, applied: SnapshotId | None) -> None:
        """Which desired state is accepted, and which is carried out."""
        for stage, snapshot in (("accepted", accepted), ("applied", applied)):
            if snapshot is not None:
                self._revisions.labels(stage).set(snapshot.revision)
                self._epochs.labels(stage).set(snapshot.epoch)

    def keep_tools(self, server: str, tools: Collection[str]) -> None:
        """The server's tools are these now: forget the figures of the others."""
        for key in [key for key in self._meters if key[0] == server and key[1] not in tools]:
            del self._meters[key]

    def keep_servers(self, servers: Collection[str]) -> None:
        """The servers are these now: forget the figures of the others."""
        for server in self._servers.difference(servers):
            self.keep_tools(server, ())
            self._states.remove_by_labels({"server": server})
            self._restarts.remove_by_labels({"server": server})
        self._servers.intersection_update(servers)

    def render(self) -> tuple[bytes, str]:
        """The figures in Prometheus' text format, and the media type of that."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
