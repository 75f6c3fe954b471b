"""Text of CSV (RFC 4180) for spreadsheets. Pure.

The front does the same (front/server/api/history/csv.mjs); both are tested with bridge/vectors/csv.json.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

_FORMULA = re.compile("[\t\r\n]|[\\s\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet may take for a formula (OWASP, CSV Injection), in full width and after white space, too. An
apostrophe before it makes it text."""


def csv_line(values: Iterable[Any]) -> str:
    """Return a line with its end."""
    return ",".join(map(_cell, values)) + "\r\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return str(value)
    text = "".join(map(_harmless, value))
    if _FORMULA.match(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if any(char in text for char in '",\r\n') else text


def _harmless(char: str) -> str:
    """Replace a control character, except those that cells may have."""
    return "\ufffd" if unicodedata.category(char) == "Cc" and char not in "\t\r\n" else char
