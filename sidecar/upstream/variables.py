"""`${VAR}` references in a server's definition. Pure: the environment is an argument."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.masking.names import is_secret
from bridge.models import Launch, RemoteLaunch, StdioLaunch
from sidecar.errors import VariableMissing

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Expanded:
    """A launch with its references replaced; `secrets` are the values that came from variables,
    short ones (`${PORT}`) only where the name tells of a secret."""

    launch: Launch
    secrets: frozenset[str]


def expand(launch: Launch, environ: Mapping[str, str]) -> Expanded:
    """Replace the references in command, args, env values, cwd, url and headers.

    `${VAR}` is the variable's value, `${VAR:-default}` the default when it is unset or empty (a default ends at the
    first `}`), `$${` a literal `${`. Nothing else is special: `$VAR`, `$(x)` and `${x!}` stay as they are.

    Raises:
        VariableMissing: names each variable that is missing, and where it is referred to; never a value.
    """
    filler = _Filler(environ)
    filled = _stdio(launch, filler.fill) if isinstance(launch, StdioLaunch) else _remote(launch, filler.fill)
    if filler.missing:
        raise VariableMissing(_complaint(filler.missing), data={"variables": sorted(filler.missing)})
    return Expanded(filled, frozenset(filler.secrets))


def with_home(launch: StdioLaunch, environ: Mapping[str, str]) -> StdioLaunch:
    """The launch with a leading `~` of `command` and `cwd` replaced by the home directory, as a shell does.

    Not in `args` and `env`: what these mean is the server's business.
    """
    home = environ.get("HOME", "")

    def fill(text: str) -> str:
        return home + text[1:] if home and (text == "~" or text.startswith("~/")) else text

    cwd = None if launch.cwd is None else fill(launch.cwd)
    return launch.model_copy(update={"command": fill(launch.command), "cwd": cwd})


def references_replaced(text: str, replace: Callable[[re.Match[str]], str]) -> str:
    """The text with each match of a reference, and of `$${`, replaced.

    Looked for up to the last `}` alone, since no reference ends behind it: the expression would look through all of
    the rest from each `${` on, which takes quadratic time.
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


def _complaint(missing: Mapping[str, list[str]]) -> str:
    needs = "; ".join(f"{name} (needed by {', '.join(places)})" for name, places in sorted(missing.items()))
    return f"The hub's environment lacks {needs}."


class _Filler:
    """Replaces references, and keeps what it met on the way."""

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
