"""Mistakes in how a command line was taken apart into `command` and `args` (pure)."""

from __future__ import annotations

import posixpath
import re

PACKAGE_RUNNERS = frozenset({"bunx", "npx", "pnpx", "pipx", "uvx"})
"""Programs whose first argument that is no option names a package, which has no spaces in it."""
OPTION_AND_MORE = re.compile(r"--?[A-Za-z][\w-]*[ \t]+\S", re.ASCII)
OPTION_AFTER = re.compile(r"[ \t]--?[A-Za-z]", re.ASCII)


def is_command_line(command: str, args: tuple[str, ...]) -> bool:
    """Whether `command` is a program with arguments: `npx -y x`, or `npx -y` beside further `args`."""
    if command.startswith(("/", ".", "~", "$")):
        return bool(OPTION_AFTER.search(command))
    return (" " in command and not args) or bool(OPTION_AFTER.search(command))


def packed_arguments(command: str, args: tuple[str, ...]) -> list[int]:
    """The places in `args` of those that were meant to be several: `-y @scope/pkg`, or a package and its arguments.

    With `npx "-y @scope/pkg"`, npx finds no package and opens a shell that takes each message of the hub as a command.
    """
    packed = [place for place, text in enumerate(args) if OPTION_AND_MORE.match(text)]
    if posixpath.basename(command) in PACKAGE_RUNNERS:
        first = next((place for place, text in enumerate(args) if place in packed or not text.startswith("-")), None)
        if first is not None and first not in packed and len(args[first].split()) > 1:
            packed.insert(0, first)
    return packed
