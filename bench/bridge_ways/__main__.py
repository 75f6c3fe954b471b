"""Compare the three ways, each in a process of its own: `python -m bench.bridge_ways [--quick]` prints markdown."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from bench import machine

WAYS = {
    "zmq": "ZeroMQ, ipc (the bridge)",
    "httpx": "HTTP, uvicorn and httpx2",
    "http": "HTTP, uvicorn and a client by hand",
    "lines": "JSON lines, Unix socket",
}
ROWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "round trip p50, ms": lambda f: f"{f['p50_ms']:.2f}",
    "round trip p99, ms": lambda f: f"{f['p99_ms']:.2f}",
    "requests/s, pipelined (least-most of 5 rounds)": lambda f: (
        f"{f['per_second']:,.0f} ({f['per_second_least']:,.0f}-{f['per_second_most']:,.0f})"
    ),
    "beside 100 slow requests: p50 / worst, ms": lambda f: (
        f"{f['beside_slow_p50_ms']:.2f} / {f['beside_slow_worst_ms']:.1f}"
    ),
    "kill -9 of the server: the client learns after, ms": lambda f: f"{f['learned_ms']:.1f}",
    "... a question under way (may be repeated)": lambda f: f["question"],
    "... a change under way (may not)": lambda f: f["change"],
    "... first answer after the next server is up, ms": lambda f: f"{f['recovered_ms']:.1f}",
    "SIGSTOP, 8,000 requests of 10 kB: client grows by, MB": lambda f: f"{f['stopped_growth_mb']:.0f}",
    "... all fail on their deadlines": lambda f: "yes" if f["failed"] == 8000 else f"{f['failed']} of 8,000",
    "... first answer after SIGCONT, ms": lambda f: f"{f['resumed_ms']:.0f}",
    "... server's memory then, MB": lambda f: f"{f['server_mb']:.0f}",
}


def measure(way: str, options: list[str]) -> dict[str, Any]:
    """The figures of one way."""
    command = [sys.executable, "-m", "bench.bridge_ways.measure", way, *options]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    """Measure and print."""
    facts = machine.describe()
    figures = {way: measure(way, sys.argv[1:]) for way in WAYS}
    print("\n".join(f"- {name}: {value}" for name, value in facts.items()), end="\n\n")
    print("| | " + " | ".join(WAYS.values()) + " |")
    print("|---|" + "---|" * len(WAYS))
    for title, cell in ROWS.items():
        print(f"| {title} | " + " | ".join(cell(figures[way]) for way in WAYS) + " |")


if __name__ == "__main__":
    main()
