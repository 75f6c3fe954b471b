"""What a call costs one, two and three replicas behind nginx, and hubs that are none (docs/scaling.md).

`python -m bench.replicas`: hubs, servers, nginx and clients share the machine's cores, so that calls per second do not
grow with the number of replicas. What counts is the CPU time of the sidecars for a call, with as many clients for each
hub. A sidecar that wakes up answers all requests that have come, so that a call costs more where fewer come at the same
time; the number of wake-ups for a call tells of it. Hubs that are no replicas, with the same load on the same machine,
show which part of it is due to the replicas.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from bench.load import drive, open_sessions
from bench.tables import piped
from tests.integration.proxies.proxies import EXAMPLES, nginx_with, started
from tests.replicas.balancers import nginx
from tests.support.hub import Hub, free_port, free_ports, running
from tests.support.yamcp import module

MOST, ROUNDS, SECONDS = 3, 5, 1.0
CLIENTS = (12, 1)
"""For each hub."""
CALL = {"name": "e_echo", "arguments": {"text": "x"}}
WAYS = (("sse", "legacy"), ("http", "legacy"), ("http", "modern"))
SERVERS, WORKSPACES = {"e": module("e", "bench.echo_server")}, {"w": ["e"]}


class Setup(NamedTuple):
    """Hubs, and the ports of nginx at which their clients are: one for all, or one for each."""

    name: str
    hubs: Sequence[Hub]
    ports: Sequence[int]


class Cost(NamedTuple):
    """What one round took."""

    rate: float
    """Calls per second."""
    cpu: float
    """Microseconds of CPU time of the sidecars for a call."""
    wakeups: float
    """Of the sidecars, for a call."""


Found = Mapping[tuple[str, str, int, int], Sequence[Cost]]
"""Rounds by transport, era, number of the set-up and clients for each hub."""


async def measure(setup: Setup, transport: str, era: str, clients: int) -> Cost:
    """Let so many clients for each hub call. Raises RuntimeError when a call fails."""
    processes = [psutil.Process(hub.pid("sidecar")) for hub in setup.hubs]
    async with contextlib.AsyncExitStack() as stack:
        sessions = []
        for port in setup.ports:
            url = f"http://127.0.0.1:{port}/mcp/w" + ("/sse" if transport == "sse" else "")
            count = clients * len(setup.hubs) // len(setup.ports)
            sessions += await stack.enter_async_context(open_sessions(url, count, transport=transport, era=era))
        await drive(sessions, "tools/call", CALL, seconds=0.2)
        before = used(processes)
        report = await drive(sessions, "tools/call", CALL, seconds=SECONDS)
        cpu, wakeups = (now - then for now, then in zip(used(processes), before, strict=True))
    if report.errors:
        raise RuntimeError(f"{report.errors} of {report.calls} calls failed: {report.first_errors}")
    return Cost(report.calls_per_s, cpu / report.calls * 1e6, wakeups / report.calls)


def used(processes: Sequence[psutil.Process]) -> tuple[float, int]:
    """CPU time and number of wake-ups of all of them so far."""
    cpu = sum(sum(each.cpu_times()[:2]) for each in processes)
    return cpu, sum(each.num_ctx_switches().voluntary for each in processes)


async def open_replicas(stack: contextlib.AsyncExitStack, ports: Sequence[int]) -> list[Hub]:
    """Start a hub on each port that hands requests to the others, with the workspace `w` of an echo server."""
    addresses = ",".join(f"r{number}=http://127.0.0.1:{port}" for number, port in enumerate(ports))
    common = {"HUB_REPLICAS": addresses, "HUB_REPLICAS_SECRET": "s" * 32}
    return [
        await stack.enter_async_context(
            running(SERVERS, WORKSPACES, HUB_REPLICA=f"r{number}", HUB_SIDECAR_PORT=str(port), **common)
        )
        for number, port in enumerate(ports)
    ]


def before_single_hubs(root: Path, ports: Sequence[int], hubs: Sequence[int]) -> list[str]:
    """The words that start an nginx with a port for each hub; otherwise it does the same as before replicas."""
    server = "\nserver {" + (EXAMPLES / "replicas.nginx.conf").read_text().rpartition("\nserver {")[2]
    site = "log_format yamcp_hub '$status';\n"
    for number, (port, hub) in enumerate(zip(ports, hubs, strict=True)):
        site += f"upstream hub{number} {{ server 127.0.0.1:{hub}; keepalive 32; }}\n"
        site += server.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace(
            "http://$yamcp_hub_replica", f"http://hub{number}"
        )
    return nginx_with(root, site.replace("/var/log/nginx/yamcp-hub.log", str(root / "access.log")))


async def front(stack: contextlib.AsyncExitStack, place: Path, words: list[str], port: int) -> None:
    """Start nginx so that it keeps all connections: by default it ends each after 1,000 requests, and keeps 32 idle."""
    site, whole = place / "site.conf", place / "nginx.conf"
    site.write_text(site.read_text().replace("keepalive 32;", "keepalive 512; keepalive_requests 1000000000;"))
    whole.write_text(whole.read_text().replace("http {", "http { keepalive_requests 1000000000;", 1))
    await stack.enter_async_context(started(words, place, port))


async def setups(stack: contextlib.AsyncExitStack) -> list[Setup]:
    """Start all of them."""
    root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    hubs = await open_replicas(stack, ports := free_ports(MOST))
    made = []
    for count in range(1, MOST + 1):
        (place := root / str(count)).mkdir()
        await front(stack, place, nginx(place, port := free_port(), ports[:count]), port)
        made.append(Setup(f"{count} replica{'s' if count > 1 else ''}", hubs[:count], [port]))
    single = [await stack.enter_async_context(running(SERVERS, WORKSPACES)) for _ in range(MOST)]
    (place := root / "single").mkdir()
    words = before_single_hubs(
        place, fronts := free_ports(MOST), [int(each.env["HUB_SIDECAR_PORT"]) for each in single]
    )
    await front(stack, place, words, fronts[0])
    return [*made, Setup(f"{MOST} hubs that are no replicas", single, fronts)]


async def measure_all() -> tuple[list[str], Found]:
    """The names of the set-ups, and all rounds."""
    found: defaultdict[tuple[str, str, int, int], list[Cost]] = defaultdict(list)
    async with contextlib.AsyncExitStack() as stack:
        made = await setups(stack)
        for _ in range(ROUNDS):
            for way in WAYS:
                for number, setup in enumerate(made):
                    for clients in CLIENTS:
                        found[*way, number, clients].append(await measure(setup, *way, clients))
    return [each.name for each in made], found


def least(rounds: Sequence[Cost]) -> Cost:
    """The round with the least CPU time for a call: what else the machine does only adds to it."""
    return min(rounds, key=lambda each: each.cpu)


def table(names: Sequence[str], found: Found) -> str:
    """In Markdown."""
    many, one = CLIENTS
    header = ["transport", "hubs"]
    header += [f"calls/s, {many} clients for each hub", "CPU for a call", "wake-ups for a call"]
    header += ["CPU for a call, 1 client for each hub", "wake-ups for a call"]
    rows = []
    for transport, era in WAYS:
        for number, name in enumerate(names):
            busy, calm = (least(found[transport, era, number, clients]) for clients in (many, one))
            cells = [f"{transport} {era}", name, f"{busy.rate:,.0f}", f"{busy.cpu:.0f} us", f"{busy.wakeups:.2f}"]
            rows.append([*cells, f"{calm.cpu:.0f} us", f"{calm.wakeups:.2f}"])
    return "\n".join(piped(header, rows))


def dearest_call(found: Found) -> float:
    """Microseconds of CPU time for a call where one client for each of the replicas calls, of the dearest transport."""
    return max(least(found[*way, MOST - 1, 1]).cpu for way in WAYS)


if __name__ == "__main__":
    print(table(*asyncio.run(measure_all())))
