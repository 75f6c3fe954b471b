"""The arguments of `hubctl catalog` as settings: values, and secrets, which are read and never given as arguments."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Iterable
from pathlib import Path

from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid


def values_of(given: Iterable[str]) -> dict[str, str | tuple[str, ...]]:
    """Return the values of `--set input=value`; an input that is given several times has several values.

    Raises:
        ArgumentsInvalid: one has no `=`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ArgumentsInvalid(f"--set {text!r} is not of the form input=value.")
        found[name] = (*found.get(name, ()), value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


async def secrets_of(context: Context, given: Iterable[str]) -> dict[str, str]:
    """Return the values of `--secret input` and `--secret input=@FILE`.

    Without a file, it is asked for on the terminal; if stdin is none, its next line is taken.

    Raises:
        ArgumentsInvalid: there is no value, or it stands in the arguments, which other users can see.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, place = text.partition("=")
        if equals and not place.startswith("@"):
            raise ArgumentsInvalid(f"--secret {name}: other users see arguments; name a file as {name}=@FILE.")
        found[name] = await secret(context, name, Path(place[1:]) if equals else None)
    return found


async def secret(context: Context, name: str, file: Path | None = None) -> str:
    """Read a secret from a file, else from the terminal or stdin. Raises ArgumentsInvalid."""
    try:
        value = await asyncio.to_thread(_read, name, file)
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentsInvalid(f"The value of {name} cannot be read: {type(error).__name__}.") from None
    if not value:
        raise ArgumentsInvalid(f"There is no value for {name}.")
    return value


def _read(name: str, file: Path | None) -> str:
    if file is not None:
        text = file.read_text("utf-8")
    elif sys.stdin.isatty():
        return getpass.getpass(f"{name} (not shown): ")
    else:
        text = sys.stdin.readline()
    return text.removesuffix("\n").removesuffix("\r")


async def agreed(context: Context, question: str, *, yes: bool) -> bool:
    """Ask on the terminal. Without one, or with `yes`, the answer is yes."""
    if yes or context.json or not sys.stdin.isatty():
        return True
    context.say(f"{question} [y/N]")
    return (await asyncio.to_thread(sys.stdin.readline)).strip().lower() in ("y", "yes")
