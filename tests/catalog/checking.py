"""Installs an entry of the catalogue as activation does, starts it, and counts its tools."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mcp
from mcp.client.stdio import StdioServerParameters, stdio_client

from yamcp_ui_adapter.activation.errors import EntryUnsupported
from yamcp_ui_adapter.activation.inputs import checked, settings_of
from yamcp_ui_adapter.activation.install.installer import install
from yamcp_ui_adapter.activation.install.processes import Runner, passed_on
from yamcp_ui_adapter.activation.plan import definition, provider_entry
from yamcp_ui_adapter.activation.target import META, Json, Target, target_of

STDERR = "stderr.txt"
INSTALL_SECONDS = 600.0
START_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found. `tools`: how many the server listed; None: it was not installed or did not start."""

    name: str
    version: str
    tools: int | None = None
    error: str = ""


async def check(entry: Json, place: Path) -> Outcome:
    """Install, start and ask an entry, in a folder of its own. What goes wrong is in the outcome."""
    target = target_of(entry)
    name = str(entry["name"])
    try:
        return Outcome(name, target.version, await _tools(entry, target, place))
    except Exception as error:
        return Outcome(name, target.version, error=_reason(error, place / STDERR))


async def _tools(entry: Json, target: Target, place: Path) -> int:
    files = place / "files"
    files.mkdir(parents=True)
    runner = Runner(passed_on(os.environ, ()), INSTALL_SECONDS)
    package = await install(target, place / "package", runner, "off")
    inputs = settings_of(target).inputs.values()
    needed = [each.name for each in inputs if each.required and each.fixed is None and each.format == "filepath"]
    answers = checked(inputs, dict.fromkeys(needed, str(files)), {})
    made = definition(target, answers, "checked", ())
    launch = provider_entry(target, made, package.program, "checked")["providerParameters"]
    return await _listed(launch, files)


async def _listed(launch: Json, files: Path) -> int:
    """The number of tools of a server, which has its home in `files`. Raises TimeoutError."""
    env = {"PATH": os.environ["PATH"], "HOME": str(files), **launch.get("env", {})}
    parameters = StdioServerParameters(command=launch["command"], args=launch["args"], env=env, cwd=str(files))
    count, cursor = 0, None
    with (files.parent / STDERR).open("w") as said:
        async with (
            asyncio.timeout(START_SECONDS),
            mcp.Client(stdio_client(parameters, errlog=said), mode="legacy") as client,
        ):
            while True:
                page = await client.list_tools(cursor=cursor)
                count += len(page.tools)
                if not (cursor := page.next_cursor):
                    return count


def _reason(error: BaseException, said: Path) -> str:
    """The innermost reason and the last line that the server wrote to stderr, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    lines = said.read_text("utf-8", "replace").split("\n") if said.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), "")
    return " ".join(f"{type(error).__name__}: {error} {last}".split())[:400]


def without_keys(entries: Sequence[Json]) -> list[Json]:
    """The entries that need no key and no account, but those for files of the user."""
    return [
        each for each in entries if each["_meta"][META]["works_without_keys"] and "built_in" not in each["_meta"][META]
    ]


def usable(entry: Json) -> bool:
    """Whether this machine's Python can run it."""
    try:
        target_of(entry)
    except EntryUnsupported:
        return False
    return True


def with_outcomes(document: Json, outcomes: Sequence[Outcome], today: str) -> Json:
    """The document of the catalogue with what was found, and its date. An entry that did not start is not `started`."""
    found = {each.name: each for each in outcomes}
    servers = [
        _noted(each, found[each["name"]], today) if each["name"] in found else each for each in document["servers"]
    ]
    return {**document, "version": today.replace("-", "."), "servers": servers}


def _noted(entry: Json, outcome: Outcome, today: str) -> Mapping[str, object]:
    ours = entry["_meta"][META]
    before = ours.get("checked", {})
    now = {"registry": before.get("registry")}
    if outcome.tools is not None:
        now = {"registry": today, "started": today, "tools": outcome.tools}
    kept = {name: value for name, value in now.items() if value is not None}
    return {**entry, "_meta": {**entry["_meta"], META: {**ours, "checked": kept}}}


def changed(entry: Json, outcome: Outcome) -> str:
    """What differs from what the entry says; empty: nothing."""
    if outcome.tools is None:
        return outcome.error
    before = entry["_meta"][META].get("checked", {}).get("tools")
    return "" if before == outcome.tools else f"{before} tools before"
