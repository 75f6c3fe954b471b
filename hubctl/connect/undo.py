"""`hubctl connect --undo`: restore a client's file, and revoke the key that was created for it."""

from __future__ import annotations

import argparse
from pathlib import Path

from bridge.errors import HubError
from bridge.models import RevokeKey
from hubctl.connect import record
from hubctl.connect.clients import Client, client_with_file, without_workspace
from hubctl.connect.connect import file_of
from hubctl.connect.files import ClientFile
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid, ClientNotConnected
from hubctl.render import clean


async def undo(context: Context, arguments: argparse.Namespace) -> int:
    """Restore the file exactly; if it was changed since, remove only the workspace's entry.

    Raises:
        ClientNotConnected: hubctl has not written this workspace into the file.
        ArgumentsInvalid: hubctl never writes a file of this client.
        ClientFileUnusable: the file is unreadable, or cannot be changed safely any more.
    """
    client = await client_with_file(arguments.client)
    if client is None:
        raise ArgumentsInvalid(f"There is nothing to undo: hubctl writes no file of {arguments.client}.")
    path = file_of(client, arguments)
    place, before = _record(context, client, path, arguments.workspace)
    outcome = await _restored(client, before)
    key = await _revoked(context, before.key)
    place.unlink(missing_ok=True)
    if context.json:
        context.emit({"client": client.id, "path": before.path, "outcome": outcome, "key": before.key})
        return 0
    how = {
        "restored": "is as it was before",
        "removed": "was changed since, so only the workspace's entry was removed from it",
        "gone": "is not there any more",
    }[outcome]
    context.say(f"{clean(before.path)} {how}.{key}")
    return 0


def _record(context: Context, client: Client, path: Path, workspace: str) -> tuple[Path, record.Record]:
    """Return the record for a workspace, by name or slug, and a file. Raises ClientNotConnected."""
    for place in sorted((context.settings.data_dir / record.DIRECTORY).glob(f"{client.id}-*.json")):
        found = record.read(place)
        if found and found.path == str(path) and workspace in (found.slug, found.name):
            return place, found
    raise ClientNotConnected(f"hubctl has not connected {client.title} to {workspace!r} in {path}.")


async def _restored(client: Client, before: record.Record) -> str:
    """Undo the change, and return the outcome: `restored`, `removed` (only the entry) or `gone`."""
    file = ClientFile(Path(before.path))
    if file.content is None:
        return "gone"
    if file.is_as(before):
        file.restore(before)
        return "restored"
    file.replace(await without_workspace(client.id, file.text, before.slug), secret=False)
    return "removed"


async def _revoked(context: Context, key: str | None) -> str:
    """Revoke a key, and return a sentence about it."""
    if key is None:
        return ""
    try:
        async with context.desired() as adapter:
            await adapter.request(RevokeKey(key=key), timeout=3)
    except HubError as error:
        return "" if error.body().code == "NO_SUCH_KEY" else f" Its key stays: hubctl keys revoke {key}"
    return " Its key is revoked."
