"""What is appended to the store at once: new records, and up to where they were read from the spool (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class NewCall(NamedTuple):
    """A call to be recorded: the fields of `CallRecord` (bridge/models/records.py) without its id, and its details."""

    at: float
    seconds: float
    waited: float = 0.0
    workspace: str = ""
    session: str = ""
    principal: str = ""
    address: str = ""
    transport: str = ""
    era: str = ""
    method: str = ""
    server: str = ""
    tool: str = ""
    outcome: str = "ok"
    code: str = ""
    correlation: str = ""
    trace: str = ""
    arguments_size: int | None = None
    result_size: int | None = None
    arguments: str | None = None
    """JSON text, redacted and cut as configured; None if it is not kept."""
    result: str | None = None
    cut: bool = False


class NewSession(NamedTuple):
    """A session that began: the fields of `RecordedSession`. One that is stored is resumed, and has not ended."""

    id: str
    workspace: str
    principal: str = ""
    transport: str = ""
    client: str = ""
    began: float = 0.0


class SessionEnd(NamedTuple):
    """A session that ended. One that was not recorded, or is deleted, is ignored."""

    id: str
    at: float


class NewChange(NamedTuple):
    """A change of the configuration: the fields of `ChangeRecord` without its id."""

    at: float
    principal: str
    source: str
    kind: str
    subject: str
    change: str
    before: str
    after: str
    diff: str = ""


class NewSignIn(NamedTuple):
    """A sign-in or an attempt that was refused: the fields of `SignInRecord` without its id."""

    at: float
    principal: str
    address: str
    way: str
    outcome: str


class Loss(NamedTuple):
    """Records that could not be kept."""

    at: float
    records: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are stored together or not at all."""

    calls: Sequence[NewCall] = ()
    sessions: Sequence[NewSession] = ()
    ended: Sequence[SessionEnd] = ()
    changes: Sequence[NewChange] = ()
    sign_ins: Sequence[NewSignIn] = ()
    lost: Sequence[Loss] = ()
    positions: Mapping[str, int] = field(default_factory=dict)
    """For each spool file that records of this batch come from: the offset in bytes behind the last of them."""
    finished: frozenset[str] = frozenset()
    """Spool files that are deleted; their positions are forgotten."""


def clean(record: Iterable[Any]) -> tuple[Any, ...]:
    """The fields of a record, with U+FFFD in place of characters that no database stores: NUL, and lone surrogates."""
    values = tuple(record)
    text = "".join([value for value in values if isinstance(value, str)])
    if text.isascii() and "\0" not in text:
        return values
    return tuple(_clean_text(value) if isinstance(value, str) else value for value in values)


def _clean_text(text: str) -> str:
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def stored_already(positions: Mapping[str, int], stored: Mapping[str, int]) -> bool:
    """Whether a batch with these positions is stored, so that appending it again must change nothing.

    A batch is stored as a whole, and those of one file in order: one position tells for all.
    Raises ValueError if the positions contradict each other.
    """
    known = {stored.get(file, 0) >= offset for file, offset in positions.items()}
    if len(known) > 1:
        raise ValueError(f"one part of a batch is stored, and another is not: {dict(positions)}")
    return known == {True}
