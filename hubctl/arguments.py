"""The command line parser: argparse, with suggestions for misspelt words, and with JSON errors for `--json`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from bridge.errors import ErrorBody
from hubctl.context import dumps
from hubctl.errors import ArgumentsInvalid
from hubctl.render import error_line, suggestion

TAKE_A_PROGRAM = ("add", "edit", "completion")
"""Commands that accept `--` and the command line of a program; hubctl does not interpret what follows `--`."""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports errors on one line, as hubctl does, or as JSON if `--json` was given."""

    json = False
    words: Sequence[str] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_wide, allow_abbrev=False, **options)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse the words as argparse does; set `program` to the words after `--`, or to None without them."""
        self.words, program = split_program(list(sys.argv[1:] if args is None else args))
        found = super().parse_args(self.words, namespace)
        found.program = program
        return found

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the words as argparse does, and remember whether errors are to be JSON."""
        self.json = "--json" in (args or ())
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Write the usage error, and exit with code 2."""
        command = innermost(self, self.words)
        hint = f"`{command.prog} --help` shows its form; docs/cli.md has examples."
        body = ErrorBody(code=ArgumentsInvalid.code, message=self._suggesting(message), hint=hint)
        self.exit(2, (dumps({"error": body}) if self.json else error_line(body)) + "\n")

    def _suggesting(self, message: str) -> str:
        """Return argparse's message; for an unknown option, add the option that the user may have meant."""
        unknown = message.removeprefix("unrecognized arguments: ").partition(" ")[0]
        if not unknown.startswith("--"):
            return f"{message[:1].upper()}{message[1:]}."
        command, name = innermost(self, self.words), unknown.partition("=")[0]
        return f"{command.prog} has no option {name}{suggestion(name, options(command))}."

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Check that a word is one of the choices; argparse's own message lists all of them and suggests none."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        what = "command" if action.dest == "command" else action.metavar or action.dest
        close = suggestion(str(value), choices)
        known = "" if close else f"; there are: {', '.join(choices)}"
        raise argparse.ArgumentError(None, f"there is no {what} {value!r}{close}{known}")


def split_program(words: list[str]) -> tuple[list[str], list[str] | None]:
    """Split the words at `--`, if the command takes a program; otherwise return all words, and None."""
    if words[:1] and words[0] in TAKE_A_PROGRAM and "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, None


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a parser's commands, or of a command's actions, by name."""
    groups: Iterable[argparse.Action] = parser._actions
    return next((dict(each.choices) for each in groups if isinstance(each, argparse._SubParsersAction)), {})


def innermost(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the command, or of its action, that the words name."""
    for word in words:
        parser = subparsers(parser).get(word, parser)
    return parser


def options(parser: argparse.ArgumentParser) -> list[str]:
    """Return the long options of a command."""
    return [name for action in parser._actions for name in action.option_strings if name.startswith("--")]


def _wide(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, max_help_position=30)
