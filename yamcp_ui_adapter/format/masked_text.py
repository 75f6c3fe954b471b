"""Masks the secret values in the text of providers.json and keeps the rest of the text as it is. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from bridge.masking.parts import MASK
from yamcp_ui_adapter.format.entry_positions import Content
from yamcp_ui_adapter.format.jsontext import sendable
from yamcp_ui_adapter.format.masking import mask_config

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*+")


def masked_text(text: str, content: Content) -> str:
    """Return `text` with its secret values masked. `text` must be valid JSON, and `content` the object that it
    holds.
    """
    masker = _Masker(text)
    masker.walk(masker.skip(0), mask_config(content))
    return "".join((*masker.pieces, text[masker.done :]))


class _Masker:
    """Walks through a JSON text together with its masked value, and replaces each value in the text that differs."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.pieces: list[str] = []
        self.done = 0

    def skip(self, at: int) -> int:
        """Return the position after white space."""
        return _SPACE.match(self._text, at).end()  # type: ignore[union-attr]  # it matches nothing, too

    def walk(self, at: int, masked: Any) -> int:
        """Mask the value that begins at a position, and return the position where it ends."""
        if self._text[at] == "{" and isinstance(masked, dict):
            return self._members(at, masked)
        value, end = _DECODER.raw_decode(self._text, at)
        if isinstance(value, list) and isinstance(masked, list) and len(value) == len(masked):
            return self._items(at, masked)
        if type(value) is not type(masked) or value != masked:
            self.pieces += self._text[self.done : at], json.dumps(sendable(masked), ensure_ascii=False)
            self.done = end
        return end

    def _members(self, at: int, masked: dict[str, Any]) -> int:
        """Mask the members of an object. Of a key that occurs twice, `masked` has only one value: the parts of the
        other value that it lacks are masked completely.
        """
        at = self.skip(at + 1)
        while self._text[at] != "}":
            name, at = _DECODER.raw_decode(self._text, at)
            at = self.skip(self.skip(at) + 1)
            at = self._next(self.walk(at, masked.get(name, MASK)))
        return at + 1

    def _items(self, at: int, masked: list[Any]) -> int:
        at = self.skip(at + 1)
        for item in masked:
            at = self._next(self.walk(at, item))
        return at + 1

    def _next(self, at: int) -> int:
        """Return the position of the next member or item, or of the closing bracket."""
        at = self.skip(at)
        return self.skip(at + 1) if self._text[at] == "," else at
