"""Which of a server's last lines on stderr says most of why it does not run (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ERROR = re.compile(
    r"(?i:error|exception|fatal|panic|not found|no such|cannot|denied|refused|unable to|missing|invalid)|\bE[A-Z]{4,}\b"
)
_FRAME = re.compile(
    r"\s+at |\s*File \"|\s+\||\s*\^|Traceback |node:internal|\s*throw |npm (?:error|ERR!) (?:code|errno) "
)
"""Parts of a trace, and what only announces the line that tells: how each begins."""
LONGEST = 500
"""Characters of a line that are looked at, and told."""


def telling_line(lines: Sequence[str]) -> str:
    """The first line that speaks of an error; where none does, the last that says anything; empty where none does.

    A trace's frames are no such lines, so of a Python traceback it is the exception, of Node's the message above the
    frames.
    """
    spoken = [line[:LONGEST] for line in lines if line.strip() and not _FRAME.match(line[:LONGEST])]
    found = next((line for line in spoken if _ERROR.search(line)), spoken[-1] if spoken else "")
    return found.strip()
