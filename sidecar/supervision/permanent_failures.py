"""Tells which failures of a server do not mend themselves, so that trying again soon is of no use. Pure."""

from __future__ import annotations

from sidecar.errors import CommandMissing, DirectoryMissing, Refused, SidecarError, VariableMissing

STATUSES = frozenset({401, 403, 404})
"""HTTP statuses that mean a wrong URL or wrong credentials (RFC 9110, 15.5)."""
SETTINGS_FORBID = frozenset({"SECRET_FILE_REFUSED", "SECRET_COMMAND_REFUSED"})
"""Codes of errors that only another setting of the hub, or another definition, mends."""
QUICK_ATTEMPTS = 3
"""Attempts that follow each other quickly in spite of such a failure: a program is missing for a moment while it is
updated, and a proxy may answer 404 while the server behind it restarts."""


def permanent_after(error: SidecarError) -> int | None:
    """The number of attempts after which a failure counts as permanent; None for one that may mend itself.

    Permanent are a missing command, directory or variable, and an endpoint that answers 401, 403 or 404. A missing
    variable is so at once: the environment of a process does not change.
    """
    if isinstance(error, VariableMissing):
        return 1
    if isinstance(error, Refused):
        return QUICK_ATTEMPTS if error.data.get("status") in STATUSES else None
    if error.code in SETTINGS_FORBID:
        return 1
    return QUICK_ATTEMPTS if isinstance(error, CommandMissing | DirectoryMissing) else None
