"""Translates references to variables in other clients' configurations to the hub's own form, `${VAR}`. Pure.

VS Code, Cursor and Windsurf write `${env:VAR}`, VS Code also `${input:id}`; opencode writes `{env:VAR}`; Gemini CLI
expands `$VAR` and `%VAR%` in values of `env` and headers. The hub expands only `${VAR}` and `${VAR:-default}`.
"""

from __future__ import annotations

import re
from typing import Any

EDITOR_VARIABLES = frozenset(
    {"workspaceFolder", "workspaceFolderBasename", "workspaceRoot", "cwd", "file", "fileBasename", "fileDirname"}
    | {"fileBasenameNoExtension", "fileExtname", "fileWorkspaceFolder", "relativeFile", "relativeFileDirname"}
    | {"lineNumber", "columnNumber", "selectedText", "execPath", "defaultBuildTask"}
)
"""Variables that only an editor can expand."""
EDITOR_SCOPES = frozenset({"env", "input", "config", "command", "localEnv"})
BRACED_REFERENCE = re.compile(r"\$\{([^${}]+)\}")
OPENCODE_REFERENCE = re.compile(r"(?<!\$)\{(env|file):([^{}]+)\}")
BARE_REFERENCE = re.compile(r"(?<![$\w])\$([A-Za-z_]\w{0,200})|%([A-Za-z_]\w{0,200})%", re.ASCII)
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
EXPANDED_FIELDS = frozenset({"env", "headers"})
"""Fields in which clients expand `$VAR` and `%VAR%`; in arguments the same text may be intended for a shell."""


def translate_references(parameters: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return a server's launch parameters with every reference in the hub's form; adds to `notes` what the user must
    do.
    """
    return {field: _value(item, field, notes) for field, item in parameters.items()}


def _value(value: Any, field: str, notes: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _value(item, field, notes) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item, field, notes) for item in value]
    return _text(value, field, notes) if isinstance(value, str) else value


def _text(text: str, field: str, notes: list[str]) -> str:
    text = OPENCODE_REFERENCE.sub(lambda match: _opencode(match, notes), text)
    text = BARE_REFERENCE.sub(lambda match: _bare(match, field, notes), text)
    return BRACED_REFERENCE.sub(lambda match: _braced(match, notes), text)


def _opencode(match: re.Match[str], notes: list[str]) -> str:
    whole, scope, name = match[0], match[1], match[2]
    if scope == "env" and VARIABLE_NAME.fullmatch(name):
        return f"${{{name}}}"
    notes.append(f"{whole} is not read by the hub: put what it stands for in its place, or a ${{VARIABLE}}.")
    return whole


def _bare(match: re.Match[str], field: str, notes: list[str]) -> str:
    whole, name = match[0], match[1] or match[2]
    if field in EXPANDED_FIELDS:
        return f"${{{name}}}"
    notes.append(f"{whole} stays as it is: if it means a variable of the environment, write ${{{name}}}.")
    return whole


def _braced(match: re.Match[str], notes: list[str]) -> str:
    whole, inside = match[0], match[1]
    if inside == "userHome":
        return "${HOME}"
    if inside in ("pathSeparator", "/"):
        return "/"
    scope, _, name = inside.partition(":")
    if scope in ("env", "localEnv") and VARIABLE_NAME.fullmatch(name):
        return f"${{{name}}}"
    if scope == "input" and name:
        variable = re.sub(r"[^A-Za-z0-9_]", "_", name)
        variable = f"_{variable}" if variable[0].isdigit() else variable
        notes.append(f"{whole} is asked for by the editor: set {variable} in the environment that starts the hub.")
        return f"${{{variable}}}"
    if (scope in EDITOR_VARIABLES or scope in EDITOR_SCOPES) and not name.startswith("-"):
        notes.append(f"{whole} means something in an editor only: put what it should be in its place.")
    return whole
