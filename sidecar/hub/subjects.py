"""Finds the principal that a subject of access.json stands for: a key, a user, or an imagined user in a group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from bridge.keys import ADMIN, Principal
from sidecar.errors import SubjectUnknown

IMAGINED = "u" + "0" * 15
"""The id of a user that has not signed in, for questions about what it might use."""
KINDS = ("key", "user", "email", "group", "role")


class Directory(Protocol):
    """All principals that the hub knows."""

    def keys(self) -> Iterable[Principal]:
        """The named keys."""

    def users(self) -> Iterable[Principal]:
        """The users that have signed in."""


class Subjects:
    """Resolves subjects, as they are in access.json or without the kind: `ci` as `key:ci`, an address as `email:`."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def find(self, subject: str) -> Principal:
        """The principal of a subject. For a group, a role, `*`, or an e-mail address that nobody has signed in with, it
        is an imagined user that has this subject only.

        Raises:
            SubjectUnknown: there is no such key or user.
        """
        if subject == ADMIN:
            return Principal(ADMIN, ADMIN, None, admin=True)
        kind, colon, name = subject.partition(":")
        if not colon or kind not in KINDS:
            kind, name = ("email" if "@" in subject else ""), subject
        name = name.lower() if kind == "email" else name
        if subject == "*" or kind in ("group", "role"):
            return _imagined(subject)
        if found := self._known(kind, name):
            return found
        if kind == "email":
            return _imagined(f"email:{name}")
        raise SubjectUnknown(f"There is no key and no user {subject!r}.")

    def _known(self, kind: str, name: str) -> Principal | None:
        """The key or user; an empty kind stands for a key, or the id of a user."""
        wanted = {f"{each}:{name}" for each in ((kind,) if kind else ("key", "user"))}
        known = (*self._directory.keys(), *self._directory.users())
        return next((each for each in known if each.subjects & wanted), None)


def _imagined(subject: str) -> Principal:
    return Principal(IMAGINED, subject, subjects=frozenset({subject} - {"*"}))
