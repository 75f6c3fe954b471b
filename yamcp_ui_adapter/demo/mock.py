"""A mock MCP server for tests: every kind of answer, and, behind flags, every kind of trouble.

Run as a program: `python mock.py --help`. docs/mock-server.md lists the tools and flags.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from yamcp_ui_adapter.demo import mock_lists, mock_tools
from yamcp_ui_adapter.demo.mcp_stdio import Server
from yamcp_ui_adapter.demo.session import Call
from yamcp_ui_adapter.demo.wire import INTERNAL_ERROR, Json, RpcError

POLL = 0.02


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


def start(flags: argparse.Namespace) -> None:
    """Everything that happens before the first frame is read; may never return."""
    if flags.ignore_term:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    if flags.setsid:
        _setsid()
    if flags.stderr:
        print(flags.stderr, file=sys.stderr, flush=True)
    time.sleep(flags.start_delay)
    if not (flags.start_when_file and Path(flags.start_when_file).exists()):
        _trouble(flags)
    if flags.garbage_on_start:
        print("Welcome to mock 1.2.3!\n{not json\n\n  [1, 2", flush=True)


def _trouble(flags: argparse.Namespace) -> None:
    if flags.exit_at_once is not None:
        sys.exit(flags.exit_at_once)
    while flags.hang_on_start and not flags.start_when_file:
        time.sleep(3600)
    while flags.start_when_file and not Path(flags.start_when_file).exists():
        time.sleep(POLL)


def _setsid() -> None:
    if os.getpgrp() == os.getpid():  # a group leader may not call setsid, its child may
        child = os.fork()
        if child:
            sys.exit(_wait(child))
    os.setsid()


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def launch(argv: list[str]) -> int:
    """Run the same command as a child, on the same pipes, and wait for it; its exit code."""
    child = [sys.executable, __file__, *(word for word in argv if word != "--launcher")]
    return _wait(os.spawnv(os.P_NOWAIT, sys.executable, child))  # noqa: S606 - a shell is what is not wanted


def main() -> None:
    """Run the mock as its flags say."""
    flags = parse()
    if flags.launcher:
        sys.exit(launch(sys.argv[1:]))
    start(flags)
    build(flags).run()
    while flags.ignore_term:
        time.sleep(3600)


if __name__ == "__main__":
    main()
