"""Pagination of lists (MCP, Pagination). A cursor holds the start of the next page and a digest of the list. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sidecar.errors import ParamsInvalid
from sidecar.protocol import codec
from sidecar.protocol.catalog import Item

ID_FIELDS = ("uri", "uriTemplate", "name", "taskId")
"""Fields that identify an item; the first one present counts."""
RESTART_HINT = "Request the list from its beginning, without a cursor."


def page(key: str, items: Sequence[Item], params: dict[str, Any], size: int) -> dict[str, Any]:
    """As `Pages.page`, for a list that is asked for once."""
    return Pages(key, items).page(params, size)


class Pages:
    """The pages of one list. Each page is encoded once and the digest computed once, however many clients ask."""

    def __init__(self, key: str, items: Sequence[Item]) -> None:
        """`key`: the list's member in the result."""
        self._key = key
        self._items = items
        self._encoded: dict[tuple[int, int], codec.EncodedList] = {}

    def page(self, params: dict[str, Any], size: int) -> dict[str, Any]:
        """The result with the page that `params` request. `size`: items per page, 0 for a single page.

        A cursor is valid as long as the list has the same items in the same order, in every session and process.

        Raises:
            ParamsInvalid: the cursor is malformed, or the list has changed since it was issued.
        """
        start = self._offset(params["cursor"], size) if "cursor" in params else 0
        end = start + size if size else len(self._items)
        result: dict[str, Any] = {self._key: self._encoded_page(start, end)}
        if end < len(self._items):
            result["nextCursor"] = _cursor(end, self._digest)
        return result

    def _encoded_page(self, start: int, end: int) -> codec.EncodedList:
        """The items of a page. Only pages that the hub's own cursors lead to are kept: clients can forge others."""
        found = self._encoded.get((start, end)) or codec.EncodedList(self._items[start:end])
        if start % (end - start or 1) == 0:
            self._encoded[start, end] = found
        return found

    def _offset(self, cursor: Any, size: int) -> int:
        if not size:
            raise ParamsInvalid("There is no such page: the hub returns each list in one page.", hint=RESTART_HINT)
        try:
            number, _, digest = base64.b64decode(str(cursor).encode(), b"-_", validate=True).decode().partition(".")
            start = int(number)
        except (binascii.Error, ValueError):
            raise ParamsInvalid("The cursor was not issued by the hub.", hint=RESTART_HINT) from None
        if digest != self._digest or not 0 < start < len(self._items):
            raise ParamsInvalid("The list has changed since its last page was returned.", hint=RESTART_HINT)
        return start

    @cached_property
    def _digest(self) -> str:
        """A digest of the identities of the items, in their order."""
        names = (str(next((item[field] for field in ID_FIELDS if field in item), "")) for item in self._items)
        return hashlib.blake2b("\0".join((self._key, *names)).encode(errors="replace"), digest_size=9).hexdigest()


def _cursor(start: int, digest: str) -> str:
    return base64.urlsafe_b64encode(f"{start}.{digest}".encode()).decode()
