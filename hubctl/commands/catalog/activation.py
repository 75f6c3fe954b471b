"""`hubctl catalog add`, `update`, `roll-back`, `remove`, `installed`, `jobs` and `cancel`."""

from __future__ import annotations

import argparse
import asyncio
import time

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.models import ReadDesired
from bridge.models.catalog.activation import (
    Activate,
    ActivationJob,
    CancelActivation,
    InstalledServer,
    ReadActivationJobs,
    ReadInstalled,
    RemoveInstalled,
    RollBackInstalled,
    UpdateInstalled,
)
from bridge.models.catalog.entries import CatalogShow
from hubctl.commands.catalog.entries import card_lines
from hubctl.commands.catalog.options import agreed, secrets_of, values_of
from hubctl.context import Context
from hubctl.lookup import spec_or_name
from hubctl.render import clean, count, span, table

POLL_SECONDS = 0.1
"""Seconds between two requests for the state of a job."""
CALL_SECONDS = 60.0


async def add(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog add`: install an entry, and wait until its server has started. Ctrl-C cancels it."""
    if not arguments.yes:
        async with context.desired() as adapter:
            wanted = CatalogShow(name=arguments.name, version=arguments.version, source=arguments.source)
            context.say(*card_lines(await adapter.request(wanted)))
    question = f"This installs {clean(arguments.name)} and runs it as the user of the hub. Go on?"
    if not await agreed(context, question, yes=arguments.yes):
        context.say("Nothing is installed.")
        return 1
    values = values_of(arguments.set or ())
    secrets = await secrets_of(context, arguments.secret or ())
    async with context.desired() as adapter:
        specs = (await adapter.request(ReadDesired())).snapshot.workspaces
        body = Activate(
            name=arguments.name,
            version=arguments.version,
            source=arguments.source,
            key=arguments.key,
            values=values,
            secrets=secrets,
            workspaces=tuple(spec_or_name(specs, name) for name in arguments.workspace or ()),
        )
        return await _follow(context, adapter, (await adapter.request(body, timeout=CALL_SECONDS)).job)


async def update(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog update`."""
    async with context.desired() as adapter:
        body = UpdateInstalled(key=arguments.server, version=arguments.version, reinstall=arguments.reinstall)
        started = await adapter.request(body, timeout=CALL_SECONDS)
        if started.job is not None:
            return await _follow(context, adapter, started.job)
    if context.json:
        context.emit(started)
    else:
        newest = "" if arguments.version else ", the newest at its source"
        context.say(f"Server {clean(started.key)} has version {clean(started.version)} already{newest}.")
    return 0


async def roll_back(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog roll-back`."""
    async with context.desired() as adapter:
        done = await adapter.request(RollBackInstalled(key=arguments.server), timeout=CALL_SECONDS)
    if context.json:
        context.emit(done)
    else:
        context.say(f"Server {clean(arguments.server)} runs its previous version again.")
    return 0


async def remove(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog remove`."""
    async with context.desired() as adapter:
        done = await adapter.request(RemoveInstalled(key=arguments.server), timeout=CALL_SECONDS)
    if context.json:
        context.emit(done)
        return 0
    context.say(f"Server {clean(arguments.server)} is removed, with its folder.")
    for name in done.variables:
        context.say(f"Only it used the variable {name}: `hubctl catalog variables unset {name}` removes it.")
    return 0


async def installed(context: Context, _: argparse.Namespace) -> int:
    """Run `hubctl catalog installed`."""
    async with context.desired() as adapter:
        found = (await adapter.request(ReadInstalled())).servers
        news = [] if context.json else [await _news(adapter, each) for each in found]
    if context.json:
        context.emit(found)
    elif found:
        rows = [
            (
                clean(each.key),
                clean(each.name),
                each.version,
                each.previous or "-",
                each.kind,
                _age(each.installed),
                _use(each),
                new,
            )
            for each, new in zip(found, news, strict=True)
        ]
        heads = ("KEY", "ENTRY", "VERSION", "BEFORE", "KIND", "AGE", "USE", "AT ITS SOURCE")
        context.say(*table(heads, rows, context.paint, context.columns))
    else:
        context.say("No server is installed from the catalogue; `hubctl catalog add NAME` installs one.")
    return 0


async def jobs(context: Context, _: argparse.Namespace) -> int:
    """Run `hubctl catalog jobs`."""
    async with context.desired() as adapter:
        found = (await adapter.request(ReadActivationJobs())).jobs
    if context.json:
        context.emit(found)
    elif found:
        rows = [(each.id, each.action, clean(each.key), each.state, _age(each.began), _told(each)) for each in found]
        heads = ("ID", "ACTION", "KEY", "STATE", "AGE", "LAST")
        context.say(*table(heads, rows, context.paint, context.columns))
    else:
        context.say("Nothing was activated since the hub's start.")
    return 0


async def cancel(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog cancel`."""
    async with context.desired() as adapter:
        done = await adapter.request(CancelActivation(id=arguments.job), timeout=CALL_SECONDS)
    if context.json:
        context.emit(done)
    else:
        context.say("It is cancelled; nothing of it is left.")
    return 0


async def _follow(context: Context, adapter: BridgeClient, started: str) -> int:
    """Tell the steps of a job until it has ended; returns the exit code."""
    step = ""
    try:
        while (job := await _job(adapter, started)).ended is None:
            if job.step != step and not context.json:
                context.say(f"{job.step} ...")
            step = job.step
            await asyncio.sleep(POLL_SECONDS)
    except asyncio.CancelledError:
        await adapter.request(CancelActivation(id=started))
        raise
    if context.json:
        context.emit(job)
    elif job.error is not None:
        context.say(f"{job.error.code}: {job.error.message}", job.error.hint)
    else:
        told = "" if job.tools is None else f", with {count(job.tools, 'tool')}"
        context.say(f"Server {clean(job.key)} is installed, version {job.version}{told}.")
        if job.note:
            context.say(job.note)
    return 0 if job.error is None else 1


async def _job(adapter: BridgeClient, job: str) -> ActivationJob:
    found = (await adapter.request(ReadActivationJobs())).jobs
    return next(each for each in found if each.id == job)


def _age(since: float) -> str:
    return span(time.time() - since)


async def _news(adapter: BridgeClient, server: InstalledServer) -> str:
    """What the source of a server's entry has that is new; it changes nothing by itself."""
    try:
        wanted = CatalogShow(name=server.name, source=server.source or None)
        entry = (await adapter.request(wanted)).summary
    except RemoteError:
        return "not there any more"
    newer = f"version {clean(entry.version)}" if entry.version != server.entry_version else "the same"
    return newer if entry.status == "active" else entry.status


def _use(server: InstalledServer) -> str:
    return "in use" if server.in_use else "deleted, removed within a day"


def _told(job: ActivationJob) -> str:
    return clean(job.error.message if job.error else job.note or job.line or job.step)
