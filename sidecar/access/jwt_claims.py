"""Reads the parts of a JWT (RFC 7515, 7.1) before its signature is checked. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any


class Rejected(Exception):
    """A JWT that is not accepted."""


def header_of(token: str) -> dict[str, Any]:
    """The header. Raises Rejected."""
    return _part(token, 0)


def unverified_claims(token: str) -> dict[str, Any]:
    """The claims, which anybody may have written. Raises Rejected."""
    return _part(token, 1)


def _part(token: str, number: int) -> dict[str, Any]:
    try:
        text = token.split(".")[number]
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (IndexError, binascii.Error, ValueError, RecursionError):
        raise Rejected from None
    if not isinstance(found, dict):
        raise Rejected
    return found
