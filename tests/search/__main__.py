"""Starts the servers that setup.sh installed, compares their tools with the recorded ones, and measures the recall.

`make search-recall` runs it. `--write` records the tools anew.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.search.recall import Lists, hub_search, missed, recall, recorded
from tests.search.record import RECORDED, record_all, written
from tests.search.test_recall import BARS


def differences(now: Lists, before: Lists) -> list[str]:
    """A line for each server whose tools differ from the recorded ones, and for each that is missing."""
    found = [f"{key}: not recorded" for key in now if key not in before]
    found += [f"{key}: recorded, and not installed" for key in before if key not in now]
    for key in now.keys() & before.keys():
        names = {tool["name"] for tool in now[key]} ^ {tool["name"] for tool in before[key]}
        if now[key] != before[key]:
            found.append(f"{key}: {', '.join(sorted(names)) or 'descriptions or schemas'} differ")
    return found


def main() -> int:
    """Compare and measure. 1 if tools differ from the recorded ones, or a recall is below its bar."""
    with tempfile.TemporaryDirectory() as files:
        servers = asyncio.run(record_all(Path(files)))
    if "--write" in sys.argv[1:]:
        RECORDED.write_text(written(servers))
    lists = {server.key: tools for server, tools in servers}
    differ = differences(lists, recorded())
    print(f"{len(lists)} servers, {sum(map(len, lists.values()))} tools")
    for line in differ:
        print(f"differs: {line}")
    find = hub_search(lists)
    failed = bool(differ)
    for form, bar in BARS.items():
        reached = recall(find, form, 8)
        failed = failed or reached < bar
        print(f"{form}: recall@8 {reached:.2f} (promised: {bar:.2f})")
        for text in missed(find, form, 8):
            print(f"  not found: {text}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
