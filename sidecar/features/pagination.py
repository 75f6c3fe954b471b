"""Lists in pages (MCP, Pagination): cursors that say where in which list the next page begins. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any

from sidecar.errors import ParamsInvalid

Item = dict[str, Any]

NAMES = ("uri", "uriTemplate", "name", "taskId")
"""What names an item: the first that it has."""
FRESH = "Ask for the list from its beginning, without a cursor."


def page(key: str, items: Sequence[Item], params: dict[str, Any], size: int) -> dict[str, Any]:
    """The page of a list that `params` ask for, as a result; `key` is the list's, `size` in items, 0 for all at once.

    A cursor is good as long as the list has the same names in the same order, whichever session or process made it.

    Raises:
        ParamsInvalid: the cursor is none of ours, or of a list that has changed meanwhile.
    """
    start = _offset(key, items, params["cursor"], size) if "cursor" in params else 0
    result: dict[str, Any] = {key: list(items[start : start + size] if size else items)}
    if size and start + size < len(items):
        result["nextCursor"] = _cursor(start + size, _digest(key, items))
    return result


def _offset(key: str, items: Sequence[Item], cursor: Any, size: int) -> int:
    if not size:
        raise ParamsInvalid("There is no such page: the hub gives each list whole.", hint=FRESH)
    try:
        number, _, digest = base64.b64decode(str(cursor).encode(), b"-_", validate=True).decode().partition(".")
        start = int(number)
    except (binascii.Error, ValueError):
        raise ParamsInvalid("The cursor is none that the hub gave.", hint=FRESH) from None
    if digest != _digest(key, items) or not 0 < start < len(items):
        raise ParamsInvalid("The list has changed since its last page was given.", hint=FRESH)
    return start


def _cursor(start: int, digest: str) -> str:
    return base64.urlsafe_b64encode(f"{start}.{digest}".encode()).decode()


def _digest(key: str, items: Sequence[Item]) -> str:
    """What tells lists of other things, and in another order, apart."""
    names = (str(next((item[field] for field in NAMES if field in item), "")) for item in items)
    return hashlib.blake2b("\0".join((key, *names)).encode(errors="replace"), digest_size=9).hexdigest()
