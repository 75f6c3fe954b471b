"""The command line of a server that is made of a user's file: `hubctl add --python` and `--openapi`. Pure."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from hubctl.errors import ArgumentsInvalid

HEADER_VARIABLE = "OWN_SERVER_HEADER_"
"""How the variables begin that carry the values of headers: command lines are visible to all users of the machine."""


def own_command(
    arguments: argparse.Namespace, headers: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]] | None:
    """The program with its arguments, and its variables; None if neither option was given.

    Raises:
        ArgumentsInvalid: the options contradict each other, or there is no such file.
    """
    python: str | None = getattr(arguments, "python", None)
    openapi: str | None = getattr(arguments, "openapi", None)
    if (file := python or openapi) is None:
        return None
    if arguments.program is not None or (python is not None and openapi is not None):
        raise ArgumentsInvalid("A server has one of: a command (behind --), --python FILE, --openapi FILE.")
    begin = (sys.executable, "-P", "-m", "own_servers")
    if python is not None:
        if arguments.url is not None or headers:
            raise ArgumentsInvalid("--url and --header are not for --python.")
        return (*begin, "python", _file(file)), {}
    if arguments.url is None:
        raise ArgumentsInvalid("--openapi needs --url, the address below which the API is.")
    env = {f"{HEADER_VARIABLE}{number}": value for number, value in enumerate(headers.values(), 1)}
    given = [
        word
        for name, variable in zip(headers, env, strict=True)
        for word in ("--header", f"{name}=$${{{variable}}}")  # `$${` is a `${` that the hub passes on as it is
    ]
    return (*begin, "openapi", _file(file), "--url", arguments.url, *given), env


def _file(given: str) -> str:
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise ArgumentsInvalid(f"There is no file {path}.")
    return str(path)
