"""`hubctl set`: the settings of a server in hub.json; and switching servers on and off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bridge.models import ReadDesired, ServerSettings, ServerSpec, SetServer, SetWorkspace
from hubctl.applying import wait_applied, wait_started
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.lookup import check_server, find_spec, find_status
from hubctl.render import by_key, clean, suggestion, table


async def settings(context: Context, server: str, words: list[str]) -> int:
    """Run `hubctl set`: change settings of a server, or show them if no `setting=value` is given.

    Raises:
        NoSuchServer: the hub does not have that server.
        ArgumentsInvalid: a word is not `setting=value`, or the setting is unknown.
        RemoteError: EDIT_INVALID for an invalid value, and other errors of the adapter.
    """
    wanted = parse_settings(words)
    if wanted:
        await change(context, server, wanted)
    spec = await _spec(context, server)
    if context.json:
        context.emit(spec.settings)
    else:
        context.say(*settings_lines(context, spec.settings))
    return 0


async def switch_server(context: Context, server: str, enabled: bool) -> int:
    """Run `hubctl enable --server` or `disable --server`; wait until the server has started or failed to start."""
    await change(context, server, {"enabled": enabled})
    found = by_key(await wait_started(context, [server])).get(server)
    if context.json:
        context.emit(found)
    else:
        state = f"; it is {found.state} now" if enabled and found else ""
        context.say(f"Server {clean(server)} is {'on' if enabled else 'off'}{state}.")
    return 0


async def switch_member(context: Context, workspace: str, server: str, enabled: bool) -> int:
    """Switch a server on or off in one workspace only: `hubctl enable WORKSPACE --server SERVER`, and `disable`.

    Raises:
        NoSuchWorkspace, NoSuchServer: the hub does not have it, or the workspace does not contain the server.
    """
    async with context.desired() as adapter:
        spec = find_spec((await adapter.request(ReadDesired())).snapshot.workspaces, workspace)
        check_server(spec.servers, server)
        done = await adapter.request(SetWorkspace(name=spec.name, servers={server: enabled}))
    where = f"Server {server!r} in workspace {spec.name!r}"
    await wait_applied(context, done.snapshot, f"{where} is set to {'on' if enabled else 'off'}, but not switched yet.")
    found = find_status(await wait_started(context, [server]), spec.name)
    if context.json:
        context.emit(found)
    else:
        context.say(f"Server {clean(server)} is {'on' if enabled else 'off'} in workspace {clean(spec.name)}.")
    return 0


async def change(context: Context, server: str, wanted: dict[str, Any]) -> None:
    """Save settings of a server, and wait until they are in force."""
    await _spec(context, server)
    async with context.desired() as adapter:
        done = await adapter.request(SetServer(key=server, settings=wanted))
    await wait_applied(context, done.snapshot, f"The settings of server {server!r} are saved, but not in force yet.")


async def _spec(context: Context, server: str) -> ServerSpec:
    async with context.desired() as adapter:
        specs = {spec.key: spec for spec in (await adapter.request(ReadDesired())).snapshot.servers}
    return specs[check_server(specs, server)]


def parse_settings(words: Sequence[str]) -> dict[str, Any]:
    """Parse `setting=value` words. A value is JSON if it parses as JSON, else text; null restores the default.

    Raises:
        ArgumentsInvalid: a word is not `setting=value`, or the setting is unknown.
    """
    wanted = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ArgumentsInvalid(f"{word!r} is not setting=value.")
        if name not in ServerSettings.model_fields:
            known = list(ServerSettings.model_fields)
            raise ArgumentsInvalid(f"A server has no setting {name!r}{suggestion(name, known)}: {', '.join(known)}.")
        try:
            wanted[name] = json.loads(text)
        except ValueError:
            wanted[name] = text
    return wanted


def settings_lines(context: Context, found: ServerSettings) -> list[str]:
    """Format every setting with its value, and mark those that differ from the default."""
    default = ServerSettings().model_dump(mode="json")
    rows = []
    for name, value in found.model_dump(mode="json").items():
        mark = "" if value == default[name] else f"(default: {json.dumps(default[name])})"
        rows.append((name, clean(json.dumps(value, ensure_ascii=False)), mark))
    return table(("SETTING", "VALUE", ""), rows, context.paint, context.columns)
