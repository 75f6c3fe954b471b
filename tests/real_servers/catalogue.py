"""The servers of servers.json as the hub starts them, and what they offer when they are connected to directly."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import mcp
from mcp.client.stdio import StdioServerParameters, stdio_client

from bridge.models import ServerSettings, ServerSpec, StdioLaunch
from tests.support.yamcp import ROOT

PLACE = ROOT / ".envs/real-servers"
START = 90
"""Seconds that a server may take to start: all of them start at once."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RealServer:
    """One server: how it is started, and a call of it that needs nothing from outside."""

    spec: ServerSpec
    call: tuple[str, Json] | None


def real_servers(files: Path) -> Iterator[RealServer]:
    """Every server of the list; `files` is a directory that they may use."""
    for entry in json.loads((Path(__file__).parent / "servers.json").read_text()):
        place = PLACE / ("npm/node_modules/.bin" if "npm" in entry else f"{entry['key']}/bin")
        filled = [text.replace("{files}", str(files)) for text in entry.get("args", ())]
        env = {name: text.replace("{files}", str(files)) for name, text in entry.get("env", {}).items()}
        launch = StdioLaunch(command=str(place / entry["program"]), args=tuple(filled), env=env, cwd=str(files))
        spec = ServerSpec(
            key=entry["key"], namespace=entry["key"], launch=launch, settings=ServerSettings(start_timeout=START)
        )
        call = entry.get("call")
        yield RealServer(spec, (call[0], call[1]) if call else None)


async def direct_tools(spec: ServerSpec) -> list[str]:
    """The names of the tools that the server itself lists to the Python SDK's client."""
    launch = spec.launch
    assert isinstance(launch, StdioLaunch)
    parameters = StdioServerParameters(
        command=launch.command, args=list(launch.args), env=dict(launch.env), cwd=launch.cwd
    )
    with silence() as silent:  # some write a lot to stderr
        return await _listed(mcp.Client(stdio_client(parameters, errlog=silent), mode="legacy"))


def silence() -> TextIO:
    """A file that keeps nothing."""
    return Path(os.devnull).open("w")


async def _listed(connecting: mcp.Client) -> list[str]:
    async with connecting as client:
        names: list[str] = []
        cursor: str | None = None
        while True:
            page = await client.list_tools(cursor=cursor)
            names += [tool.name for tool in page.tools]
            if not (cursor := page.next_cursor):
                return names
