"""Create and change a server's entry in YAMCP's format from the options of `hubctl add` and `hubctl edit`. Pure."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubctl.errors import ArgumentsInvalid
from hubctl.own_entries import own_command

TYPES = {"auto": "sse", "sse": "sse", "http": "http"}
"""The types that YAMCP writes for each transport. YAMCP knows only `sse`, which lets the hub detect the transport."""
_PARAMETERS = ("command", "args", "env", "cwd", "url", "headers")


@dataclass(frozen=True)
class EntryOptions:
    """The options about an entry; None, or an empty value, for options that were not given."""

    program: tuple[str, ...] | None = None
    url: str | None = None
    transport: str | None = None
    namespace: str | None = None
    cwd: str | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    """Variables to set; None removes the variable."""
    headers: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """Return whether no option was given."""
        said = (self.program, self.url, self.transport, self.namespace, self.cwd)
        return not any(value is not None for value in said) and not self.env and not self.headers


def read_options(arguments: argparse.Namespace, variables: Mapping[str, str]) -> EntryOptions:
    """Read the options; `variables` are the shell's, for `--env NAME`.

    Raises:
        ArgumentsInvalid: options contradict each other, or a value is invalid.
    """
    program = _program(arguments.program)
    given = dict(_header(text) for text in arguments.header or ())
    if (own := own_command(arguments, given)) is not None:
        set_here = dict(_variable(text, variables) for text in arguments.env or ())
        return EntryOptions(own[0], namespace=arguments.namespace, cwd=arguments.cwd, env=own[1] | set_here)
    if program is not None and arguments.url is not None:
        raise ArgumentsInvalid("A server has a command (behind --) or a --url, not both.")
    env: dict[str, str | None] = dict(_variable(text, variables) for text in arguments.env or ())
    env |= dict.fromkeys(getattr(arguments, "unset_env", None) or ())
    headers: dict[str, str | None] = {**given}
    headers |= dict.fromkeys(getattr(arguments, "unset_header", None) or ())
    return EntryOptions(program, arguments.url, arguments.transport, arguments.namespace, arguments.cwd, env, headers)


def new_entry(key: str, options: EntryOptions) -> dict[str, Any]:
    """Return the entry of a new server.

    Raises:
        ArgumentsInvalid: there is neither a command nor a URL, or an option does not apply to this kind of server.
    """
    if options.program is None and options.url is None:
        why = "A server needs a command, behind --, or a --url."
        raise ArgumentsInvalid(why, hint=f"For example: hubctl add {key} -- npx -y PACKAGE")
    return changed_entry(key, {}, options)


def changed_entry(key: str, entry: Mapping[str, Any], options: EntryOptions) -> dict[str, Any]:
    """Return the entry with the options applied; all other fields stay, unknown ones included.

    An entry without `providerParameters`, which is how other clients' files write it, gets them.

    Raises:
        ArgumentsInvalid: an option does not apply to this kind of server.
    """
    inside = entry.get("providerParameters")
    flat = not isinstance(inside, Mapping)
    old = dict(entry if flat else inside)  # type: ignore[arg-type]  # a mapping
    outer = {name: value for name, value in entry.items() if not (flat and name in _PARAMETERS)}
    known = {name: value for name, value in old.items() if not flat or name in _PARAMETERS}
    remote = options.url is not None or (options.program is None and "url" in known)
    _check_fits(options, remote)
    parameters = _remote(known, options) if remote else _local(known, options)
    kind = TYPES[options.transport] if options.transport else outer.get("type")
    if not remote:
        kind = "stdio"
    elif kind in (None, "stdio"):
        kind = "sse"
    namespace = options.namespace or outer.get("namespace") or key
    return {**outer, "namespace": namespace, "type": kind, "providerParameters": parameters}


def _check_fits(options: EntryOptions, remote: bool) -> None:
    """Check that no option belongs to the other kind of server. Raises ArgumentsInvalid."""
    local = {"--env": options.env, "--cwd": options.cwd}
    distant = {"--header": options.headers, "--transport": options.transport}
    wrong = next((name for name, value in (local if remote else distant).items() if value), None)
    if wrong:
        kind = "a server with a URL" if remote else "a server that is started by a command"
        raise ArgumentsInvalid(f"{wrong} is not for {kind}.")


def _local(known: Mapping[str, Any], options: EntryOptions) -> dict[str, Any]:
    parameters = {name: value for name, value in known.items() if name not in ("url", "headers")}
    if options.program:
        parameters |= {"command": options.program[0], "args": list(options.program[1:])}
    if options.cwd is not None:
        parameters["cwd"] = options.cwd
    return _with_pairs(parameters, "env", options.env)


def _remote(known: Mapping[str, Any], options: EntryOptions) -> dict[str, Any]:
    parameters = {name: value for name, value in known.items() if name not in ("command", "args", "env", "cwd")}
    if options.url is not None:
        parameters["url"] = options.url
    return _with_pairs(parameters, "headers", options.headers)


def _with_pairs(parameters: dict[str, Any], name: str, pairs: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the parameters with environment variables, or headers, set and removed."""
    before = parameters.get(name)
    values = {**(before if isinstance(before, Mapping) else {}), **dict(pairs)}
    left = {key: value for key, value in values.items() if key not in pairs or value is not None}
    return {**parameters, name: left} if left else {key: value for key, value in parameters.items() if key != name}


def _program(words: Sequence[str] | None) -> tuple[str, ...] | None:
    """Parse the command line after `--`. Raises ArgumentsInvalid."""
    if words is None:
        return None
    if not words or not words[0]:
        raise ArgumentsInvalid("There is no command behind --.")
    if len(words) == 1 and " " in words[0] and not Path(words[0]).exists():
        why = f"{words[0]!r} is one word: there is no program of that name."
        raise ArgumentsInvalid(why, hint="Leave out the quotes around the command line: -- npx -y PACKAGE")
    return tuple(words)


def _variable(text: str, variables: Mapping[str, str]) -> tuple[str, str]:
    """Parse `NAME=value`; a plain `NAME` takes its value from the shell. Raises ArgumentsInvalid."""
    name, equals, value = text.partition("=")
    if not name:
        raise ArgumentsInvalid(f"--env {text!r} has no name; its form is NAME=value.")
    if equals:
        return name, value
    if name not in variables:
        raise ArgumentsInvalid(f"--env {name}: this shell has no variable {name}; or write --env {name}=value.")
    return name, variables[name]


def _header(text: str) -> tuple[str, str]:
    """Parse `Name: value` or `Name=value`. Raises ArgumentsInvalid."""
    at = min((place for sign in ":=" if (place := text.find(sign)) > 0), default=0)
    if not at:
        raise ArgumentsInvalid("--header needs the form 'Name: value'.")
    return text[:at].strip(), text[at + 1 :].strip()
