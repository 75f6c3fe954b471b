"""`make conformance`: the suite against the fixture, directly and through a hub: the table of docs/conformance.md."""

from __future__ import annotations

import asyncio
import datetime
import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path

from sidecar.version import VERSION
from tests.conformance import places, suite
from tests.conformance.suite import Report

WAYS = ("directly", "stdio", "http")
HEADS = ("directly", "through the hub, server over stdio", "through the hub, server over Streamable HTTP")


async def measure(place: Path) -> dict[str, list[Report]]:
    """Each suite, in each way."""
    found: dict[str, list[Report]] = {}
    async with places.fixture() as served:
        servers = served.specs("stdio", "legacy", "modern") + served.specs("http", "legacy", "modern")
        async with places.hub(*servers) as hub:
            for name, each in suite.SUITES.items():
                urls = {way: hub.http(f"{way}-{each.era}") for way in WAYS} | {"directly": served.url}
                found[name] = [await suite.run(each, url, place / name / way) for way, url in urls.items()]
    return found


def table(found: dict[str, list[Report]]) -> str:
    """What was found, as Markdown."""
    node = subprocess.run([suite.node(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    today = datetime.datetime.now(datetime.UTC).date()
    lines = [
        f"{today}: hub {VERSION}, fixture on mcp {importlib.metadata.version('mcp')}, Node {node}",
        "",
        f"| suite | era | scenarios | {' | '.join(HEADS)} |",
        f"|---|---|---|{'---|' * len(HEADS)}",
    ]
    for name, reports in found.items():
        each = suite.SUITES[name]
        told = " | ".join(f"{report.passed.total()} passed, {len(report.failed)} failed" for report in reports)
        options = " ".join(each.options)
        lines.append(f"| {each.version} `{options}` | {each.era} | {len(reports[0].scenarios)} | {told} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table, then each failure; 1 when there is one."""
    with tempfile.TemporaryDirectory(prefix="cf") as place:
        found = asyncio.run(measure(Path(place)))
    print(table(found))
    failed = [
        f"{name}, {way}: {line}"
        for name, reports in found.items()
        for way, report in zip(WAYS, reports, strict=True)
        for line in report.failed
    ]
    print("".join(f"\nfailed: {line}" for line in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
