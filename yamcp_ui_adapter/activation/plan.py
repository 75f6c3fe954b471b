"""What a catalogue entry with its answers becomes: the definition of a server, and what to tell of it before. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from bridge.models.catalog.activation import CatalogInput
from yamcp_ui_adapter.activation.inputs import Answers, Item, Settings, settings_of
from yamcp_ui_adapter.activation.target import Json, Target, target_of

OF_THE_HUB = {
    "python": "Runs your Python file as the user of the hub: it can read and change that user's files, and use the "
    "network.",
    "openapi": "Runs a program of the hub, which reads your document and sends requests to the address that you give.",
}
"""What entries that run a program of the hub may reach, by identifier."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Described:
    """What people see of an entry before they activate it."""

    target: Target
    inputs: tuple[CatalogInput, ...]
    command: tuple[str, ...]
    """The command line, or the URL, with `{input}` for each value that the user gives."""
    reach: tuple[str, ...]
    """What the server may reach and gets, one sentence each."""


def described(entry: Json, *, local: bool = False) -> Described:
    """Describe an entry of the catalogue. `local`: as in `target_of`. Raises EntryUnsupported."""
    target = target_of(entry, local=local)
    settings = settings_of(target)
    inputs = tuple(settings.inputs.values())
    return Described(target, inputs, _command_shown(target, settings), tuple(_reach(target, inputs)))


def _command_shown(target: Target, settings: Settings) -> tuple[str, ...]:
    def shown(item: Item) -> str:
        return "".join(text if part == "text" else f"{{{text}}}" for part, text in item.parts)

    if target.kind == "remote":
        return (next(shown(item) for item in settings.items if item.kind == "url"),)
    pinned = target.version and not target.local and target.kind not in ("hub", "mcpb")
    package = f"{target.identifier}@{target.version}" if pinned else target.identifier
    programs = {"npm": ("node",), "oci": ("podman", "run"), "hub": ("python", "-m", "own_servers")}
    program = programs.get(target.kind, ())
    args = [
        text
        for item in settings.items
        if item.kind == "argument"
        for text in ([item.name] if item.flag else [item.name, shown(item)] if item.name else [shown(item)])
    ]
    return (*program, package, *args)


def _reach(target: Target, inputs: Collection[CatalogInput]) -> list[str]:
    texts = []
    if target.kind == "remote":
        texts.append(f"Sends the requests of clients to {target.identifier}; no program runs on this machine.")
    elif target.kind == "oci":
        texts.append("Runs in a container: it sees no files of this machine, and has the network.")
    elif target.kind == "hub":
        texts.append(OF_THE_HUB[target.identifier])
    else:
        origin = f"the file {target.identifier}" if target.local else f"{target.kind}, {target.identifier}"
        texts.append(
            f"Runs a program from {origin} as the user of the hub: it can read and change that user's files, "
            "and use the network."
        )
    if target.kind == "npm":
        texts.append("Scripts of its packages do not run when it is installed.")
    if target.kind == "pypi":
        texts.append("Packages without wheels run their build scripts when it is installed.")
    if secrets := [each.label for each in inputs if each.secret]:
        texts.append(f"Gets these secrets, if you set them: {', '.join(secrets)}.")
    if paths := [each.label for each in inputs if each.format == "filepath" and each.fixed is None]:
        texts.append(f"Is given paths of this machine: {', '.join(paths)}.")
    return texts


# --- the definition --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Definition:
    """The definition of a server, without the program, which is known once the package is installed."""

    runtime_args: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    """What is to be set in variables.json: the secrets, by the names to which the definition refers."""
    names: dict[str, str] = field(default_factory=dict)
    """The names of these variables, by secret input."""


