"""Text for people: tables, colours, durations, sizes. Pure. Control characters of values are escaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.errors import ErrorBody
from bridge.models import ServerStatus, Status

_STATE_COLORS = {"ready": "32", "degraded": "33", "starting": "33", "backoff": "33", "failed": "31", "empty": "33"}
_STATE_COLORS |= {"sleeping": "32", "sign_in_required": "33", "elsewhere": "2", "stopped": "2", "off": "2"}

_ESCAPE = "\x1b["
_CODES = frozenset({"0", "1", "2", "31", "32", "33"})
"""The SGR codes in use; none of them hides text or makes a terminal answer."""


@dataclass(frozen=True)
class Paint:
    """Adds colours, if they are on."""

    on: bool = False

    def __call__(self, text: str, code: str) -> str:
        """Wrap the text in an SGR code."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text

    def good(self, text: str) -> str:
        return self(text, "32")

    def warn(self, text: str) -> str:
        return self(text, "33")

    def bad(self, text: str) -> str:
        return self(text, "31")

    def dim(self, text: str) -> str:
        return self(text, "2")

    def bold(self, text: str) -> str:
        return self(text, "1")

    def state(self, state: str) -> str:
        """Return the state of a server or workspace in its colour."""
        return self(state, _STATE_COLORS.get(state, "0"))


def clean(text: str) -> str:
    """Return the text on one line, with control characters escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def visible(line: str, paint: Paint) -> str:
    """Return the line with control characters escaped, except for the colours that `paint` adds."""
    if line.isprintable():
        return line
    if not paint.on:
        return clean(line)
    first, *rest = line.split(_ESCAPE)
    parts = [clean(first)]
    for part in rest:
        code, end, text = part.partition("m")
        known = end and code in _CODES
        parts.append(f"{_ESCAPE}{code}m{clean(text)}" if known else clean(_ESCAPE + part))
    return "".join(parts)


def width(text: str) -> int:
    """Return the number of terminal columns that the text takes, without colours."""
    columns = 0
    codes = text.split("\x1b[")
    for visible in (codes[0], *(code.partition("m")[2] for code in codes[1:])):
        for char in visible:
            if not unicodedata.combining(char):
                columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


COLUMN_GAP = "  "
"""Space between two columns."""
MIN_COLUMN_WIDTH = 12
"""Minimum width, in terminal columns, of a table column that is shortened."""


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    paint: Paint,
    columns: int | None = None,
    whole: Sequence[str] = (),
) -> list[str]:
    """Return the lines of a table; each column is as wide as its widest cell.

    `columns`: the terminal's width. If the table is wider, its widest columns are shortened, except those in `whole`;
    if that is not enough, each row becomes a block of lines, which loses nothing.
    """
    cells = [[paint.dim(name) for name in header], *(list(row) for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(header))]
    if columns is not None:
        fixed = [name in whole for name in header]
        fitting = _narrowed(widths, fixed, columns - len(COLUMN_GAP) * (len(header) - 1))
        if fitting is None:
            return [line for row in cells[1:] for line in _block(cells[0], row)]
        widths = fitting
    return [
        COLUMN_GAP.join(_fitted(cell, wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in cells
    ]


def _narrowed(widths: list[int], fixed: Sequence[bool], room: int) -> list[int] | None:
    """Return the widths with the widest reduced until all fit into `room`; None if they cannot."""
    widths = list(widths)
    while sum(widths) > room:
        wide = max((each for each, stays in zip(widths, fixed, strict=True) if not stays), default=0)
        if wide <= MIN_COLUMN_WIDTH:
            return None
        at = next(n for n, each in enumerate(widths) if each == wide and not fixed[n])
        widths[at] -= 1
    return widths


def _block(header: Sequence[str], row: Sequence[str]) -> list[str]:
    """Format a row as a block: the first cell, then each other non-empty cell on a line with its column's name."""
    wide = max(map(width, header))
    named = [
        f"{COLUMN_GAP}{_fitted(name, wide)}{COLUMN_GAP}{cell}"
        for name, cell in zip(header[1:], row[1:], strict=True)
        if cell
    ]
    return [row[0], *named]


def _fitted(text: str, wide: int) -> str:
    """Pad the text to this width, or cut it to this width without its colours."""
    if width(text) <= wide:
        return text + " " * (wide - width(text))
    plain = "".join(part if not n else part.partition("m")[2] for n, part in enumerate(text.split(_ESCAPE)))
    while width(plain) > wide - 1:
        plain = plain[:-1]
    return f"{plain}…" + " " * (wide - 1 - width(plain))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean …?)` if one of the known words is similar, else an empty text."""
    from difflib import get_close_matches  # noqa: PLC0415  # for mistakes alone

    lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), lower, n=1)
    return f" (did you mean {clean(lower[close[0]])}?)" if close else ""


def span(seconds: float) -> str:
    """Format a duration in its largest unit: `45 s`, `3 min`, `2 h`, `5 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def size(count: int) -> str:
    """Format a number of bytes in MB; 0 stands for unknown, and gives an empty text."""
    return f"{count / 1_000_000:.0f} MB" if count else ""


def count(number: int, noun: str) -> str:
    """Format a number with a noun: `1 tool`, `2 tools`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def error_line(error: ErrorBody) -> str:
    """Format an error on one line: code, message, hint."""
    return clean(f"{error.code}: {error.message.rstrip('.')}. {error.hint}".rstrip())


def by_key(status: Status) -> dict[str, ServerStatus]:
    """Return the servers of a status by key."""
    return {server.key: server for server in status.servers}


def trouble(server: ServerStatus, now: float) -> str:
    """Return why a server is not ready, and when its next attempt is; empty if nothing is known to be wrong."""
    if not server.reason:
        return ""
    again = ""
    if server.retry_at:
        again = f" (tried {count(server.attempts, 'time')}, again in {span(server.retry_at - now)})"
    return error_line(server.reason) + again
