"""Remembers which tools a server has listed, to notice when some of them vanish without a notice. Pure."""

from __future__ import annotations

from bridge.errors import ErrorBody
from sidecar.protocol.catalog import Item
from sidecar.supervision.errors import ToolsVanished

MAX_NAMED = 10
"""The missing tools that the trouble names; further ones are counted."""
MAX_EXPECTED = 10_000
"""Limit for the remembered names: a server may list other tools each time."""


class ExpectedTools:
    """The tools that a server should list: those of earlier readings, until it announces a change of its list.

    A server whose list shrinks without `notifications/tools/list_changed`, or over a reconnection, often has lost
    something that it needs, such as its database.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()

    def accept_next(self) -> None:
        """Expect nothing: the next reading is right, whatever it has (the server announced a change of its tools)."""
        self._names.clear()

    def trouble(self, tools: tuple[Item, ...]) -> ErrorBody | None:
        """Compare a reading of the list with what is expected; returns the trouble if tools are missing."""
        listed = {str(tool.get("name")) for tool in tools}
        self._names |= listed
        if len(self._names) > MAX_EXPECTED:
            self._names = set(listed)
        missing = sorted(self._names - listed)
        if not missing:
            return None
        more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
        verb = "tool is" if len(missing) == 1 else "tools are"
        return ToolsVanished(
            f"{len(missing)} {verb} missing that it listed before, and it announced no change: "
            f"{', '.join(missing[:MAX_NAMED])}{more}.",
            data={"list": "tools/list", "missing": len(missing)},
        ).body()
