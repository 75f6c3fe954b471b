"""`make generate`: write what Node and the documents have of the models, so that it is declared in Python alone.

Run as `python -m bridge.generate` in a checkout. A test fails while a file is not what this would write.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import os
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from bridge import models
from bridge.author import Author
from bridge.codec import Envelope
from bridge.errors import RETRY_CODES, ErrorBody, retry_of
from bridge.front_settings import BridgeAddresses, FrontSettings, OidcClient, TlsFiles
from bridge.models import KINDS, Event, Model, Request, ServerSettings, WorkspaceSpec

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = "front/console/forms/server_settings.mjs"
"""The console reads it in the browser, and the front in Node."""
WORKSPACE_SETTINGS = "front/console/forms/workspace_settings.mjs"
NOTE = "Written by `make generate` from bridge/models/: change those, not this."
NAMES: dict[type[BaseModel], str] = {Event: "BridgeEvent"}
"""Where TypeScript's own libraries have the name already."""
ALIASES = {
    models.ServerState: "ServerStateName",
    models.WorkspaceState: "WorkspaceStateName",
    models.ConfigName: "ConfigName",
    models.Launch: "Launch",
}
"""Types that are no classes, and the names by which they are exported: the front has objects called as the states."""
PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", Any: "any"}


def files(root: Path = ROOT) -> dict[Path, str]:
    """The text of each file that is generated; of documents, with the tables in them made anew."""
    document, errors = root / "docs/protocol.md", root / "docs/errors.md"
    return {
        root / "bridge/node/types.d.mts": types_file(),
        root / "bridge/node/kinds_table.mjs": kinds_file(),
        root / "bridge/node/retries.mjs": retries_file(),
        root / SETTINGS: settings_file(),
        root / WORKSPACE_SETTINGS: workspace_settings_file(),
        document: with_tables(document.read_text("utf-8")),
        errors: with_retry_column(errors.read_text("utf-8")),
    }


def with_retry_column(text: str) -> str:
    """docs/errors.md with the column *retry* of its tables; it is added to rows that lack it."""
    lines, within = text.splitlines(), False
    for number, line in enumerate(lines):
        cells = re.split(r"(?<!\\)\|", line)
        if line.startswith("| code |"):
            within = cells[3].strip() == "what the hub does"
        if within and (code := re.match(r"\| (?:`(\w+)`|code) \|", line)):
            cells[4:-2] = [f" {retry_of(code[1]) if code[1] else 'retry'} "]
            lines[number] = "|".join(cells)
        elif within and line.startswith("|---"):
            lines[number] = "|---" * 5 + "|"
    return "\n".join(lines) + "\n"


def retries_file() -> str:
    """The codes of errors after which a request can be sent again."""
    codes = "".join(f"  '{code}',\n" for code in sorted(RETRY_CODES["later"]))
    return (
        f"/** {NOTE.replace('bridge/models/', 'bridge/errors.py')} */\n\n"
        "/** Codes of errors after which the same request can succeed, since nothing was carried out. */\n"
        f"export const LATER = new Set([\n{codes}]);\n"
    )


# --- bridge/node/types.d.mts ----------------------------------------------------------------------------------------


def types_file() -> str:
    """Each body as a TypeScript interface, and what each kind of request asks and is answered with."""
    parts = [f"/** What crosses the bridge. Times are in seconds (Unix time for a moment). {NOTE} */"]
    parts += [f"export type {name} = {type_of(alias, named=False)};" for alias, name in ALIASES.items()]
    received = reachable((Event, ErrorBody, FrontSettings, *(kind.answer for kind in KINDS.values())))
    shown: list[type[BaseModel]] = [
        Author,
        Envelope,
        ErrorBody,
        *bodies(),
        TlsFiles,
        BridgeAddresses,
        OidcClient,
        FrontSettings,
    ]
    parts += [interface(model, whole=model in received) for model in shown]
    parts.append(by_kind("Requests", "The body of each kind of request.", KINDS))
    answers = {name: kind.answer for name, kind in KINDS.items()}
    parts.append(by_kind("Answers", "What each kind of request is answered with.", answers))
    return "\n\n".join(parts) + "\n"


