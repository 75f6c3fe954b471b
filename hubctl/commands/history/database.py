"""`hubctl history`: the state of the history's database, and its care."""

from __future__ import annotations

import argparse
import time

from bridge.models import OptimizeRecords, OptimizeReport, ReadRecordsStatus, RecordsStatus
from hubctl.commands.history.moments import local
from hubctl.commands.history.recorder import ask
from hubctl.commands.metrics import duration
from hubctl.context import Context
from hubctl.render import Paint, clean, count, span

OPTIMIZE_TIMEOUT = 3600.0
"""Seconds that the care of a large database may take."""
_DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "memory": "memory"}
_STATES = {"ok": "32", "behind": "33", "unavailable": "31", "full": "31"}


async def history(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl history [status]` or `hubctl history optimize`; 1 if nothing can be stored now."""
    if arguments.action == "optimize":
        return await optimize(context, arguments.dry_run)
    found = await ask(context, ReadRecordsStatus())
    if context.json:
        context.emit(found)
    else:
        context.say(*status_lines(found, context.paint, time.time()))
    return int(found.state in ("unavailable", "full"))


def status_lines(found: RecordsStatus, paint: Paint, now: float) -> list[str]:
    """Format the state of the recorder and its database; `now` is Unix time in seconds."""
    version = f", schema version {found.schema_version}" if found.schema_version else ""
    lines = [f"history: {paint(found.state, _STATES[found.state])}, in {_DATABASES[found.database]}{version}"]
    if found.reason:
        lines.append(f"  {clean(f'{found.code}: {found.reason}' if found.code else found.reason)}")
    oldest = f", the oldest {span(now - found.oldest)} old ({local(found.oldest)})" if found.oldest else ""
    lines.append(f"  {count(found.calls, 'call')}{oldest}" + (f", {megabytes(found.size)}" if found.size else ""))
    if found.replicas:
        lines.append(f"  {replicas_text(found)}")
    if found.spooled:
        lines.append(f"  {megabytes(found.spooled)} of records wait to be stored")
    lines.append(f"  {count(found.lost, 'record')} could not be kept since the database was made")
    return lines


def replicas_text(found: RecordsStatus) -> str:
    """Say whose records the database has. The replica has a name."""
    own = clean(found.replica)
    if found.database == "sqlite":
        return f"records of this replica, {own}, only: each replica has a history of its own"
    return f"records of {count(len(found.replicas), 'replica')}: {clean(', '.join(found.replicas))}; this one is {own}"


async def optimize(context: Context, dry_run: bool) -> int:
    """Analyse, vacuum and check the database, or say what that would bring."""
    report = await ask(context, OptimizeRecords(dry_run=dry_run), timeout=OPTIMIZE_TIMEOUT)
    if context.json:
        context.emit(report)
    else:
        context.say(*report_lines(report, dry_run, context.paint))
    return 0


def report_lines(report: OptimizeReport, dry_run: bool, paint: Paint) -> list[str]:
    """Format what was done, or would be."""
    lines = []
    for step in report.steps:
        took = f" ({duration(step.seconds)})" if step.done and not dry_run else ""
        verb = "done" if step.done else "would do" if dry_run else "not done"
        lines.append(f"{paint.bold(clean(step.name))}: {verb}{took}. {clean(step.reason)}")
    sizes = f"{megabytes(report.before)} before, {megabytes(report.after)} {'expected' if dry_run else 'now'}"
    return [*(lines or ["Nothing to do."]), sizes]


def megabytes(size: int) -> str:
    """Format a number of bytes."""
    return f"{size / 1e6:.1f} MB"
