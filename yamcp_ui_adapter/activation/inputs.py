"""The settings of a catalogue entry: what its user may give, and checked values. Pure.

Schema 2025-12-11 of the MCP registry: an input with a `value` is fixed, and `{name}` in it stands for one of its
`variables`; the others are for the user.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.models.catalog.activation import CatalogInput
from yamcp_ui_adapter.activation.errors import SettingsInvalid
from yamcp_ui_adapter.activation.target import Json, Target

Kind = Literal["variable", "argument", "header", "url"]
Given = Mapping[str, str | Sequence[str]]

FORMATS = ("string", "number", "boolean", "filepath")
MAX_VALUE = 8192
"""Characters of one value."""
MAX_VALUES = 100
"""Values of one repeated input."""
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VALUE_FIELDS = ("value", "default", "choices", "format", "placeholder", "valueHint", "variables", "description")
"""A named argument with none of these, and not required, is a flag without a value."""


@dataclass(frozen=True, slots=True)
class Item:
    """One variable, argument or header of the server, and what its value is made of."""

    kind: Kind
    name: str
    """Of the variable, header, or named argument; empty for positional arguments and the URL."""
    parts: tuple[tuple[str, str], ...]
    """`("text", text)` as it is, and `("input", name)` for the value of an input."""
    flag: bool = False
    """A named argument without a value; it is given if its input is `true`, or always if it has none."""


@dataclass(slots=True)
class Settings:
    """All items of a target, and the inputs that they take."""

    items: list[Item] = field(default_factory=list)
    inputs: dict[str, CatalogInput] = field(default_factory=dict)

    def named(self, wanted: str, owner: str) -> str:
        """A name for an input that no other has."""
        for name in (wanted, f"{owner}.{wanted}", *(f"{wanted}-{number}" for number in range(2, 1000))):
            if name and name not in self.inputs:
                return name
        raise ValueError("an entry with a thousand inputs of one name")


def settings_of(target: Target) -> Settings:
    """Return the items and inputs of a target, arguments in their order."""
    found = Settings()
    for each in target.variables:
        _add(found, "variable", str(each.get("name", "")), each)
    for index, each in enumerate((*target.runtime_arguments, *target.arguments), 1):
        named = each.get("type") == "named"
        name = str(each.get("name", "")) if named else ""
        _add(found, "argument", name, each, str(each.get("valueHint") or f"argument {index}"))
    for each in target.headers:
        _add(found, "header", str(each.get("name", "")), each)
    if target.kind == "remote":
        _add(found, "url", "", {"value": target.identifier, "variables": target.url_variables or {}}, "url")
    return found


def _add(found: Settings, kind: Kind, name: str, given: Json, hint: str = "") -> None:
    own = name or hint
    value, variables = given.get("value"), given.get("variables")
    if kind == "argument" and name and not given.get("isRequired") and not any(given.get(key) for key in _VALUE_FIELDS):
        found.items.append(Item(kind, name, (), flag=True))
        return
    if value is not None:
        parts = tuple(_parts(found, kind, own, str(value), variables if isinstance(variables, Mapping) else {}))
        found.items.append(Item(kind, name, parts))
        if all(part == "text" for part, _ in parts) and kind != "url":
            unique = found.named(own, kind)
            found.inputs[unique] = _input(unique, kind, given).model_copy(update={"fixed": str(value)})
        return
    unique = found.named(own, kind)
    made = found.inputs[unique] = _input(unique, kind, given)
    flag = kind == "argument" and bool(name) and made.format == "boolean"
    found.items.append(Item(kind, name, (("input", unique),), flag=flag))


def _parts(
    found: Settings, kind: Kind, owner: str, text: str, variables: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Split a value into its text and its variables; braces that name no variable are text."""
    end, names = 0, dict[str, str]()
    for match in _PLACE.finditer(text):
        variable = variables.get(match[1])
        if not isinstance(variable, Mapping):
            continue
        if match.start() > end:
            yield "text", text[end : match.start()]
        end = match.end()
        if variable.get("value") is not None:
            yield "text", str(variable["value"])
            continue
        if match[1] not in names:
            unique = names[match[1]] = found.named(match[1], owner)
            found.inputs[unique] = _input(unique, kind, variable)
        yield "input", names[match[1]]
    if end < len(text) or not text:
        yield "text", text[end:]


