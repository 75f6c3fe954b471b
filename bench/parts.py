"""The parts alone: bridge, adapter, spawner. Each part's own module measures; the targets stand here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from bench import bridge_bar, spawn
from bench.figure import Figure, Sense

UNITS = {"ms": "ms", "s": "s", "mb": "MB", "kb": "KB", "second": "/s"}

Targets = dict[str, tuple[Sense, float]]

BRIDGE: Targets = {
    "p50_ms": ("<=", 0.3),
    "p99_ms": ("<", 5),
    "per_second": (">=", 10_000),
    "burst_client_mb": ("<", 5),
    "burst_server_mb": ("<", 5),
    "ordered": ("==", 1),
    "lost": ("==", 0),
    "repeated": ("==", 0),
}
ADAPTER: Targets = {
    "load_p50_ms": ("<", 10),
    "seen_p95_ms": ("<", 100),
    "memory_mb": ("<", 50),
}


async def bridge(quick: bool) -> list[Figure]:
    """Round trip, acknowledged messages/s, order and losses over a restart."""
    return _held("bridge", await bridge_bar.measure(quick), BRIDGE)


async def adapter(quick: bool) -> list[Figure]:
    """Load of 100 workspaces, a change seen, memory."""
    module = importlib.import_module("bench.adapter_bar")
    return _held("adapter", await module.measure(quick), ADAPTER)


async def spawner(quick: bool) -> list[Figure]:
    """What starting a server through the spawner costs."""
    return _held("spawner", await (spawn.measure(5, 5) if quick else spawn.measure()), {})


def _held(part: str, found: Mapping[str, Any], targets: Targets) -> list[Figure]:
    if missing := targets.keys() - found.keys():
        raise RuntimeError(f"the {part} is not measured for {', '.join(sorted(missing))}")
    return [
        Figure(f"{part}: {_words(key)}", float(value), _unit(key), *targets.get(key, (None, None)))
        for key, value in found.items()
        if isinstance(value, int | float)
    ]


def _unit(key: str) -> str:
    return UNITS.get(key.rpartition("_")[2], "")


def _words(key: str) -> str:
    stem, _, last = key.rpartition("_")
    return (stem if stem and last in UNITS and last != "second" else key).replace("_", " ")