def by_kind(name: str, what: str, models: Mapping[str, type[BaseModel]]) -> str:
    """An interface that has a model for each kind."""
    lines = [f"  {kind}: {name_of(model)};" for kind, model in models.items()]
    return "\n".join([f"/** {what} */", f"export interface {name} {{", *lines, "}"])


def bodies() -> Iterator[type[Model]]:
    """The bodies, in the order in which the package exports them: answers and requests, and what they are made of."""
    modules = (getattr(models, name) for name in models.__all__)
    further = (vars(module).values() for module in modules if isinstance(module, types.ModuleType))
    named = (each for each in itertools.chain(vars(models).values(), *further) if isinstance(each, type))
    for model in dict.fromkeys(named):
        if (
            issubclass(model, Model)
            and Request not in (model, model.__pydantic_generic_metadata__["origin"])
            and model is not Model
        ):
            yield model


def reachable(roots: Iterable[type[BaseModel]]) -> set[type[BaseModel]]:
    """These models and those that stand in their fields: what Node receives, with every field there."""
    found: set[type[BaseModel]] = set()
    waiting = list(roots)
    while waiting:
        if (model := waiting.pop()) not in found:
            found.add(model)
            waiting += [each for field in model.model_fields.values() for each in models_in(field.annotation)]
    return found


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def interface(model: type[BaseModel], *, whole: bool) -> str:
    """A model as a TypeScript interface. `whole`: no field is ever left out, defaults or not."""
    lines = [comment(inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0], "")]
    if not model.model_fields:
        return "\n".join([*lines, f"export type {name_of(model)} = Record<string, never>;"])
    lines.append(f"export interface {name_of(model)} {{")
    said = field_comments(model)
    for name, field in model.model_fields.items():
        if name in said:
            lines.append(comment(said[name], "  "))
        optional = "" if whole or field.is_required() else "?"
        lines.append(f"  {field.alias or name}{optional}: {type_of(field.annotation)};")
    return "\n".join([*lines, "}"])


def name_of(model: type[BaseModel]) -> str:
    """What TypeScript calls it."""
    return NAMES.get(model, model.__name__)


def type_of(annotation: Any, *, named: bool = True) -> str:
    """A Python type as a TypeScript one; an alias by its name, if `named`.

    Raises TypeError for one that no body has had yet.
    """
    if named and annotation in ALIASES:
        return ALIASES[annotation]
    if annotation in PLAIN:
        return PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return name_of(annotation)
    return composed(annotation, get_origin(annotation), get_args(annotation))


