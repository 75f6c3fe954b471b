"""Times that users type, and times of records as they are printed. Pure."""

from __future__ import annotations

import argparse
import re
import time
from datetime import UTC, datetime

_SPAN = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(s|min|h|d)")
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def moment(text: str) -> float:
    """Parse a time: a span before now (`90s`, `15min`, `2h`, `7d`) or ISO 8601; local unless it names an offset.

    Returns Unix time in seconds.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    if found := _SPAN.fullmatch(text):
        return time.time() - float(found[1]) * _UNITS[found[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("neither a span such as 15min, 2h or 7d, nor a time in ISO 8601") from None


def iso(at: float) -> str:
    """Format a Unix time in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(at: float) -> str:
    """Format a Unix time as people here read it, to the second."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
