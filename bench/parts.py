"""The parts alone: bridge, adapter, spawner. Each part's own module measures; the targets stand here."""

from __future__ import annotations

import importlib
from typing import Any

from bench.figure import Figure, Sense

UNITS = {"ms": "ms", "s": "s", "mb": "MB", "kb": "KB", "second": "/s"}

Targets = dict[str, tuple[Sense, float]]

BRIDGE: Targets = {
    "p50_ms": ("<", 5),
    "p99_ms": ("<", 5),
    "per_second": (">", 1000),
    "ordered": ("==", 1),
    "lost": ("==", 0),
    "repeated": ("==", 0),
}
ADAPTER: Targets = {
    "load_p95_ms": ("<", 10),
    "seen_p95_ms": ("<", 100),
    "memory_mb": ("<", 50),
}


async def bridge(quick: bool) -> list[Figure]:
    """Round trip, acknowledged messages/s, order and losses over a restart."""
    return await _part("bridge", "bench.bridge_bar", BRIDGE, quick)


async def adapter(quick: bool) -> list[Figure]:
    """Load of 100 workspaces, a change seen, memory."""
    return await _part("adapter", "bench.adapter_bar", ADAPTER, quick)


async def spawner(quick: bool) -> list[Figure]:
    """What starting a server through the spawner costs."""
    return await _part("spawner", "bench.spawn", {}, quick)


async def _part(part: str, module: str, targets: Targets, quick: bool) -> list[Figure]:
    found: dict[str, Any] = await importlib.import_module(module).measure(quick)
    if missing := targets.keys() - found.keys():
        raise RuntimeError(f"{module} does not measure {', '.join(sorted(missing))}")
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
