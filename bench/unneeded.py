"""What a process imports, and who made it: the time of each package by the one that imported it first.

python -m bench.unneeded    the packages of the sidecar, as a table in Markdown
"""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import dataclass, field

from tests.support.yamcp import ROOT

LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|( +)(\S+)$", re.MULTILINE)
IMPORT = "import sidecar.__main__"
OWN = frozenset({"sidecar", "bridge"})
NEEDED = {
    "anyio": "the streams that FastMCP's low-level server reads and writes",
    "cryptography": "request states are sealed with AES-GCM",
    "dotenv": "the settings file",
    "fastmcp": "handshake, discovery and what else belongs to the hub itself",
    "httpx2": "servers over SSE and Streamable HTTP",
    "mcp": "the SDK below FastMCP",
    "mcp_types": "its models",
    "orjson": "every frame",
    "prometheus_client": "/metrics",
    "pydantic": "the bridge's models",
    "pydantic_core": "how its errors are told",
    "pydantic_settings": "settings",
    "starlette": "types of ASGI",
    "uvicorn": "HTTP",
    "uvloop": "the event loop",
    "websockets": "servers over WebSocket",
    "zmq": "the bridge",
}
"""What the sidecar's own modules import, and what for. Anything else that they import is one package too many."""


@dataclass
class Package:
    """One top-level package: who imported it first, how many of its modules are loaded, and their own time in ms."""

    name: str
    importer: str
    modules: int = 0
    ms: float = 0.0
    by: set[str] = field(default_factory=set)


async def loaded(statement: str = IMPORT) -> dict[str, Package]:
    """The packages outside the standard library that a statement makes a fresh process import."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-c", statement),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, output = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{statement!r} fails: {output.decode().splitlines()[-1]}")
    return _packages(output.decode())


def _packages(importtime: str) -> dict[str, Package]:
    """Read what `-X importtime` writes: each module after those that it imports, which are indented deeper."""
    found: dict[str, Package] = {}
    path: list[str] = []  # the modules around the line, outermost first, for the text is read backwards
    for micros, indent, name in reversed(LINE.findall(importtime)):
        depth = len(indent) // 2
        del path[depth:]
        top = name.partition(".")[0]
        importer = next((each for each in (m.partition(".")[0] for m in reversed(path)) if each != top), "")
        path += [name]
        if top in sys.stdlib_module_names or top.startswith("_"):
            continue
        package = found.setdefault(top, Package(top, importer))
        package.importer = importer or package.importer
        package.by.add(importer)
        package.modules += 1
        package.ms += int(micros) / 1e3
    return found


def needless(packages: dict[str, Package]) -> list[str]:
    """Those that the sidecar's own modules were the first to import and that are not on the list of what it needs."""
    return sorted(p.name for p in packages.values() if p.importer in OWN and p.name not in {*NEEDED, *OWN})


def main() -> None:
    """Print the table."""
    packages = asyncio.run(loaded())
    print("| package | modules | ms | first imported by | for |\n|---|---|---|---|---|")
    for each in sorted(packages.values(), key=lambda package: -package.ms):
        print(f"| {each.name} | {each.modules} | {each.ms:.1f} | {each.importer} | {NEEDED.get(each.name, '')} |")


if __name__ == "__main__":
    main()
