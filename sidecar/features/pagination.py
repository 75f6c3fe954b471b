"""Pagination of lists (MCP, Pagination). A cursor holds the start of the next page and a digest of the list. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any

from sidecar.errors import ParamsInvalid

Item = dict[str, Any]

ID_FIELDS = ("uri", "uriTemplate", "name", "taskId")
"""Fields that identify an item; the first one present counts."""
RESTART_HINT = "Request the list from its beginning, without a cursor."


def page(key: str, items: Sequence[Item], params: dict[str, Any], size: int) -> dict[str, Any]:
    """The result with the page that `params` request. `key`: the list's member in the result; `size`: items per page,
    0 for a single page.

    A cursor is valid as long as the list has the same items in the same order, in every session and process.

    Raises:
        ParamsInvalid: the cursor is malformed, or the list has changed since it was issued.
    """
    start = _offset(key, items, params["cursor"], size) if "cursor" in params else 0
    result: dict[str, Any] = {key: list(items[start : start + size] if size else items)}
    if size and start + size < len(items):
        result["nextCursor"] = _cursor(start + size, _digest(key, items))
    return result


def _offset(key: str, items: Sequence[Item], cursor: Any, size: int) -> int:
    if not size:
        raise ParamsInvalid("There is no such page: the hub returns each list in one page.", hint=RESTART_HINT)
    try:
        number, _, digest = base64.b64decode(str(cursor).encode(), b"-_", validate=True).decode().partition(".")
        start = int(number)
    except (binascii.Error, ValueError):
        raise ParamsInvalid("The cursor was not issued by the hub.", hint=RESTART_HINT) from None
    if digest != _digest(key, items) or not 0 < start < len(items):
        raise ParamsInvalid("The list has changed since its last page was returned.", hint=RESTART_HINT)
    return start


def _cursor(start: int, digest: str) -> str:
    return base64.urlsafe_b64encode(f"{start}.{digest}".encode()).decode()


def _digest(key: str, items: Sequence[Item]) -> str:
    """A digest of the identities of the items, in their order."""
    names = (str(next((item[field] for field in ID_FIELDS if field in item), "")) for item in items)
    return hashlib.blake2b("\0".join((key, *names)).encode(errors="replace"), digest_size=9).hexdigest()
