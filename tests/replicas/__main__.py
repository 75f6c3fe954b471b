"""`python -m tests.replicas [--write] [--sessions N] [SCENE ...]`: exit code 1 if something is not as it should be."""

from __future__ import annotations

import argparse
import asyncio
import time

from tests.replicas.figures import Report
from tests.replicas.hubs import hubs
from tests.replicas.scenes import SCENES, many_sessions


async def run(names: list[str], sessions: int) -> Report:
    """Play these scenes."""
    report = Report()
    async with hubs() as made:
        for name in names:
            begin = time.perf_counter()
            if name == "sessions":
                await many_sessions(made, report, sessions)
            else:
                await SCENES[name](made, report)
            print(f"       {name}: {time.perf_counter() - begin:.0f} s", flush=True)
        most = made.single.most
        report.add("processes of a server with placement one, in all of this", "<= 1", str(most), most <= 1)
    return report


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="tests.replicas", description=__doc__)
    parser.add_argument("scenes", nargs="*", default=["sessions", *SCENES], metavar="SCENE")
    parser.add_argument("--sessions", type=int, default=1000, help="of each transport and era (default 1000)")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/scaling.md")
    given = parser.parse_args()
    report = asyncio.run(run(given.scenes, given.sessions))
    if given.write:
        report.write()
    return 1 if report.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
