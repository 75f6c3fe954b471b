"""What `hubctl doctor` finds about the secrets that definitions of servers take from files and commands.

No secret is read, and no program is run. The adapter masks definitions, so the references are looked up in YAMCP's own
file. The sidecar makes the same checks, and further ones, when it starts a server (sidecar/secret_sources).
"""

from __future__ import annotations

import json
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bridge.models import Desired
from bridge.settings import Settings, listed
from hubctl.commands.doctor.server_findings import Finding

WRAPPER = "mcpServers"
MAX_BYTES = 64 * 1024
"""Bytes of the largest file that may hold a secret."""
FILE_REFUSED, FILE_INVALID = "SECRET_FILE_REFUSED", "SECRET_FILE_INVALID"
COMMAND_REFUSED, COMMAND_FAILED = "SECRET_COMMAND_REFUSED", "SECRET_COMMAND_FAILED"
HINTS = {
    FILE_REFUSED: "Name its directory in HUB_SECRET_DIRS; links that lead out of it are not followed.",
    FILE_INVALID: "Check that the file exists, and that the user that runs the hub may read it.",
    COMMAND_REFUSED: "Name the program in HUB_SECRET_COMMANDS, with the same absolute path.",
    COMMAND_FAILED: "Install the program, and check that the user that runs the hub may execute it.",
}


class Fault(NamedTuple):
    """Why a reference cannot be used."""

    code: str
    message: str


def secrets(desired: Desired, settings: Settings) -> list[Finding]:
    """Report the references `${file:…}` and `${cmd:…}` of servers that the hub must not use, or cannot."""
    entries = _entries(desired.files.get("providers", ""))
    found = []
    for server in desired.snapshot.servers:
        texts = (*_texts(entries.get(server.key)), server.settings.oauth_client_secret or "")
        references = dict.fromkeys(reference for text in texts for reference in references_in(text))
        faults = (fault for kind, argument in references if (fault := _fault(kind, argument, settings)))
        found += [
            Finding(
                level="error",
                subject=f"server {server.key}",
                message=fault.message,
                hint=HINTS[fault.code],
                code=fault.code,
            )
            for fault in faults
        ]
    return found


def references_in(text: str) -> Iterator[tuple[str, str]]:
    """The references to files and commands in a text: `file` or `cmd`, and the path or command line."""
    for part in text.replace("$${", "").split("${")[1:]:  # `$${` is a literal `${`
        inner, end, _ = part.partition("}")
        kind, _, argument = inner.partition(":")
        if end and kind in ("file", "cmd") and argument.startswith("/"):
            yield kind, argument


def _fault(kind: str, argument: str, settings: Settings) -> Fault | None:
    if kind == "file":
        return _file_fault(argument, listed(settings.secret_dirs))
    return _command_fault(argument, listed(settings.secret_commands))


def _file_fault(path: str, directories: list[str]) -> Fault | None:
    named = f"it refers to the file {path!r}"
    if not directories:
        return Fault(FILE_REFUSED, f"{named}, and HUB_SECRET_DIRS is not set.")
    try:
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(os.path.realpath(each)) for each in directories):
            return Fault(FILE_REFUSED, f"{named}, which is not within a directory of HUB_SECRET_DIRS.")
        about = real.stat()
    except (OSError, ValueError) as error:  # ValueError: a null character
        return Fault(FILE_INVALID, f"{named}, which cannot be opened: {getattr(error, 'strerror', '') or 'no path'}.")
    faults = {
        "is not a regular file": not stat.S_ISREG(about.st_mode),
        "may not be read": not os.access(real, os.R_OK),
        f"is empty or larger than {MAX_BYTES} bytes": not 0 < about.st_size <= MAX_BYTES,
    }
    why = next((fault for fault, found in faults.items() if found), "")
    return Fault(FILE_INVALID, f"{named}, which {why}.") if why else None


def _command_fault(line: str, programs: list[str]) -> Fault | None:
    """Only the program is named: an argument may be a secret."""
    try:
        program = shlex.split(line)[0]
    except ValueError:
        return Fault(COMMAND_REFUSED, "a command in `${cmd:…}` has a quotation mark that is not closed.")
    if program not in programs:
        return Fault(COMMAND_REFUSED, f"it takes a secret from {program!r}, which is not in HUB_SECRET_COMMANDS.")
    if not Path(program).is_file() or not os.access(program, os.X_OK):
        return Fault(COMMAND_FAILED, f"it takes a secret from {program!r}, which does not exist or is no program.")
    return None


def _entries(path: str) -> dict[str, Any]:
    """The entries of providers.json by key; none if it cannot be read, which the adapter reports."""
    try:
        content = json.loads(Path(path).read_bytes()) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    inner = content.get(WRAPPER)
    return {**content, **inner} if isinstance(inner, dict) else content


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
