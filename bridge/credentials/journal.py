"""Follows `credentials.jsonl`, which the adapter writes: whose an access token is, who has signed in, and the logins.

`front/server/access/journal.mjs` does the same for users and logins; `bridge/vectors/credentials.json` tests both.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from bridge.credentials.records import AnyRecord, Head, LoginRecord, UserEnd, UserRecord, record_of
from bridge.credentials.state import Access, Credentials
from bridge.credentials.tail import NOTHING, News, Tail
from bridge.keys import token_hash

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""Seconds between two checks of the file for changes, when requests arrive."""
MAX_UNKNOWN_TOKEN_CHECKS = 1000
"""Further checks within POLL_SECONDS, for requests with an unknown token, which may have just been issued."""
DROP_SECONDS = 60.0
"""Seconds between two times that expired tokens are dropped from memory."""


class Journal:
    """The present state of the journal. `clock`: monotonic seconds; `now`: Unix time."""

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
    ) -> None:
        self._tail = Tail(path)
        self._clock = clock
        self._now = now
        self._looked = self._dropped = float("-inf")
        self._spare_checks = MAX_UNKNOWN_TOKEN_CHECKS
        self._state = Credentials()
        self._removed: set[str] = set()
        """The users that were removed while this process has looked."""
        self._begun, self._complete = False, True
        """Whether the present file has its first line, and whether all of its lines could be used."""
        self.endings = 0
        """Incremented when something was read that can end or change what was there before: not for what is new."""
        self.version = 0
        """Incremented when something was read that can end or change what a token or a login gives, or prolong it."""
        self.error = ""
        """Why the journal cannot be read, so that no token of it is accepted; empty if it can, or does not exist."""
        self.refresh()

    def access(self, token: str) -> Access | None:
        """What an access token gives; None if it is unknown, has expired, or its grant has ended."""
        self.poll()
        hashed = token_hash(token)
        if self._state.grant_of_token(hashed) is None and self._spare_checks:
            self._spare_checks -= 1
            self.refresh()
        return self._state.access(hashed, self._now())

    def of_grant(self, grant: str) -> Access | None:
        """What a grant gives now; None if it has ended, or its newest access token has expired."""
        self.poll()
        return self._state.of_grant(grant, self._now())

    @property
    def in_use(self) -> bool:
        """Whether there is a grant."""
        return bool(self._state.grants)

    def grant(self, grant: str) -> Access | None:
        """What a grant gives, even if its access tokens have expired; None if it, or its user, has ended."""
        self.poll()
        return self._state.grant(grant)

    def user(self, user: str) -> UserRecord | None:
        """The user with that id; None if there is none."""
        self.poll()
        return self._state.users.get(user)

    def users(self) -> tuple[UserRecord, ...]:
        """All users that have signed in."""
        self.poll()
        return tuple(self._state.users.values())

    def has_removed(self, user: str) -> bool:
        """Whether the user with that id was removed while this process has looked."""
        return user in self._removed

    def lacks(self, user: str) -> bool:
        """Whether the user with that id is not in the journal, which has its first line and can be read in full."""
        return self._begun and self._complete and not self.error and user not in self._state.users

    def login(self, login: str) -> LoginRecord | None:
        """The browser login with that id; None if it has ended."""
        self.poll()
        return self._state.login(login, self._now())

    def poll(self) -> None:
        """Check the file for changes, if that was not done in the last POLL_SECONDS."""
        if self._clock() - self._looked >= POLL_SECONDS:
            self._spare_checks = MAX_UNKNOWN_TOKEN_CHECKS
            self.refresh()

    def refresh(self) -> None:
        """Read what is new in the file now."""
        self._looked = self._clock()
        news, before = self._news(), self._state.users
        if news.anew:
            self._state, self._begun, self._complete = Credentials(), False, True
            self.endings += 1
        changed = [self._apply(line) for line in news.lines]
        if news.anew:
            self._removed |= {user for user in before if self.lacks(user)}
        if news.anew or any(changed):
            self.version += 1
        if self._looked - self._dropped >= DROP_SECONDS:
            self._dropped = self._looked
            self._state.drop_expired(self._now())

    def _news(self) -> News:
        why = ""
        try:
            return self._tail.read()
        except OSError as error:
            why = error.strerror or type(error).__name__
            return NOTHING if self.error else News(anew=True, lines=())
        finally:
            if why and why != self.error:
                log.error("no OAuth token is let in: the journal cannot be read", extra={"why": why})
            self.error = why

    def _apply(self, line: bytes) -> bool:
        why = ""
        try:
            record = record_of(line)
        except ValueError as error:
            record, why = None, str(error)
        if why:
            self._complete = False
            log.error("a line of the journal cannot be used", extra={"why": why})
        if record is None:
            return False
        self._note(record)
        new = self._state.is_new(record)
        changes = self._state.apply(record)
        self.endings += (changes and not new) or isinstance(record, UserEnd)  # whatever was known of the user
        return changes

    def _note(self, record: AnyRecord) -> None:
        match record:
            case Head():
                self._begun = True
            case UserEnd():
                self._removed.add(record.id)
            case UserRecord():
                self._removed.discard(record.id)
