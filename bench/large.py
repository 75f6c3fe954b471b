"""How long others wait while a server's answer of 31 MB passes, beside the time that parsing it takes in the same run.

python -m bench.large    a sidecar of its own; its servers answer over stdio; a table in Markdown
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import orjson

from tests.support.raw_client import Client, Way, connected, read
from tests.support.sidecar import running, stdio, workspace
from tests.support.yamcp import ROOT

PROGRAM = ROOT / "tests" / "support" / "large_server.py"
ROUNDS = 5
WAYS: tuple[Way, ...] = ("http", "sse", "modern")


def bodies() -> dict[str, bytes]:
    """The results, by what they are."""
    items = [{"n": number, "name": f"item {number}", "ok": True} for number in range(600_000)]
    return {
        "one text": orjson.dumps({"content": [{"type": "text", "text": "x" * 31_000_000}]}),
        "600,000 items": orjson.dumps({"content": [], "structuredContent": {"items": items}}),
    }


def parsing(body: bytes) -> float:
    """The least of some runs, in seconds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        orjson.loads(body)
        taken.append(time.perf_counter() - began)
    return min(taken)


async def passed(large: Client, small: Client) -> tuple[float, float, int]:
    """One large call: the seconds it took, the longest of the small calls meanwhile, and how many these were."""
    began, longest, count = time.perf_counter(), 0.0, 0
    call = asyncio.create_task(large.call("large"))
    while not call.done():
        before = time.perf_counter()
        await small.call("small")
        longest, count = max(longest, time.perf_counter() - before), count + 1
    took = time.perf_counter() - began
    assert "result" in read(call.result())
    return took, longest, count


async def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory) / "result.json"
        result.write_bytes(b"{}")
        servers = [stdio(key, sys.executable, str(PROGRAM), "stdio", str(result)) for key in ("large", "small")]
        spaces = [workspace(each.key, each, template="{name}") for each in servers]
        print(
            "| answer | client | parsing it | longest of others' calls (share) | others' calls meanwhile | the answer |"
        )
        print("|---|---|---|---|---|---|")
        async with running(*servers, *spaces) as sidecar:
            port = sidecar.settings.sidecar_port
            for name, body in bodies().items():
                result.write_bytes(body)
                parsed = parsing(body)
                for way in WAYS:
                    async with connected(port, "large", way) as large, connected(port, "small", "http") as small:
                        rounds = [await passed(large, small) for _ in range(ROUNDS)]
                    took, longest, count = min(rounds, key=lambda each: each[1])
                    share = f"{longest * 1e3:.1f} ms ({longest / parsed:.2f})"
                    print(f"| {name} | {way} | {parsed * 1e3:.0f} ms | {share} | {count} | {took * 1e3:.0f} ms |")


if __name__ == "__main__":
    asyncio.run(main())