def composed(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> str:
    """A Python type that is made of others, as a TypeScript one."""
    if origin is Annotated:
        return type_of(arguments[0])
    if origin is Literal:
        return " | ".join(map(literal, arguments))
    parts = [type_of(each) for each in arguments if each is not ...]
    if origin in (Union, types.UnionType):
        return " | ".join(parts)
    if origin is tuple and arguments[1:] == (...,):
        return f"({parts[0]})[]" if " | " in parts[0] else f"{parts[0]}[]"
    if origin is dict and parts[0] == "string":
        return f"Record<string, {parts[1]}>"
    raise TypeError(f"{annotation} has no TypeScript form here")


def field_comments(model: type[BaseModel]) -> dict[str, str]:
    """The strings below the fields of a class, which say what the fields mean."""
    found: dict[str, str] = {}
    statements = list(ast.walk(ast.parse(inspect.getsource(model))))[1].body  # type: ignore[attr-defined]  # a ClassDef
    for field, after in itertools.pairwise(statements):
        said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
        if isinstance(field, ast.AnnAssign) and isinstance(said, str):
            found[ast.unparse(field.target)] = said
    return found


def comment(text: str, indent: str) -> str:
    """A text as a documentation comment."""
    return f"{indent}/** {' '.join(text.split())} */"


# --- bridge/node/kinds_table.mjs ------------------------------------------------------------------------------------


def kinds_file() -> str:
    """What the client in Node has to know of each kind, and the topics of events."""
    rows = [f"  ['{kind.kind}', {literal(list(kind.sockets))}, {literal(kind.repeatable)}]," for kind in KINDS.values()]
    topics = list(get_args(Event.model_fields["topic"].annotation))
    return "\n".join(
        [
            f"/** The kinds of requests, and the topics of events. {NOTE} */",
            "",
            "/** Name, sockets that serve it, whether handling it twice does no harm. */",
            "export const TABLE = /** @type {const} */ ([",
            *rows,
            "]);",
            "",
            "/** All topics. */",
            f"export const ALL_TOPICS = Object.freeze({literal(topics)});",
            "",
        ]
    )


def literal(value: Any) -> str:
    """A JSON value as JavaScript, with the quotes of this project."""
    return json.dumps(value).replace('"', "'")


# --- front/console/forms/server_settings.mjs ----------------------------------------------------------------------


def settings_file() -> str:
    """Defaults of a server's settings, and their JSON Schema for limits and choices."""
    schema = ServerSettings.model_json_schema()
    defaults = ServerSettings().model_dump(mode="json")
    properties, parts = compact(schema["properties"]), compact(schema["$defs"])
    kind = f"import('{os.path.relpath('bridge/node/types.mjs', Path(SETTINGS).parent)}').ServerSettings"
    return "\n".join(
        [
            f"/** The settings of a server that hub.json keeps: defaults and limits. {NOTE} */",
            "",
            f"/** @type {{{kind}}} */",
            f"export const DEFAULTS = {lines_of(defaults, 0)};",
            "",
            "/** Their JSON Schema. @type {{ properties: Record<string, any>, $defs: Record<string, any> }} */",
            "export const SCHEMA = {",
            f"  properties: {lines_of(properties, 2)},",
            f"  $defs: {lines_of(parts, 2)},",
            "};",
            "",
        ]
    )


def workspace_settings_file() -> str:
    """The JSON Schema of a workspace with its settings, for defaults, limits and choices."""
    properties = compact(WorkspaceSpec.model_json_schema()["properties"])
    return "\n".join(
        [
            f"/** A workspace, with the settings that hub.json keeps of it: defaults and limits. {NOTE} */",
            "",
            "/** Its JSON Schema. @type {{ properties: Record<string, any> }} */",
            "export const SCHEMA = {",
            f"  properties: {lines_of(properties, 2)},",
            "};",
            "",
        ]
    )


def lines_of(members: dict[str, Any], indent: int) -> str:
    """An object with a line for each member."""
    rows = [f"{' ' * (indent + 2)}{name}: {json.dumps(value)}," for name, value in members.items()]
    return "\n".join(["{", *rows, f"{' ' * indent}}}"])


def compact(schema: Any) -> Any:
    """A JSON Schema without what only people read."""
    if isinstance(schema, dict):
        drop = {"title", "description"} if "type" in schema or "$ref" in schema or "anyOf" in schema else set()
        return {name: compact(value) for name, value in schema.items() if name not in drop}
    return [compact(item) for item in schema] if isinstance(schema, list) else schema


# --- docs/protocol.md -----------------------------------------------------------------------------------------------


def with_tables(text: str) -> str:
    """The document with the tables of kinds and of bodies as the models have them."""
    kinds = [
        f"| `{kind.kind}` | {', '.join(kind.sockets)} | `{kind.__name__}` | `{kind.answer.__name__}` "
        f"| {kind.queue or '-'} | {'yes' if kind.repeatable else 'no'} |"
        for kind in KINDS.values()
    ]
    rows = [f"| `{model.__name__}` | {fields_of(model)} |" for model in bodies()]
    text = replaced(text, "kind | sockets | request | answer | queue | repeatable", kinds)
    return replaced(text, "body | fields", rows)


def fields_of(model: type[Model]) -> str:
    """The names of a body's fields; `?` after those that may be left out."""
    named = (f"`{name}`{'' if field.is_required() else '?'}" for name, field in model.model_fields.items())
    return ", ".join(named) or "none"


def replaced(text: str, header: str, rows: list[str]) -> str:
    """The text with other rows in its first table of that header. Raises ValueError when there is none."""
    lines = text.splitlines()
    if (row := f"| {header} |") not in lines:
        raise ValueError(f"there is no table with the header {header!r}")
    start = lines.index(row) + 2
    end = next((at for at in range(start, len(lines)) if not lines[at].startswith("|")), len(lines))
    return "\n".join([*lines[:start], *rows, *lines[end:]]) + "\n"


def main() -> None:
    """Write each file that is not yet what it should be, and name it."""
    for path, text in files().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"written: {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