def definition(target: Target, answers: Answers, key: str, taken: Collection[str]) -> Definition:
    """Return the definition for the checked answers.

    `key`: the server's, for names of variables on a conflict; `taken`: names of variables that are in use.
    """
    settings = settings_of(target)
    names = _variable_names(settings, answers, key, taken)
    references = {**answers.references, **{name: f"${{{variable}}}" for name, variable in names.items()}}
    env: dict[str, str] = {}
    headers: dict[str, str] = {}
    arguments: list[tuple[str, ...]] = []
    url = ""
    for item in settings.items:
        values = _values(item, answers, references)
        if item.kind == "argument":
            arguments.append(_argument(item, values, answers))
        elif not values:
            continue
        elif item.kind == "variable":
            env[item.name] = values[0]
        elif item.kind == "header":
            headers[item.name] = values[0]
        else:
            url = values[0]
    count = len(target.runtime_arguments)
    return Definition(
        runtime_args=tuple(text for each in arguments[:count] for text in each),
        args=tuple(text for each in arguments[count:] for text in each),
        env=env,
        url=url,
        headers=headers,
        variables={variable: answers.secrets[name] for name, variable in names.items()},
        names=names,
    )


def _variable_names(settings: Settings, answers: Answers, key: str, taken: Collection[str]) -> dict[str, str]:
    """Return the name in variables.json for each secret input: that of its variable, with the key on a conflict."""
    used, names = set(taken), dict[str, str]()
    owners = {name: item.name for item in settings.items for part, name in item.parts if part == "input"}
    for name in answers.secrets:
        item = owners.get(name, "")
        plain = _variable(item if settings.inputs[name].kind == "variable" and item else name)
        wanted = _variable(f"{key}_{plain}")
        candidates = (plain, wanted, *(f"{wanted}_{number}" for number in range(2, 1000)))
        names[name] = next(each for each in candidates if each not in used)
        used.add(names[name])
    return names


def _variable(text: str) -> str:
    name = _NOT_IN_NAMES.sub("_", text).strip("_").upper() or "VALUE"
    return f"_{name}" if name[0].isdigit() else name


def literal(text: str) -> str:
    """A text for a definition in which `${` means nothing."""
    return text.replace("${", "$${")


def _values(item: Item, answers: Answers, references: Mapping[str, str]) -> list[str]:
    """Return the values of an item: several if its only part is a repeated input, none if a part has no value."""
    within_url = item.kind == "url" and item.parts[0][0] == "text"
    into: Callable[[str], str] = _quoted if within_url else literal
    if len(item.parts) == 1 and item.parts[0][0] == "input" and item.parts[0][1] in answers.values:
        return [into(text) for text in answers.values[item.parts[0][1]]]
    made = []
    for part, text in item.parts:
        if part == "text":
            made.append(literal(text))
        elif text in references:
            made.append(references[text])
        elif text in answers.values:
            made.append(into(answers.values[text][0]))
        else:
            return []
    return ["".join(made)] if made else []


def _quoted(text: str) -> str:
    """A value within a URL, which must not end its part of it."""
    return quote(text, safe="")


def _argument(item: Item, values: list[str], answers: Answers) -> tuple[str, ...]:
    if item.flag:
        given = not item.parts or answers.values.get(item.parts[0][1]) == ("true",)
        return (item.name,) if given else ()
    if not item.name:
        return tuple(values)
    return tuple(text for value in values for text in (item.name, value))


def provider_entry(target: Target, made: Definition, program: tuple[str, ...], namespace: str) -> dict[str, Any]:
    """Return the entry of providers.json. `program`: the absolute path of the program, and arguments before others."""
    if target.kind == "remote":
        parameters: dict[str, Any] = {"url": made.url}
        if made.headers:
            parameters["headers"] = made.headers
        return {"namespace": namespace, "type": target.transport, "providerParameters": parameters}
    command, *before = program
    parameters = {"command": command, "args": [*before, *made.args]}
    if made.env:
        parameters["env"] = made.env
    return {"namespace": namespace, "type": "stdio", "providerParameters": parameters}
