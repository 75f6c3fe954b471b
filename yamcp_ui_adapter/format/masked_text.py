"""The text of providers.json with its secret values masked; all else stays as it is in the file (pure)."""

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
    """`text` with its secret values masked. It is valid JSON, and `content` is the object that it holds."""
    masker = _Masker(text)
    masker.walk(masker.skip(0), mask_config(content))
    return "".join((*masker.pieces, text[masker.done :]))


class _Masker:
    """Walks a JSON text beside its masked value, and replaces in the text what is another value there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.pieces: list[str] = []
        self.done = 0

    def skip(self, at: int) -> int:
        """The place after white space."""
        return _SPACE.match(self._text, at).end()  # type: ignore[union-attr]  # it matches nothing, too

    def walk(self, at: int, masked: Any) -> int:
        """Mask the value that begins at a place, and return where it ends."""
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
        """A name that is there twice is in `masked` once: what the others have and it lacks is masked whole."""
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
        """The place of the next member or item, or of the bracket that closes."""
        at = self.skip(at)
        return self.skip(at + 1) if self._text[at] == "," else at
