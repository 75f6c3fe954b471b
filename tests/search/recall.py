"""Recall of the tool search: how many queries find a tool that serves them among the first results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sidecar.routing.search import Entry, ToolIndex
from tests.search.servers import PLACE, Tool

Lists = Mapping[str, Sequence[Tool]]
Find = Callable[[str, int], Sequence[str]]
"""The names (`server/tool`) that a search finds for a text, best first, at most so many."""


def recorded() -> Lists:
    """The recorded tools of every server, by its key."""
    return {key: entry["tools"] for key, entry in json.loads((PLACE / "tools.json").read_text()).items()}


def queries() -> list[dict[str, Any]]:
    """Each with a sentence, keywords, and the tools that serve it."""
    found: list[dict[str, Any]] = json.loads((PLACE / "queries.json").read_text())
    return found


def entries(lists: Lists) -> list[Entry]:
    """The tools as a workspace with the usual names exposes them."""
    return [
        Entry({**tool, "name": f"{key}_{tool['name']}"}, key, key, tool["name"])
        for key, tools in lists.items()
        for tool in tools
    ]


def hub_search(lists: Lists) -> Find:
    """The search of the hub."""
    index = ToolIndex(entries(lists))
    return lambda text, limit: [f"{each.entry.server}/{each.entry.name}" for each in index.find(text, limit)]


def missed(find: Find, form: str, limit: int) -> list[str]:
    """The queries in this form (`sentence`, `keywords`) that find none of their tools among the first `limit`."""
    return [each[form] for each in queries() if not set(each["tools"]) & set(find(each[form], limit))]


def recall(find: Find, form: str, limit: int) -> float:
    """The share of the queries that find a tool of theirs."""
    return 1 - len(missed(find, form, limit)) / len(queries())
