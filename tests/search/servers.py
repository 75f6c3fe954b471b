"""The servers of tests/real_servers/servers.json as tests/search/setup.sh installs them from locks, and their tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mcp
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.real_servers.catalogue import silence
from tests.support.yamcp import ROOT

PLACE = Path(__file__).parent
LIST = ROOT / "tests/real_servers/servers.json"
ENVIRONMENTS = ("search-mcp1", "search-mcp2")
FIELDS = ("name", "title", "description", "inputSchema")
"""What the tool search reads of a tool, and all that the recorded lists keep."""

Tool = dict[str, Any]


@dataclass(frozen=True, slots=True)
class InstalledServer:
    """A server, the exact package that it is of, and how it is started."""

    key: str
    package: str
    launch: StdioServerParameters

    @property
    def installed(self) -> bool:
        """Whether setup.sh has installed it here."""
        return Path(self.launch.command).exists()


def installed_servers(files: Path) -> Iterator[InstalledServer]:
    """Every server of the list; `files` is a directory that they may use."""
    for entry in json.loads(LIST.read_text()):
        package = entry.get("npm") or entry["pypi"]
        args = [text.replace("{files}", str(files)) for text in entry.get("args", ())]
        env = {name: text.replace("{files}", str(files)) for name, text in entry.get("env", {}).items()}
        command = str(_programs(entry) / entry["program"])
        launch = StdioServerParameters(command=command, args=args, env=env, cwd=str(files))
        yield InstalledServer(entry["key"], package, launch)


def locked_packages() -> set[str]:
    """The packages of the locks, exact, as the list of servers names them."""
    wanted = json.loads((PLACE / "package.json").read_text())["dependencies"]
    npm = {f"{name}@{version}" for name, version in wanted.items()}
    return npm.union(*(_required(name) for name in ENVIRONMENTS))


def _programs(entry: Tool) -> Path:
    if "npm" in entry:
        return PLACE / "node_modules/.bin"
    return ROOT / ".envs" / next(name for name in ENVIRONMENTS if entry["pypi"] in _required(name)) / "bin"


def _required(environment: str) -> set[str]:
    lines = (ROOT / f"locks/{environment}.in").read_text().splitlines()
    return {line for line in lines if "==" in line}


async def listed_tools(server: InstalledServer) -> list[Tool]:
    """Start the server and list its tools, with the fields that the tool search reads."""
    with silence() as silent:
        async with mcp.Client(stdio_client(server.launch, errlog=silent), mode="legacy") as client:
            tools: list[Tool] = []
            cursor: str | None = None
            while True:
                page = await client.list_tools(cursor=cursor)
                tools += [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in page.tools]
                if not (cursor := page.next_cursor):
                    break
    return [{name: tool[name] for name in FIELDS if name in tool} for tool in tools]
