"""`hubctl logs`: the sidecar's newest log records, and with `--follow` the following ones."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from typing import Any

from bridge.errors import PeerUnavailable
from bridge.models import Event, Logs, UnansweredReplica
from hubctl.context import Context, dumps
from hubctl.render import Paint, clean, error_line

REMEMBERED = 10_000
"""Number of printed records that are remembered, to skip duplicates."""
LOOK_SECONDS = 2.0
"""How often other replicas are asked for further records: they tell of none by themselves."""
LOOK_BACK_SECONDS = 60.0
"""How old these may be. Clocks of replicas may differ by so much."""
MOST_FURTHER = 1000
"""Records that are asked for at once."""
CALL_FIELDS = ("correlation", "request_id")
"""The fields of a record with the ids of the request that it is about."""
_SHOWN_APART = ("time", "level", "process", "logger", "message", "exception")
_LEVEL_COLORS = {"error": "31", "critical": "31", "warning": "33", "debug": "2"}


def asked(arguments: argparse.Namespace) -> Logs:
    """Return the request for the records that the arguments of the command describe."""
    return Logs(limit=arguments.lines, server=arguments.server, call=arguments.call, replica=arguments.replica)


async def logs(context: Context, wanted: Logs, follow: bool) -> int:
    """Print the newest records, oldest first; with `follow`, print further ones until interrupted."""
    if not follow:
        unanswered = await _recent(context, wanted, {})
        for each in unanswered:
            context.err.write(f"{error_line(each.error)}\n")
        return 1 if unanswered else 0
    shown: dict[str, None] = {}
    if wanted.replica is not None:
        return await _follow_replicas(context, wanted, shown)
    async with context.events("log") as events:
        async for event in events:
            if event.topic == "joined":  # the hub is there, perhaps again; nothing is missed from here on
                await _recent(context, wanted, shown)
            elif concerns(event, wanted):
                _show(context, event.data, shown)
    return 0


async def _follow_replicas(context: Context, wanted: Logs, shown: dict[str, None]) -> int:
    """Print the records of replicas, and again and again further ones. Each replica that does not answer is named once
    for each time that it is silent.
    """
    silent: set[str] = set()
    began = time.time()
    unanswered = await _recent(context, wanted, shown)
    while True:
        for each in unanswered:
            if each.name not in silent:
                context.err.write(f"{error_line(each.error)}\n")
        silent = {each.name for each in unanswered}
        await asyncio.sleep(LOOK_SECONDS)
        further = {"since": max(began, time.time() - LOOK_BACK_SECONDS), "limit": max(MOST_FURTHER, wanted.limit)}
        with contextlib.suppress(PeerUnavailable):  # the hub is restarted
            unanswered = await _recent(context, wanted.model_copy(update=further), shown)


async def _recent(context: Context, wanted: Logs, shown: dict[str, None]) -> tuple[UnansweredReplica, ...]:
    """Print the newest records; returns the replicas that were asked for theirs and did not answer."""
    async with context.actual() as hub:
        answer = await hub.request(wanted)
    for record in answer.records:
        _show(context, record, shown)
    return answer.unanswered


def concerns(event: Event, wanted: Logs) -> bool:
    """Return whether an event is a log record of the server and about the call that are asked for, if any are."""
    of_server = wanted.server in (None, event.subject, event.data.get("server"))
    return of_server and wanted.call in (None, *map(event.data.get, CALL_FIELDS))


def _show(context: Context, record: dict[str, Any], shown: dict[str, None]) -> None:
    """Print a record unless it was printed before: one that arrives during the request for the newest comes twice."""
    line = dumps(record)
    if line in shown:
        return
    shown[line] = None
    if len(shown) > REMEMBERED:
        del shown[next(iter(shown))]
    context.say(*([line] if context.json else record_lines(record, context.paint)))


def record_lines(record: dict[str, Any], paint: Paint) -> list[str]:
    """Format a log record: time of day (UTC), level, message and fields on one line, then its traceback, if any."""
    moment = str(record.get("time", ""))[11:23]
    level = str(record.get("level", ""))
    fields = " ".join(f"{key}={clean(str(value))}" for key, value in record.items() if key not in _SHOWN_APART)
    shown = paint(f"{level:<7}", _LEVEL_COLORS.get(level, "0"))
    first = f"{paint.dim(moment)} {shown} {clean(str(record.get('message', '')))}  {paint.dim(fields)}".rstrip()
    return [first, *(f"  {clean(line)}" for line in str(record.get("exception", "")).splitlines())]
