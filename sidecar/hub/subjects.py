"""Finds the principal that a subject of access.json stands for: a key, a user, or an imagined user in a group."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.credentials.journal import Journal
from bridge.credentials.records import JOURNAL_FILE
from bridge.keys import ADMIN, Keyring, Principal
from bridge.settings import Settings
from sidecar.access.opaque import user_principal
from sidecar.errors import SubjectUnknown

IMAGINED = "u" + "0" * 15
"""The id of a user that has not signed in, for questions about what it might use."""
KINDS = frozenset({"key", "user", "email", "group", "role"})


def read_principals(settings: Settings) -> tuple[Principal, ...]:
    """The named keys and the users that have signed in, read from the files of the hub."""
    users = Journal(settings.data_dir / JOURNAL_FILE).users()
    return (*Keyring(settings).principals(), *map(user_principal, users))


def principal_of_subject(subject: str, known: Iterable[Principal]) -> Principal:
    """The principal that a subject stands for, of those that are known.

    Subjects are as in access.json, or without the kind: the name or id of a key, an e-mail address, the id of a user,
    or `admin` for the hub's token. For a group, a role, `*`, or an e-mail address that nobody has signed in with, the
    principal is an imagined user that has this subject only.

    Raises:
        SubjectUnknown: there is no such key or user.
    """
    if subject == ADMIN:
        return Principal(ADMIN, ADMIN, None, admin=True)
    kind, colon, name = subject.partition(":")
    if not colon or kind not in KINDS:
        kind, name = ("email" if "@" in subject else ""), subject
    if subject == "*" or kind in ("group", "role"):
        return _imagined(subject)
    name = name.lower() if kind == "email" else name
    wanted = {f"{each}:{name}" for each in ((kind,) if kind else ("key", "user"))}
    if found := next((each for each in known if each.subjects & wanted), None):
        return found
    if kind == "email":
        return _imagined(f"email:{name}")
    raise SubjectUnknown(f"There is no key and no user {subject!r}.")


def _imagined(subject: str) -> Principal:
    return Principal(IMAGINED, subject, subjects=frozenset({subject} - {"*"}))
