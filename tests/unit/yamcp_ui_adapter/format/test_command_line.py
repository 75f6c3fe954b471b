"""Command lines that were taken apart in the wrong places."""

from __future__ import annotations

import pytest

from yamcp_ui_adapter.format.command_line import is_command_line, packed_arguments

LINES = [
    ("npx -y x", (), True), ("npx -y", ("@scope/pkg",), True), ("my server", (), True),
    ("/opt/x --port 1", ("a",), True),
    ("npx", ("-y", "x"), False), ("/opt/my tools/x", (), False), ("/opt/my tools/x", ("-y",), False),
    ("my server", ("a",), False), ("${CMD} x", (), False),
]  # fmt: skip


@pytest.mark.parametrize(("command", "args", "expected"), LINES)
def test_a_command_with_arguments_in_it(command: str, args: tuple[str, ...], expected: bool) -> None:
    """A path may have spaces; an option after one betrays a command line."""
    assert is_command_line(command, args) is expected


ARGS = [
    ("npx", ("-y @scope/pkg",), [0]), ("npx", ("-y @scope/pkg", "/srv/my docs"), [0]),
    ("npx", ("-y", "@scope/pkg /srv/docs"), [1]),
    ("/usr/bin/uvx", ("pkg --port 1",), [0]),
    ("node", ("--import x", "a b"), [0]), ("npx", ("-y", "@scope/pkg", "a b"), []), ("echo", ("hello there",), []),
    ("x", ("--header=A: b c", "- a list", "-1 2", "--name", "a -b"), []), ("npx", ("-y\t@s/p", "-v"), [0]),
]  # fmt: skip


@pytest.mark.parametrize(("command", "args", "places"), ARGS)
def test_an_argument_that_is_several(command: str, args: tuple[str, ...], places: list[int]) -> None:
    """An option and more, or a package and more; not a value that has spaces."""
    assert packed_arguments(command, args) == places
