"""Finds mistakes in how a command line was divided into `command` and `args`. Pure."""

from __future__ import annotations

import posixpath
import re

PACKAGE_RUNNERS = frozenset({"bunx", "npx", "pnpx", "pipx", "uvx"})
"""Programs whose first argument that is not an option is a package name, which contains no spaces."""
OPTION_WITH_VALUE = re.compile(r"--?[A-Za-z][\w-]*[ \t]+\S", re.ASCII)
INNER_OPTION = re.compile(r"[ \t]--?[A-Za-z]", re.ASCII)


def is_command_line(command: str, args: tuple[str, ...]) -> bool:
    """Return whether `command` is a program with arguments: `npx -y x`, or `npx -y` beside further `args`."""
    if command.startswith(("/", ".", "~", "$")):
        return bool(INNER_OPTION.search(command))
    return (" " in command and not args) or bool(INNER_OPTION.search(command))


def packed_arguments(command: str, args: tuple[str, ...]) -> list[int]:
    """Return the positions in `args` of strings that hold several arguments: `-y @scope/pkg`, or a package with its
    options.

    For `npx "-y @scope/pkg"`, npx finds no package and starts a shell, which would run each message of the hub as a
    command.
    """
    packed = [place for place, text in enumerate(args) if OPTION_WITH_VALUE.match(text)]
    if posixpath.basename(command) in PACKAGE_RUNNERS:
        first = next((place for place, text in enumerate(args) if place in packed or not text.startswith("-")), None)
        if first is not None and first not in packed and len(args[first].split()) > 1:
            packed.insert(0, first)
    return packed
