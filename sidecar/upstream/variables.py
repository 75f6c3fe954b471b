"""Expands `${VAR}` references in a server's definition. Pure: the environment is an argument."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.masking.names import is_secret
from bridge.models import Launch, RemoteLaunch, StdioLaunch
from sidecar.errors import VariableMissing

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class ExpandedLaunch:
    """A launch with its references replaced.

    `secrets` are the values of those variables that `is_secret` regards as secret by their name and value.
    """

    launch: Launch
    secrets: frozenset[str]


def expand(launch: Launch, environ: Mapping[str, str]) -> ExpandedLaunch:
    """Replace the references in command, args, env values, cwd, url and headers.

    `${VAR}` is the variable's value, `${VAR:-default}` the default when it is unset or empty (a default ends at the
    first `}`), `$${` a literal `${`. Nothing else is special: `$VAR`, `$(x)` and `${x!}` stay as they are.

    Raises:
        VariableMissing: a variable is not set. The message names each one and where it is used; never a value.
    """
    expander = _Expander(environ)
    filled = _stdio(launch, expander.fill) if isinstance(launch, StdioLaunch) else _remote(launch, expander.fill)
    if expander.missing:
        raise VariableMissing(_missing_message(expander.missing), data={"variables": sorted(expander.missing)})
    return ExpandedLaunch(filled, frozenset(expander.secrets))


def with_home(launch: StdioLaunch, environ: Mapping[str, str]) -> StdioLaunch:
    """Replace a leading `~` of `command` and `cwd` by the home directory, as a shell does.

    `args` and `env` stay as they are, since only the server knows which of these are paths.
    """
    home = environ.get("HOME", "")

    def fill(text: str) -> str:
        return home + text[1:] if home and (text == "~" or text.startswith("~/")) else text

    cwd = None if launch.cwd is None else fill(launch.cwd)
    return launch.model_copy(update={"command": fill(launch.command), "cwd": cwd})


def references_replaced(text: str, replace: Callable[[re.Match[str]], str]) -> str:
    """Replace each reference, and each `$${`, by the result of `replace`.

    Only the text up to the last `}` is searched, since no reference ends behind it: otherwise the expression would
    scan the rest from each `${` on, which takes quadratic time.
    """
    head, brace, tail = text.rpartition("}")
    return _REFERENCE.sub(replace, head + brace) + tail.replace("$${", "${")


_Fill = Callable[[str, str], str]


def _stdio(launch: StdioLaunch, fill: _Fill) -> StdioLaunch:
    changed = {
        "command": fill(launch.command, "command"),
        "args": tuple(fill(value, f"args[{index}]") for index, value in enumerate(launch.args)),
        "env": {key: fill(value, f"env {key}") for key, value in launch.env.items()},
        "cwd": None if launch.cwd is None else fill(launch.cwd, "cwd"),
    }
    return launch.model_copy(update=changed)


def _remote(launch: RemoteLaunch, fill: _Fill) -> RemoteLaunch:
    changed = {
        "url": fill(launch.url, "url"),
        "headers": {key: fill(value, f"header {key}") for key, value in launch.headers.items()},
    }
    return launch.model_copy(update=changed)


def _missing_message(missing: Mapping[str, list[str]]) -> str:
    needs = "; ".join(f"{name} (needed by {', '.join(places)})" for name, places in sorted(missing.items()))
    return f"The hub's environment lacks {needs}."


class _Expander:
    """Replaces references in texts; collects the secrets and the missing variables."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.secrets: set[str] = set()
        self.missing: dict[str, list[str]] = {}

    def fill(self, text: str, place: str) -> str:
        def value(match: re.Match[str]) -> str:
            return "${" if match["name"] is None else self._value(match["name"], match["default"], place)

        return references_replaced(text, value)

    def _value(self, name: str, default: str | None, place: str) -> str:
        value = self._environ.get(name)
        if default is not None and not value:
            return default
        if value is None:
            places = self.missing.setdefault(name, [])
            if place not in places:
                places.append(place)
            return ""
        if value and is_secret(name, value):
            self.secrets.add(value)
        return value
