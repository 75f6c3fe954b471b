"""`hubctl metrics`: calls, errors and latency of the last hour, one row per tool."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from bridge.models import Figure, History, ReadHistory, ReadStatus
from hubctl.context import Context
from hubctl.lookup import check_server
from hubctl.render import by_key, clean, table


async def metrics(context: Context, server: str | None) -> int:
    """Run `hubctl metrics`; `--json` prints the samples as they are.

    Raises:
        NoSuchServer: the hub does not have that server.
    """
    async with context.actual() as hub:
        if server is not None:
            check_server(by_key(await hub.request(ReadStatus())), server)
        history = await hub.request(ReadHistory(server=server))
    if context.json:
        context.emit(history)
    elif rows := metric_rows(history):
        header = ("SERVER", "TOOL", "CALLS", "ERRORS", "MEAN", "95% WITHIN")
        context.say(*table(header, rows, context.paint, context.columns))
    else:
        context.say("There was no call in the last hour.")
    return 0


def metric_rows(history: History) -> list[tuple[str, str, str, str, str, str]]:
    """Return a row for each tool that was called, most calls first."""
    tools: defaultdict[tuple[str, str], list[Figure]] = defaultdict(list)
    for figure in (figure for sample in history.samples for figure in sample.figures):
        tools[figure.server, figure.tool].append(figure)
    ordered = sorted(tools.items(), key=lambda item: (-_calls(item[1]), item[0]))
    return [(clean(server), clean(tool), *_sums(figures)) for (server, tool), figures in ordered]


def _sums(figures: list[Figure]) -> tuple[str, str, str, str]:
    """Return calls, errors, mean duration, and the largest of the samples' 95th percentiles."""
    calls = _calls(figures)
    mean = sum(figure.seconds for figure in figures) / calls if calls else 0
    return str(calls), str(sum(figure.errors for figure in figures)), duration(mean), duration(_slowest(figures))


def _calls(figures: Iterable[Figure]) -> int:
    return sum(figure.calls for figure in figures)


def _slowest(figures: Iterable[Figure]) -> float:
    return max(figure.p95 for figure in figures)


def duration(seconds: float) -> str:
    """Format a duration of at most some minutes: `12 ms`, `1.5 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
