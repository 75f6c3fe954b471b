"""A server's entry in YAMCP's form, made and changed as the options of `hubctl add` and `hubctl edit` say (pure)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubctl.errors import ArgumentsInvalid

TYPES = {"auto": "sse", "sse": "sse", "http": "http"}
"""YAMCP knows `sse` alone; for the hub that means: find out which of the two transports it is."""
_PARAMETERS = ("command", "args", "env", "cwd", "url", "headers")


@dataclass(frozen=True)
class Wanted:
    """What the options say of an entry; None, or empty, what they say nothing of."""

    program: tuple[str, ...] | None = None
    url: str | None = None
    transport: str | None = None
    namespace: str | None = None
    cwd: str | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    """A value of None removes the variable."""
    headers: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """Whether the options say nothing at all."""
        said = (self.program, self.url, self.transport, self.namespace, self.cwd)
        return not any(value is not None for value in said) and not self.env and not self.headers


def wanted(arguments: argparse.Namespace, variables: Mapping[str, str]) -> Wanted:
    """What the options say; `variables` are those of the shell, for `--env NAME`.

    Raises:
        ArgumentsInvalid: they contradict each other, or one cannot be used.
    """
    program = _program(arguments.program)
    if program is not None and arguments.url is not None:
        raise ArgumentsInvalid("A server has a command (behind --) or a --url, not both.")
    env: dict[str, str | None] = dict(_variable(text, variables) for text in arguments.env or ())
    env |= dict.fromkeys(getattr(arguments, "unset_env", None) or ())
    headers: dict[str, str | None] = dict(_header(text) for text in arguments.header or ())
    headers |= dict.fromkeys(getattr(arguments, "unset_header", None) or ())
    return Wanted(program, arguments.url, arguments.transport, arguments.namespace, arguments.cwd, env, headers)


def made(key: str, wanted: Wanted) -> dict[str, Any]:
    """The entry of a new server.

    Raises:
        ArgumentsInvalid: there is neither a command nor a URL, or an option that does not fit to what there is.
    """
    if wanted.program is None and wanted.url is None:
        why = "A server needs a command, behind --, or a --url."
        raise ArgumentsInvalid(why, hint=f"For example: hubctl add {key} -- npx -y PACKAGE")
    return changed(key, {}, wanted)


def changed(key: str, entry: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """The entry with what is wanted of it; fields that nothing is said of stay, unknown ones too.

    An entry without `providerParameters`, as other clients' files have it, gets them.

    Raises:
        ArgumentsInvalid: an option that does not fit to what there is.
    """
    inside = entry.get("providerParameters")
    flat = not isinstance(inside, Mapping)
    old = dict(entry if flat else inside)  # type: ignore[arg-type]  # a mapping
    outer = {name: value for name, value in entry.items() if not (flat and name in _PARAMETERS)}
    known = {name: value for name, value in old.items() if not flat or name in _PARAMETERS}
    remote = wanted.url is not None or (wanted.program is None and "url" in known)
    _check_fits(wanted, remote)
    parameters = _remote(known, wanted) if remote else _local(known, wanted)
    kind = TYPES[wanted.transport] if wanted.transport else outer.get("type")
    if not remote:
        kind = "stdio"
    elif kind in (None, "stdio"):
        kind = "sse"
    namespace = wanted.namespace or outer.get("namespace") or key
    return {**outer, "namespace": namespace, "type": kind, "providerParameters": parameters}


def _check_fits(wanted: Wanted, remote: bool) -> None:
    """See that no option is for the other kind of server. Raises ArgumentsInvalid."""
    local = {"--env": wanted.env, "--cwd": wanted.cwd}
    distant = {"--header": wanted.headers, "--transport": wanted.transport}
    wrong = next((name for name, value in (local if remote else distant).items() if value), None)
    if wrong:
        kind = "a server with a URL" if remote else "a server that is started by a command"
        raise ArgumentsInvalid(f"{wrong} is not for {kind}.")


def _local(known: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    parameters = {name: value for name, value in known.items() if name not in ("url", "headers")}
    if wanted.program:
        parameters |= {"command": wanted.program[0], "args": list(wanted.program[1:])}
    if wanted.cwd is not None:
        parameters["cwd"] = wanted.cwd
    return _with_pairs(parameters, "env", wanted.env)


def _remote(known: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    parameters = {name: value for name, value in known.items() if name not in ("command", "args", "env", "cwd")}
    if wanted.url is not None:
        parameters["url"] = wanted.url
    return _with_pairs(parameters, "headers", wanted.headers)


def _with_pairs(parameters: dict[str, Any], name: str, pairs: Mapping[str, str | None]) -> dict[str, Any]:
    """The parameters with some of the variables, or headers, set or removed."""
    before = parameters.get(name)
    values = {**(before if isinstance(before, Mapping) else {}), **dict(pairs)}
    left = {key: value for key, value in values.items() if key not in pairs or value is not None}
    return {**parameters, name: left} if left else {key: value for key, value in parameters.items() if key != name}


def _program(words: Sequence[str] | None) -> tuple[str, ...] | None:
    """The command line behind `--`. Raises ArgumentsInvalid."""
    if words is None:
        return None
    if not words or not words[0]:
        raise ArgumentsInvalid("There is no command behind --.")
    if len(words) == 1 and " " in words[0] and not Path(words[0]).exists():
        why = f"{words[0]!r} is one word: there is no program of that name."
        raise ArgumentsInvalid(why, hint="Leave out the quotes around the command line: -- npx -y PACKAGE")
    return tuple(words)


def _variable(text: str, variables: Mapping[str, str]) -> tuple[str, str]:
    """NAME=value, or NAME alone: its value in the shell. Raises ArgumentsInvalid."""
    name, equals, value = text.partition("=")
    if not name:
        raise ArgumentsInvalid(f"--env {text!r} has no name; its form is NAME=value.")
    if equals:
        return name, value
    if name not in variables:
        raise ArgumentsInvalid(f"--env {name}: this shell has no variable {name}; or write --env {name}=value.")
    return name, variables[name]


def _header(text: str) -> tuple[str, str]:
    """`Name: value`, or Name=value. Raises ArgumentsInvalid."""
    at = min((place for sign in ":=" if (place := text.find(sign)) > 0), default=0)
    if not at:
        raise ArgumentsInvalid("--header needs the form 'Name: value'.")
    return text[:at].strip(), text[at + 1 :].strip()
