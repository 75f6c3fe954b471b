"""Refresh tokens: each is used once, and replaced by a new one; a copy that is used later is noticed. Pure.

The tokens of a grant form generations. The newest generation has the tokens that are not used: one, or several if an
answer was lost and the client asked again. The use of one makes a new generation, and marks all of the former as used
at that time. For GRACE_SECONDS the former generation can be used as well, which adds a token to the newest one: its
answer was lost, or two processes of the client asked at once. Whatever is older was copied (RFC 9700, section 4.14.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from bridge.credentials.records import RefreshRecord

GRACE_SECONDS = 60.0
MAX_UNUSED = 10
"""Tokens of the newest generation."""
MAX_SPENT = 24
"""Used tokens that are remembered for a grant, so that their use is noticed. Older ones are refused as unknown."""


class Verdict(Enum):
    """What a refresh token is worth."""

    GOOD = "good"
    """It is of the newest generation."""
    GRACE = "grace"
    """It is of the former generation, within the grace."""
    EXPIRED = "expired"
    REPLAYED = "replayed"
    """It was used, so it was copied."""
    TOO_OFTEN = "too often"
    """It is of the former generation, and was used again too often."""


class Refreshes:
    """The refresh tokens of all grants."""

    def __init__(self) -> None:
        self._known: dict[str, RefreshRecord] = {}
        self._of_grant: dict[str, dict[str, None]] = {}
        """The hashes of each grant's tokens, oldest first."""

    def __len__(self) -> int:
        return len(self._known)

    def apply(self, record: RefreshRecord) -> None:
        """Apply a record of the journal. The oldest used tokens of the grant beyond MAX_SPENT are dropped."""
        self._known[record.hash] = record
        family = self._of_grant.setdefault(record.grant, {})
        family[record.hash] = None
        spent = [each for each in family if self._known[each].used is not None]
        for each in spent[: max(0, len(spent) - MAX_SPENT)]:
            del family[each], self._known[each]

    def end(self, grant: str) -> None:
        """Forget the tokens of a grant that has ended."""
        for each in self._of_grant.pop(grant, ()):
            del self._known[each]

    def find(self, token_hash: str) -> RefreshRecord | None:
        """The token with that hash; None if it is unknown."""
        return self._known.get(token_hash)

    def family(self, grant: str) -> tuple[RefreshRecord, ...]:
        """The tokens of a grant, oldest first."""
        return tuple(self._known[each] for each in self._of_grant.get(grant, ()))

    def expires(self, grant: str) -> float:
        """When the last unused token of a grant expires; 0 without one."""
        return max((each.until for each in self.family(grant) if each.used is None), default=0.0)


def verdict(token: RefreshRecord, family: Sequence[RefreshRecord], now: float) -> Verdict:
    """What a token is worth, among those of its grant, oldest first. Generations are told apart by this order, because
    the clock may have been set between two uses.
    """
    if token.used is None:
        return Verdict.GOOD if token.until > now else Verdict.EXPIRED
    last = [each.used for each in family if each.used is not None][-1]
    if token.used != last or abs(now - token.used) > GRACE_SECONDS:
        return Verdict.REPLAYED
    return Verdict.GRACE if sum(each.used is None for each in family) < MAX_UNUSED else Verdict.TOO_OFTEN


def used(family: Iterable[RefreshRecord], now: float) -> list[RefreshRecord]:
    """Return the records that mark the newest generation as used."""
    return [each.model_copy(update={"used": now}) for each in family if each.used is None]
