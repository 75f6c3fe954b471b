"""The tools/list of every server that setup.sh installs, and how tools.json has them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.search.servers import PLACE, InstalledServer, Tool, installed_servers, listed_tools

RECORDED = PLACE / "tools.json"
SECONDS = 90
AT_ONCE = 3


async def record(server: InstalledServer, places: asyncio.Semaphore) -> tuple[InstalledServer, list[Tool]]:
    """The tools of a server, at most `AT_ONCE` servers being started at once. Raises TimeoutError after `SECONDS`."""
    async with places, asyncio.timeout(SECONDS):
        return server, await listed_tools(server)


async def record_all(files: Path) -> list[tuple[InstalledServer, list[Tool]]]:
    """The tools of all servers."""
    places = asyncio.Semaphore(AT_ONCE)
    return await asyncio.gather(*(record(server, places) for server in installed_servers(files)))


def written(found: list[tuple[InstalledServer, list[Tool]]]) -> str:
    """The recorded lists as JSON, one tool a line."""
    servers = []
    for server, tools in found:
        lines = ",\n".join(json.dumps(tool, ensure_ascii=False, sort_keys=True) for tool in tools)
        servers.append(
            f"{json.dumps(server.key)}: {{\n{json.dumps('package')}: {json.dumps(server.package)},\n"
            f"{json.dumps('tools')}: [\n{lines}\n]\n}}"
        )
    return "{\n" + ",\n".join(servers) + "\n}\n"
