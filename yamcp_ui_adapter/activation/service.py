"""Activates entries of the catalogue, and updates, rolls back and removes what was activated."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bridge.deadlines import set_within
from bridge.errors import HubError
from bridge.models import Changed, Done
from bridge.models.catalog.activation import (
    Activate,
    ActivationJobs,
    CancelActivation,
    InstalledServer,
    InstalledServers,
    JobStarted,
    ReadActivationJobs,
    ReadInstalled,
    Removed,
    RemoveInstalled,
    RollBackInstalled,
    UpdateInstalled,
    UpdateStarted,
)
from bridge.server import Handlers
from yamcp_ui_adapter.activation.configuring import configure
from yamcp_ui_adapter.activation.entry_edits import removed, replaced, with_container, with_program
from yamcp_ui_adapter.activation.errors import NotInstalled
from yamcp_ui_adapter.activation.inputs import checked, settings_of
from yamcp_ui_adapter.activation.install.folders import Record
from yamcp_ui_adapter.activation.jobs import Jobs
from yamcp_ui_adapter.activation.lookup import Lookup
from yamcp_ui_adapter.activation.target import META, Json, target_of
from yamcp_ui_adapter.activation.variables import names_in
from yamcp_ui_adapter.activation.work import Site, Task, activate, update
from yamcp_ui_adapter.edit.edits import Contents, Files, stored_servers
from yamcp_ui_adapter.errors import AlreadyExists, ConfigFileBroken, EditConflict
from yamcp_ui_adapter.format.entries import PROVIDERS
from yamcp_ui_adapter.format.hubfile import with_settings_moved

log = logging.getLogger(__name__)

_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_-]+")
SETTLE_SECONDS = 3600.0
APPLY_SECONDS = 5.0
"""Seconds to wait for the sidecar to stop a removed server, before its folder is removed."""


class Activations:
    """The handlers of the requests about activation. `jobs.run` runs the jobs."""

    def __init__(self, site: Site, catalog: Lookup, jobs: Jobs) -> None:
        self._site = site
        self._catalog = catalog
        self.jobs = jobs
        self.changed = asyncio.Event()
        """Set when providers.json may have changed."""

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {
            Activate: self.activate,
            ReadActivationJobs: self.list_jobs,
            CancelActivation: self.cancel,
            ReadInstalled: self.installed,
            UpdateInstalled: self.update,
            RollBackInstalled: self.roll_back,
            RemoveInstalled: self.remove,
        }

    async def run(self) -> None:
        """Undo what an earlier adapter left unfinished, then run the jobs, until cancelled."""
        try:
            await self._site.recover()
        except HubError as error:  # such as a broken providers.json, which must not end the adapter
            told = {"code": error.code, "why": error.message}
            log.warning("unfinished activations are not cleaned up before the next start", extra=told)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.jobs.run())
            tasks.create_task(self._follow())

    async def _follow(self) -> None:
        """Have what is installed follow providers.json, whenever that may have changed, and once an hour."""
        while True:
            await set_within(self.changed, SETTLE_SECONDS)
            self.changed.clear()
            await self._settle()

    async def _settle(self) -> None:
        try:
            await self._site.settle()
        except HubError as error:
            log.warning(
                "installed servers do not follow providers.json", extra={"code": error.code, "why": error.message}
            )

    # --- jobs --------------------------------------------------------------------------------------------------------

    async def list_jobs(self, _: ReadActivationJobs) -> ActivationJobs:
        """Return the jobs that are remembered."""
        return ActivationJobs(jobs=self.jobs.jobs)

    async def cancel(self, body: CancelActivation) -> Done:
        """Cancel a job. Raises NoSuchJob."""
        await self.jobs.cancel(body.id)
        return Done()

    async def activate(self, body: Activate) -> JobStarted:
        """Check the settings, and queue the installation.

        Raises:
            NoSuchEntry, EntryUnsupported, SettingsInvalid, AlreadyExists, TooManyActivations: nothing was begun.
        """
        found = await self._catalog.entry(body.name, body.version, body.source)
        name = str(found.entry["name"])
        target = target_of(found.entry, local=found.local)
        answers = checked(settings_of(target).inputs.values(), body.values, body.secrets, str(Path.home()))
        key = self._key(body, await self._site.keys())
        expected, version = _tools(found.entry), str(found.entry.get("version", ""))
        workspaces = tuple(dict.fromkeys(body.workspaces))
        task = Task(key, name, found.source, target, answers, workspaces, expected, version)
        job = self.jobs.start("activate", key, name, target.version, partial(activate, self._site, task))
        return JobStarted(job=job, key=key)

    def _key(self, body: Activate, taken: Mapping[str, Any]) -> str:
        """The key of the new server. Raises AlreadyExists if the request names one that is taken."""

        def free(key: str) -> bool:
            record = self._site.folders.records.get(key)
            return key not in taken and (record is None or record.unused is not None) and not self.jobs.concerns(key)

        if body.key is not None:
            if not free(body.key):
                raise AlreadyExists(f"There is a server {body.key!r} already.", data={"key": body.key})
            return body.key
        plain = _NOT_IN_KEYS.sub("-", body.name.rpartition("/")[2]).strip("-")[:60] or "server"
        return next(key for key in (plain, *(f"{plain}-{number}" for number in range(2, 100_000))) if free(key))

    async def update(self, body: UpdateInstalled) -> UpdateStarted:
        """Queue the installation of another version, with the same settings; without a job if it is installed already.

        Raises:
            NotInstalled, EditConflict, NoSuchEntry, EntryUnsupported, SettingsInvalid, TooManyActivations: nothing
                was begun.
        """
        record = await self._record(body.key)
        found = await self._catalog.entry(record.name, body.version, record.source or None)
        expected, version = _tools(found.entry), str(found.entry.get("version", ""))
        if version == _of_entry(record) and not body.reinstall:
            return UpdateStarted(job=None, key=body.key, version=version)
        target = target_of(found.entry, local=found.local)
        inputs = {each.name: each for each in settings_of(target).inputs.values() if each.fixed is None}
        given = {**record.now.values, **{name: (text,) for name, text in record.now.references.items()}}
        kept = {name: values for name, values in given.items() if name in inputs}
        answers = checked(settings_of(target).inputs.values(), kept, {}, str(Path.home()))
        task = Task(body.key, record.name, found.source, target, answers, (), expected, version)
        job = self.jobs.start("update", body.key, record.name, target.version, partial(update, self._site, task))
        return UpdateStarted(job=job, key=body.key, version=version)

    async def configure(self, key: str, values: Mapping[str, tuple[str, ...]], secrets: Mapping[str, str]) -> None:
        """Change settings of an installed server. Raises NotInstalled, EditConflict, and as `configuring.configure`."""
        record = await self._record(key)
        found = await self._catalog.entry(record.name, _of_entry(record), record.source or None)
        await configure(self._site, key, record, target_of(found.entry, local=found.local), values, secrets)

    # --- what is installed -------------------------------------------------------------------------------------------

    async def installed(self, _: ReadInstalled) -> InstalledServers:
        """Return what was activated. While providers.json is broken, all of it counts as in use.

        Raises:
            DataDirUnusable: installed.json cannot be read.
        """
        try:
            keys = await self._site.keys()
        except ConfigFileBroken:
            keys = self._site.folders.records
        else:
            await self._settle()
        found = [_shown(key, record, key in keys) for key, record in sorted(self._site.folders.records.items())]
        return InstalledServers(servers=tuple(found))

    async def _record(self, key: str) -> Record:
        """Return what is installed under a key. Raises NotInstalled, EditConflict."""
        await self._settle()
        record = self._site.folders.records.get(key)
        if record is None:
            raise NotInstalled(f"The server {key!r} was not activated from the catalogue.")
        if self.jobs.concerns(key):
            raise EditConflict(f"An activation of {key!r} is in progress.", data={"key": key})
        return record

    async def roll_back(self, body: RollBackInstalled) -> Changed:
        """Return to the version before the last update.

        Raises:
            NotInstalled, EditConflict, NoSuchServer, EntryInvalid, and as `DesiredStateService.edit`.
        """
        record = await self._record(body.key)
        if record.previous is None:
            raise NotInstalled(f"There is no earlier version of {body.key!r} to return to.")
        now, previous = record.now, record.previous

        def edit(files: Files) -> Contents:
            current = stored_servers(files[PROVIDERS]).get(body.key)
            if isinstance(current, dict) and current != now.entry:
                return replaced(files, body.key, with_program(current, now.program, previous.program))
            return replaced(files, body.key, previous.entry)

        changed = await self._site.service.edit(
            edit, with_container(body.key, previous.image) if previous.image else None
        )
        self._site.folders.put(body.key, record.model_copy(update={"now": previous, "previous": now}))
        return changed

    async def remove(self, body: RemoveInstalled) -> Removed:
        """Remove a server: its entry, its place in workspaces, its settings, and its folders.

        Raises:
            NotInstalled, EditConflict, and as `DesiredStateService.edit`.
        """
        site, record = self._site, await self._record(body.key)
        settings = None
        if site.service.has_settings("servers", (body.key,)):
            settings = partial(with_settings_moved, section="servers", old=body.key, new=None)
        changed = await site.service.edit(partial(removed, key=body.key), settings)
        await site.applied(changed.snapshot, APPLY_SECONDS)
        await site.settle()  # a copy of the server takes over what is installed
        await site.forget(body.key)
        stored, used = site.variables.read(), site.variables.used_by()
        names = names_in(record.now.references.values())
        unused = tuple(sorted(name for name in names if name in stored and name not in used))
        return Removed(snapshot=changed.snapshot, variables=unused)


def _shown(key: str, record: Record, in_use: bool) -> InstalledServer:
    parameters = record.now.entry.get("providerParameters", {})
    command = (parameters["command"], *parameters.get("args", ())) if "command" in parameters else ()
    return InstalledServer(
        key=key,
        name=record.name,
        source=record.source,
        version=record.now.version,
        entry_version=_of_entry(record),
        previous=record.previous.version if record.previous else None,
        kind=record.kind,
        folder=record.now.folder,
        command=command or (str(parameters.get("url", "")),),
        digest=record.now.digest,
        installed=record.now.installed,
        in_use=in_use,
    )


def _of_entry(record: Record) -> str:
    return record.now.of_entry or record.now.version


def _tools(entry: Json) -> int | None:
    """How many tools the server had when its entry was checked; None if that is not known."""
    meta = entry.get("_meta")
    of_hub = meta.get(META) if isinstance(meta, Mapping) else None
    found = of_hub.get("checked") if isinstance(of_hub, Mapping) else None
    tools = found.get("tools") if isinstance(found, Mapping) else None
    return tools if isinstance(tools, int) else None
