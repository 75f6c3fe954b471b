"""Sealed records: each is encrypted with AES-256-GCM (NIST SP 800-38D).

A record is named by its kind and some strings (such as owner and server), which are authenticated with it: one that was
copied over another one's place is damaged.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PURPOSE = "hub-upstream-sign-in-1"
"""A part of the authenticated data: the purpose of the key, and the version of the format."""
NONCE_BYTES = 12

Names = tuple[str, ...]


class Damaged(Exception):
    """A sealed record cannot be read: the key is another one, or the record was changed."""


class Sealer:
    """Seals records, and opens them. `key` returns the key, when it is first needed."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key
        self._cipher: AESGCM | None = None

    def seal(self, kind: str, names: Names, content: bytes, mark: str) -> bytes:
        """The sealed record as JSON, with its names and its mark, which are no secrets."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._aes().encrypt(nonce, content, _bound(kind, names))
        return json.dumps({"names": names, "mark": mark, "sealed": base64.b64encode(sealed).decode()}).encode()

    def open(self, kind: str, names: Names, raw: bytes) -> bytes:
        """The content of a sealed record. Raises Damaged."""
        try:
            sealed = base64.b64decode(json.loads(raw)["sealed"], validate=True)
            return self._aes().decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(kind, names))
        except (InvalidTag, ValueError, KeyError, TypeError, OSError):
            raise Damaged("it was changed, or its key is another one") from None

    def _aes(self) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(self._key())
        return self._cipher


def names_in(raw: bytes) -> Names:
    """The names of a sealed record. Raises ValueError."""
    try:
        return tuple(str(name) for name in json.loads(raw)["names"])
    except (KeyError, TypeError) as error:
        raise ValueError("it has no names") from error


def mark_in(raw: bytes) -> str:
    """The mark of a sealed record; empty if it has none."""
    try:
        return str(json.loads(raw).get("mark", ""))
    except (ValueError, AttributeError):
        return ""


def id_of(kind: str, names: Names) -> str:
    """The name of a record's file, without its end, which is also that of its row."""
    return f"{kind}-{hashlib.sha256(_bound(kind, names)).hexdigest()[:40]}"


def _bound(kind: str, names: Names) -> bytes:
    return json.dumps([PURPOSE, kind, *names]).encode()
