"""Canonical forms and digests of what a client sees of a tool, a prompt or a server's instructions. Pure.

The canonical form is JSON with sorted keys and no white space, as in RFC 8785, except that numbers stay as the server
wrote them. It has every member of the item: names, texts, schemas, annotations, icons and `_meta` all reach the client.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from typing import Any

import orjson

MAX_DIFF_LINES = 400
MAX_SHOWN = 32 * 1024
"""Characters of a form that is shown."""


def canonical(value: Any) -> bytes:
    """The canonical form of a JSON value."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, TypeError):  # numbers of more than 64 bits, lone surrogates
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest(form: bytes) -> str:
    """SHA-256 (hex) of a canonical form."""
    return hashlib.sha256(form).hexdigest()


def readable(form: bytes) -> str:
    """A canonical form with a line for each member, cut to `MAX_SHOWN` characters."""
    text = json.dumps(json.loads(form), indent=1, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}\n... ({len(text)} characters)"


def diff(before: bytes | None, after: bytes) -> tuple[str, ...]:
    """The lines that differ between two canonical forms, with their surroundings (unified diff without a head)."""
    old = [] if before is None else readable(before).splitlines()
    found = difflib.unified_diff(old, readable(after).splitlines(), lineterm="", n=1)
    lines = [line for line in found if not line.startswith(("---", "+++"))]
    left = len(lines) - MAX_DIFF_LINES
    return tuple(lines if left <= 0 else [*lines[:MAX_DIFF_LINES], f"... ({left} more lines)"])
