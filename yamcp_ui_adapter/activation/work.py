"""What the jobs of activation do, step by step; each undoes what it did if it fails or is cancelled."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bridge.models import SnapshotId
from bridge.settings import Settings, listed
from bridge.transport import Transport
from yamcp_ui_adapter.activation.checking import Checked, check
from yamcp_ui_adapter.activation.entry_edits import added, removed, replaced, with_container, with_program
from yamcp_ui_adapter.activation.inputs import Answers
from yamcp_ui_adapter.activation.install.folders import Folders, Record, Version
from yamcp_ui_adapter.activation.install.installer import STEPS, install
from yamcp_ui_adapter.activation.install.package import Package
from yamcp_ui_adapter.activation.install.processes import Runner, passed_on
from yamcp_ui_adapter.activation.jobs import Progress
from yamcp_ui_adapter.activation.keeping import expired, folders_of, free, runs, settled
from yamcp_ui_adapter.activation.plan import Definition, definition, provider_entry
from yamcp_ui_adapter.activation.target import Target
from yamcp_ui_adapter.activation.variables import VariableStore
from yamcp_ui_adapter.desired.publisher import SnapshotPublisher
from yamcp_ui_adapter.desired.service import DesiredStateService
from yamcp_ui_adapter.edit.edits import Contents, Files, stored_servers
from yamcp_ui_adapter.edit.writer import Writer
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.entry_positions import entries_of
from yamcp_ui_adapter.format.hubfile import with_settings_moved

log = logging.getLogger(__name__)

_NOT_IN_NAMESPACES = re.compile(r"[^A-Za-z0-9_-]")
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Task:
    """One activation, with its settings checked."""

    key: str
    name: str
    source: str
    target: Target
    answers: Answers
    workspaces: tuple[str, ...]
    expected: int | None
    """How many tools the server had when its entry was checked."""
    version: str = ""
    """Of the entry."""


@dataclass(frozen=True, slots=True)
class Site:
    """The parts of the adapter that activations use."""

    settings: Settings
    service: DesiredStateService
    writer: Writer
    publisher: SnapshotPublisher
    variables: VariableStore
    folders: Folders
    transport: Transport

    async def keys(self) -> Mapping[str, Any]:
        """Return the entries of providers.json. Raises ConfigFileBroken."""
        return entries_of(PROVIDERS, (await self.writer.look(PROVIDERS)).content)

    async def applied(self, snapshot: SnapshotId, seconds: float) -> bool:
        """Wait until the sidecar has a snapshot, at most for so many seconds; returns whether it has."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (published := self.publisher.published) is None or snapshot.newer_than(published):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def install(self, task: Task, progress: Progress) -> tuple[Package, str]:
        """Install the task's package. Returns it, and its folder below the data directory; empty if it needs none.

        Raises:
            InstallerMissing, InstallFailed, InstallTimeout, ProgramMissing, DataDirUnusable: nothing is left.
        """
        target = task.target
        progress.update(state="installing", step=STEPS.get(target.kind, ""))
        packed = target.kind in ("npm", "pypi", "mcpb")
        folder = self.folders.new(task.key, target.version or "0") if packed else None
        environ = passed_on(os.environ, tuple(listed(self.settings.pass_env)))
        runner = Runner(environ, self.settings.install_timeout, progress.line)
        try:
            engine, policy = self.settings.container_engine, self.settings.container_policy
            package = await install(target, folder, runner, engine, policy)
        except BaseException:
            if folder:
                self.folders.remove(self.folders.relative(folder))
            raise
        return package, self.folders.relative(folder) if folder else ""

    async def check(self, task: Task, snapshot: SnapshotId, progress: Progress) -> Checked:
        """Wait until the server has started. Raises ServerNotStarting."""
        progress.update(state="checking", step="The server is started")
        return await check(self.settings.actual_address, self.transport, task.key, snapshot, task.expected)

    async def settle(self) -> None:
        """Have what is installed follow providers.json, and remove what was deleted from it long enough ago.

        Raises:
            ConfigFileBroken, DataDirUnusable: nothing is changed.
        """
        if not (before := self.folders.records):
            return
        entries, now = await self.keys(), time.time()
        found = settled(before, entries, now)
        gone = expired(found, now)
        if gone:
            log.info("servers that were deleted a day ago are uninstalled", extra={"servers": ", ".join(gone)})
        kept = {key: record for key, record in found.items() if key not in gone}
        if kept != before:
            self.folders.replace(kept)
        await self.remove_folders(folders_of(*(found[key] for key in gone)))

    async def forget(self, key: str) -> None:
        """Remove what is installed under a key. Raises DataDirUnusable, ConfigFileBroken."""
        if (record := self.folders.records.get(key)) is not None:
            self.folders.put(key, None)
            await self.remove_folders(folders_of(record))

    async def remove_folders(self, folders: Iterable[str]) -> None:
        """Remove folders from which no entry runs anything, and which no record names. Raises ConfigFileBroken."""
        if not (wanted := set(folders) - folders_of(*self.folders.records.values())):
            return
        for folder in sorted(free(wanted, self.settings.data_dir.absolute(), await self.keys())):
            await asyncio.to_thread(self.folders.remove, folder)

    async def recover(self) -> None:
        """Undo activations that an earlier adapter did not finish, and remove folders that nothing refers to."""
        entries = await self.keys()
        for key, record in [*self.folders.records.items()]:
            if not record.pending:
                continue
            entry = entries.get(key)
            if runs(entry, record.now):
                self.folders.put(key, record.model_copy(update={"pending": False, "created": ()}))
            elif record.previous and runs(entry, record.previous):
                settled = {"now": record.previous, "previous": None, "pending": False}
                self.folders.put(key, record.model_copy(update=settled))
            else:
                self.variables.remove(record.created)
                self.folders.put(key, None)
        unfinished = await asyncio.to_thread(self.folders.unknown)
        await self.remove_folders(unfinished)
        await self.settle()


