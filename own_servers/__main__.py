"""`python -m own_servers python FILE.py` and `python -m own_servers openapi DOCUMENT --url BASE [--header NAME=VALUE]
[--header-if-set NAME=VALUE]`.

Serves MCP on stdin and stdout until stdin ends, or the file changes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from own_servers.changes import end_on_change, version_of
from own_servers.errors import OwnServerError
from own_servers.prints import PrintsToStderr

if TYPE_CHECKING:
    from fastmcp import FastMCP


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; ends the process with a message if it is not valid."""
    parser = argparse.ArgumentParser(prog="python -m own_servers", description="Serves a file of yours over MCP.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    python = kinds.add_parser("python", help="a Python file: each of its public functions is a tool")
    openapi = kinds.add_parser("openapi", help="an OpenAPI document: each of its operations is a tool")
    for each in (python, openapi):
        each.add_argument("file", type=Path)
    openapi.add_argument("--url", required=True, help="the address below which the API is")
    openapi.add_argument("--header", action="append", default=[], help="NAME=VALUE, with ${VARIABLE} in the value")
    openapi.add_argument(
        "--header-if-set", action="append", default=[], help="the same, left out if a variable of its value is not set"
    )
    return parser.parse_args(given)


def server_of(options: argparse.Namespace) -> FastMCP[Any]:
    """The server that the command line asks for. Raises OwnServerError."""
    path = options.file.absolute()
    if options.kind == "python":
        from own_servers import python_file  # noqa: PLC0415 (each kind imports what it needs)

        return python_file.server_of(path)
    from own_servers import openapi  # noqa: PLC0415

    wanted = [text for text in options.header_if_set if openapi.all_set(text, os.environ)]
    return openapi.server_of(path, options.url, [*options.header, *wanted], os.environ)


async def run(options: argparse.Namespace) -> None:
    """Make the server, and serve it. Raises OwnServerError."""
    path = options.file.absolute()
    served = version_of(path)
    sys.stdout = PrintsToStderr(sys.stdout.buffer)
    server = server_of(options)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(end_on_change(path, served))
        await server.run_stdio_async(show_banner=False, log_level="WARNING")
        watching.cancel()


def main(given: Sequence[str] = ()) -> int:
    """Run the command; 1 with one line on stderr if the file cannot be served."""
    try:
        asyncio.run(run(arguments(given or sys.argv[1:])))
    except OwnServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
