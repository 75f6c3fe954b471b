"""`python -m tests.catalog [--write] [NAME...]`: check the shipped entries that need no key, or those named.

Each is installed from its package registry into a folder that is removed afterwards, started, and asked for its tools.
All entries are compared with the official schema of server.json. `--write` writes dates and numbers into shipped.json.
Exit code 1: an entry does not start, lists other tools than it says, or is no valid server.json.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.catalog.checking import Outcome, changed, check, usable, with_outcomes, without_keys
from tests.catalog.official import faults, official_schema
from tests.support.yamcp import ROOT
from yamcp_ui_adapter.activation.target import Json

SHIPPED = ROOT / "yamcp_ui_adapter/catalog/shipped.json"
AT_ONCE = 2


async def check_all(entries: list[Json]) -> list[Outcome]:
    """Check entries, two at a time, and print a line for each."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(entry: Json) -> Outcome:
        async with places:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                outcome = await check(entry, Path(folder))
        tools = "does not start" if outcome.tools is None else f"{outcome.tools} tools"
        print(f"{outcome.name} {outcome.version}: {tools}", changed(entry, outcome), flush=True)
        return outcome

    return await asyncio.gather(*map(one, entries))


def main(given: list[str]) -> int:
    """Check, print, and write if that is asked for."""
    document = json.loads(SHIPPED.read_text("utf-8"))
    names = {text for text in given if not text.startswith("--")}
    entries = [each for each in without_keys(document["servers"]) if not names or each["name"] in names]
    for each in [each for each in entries if not usable(each)]:
        print(f"{each['name']}: not checked, since it needs another Python than this one")
        entries.remove(each)
    invalid = [*faults(official_schema(), document["servers"])]
    print(*invalid or ["all entries are valid by the official schema"], sep="\n")
    outcomes = asyncio.run(check_all(entries))
    if "--write" in given:
        written = with_outcomes(document, outcomes, datetime.now(UTC).date().isoformat())
        SHIPPED.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return int(bool(invalid) or any(changed(entry, outcome) for entry, outcome in zip(entries, outcomes, strict=True)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
