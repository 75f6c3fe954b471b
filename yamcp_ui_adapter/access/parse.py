"""Parses access.json, which is used as a whole or not at all, and renames in it (docs/access.md). Pure.

A rule that is left out, or a field that is misspelt, could give rights that nobody wanted to give. So a file with any
fault keeps its last good version in force.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from bridge.access.patterns import EVERY, PatternSet
from bridge.models import AccessFile, Issue
from yamcp_ui_adapter.access.json_position import line_of
from yamcp_ui_adapter.errors import FileUnusable, issue
from yamcp_ui_adapter.format.document import LAST_GOOD_IN_USE, is_encodable, read_document
from yamcp_ui_adapter.format.entries import ACCESS, AccessContent

MAX_BYTES = 4 * 1024 * 1024
MAX_ISSUES = 20
"""Most issues of one kind that are reported."""
CLOSED = AccessFile(keys="rules")
"""What is in force if the file has never been read successfully: only the hub's token and admin keys have rights."""
SUBJECT = f"file:{ACCESS}"


class CheckedAccess(NamedTuple):
    """The content of a text, None if it is invalid, and what is wrong with it."""

    file: AccessFile | None
    issues: tuple[Issue, ...]


def parse_access(raw: bytes | None, last: AccessContent) -> AccessContent:
    """Return the content of the file; None, a file that does not exist, switches the feature off.

    Raises:
        FileUnusable: the file has a fault; the issue is about the first one.
    """
    del last  # nothing of it is mixed with a new version
    if raw is None:
        return AccessContent(known=True)
    checked = check_access(raw)
    if checked.file is None:
        raise FileUnusable.of(_first_of(checked.issues))
    return AccessContent(file=checked.file, known=True)


def _first_of(issues: tuple[Issue, ...]) -> Issue:
    first, more = issues[0], len(issues) - 1
    message = f"{first.message.removesuffix('.')}; {LAST_GOOD_IN_USE}."
    if LAST_GOOD_IN_USE in first.message:
        message = first.message
    return first.model_copy(update={"message": f"{message} There are {more} more faults." if more else message})


def check_access(raw: bytes) -> CheckedAccess:
    """Return the content of access.json, or every fault in it, up to MAX_ISSUES."""
    if len(raw) > MAX_BYTES:
        return CheckedAccess(None, (_fault(f"{ACCESS} is larger than {MAX_BYTES} bytes."),))
    try:
        document = read_document(raw, ACCESS)
    except FileUnusable as error:
        return CheckedAccess(None, (error.issue,))
    if document.issues:
        return CheckedAccess(None, tuple(_fault(each.message) for each in document.issues[:MAX_ISSUES]))
    if not is_encodable(document.content):
        return CheckedAccess(None, (_fault(f"{ACCESS} holds a NUL or half a character."),))
    try:
        return CheckedAccess(AccessFile.model_validate(document.content), ())
    except ValidationError as error:
        return CheckedAccess(None, tuple(_faults(error, raw.decode("utf-8-sig"))))


def _faults(error: ValidationError, text: str) -> Iterator[Issue]:
    for each in error.errors(include_url=False, include_input=False)[:MAX_ISSUES]:
        what = "nothing reads this field" if each["type"] == "extra_forbidden" else _lower(each["msg"])
        where = f"line {line_of(text, each['loc'])}: {pointer(each['loc'])}".removesuffix(": ")
        yield _fault(f"{ACCESS}, {where}: {what}.")


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def pointer(path: tuple[str | int, ...]) -> str:
    """Write a path as `rules[3].tools[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _fault(message: str) -> Issue:
    return issue("ACCESS_INVALID", SUBJECT, ACCESS, message)


# --- names that match nothing ----------------------------------------------------------------------------------------


def unknown_names(file: AccessFile, servers: Collection[str], workspaces: Collection[str]) -> list[Issue]:
    """Report the patterns of servers and workspaces that match none of these, up to MAX_ISSUES."""
    found: list[Issue] = []
    known: dict[tuple[str, str], bool] = {}
    for place, field, pattern in _named(file):
        if (matched := known.get((field, pattern))) is None:
            names = servers if field == "servers" else workspaces
            matched = known[field, pattern] = pattern in names or (EVERY in pattern and _any(pattern, names))
        if not matched:
            message = f"{ACCESS}, {place}.{field}: no {field.removesuffix('s')} matches {pattern!r}."
            found.append(issue("ACCESS_NAME_UNKNOWN", SUBJECT, ACCESS, message))
            if len(found) >= MAX_ISSUES:
                break
    return found


def _any(pattern: str, names: Collection[str]) -> bool:
    patterns = PatternSet((pattern,))
    return any(name in patterns for name in names)


def _named(file: AccessFile) -> Iterator[tuple[str, str, str]]:
    """The place, the field and the pattern of each name of a server or workspace."""
    entries = {"roles": file.roles, "rules": file.rules, "limits": file.limits}
    for section, listed in entries.items():
        for number, entry in enumerate(listed):
            for field in ("servers", "workspaces"):
                for pattern in getattr(entry, field, None) or ():
                    yield f"{section}[{number}]", field, pattern


# --- renames ---------------------------------------------------------------------------------------------------------


def with_access_renames(
    content: dict[str, Any], servers: Mapping[str, str], workspaces: Mapping[str, str]
) -> dict[str, Any]:
    """Return a valid document with the exact names of servers and workspaces replaced (old name to new)."""
    renames = {"servers": servers, "workspaces": workspaces}
    changed: dict[str, Any] = {
        section: [_renamed(entry, renames) for entry in content[section]]
        for section in ("roles", "rules", "limits")
        if section in content
    }
    return {**content, **changed}


def _renamed(entry: dict[str, Any], renames: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """An entry after renames. Patterns with `*` are left as they are: no name is equal to one."""
    news = {
        field: list(dict.fromkeys(names.get(name, name) for name in entry[field]))
        for field, names in renames.items()
        if entry.get(field)
    }
    return {**entry, **news}


def renamed_access(access: AccessContent, servers: Mapping[str, str], workspaces: Mapping[str, str]) -> AccessContent:
    """Return the content after renames; the same object if they change nothing."""
    if access.file is None or not (servers or workspaces):
        return access
    renamed = AccessFile.model_validate(with_access_renames(access.file.model_dump(mode="json"), servers, workspaces))
    return access if renamed == access.file else access.model_copy(update={"file": renamed})
