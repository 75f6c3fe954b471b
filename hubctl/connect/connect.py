"""`hubctl connect`: write a workspace into a client's configuration file, or show what to paste."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Literal

from bridge.models import AddKey, KeyMade, ListKeys, Model, ReadStatus, WorkspaceStatus
from hubctl.connect import record
from hubctl.connect.clients import Client, client_with_file, program, with_workspace
from hubctl.connect.files import ClientFile, encoded
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.lookup import find_status
from hubctl.render import clean
from hubctl.run.container import in_container
from hubctl.run.in_force import settings_in_force
from hubctl.stdio.stdio import client_token

MASK = "********"
PLACEHOLDER = "YOUR_TOKEN"


class Connected(Model):
    """The result for a client's file."""

    client: str
    path: str
    outcome: Literal["written", "unchanged", "planned"]
    diff: tuple[str, ...] = ()
    key: str | None = None
    """Id of the key that was created for the client."""


async def connect(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl connect` without `--undo`; return 1 if the user did not confirm the change.

    Raises:
        NoSuchWorkspace: no workspace has that name or slug.
        ArgumentsInvalid: the client has no such file.
        ClientFileUnusable: the file cannot be changed safely; nothing was written.
        RemoteError: ALREADY_EXISTS and others: the key for the client cannot be created.
    """
    async with context.actual() as hub:
        workspace = find_status(await hub.request(ReadStatus()), arguments.workspace)
    client = await client_with_file(arguments.client)
    if client is None or arguments.print or in_container():
        return await show(context, arguments.client, client, workspace)
    path = file_of(client, arguments)
    return await Connection(context, client, workspace, path).make(arguments)


def file_of(client: Client, arguments: argparse.Namespace) -> Path:
    """Return the client's file. Raises ArgumentsInvalid if the client has no file per project."""
    if arguments.file is not None:
        return Path(arguments.file).expanduser().absolute()
    path = client.file(Path.home(), Path.cwd() if arguments.project else None)
    if path is None:
        raise ArgumentsInvalid(f"{client.title} has no file for a project.", hint="Leave out --project.")
    return path


def endpoint(workspace: WorkspaceStatus) -> dict[str, str]:
    """Return what a client needs to know of a workspace: name, slug, URLs."""
    return {"slug": workspace.slug, "sse_url": workspace.sse_url, "http_url": workspace.http_url}


async def show(context: Context, name: str, client: Client | None, workspace: WorkspaceStatus) -> int:
    """Print what to paste into a client, or to type."""
    protected = settings_in_force(context.settings).protected
    if client is None:
        found = await program(name, endpoint(workspace), protected)
        text, note = str(found["text"]), str(found.get("note", ""))
    else:
        text = await with_workspace(name, None, endpoint(workspace), PLACEHOLDER if protected else None)
        where = client.places.project or client.places.user
        note = f"In {where}. {client.note}".strip()
    if context.json:
        context.emit({"client": name, "text": text, "note": note})
        return 0
    context.say(*text.rstrip("\n").split("\n"))
    if note:
        context.err.write(f"{clean(note)}\n")
    return 0


class Connection:
    """A workspace in one configuration file of a client."""

    def __init__(self, context: Context, client: Client, workspace: WorkspaceStatus, path: Path) -> None:
        """Raises ClientFileUnusable: the file is unreadable."""
        self._context = context
        self._client = client
        self._workspace = workspace
        self._file = ClientFile(path)
        self._place = record.path_of(context.settings, client.id, path, workspace.slug)
        self._before = record.read(self._place)

    async def make(self, arguments: argparse.Namespace) -> int:
        """Show the change, and write it if the user confirms."""
        token = await self._token(arguments)
        text = await self._text(token or (MASK if self._wants_key(arguments) else None))
        diff = self._file.diff(text)
        if not diff:
            return self._tell("unchanged", [], 0)
        if arguments.dry_run:
            return self._tell("planned", diff, 0)
        if not arguments.yes and not self._agreed(diff):
            return self._tell("planned", [] if self._asks else diff, 1)
        made = None
        if token is None and self._wants_key(arguments):
            made = await self._key()
            token, text = made.token, await self._text(made.token)
        await self._write(text, token, made)
        return self._tell("written", [] if self._asks and not arguments.yes else diff, 0, made.id if made else None)

    def _wants_key(self, arguments: argparse.Namespace) -> bool:
        return settings_in_force(self._context.settings).protected and arguments.token_file is None

    async def _text(self, token: str | None) -> str:
        text = None if self._file.content is None else self._file.text
        return await with_workspace(self._client.id, text, endpoint(self._workspace), token)

    async def _token(self, arguments: argparse.Namespace) -> str | None:
        """Return the known token: from the given file, or of a key that was created earlier and is still valid."""
        if arguments.token_file is not None:
            return client_token(self._context.settings, arguments.token_file)
        if self._before is None or self._before.key is None or not self._wants_key(arguments):
            return None
        async with self._context.desired() as adapter:
            known = {key.id for key in (await adapter.request(ListKeys())).keys}
        return self._before.token if self._before.key in known else None

    async def _key(self) -> KeyMade:
        """Create a key for this client and this workspace only."""
        name = f"{self._client.id} {self._workspace.slug}"[:64]
        async with self._context.desired() as adapter:
            return await adapter.request(AddKey(name=name, workspaces=(self._workspace.name,)))

    @property
    def _asks(self) -> bool:
        """Return whether a user can be asked for confirmation."""
        return sys.stdin.isatty() and not self._context.json

    def _agreed(self, diff: list[str]) -> bool:
        if not self._asks:
            return False
        self._context.say(*map(clean, diff))
        self._context.err.write(f"Write this to {clean(str(self._file.path))}? [y/N] ")
        self._context.err.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    async def _write(self, text: str, token: str | None, made: KeyMade | None) -> None:
        """Record the file's previous state, then replace it."""
        first = self._before if self._before and self._file.is_as(self._before) else None
        key = made.id if made else (self._before.key if self._before and token == self._before.token else None)
        found: dict[str, Any] = {
            "before": first.before if first else encoded(self._file.content),
            "mode": first.mode if first else self._file.mode,
            "directories": first.directories if first else self._file.missing_directories(),
        }
        kept = record.Record(
            client=self._client.id,
            path=str(self._file.path),
            slug=self._workspace.slug,
            name=self._workspace.name,
            after=record.digest(text.encode()),
            key=key,
            token=token if key else None,
            **found,
        )
        record.write(self._place, kept)
        self._file.replace(text, secret=token is not None)

    def _tell(
        self, outcome: Literal["written", "unchanged", "planned"], diff: list[str], code: int, key: str | None = None
    ) -> int:
        told = Connected(client=self._client.id, path=str(self._file.path), outcome=outcome, diff=tuple(diff), key=key)
        if self._context.json:
            self._context.emit(told)
            return code
        self._context.say(*map(clean, diff), *self._words(told, code))
        return code

    def _words(self, told: Connected, code: int) -> list[str]:
        """Describe the result for people."""
        path, title, name = clean(told.path), self._client.title, clean(self._workspace.name)
        if told.outcome == "unchanged":
            return [f"{title} is connected to {name} already: nothing to change in {path}."]
        if told.outcome == "planned":
            return ["Nothing was written; with --yes it is."] if code else ["Nothing was written."]
        made = f" A key for it was made: {told.key}." if told.key else ""
        undo = f"hubctl connect {told.client} {self._workspace.slug} --undo"
        return [f"{title} is connected to {name}: {path}.{made} {self._client.note}".rstrip(), f"  undo: {undo}"]
