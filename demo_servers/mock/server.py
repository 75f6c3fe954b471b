"""A mock MCP server for tests: every kind of answer, and, behind flags, every kind of trouble.

Run as a program: `python server.py --help`. docs/mock-server.md lists the tools and flags.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo_servers.mock import lists as mock_lists
from demo_servers.mock import start as mock_start
from demo_servers.mock import tools as mock_tools
from demo_servers.toolkit.session import Call
from demo_servers.toolkit.stdio_server import Server
from demo_servers.toolkit.wire import INTERNAL_ERROR, Json, RpcError


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    lists = parser.add_argument_group("what it offers")
    lists.add_argument("--name", default="mock", help="server name")
    lists.add_argument("--prefix", default="", help="put before every tool and prompt name")
    lists.add_argument("--tools", type=int, default=0, metavar="N", help="that many more tools, of varied schemas")
    lists.add_argument(
        "--odd-names", action="store_true", help="tools with - . / unicode and 80 characters in the name"
    )
    lists.add_argument("--shy", action="store_true", help="list sampling, elicit, roots only to clients able to answer")
    lists.add_argument("--ask-anyway", action="store_true", help="ask also clients that did not say they can answer")
    lists.add_argument("--only-tools", action="store_true", help="no resources and no prompts")
    lists.add_argument("--instructions", default="", metavar="TEXT")
    lists.add_argument("--paginate", type=int, default=0, metavar="K", help="lists in pages of K")
    lists.add_argument("--ttl-ms", type=int, default=0, metavar="N", help="cache hint, modern era")
    lists.add_argument("--era", choices=("legacy", "modern", "both"), default="both")
    start = parser.add_argument_group("how it starts")
    start.add_argument("--stderr", default="", metavar="TEXT", help="write this to stderr first")
    start.add_argument("--start-delay", type=float, default=0, metavar="S")
    start.add_argument("--hang-on-start", action="store_true", help="read nothing, answer nothing")
    start.add_argument("--exit-at-once", type=int, metavar="CODE")
    start.add_argument(
        "--start-when-file", metavar="PATH", help="the two above (else: hang) only until this file exists"
    )
    start.add_argument("--garbage-on-start", action="store_true", help="lines that are not JSON on stdout first")
    start.add_argument("--launcher", action="store_true", help="start itself as a child on the same pipes, as npx does")
    run = parser.add_argument_group("how it behaves")
    run.add_argument("--hang-on", action="append", default=[], metavar="METHOD", help="never answer this method")
    run.add_argument("--fail-on", action="append", default=[], metavar="METHOD", help="answer it with an error")
    run.add_argument("--die-after", type=int, default=0, metavar="N", help="exit with 1 after N tool calls")
    run.add_argument("--ignore-term", action="store_true", help="ignore SIGTERM, SIGINT, SIGHUP and end of input")
    run.add_argument("--setsid", action="store_true", help="become leader of a session of its own")
    return parser.parse_args(argv)


def build(flags: argparse.Namespace) -> Server:
    """The server that the flags describe."""
    server = Server(
        flags.name, "1.2.3", instructions=flags.instructions, era=flags.era, page_size=max(flags.paginate, 0)
    )
    server.ttl_ms = flags.ttl_ms
    mock_tools.add(server, shy=flags.shy, anyway=flags.ask_anyway)
    mock_lists.add_generated(server, flags.tools)
    if flags.odd_names:
        mock_lists.add_odd_names(server)
    if not flags.only_tools:
        mock_lists.add_resources(server)
        mock_lists.add_prompts(server)
    if flags.prefix:
        mock_lists.add_prefix(server, flags.prefix)
    _misbehave(server, flags)
    return server


def _misbehave(server: Server, flags: argparse.Namespace) -> None:
    for method in flags.hang_on:
        server.methods[method] = lambda call: None
    for method in flags.fail_on:
        server.methods[method] = _fail
    if flags.die_after:
        left = iter(range(flags.die_after - 1, -1, -1))

        def die(call: Call) -> None:
            if next(left) == 0:
                os._exit(1)

        server.called = die


def _fail(call: Call) -> Json:
    raise RpcError(INTERNAL_ERROR, f"{call.method} fails, as asked for")


def main() -> None:
    """Run the mock as its flags say."""
    flags = parse()
    if flags.launcher:
        sys.exit(mock_start.launch([__file__, *sys.argv[1:]]))
    mock_start.start(flags)
    build(flags).run()
    if flags.ignore_term:
        mock_start.live_on()


if __name__ == "__main__":
    main()