def _input(name: str, kind: Kind, given: Json) -> CatalogInput:
    default, choices = given.get("default"), given.get("choices")
    form = given.get("format")
    return CatalogInput(
        name=name,
        kind=kind,
        label=name,
        description=str(given.get("description") or ""),
        required=given.get("isRequired") is True,
        secret=given.get("isSecret") is True,
        default=None if default is None else _text(default),
        choices=tuple(_text(each) for each in choices) if isinstance(choices, list) else (),
        format=form if form in FORMATS else "string",
        repeated=given.get("isRepeated") is True,
        placeholder=str(given.get("placeholder") or ""),
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- answers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answers:
    """Checked values of the inputs that have any."""

    values: dict[str, tuple[str, ...]]
    """Of inputs that are not secret, with defaults."""
    references: dict[str, str]
    """`${NAME}`, by secret input: variables that exist already."""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """Values of secret inputs."""


def checked(inputs: Iterable[CatalogInput], values: Given, secrets: Mapping[str, str], home: str = "") -> Answers:
    """Return the typed and checked values. `home` replaces a `~` at the begin of a path.

    Raises:
        SettingsInvalid: values are missing, unknown, fixed, or not of the input's format; `data.inputs` has the reason
            for each, without the value.
    """
    by_name = {each.name: each for each in inputs}
    faults = {name: "There is no such setting." for name in (*values, *secrets) if name not in by_name}
    answers = Answers({}, {}, {})
    for name, one in by_name.items():
        try:
            _answer(one, values.get(name), secrets.get(name), answers, home)
        except ValueError as error:
            faults[name] = str(error)
    if faults:
        told = "; ".join(f"{name}: {why}" for name, why in sorted(faults.items()))
        raise SettingsInvalid(f"The settings are not complete, or not valid: {told}", data={"inputs": faults})
    return answers


def _answer(one: CatalogInput, given: str | Sequence[str] | None, secret: str | None, into: Answers, home: str) -> None:
    """Add the answer for one input. Raises ValueError with the reason if it is not valid."""
    if one.fixed is not None:
        if given is not None or secret is not None:
            raise ValueError("The entry sets it; it cannot be changed.")
        return
    texts = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    texts = tuple(text for text in texts if text != "")
    if one.secret:
        _secret(one, texts, secret, into)
        return
    if secret is not None:
        raise ValueError("It is not a secret; give it among the values.")
    if not texts and one.default is not None:
        texts = (one.default,)
    if not texts:
        if one.required:
            raise ValueError("It is required.")
        return
    if len(texts) > (MAX_VALUES if one.repeated else 1):
        raise ValueError("It can have only one value." if not one.repeated else f"It has over {MAX_VALUES} values.")
    into.values[one.name] = tuple(_typed(one, text, home) for text in texts)


def _secret(one: CatalogInput, texts: tuple[str, ...], secret: str | None, into: Answers) -> None:
    if secret:
        _check_text(one, secret)
        into.secrets[one.name] = secret
    elif texts:
        if len(texts) > 1 or not _REFERENCE.fullmatch(texts[0]):
            raise ValueError("It is a secret: give it among the secrets, or refer to a variable as ${NAME}.")
        into.references[one.name] = texts[0]
    elif one.default is not None:
        into.values[one.name] = (one.default,)
    elif one.required:
        raise ValueError("It is required, and a secret.")


def _typed(one: CatalogInput, text: str, home: str) -> str:
    _check_text(one, text)
    if one.choices and text not in one.choices:
        raise ValueError(f"It must be one of: {', '.join(one.choices)}.")
    if one.format == "number":
        try:
            finite = math.isfinite(float(text))
        except ValueError:
            finite = False
        if not finite:
            raise ValueError("It must be a number.")
    if one.format == "boolean" and text.lower() not in ("true", "false"):
        raise ValueError("It must be true or false.")
    if one.format == "filepath":
        text = home + text[1:] if home and (text == "~" or text.startswith("~/")) else text
        if not text.startswith("/"):
            raise ValueError("It must be an absolute path.")
    return text.lower() if one.format == "boolean" else text


def _check_text(one: CatalogInput, text: str) -> None:
    if len(text) > MAX_VALUE:
        raise ValueError(f"It is longer than {MAX_VALUE} characters.")
    if "\0" in text or any(0xD800 <= ord(each) < 0xE000 for each in text):
        raise ValueError("It has a NUL or half a character.")
    if one.kind in ("header", "url") and _CONTROL.search(text):
        raise ValueError("It has control characters, such as line breaks.")