async def activate(site: Site, task: Task, progress: Progress) -> None:
    """Install a package, add the server, and check that it starts."""
    await site.forget(task.key)  # a server of that key was deleted
    package, folder = await site.install(task, progress)
    progress.update(state="adding", step="The server is added", version=package.version)
    made, created = Definition(), tuple[str, ...]()
    try:
        made = definition(task.target, task.answers, task.key, site.variables.taken())
        version = _version(task, made, package, folder, _namespace(task.key))
        record = Record(name=task.name, source=task.source, kind=task.target.kind, now=version, pending=True)
        site.folders.put(task.key, record.model_copy(update={"created": tuple(made.variables)}))
        site.variables.put(made.variables)
        workspaces = entries_of(WORKSPACES, (await site.writer.look(WORKSPACES)).content)
        created = tuple(name for name in task.workspaces if name not in workspaces)
        edit = partial(added, key=task.key, entry=version.entry, workspaces=task.workspaces)
        settings = with_container(task.key, package.image) if package.image else None
        changed = await site.service.edit(edit, settings)
        site.folders.put(task.key, record.model_copy(update={"pending": False}))
        found = await site.check(task, changed.snapshot, progress)
    except BaseException:
        await _undo(site, task, made, folder, created)
        raise
    progress.update(tools=found.tools, note=found.note)


async def _undo(site: Site, task: Task, made: Definition, folder: str, created: tuple[str, ...]) -> None:
    """Remove all that an activation wrote."""
    record = site.folders.records.get(task.key)
    if record is not None and runs((await site.keys()).get(task.key), record.now):
        settings = None
        if site.service.has_settings("servers", (task.key,)):
            settings = partial(with_settings_moved, section="servers", old=task.key, new=None)
        await site.service.edit(partial(removed, key=task.key, created=created), settings)
    site.variables.remove(made.variables)
    if record is not None:
        site.folders.put(task.key, None)
    await asyncio.to_thread(site.folders.remove, folder)


async def update(site: Site, task: Task, progress: Progress) -> None:
    """Install another version of a server, have its entry run it, and check that it starts."""
    before = site.folders.records[task.key]
    package, folder = await site.install(task, progress)
    progress.update(state="adding", step="The server is changed", version=package.version)
    stored = (await site.keys()).get(task.key)
    try:
        made = definition(task.target, task.answers, task.key, site.variables.taken())
        namespace = str(before.now.entry.get("namespace") or _namespace(task.key))
        version = _version(task, made, package, folder, namespace)
        record = before.model_copy(
            update={"now": version, "previous": before.now, "source": task.source, "kind": task.target.kind}
        )
        site.folders.put(task.key, record.model_copy(update={"pending": True}))
        edit = partial(_with_version, key=task.key, before=before.now, version=version)
        changed = await site.service.edit(edit, with_container(task.key, package.image) if package.image else None)
        site.folders.put(task.key, record)
        found = await site.check(task, changed.snapshot, progress)
    except BaseException:
        if isinstance(stored, dict):
            back = with_container(task.key, before.now.image) if before.now.image else None
            await site.service.edit(partial(replaced, key=task.key, entry=stored), back)
        site.folders.put(task.key, before)
        await asyncio.to_thread(site.folders.remove, folder)
        raise
    progress.update(tools=found.tools, note=found.note)
    await site.remove_folders(folders_of(before))


def _with_version(files: Files, key: str, before: Version, version: Version) -> Contents:
    """Return the documents with another version; what somebody changed in the entry stays."""
    current = stored_servers(files[PROVIDERS]).get(key)
    if isinstance(current, dict) and current != before.entry:
        return replaced(files, key, with_program(current, before.program, version.program))
    return replaced(files, key, version.entry)


def _version(task: Task, made: Definition, package: Package, folder: str, namespace: str) -> Version:
    program = package.program
    if program and made.runtime_args:
        program = (program[0], *made.runtime_args, *program[1:])
    return Version(
        version=package.version,
        of_entry=task.version,
        folder=folder,
        program=program,
        digest=package.digest,
        image=package.image,
        installed=round(time.time(), 3),
        entry=provider_entry(task.target, made, program, namespace),
        values=task.answers.values,
        references={**task.answers.references, **{name: f"${{{made.names[name]}}}" for name in made.names}},
    )


def _namespace(key: str) -> str:
    return _NOT_IN_NAMESPACES.sub("_", key)
