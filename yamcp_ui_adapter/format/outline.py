"""What can be told of an entry of providers.json, whether or not it can be used (pure)."""

from __future__ import annotations

from typing import Any, Literal

from bridge.models import Outline
from yamcp_ui_adapter.format.jsontext import sendable
from yamcp_ui_adapter.format.masking import mask_url
from yamcp_ui_adapter.format.providers import HTTP_TYPES, WEBSOCKET_TYPES


def outlines(entries: dict[str, Any]) -> dict[str, Outline]:
    """The outline of each entry that is an object."""
    return {name: outline(entry) for name, entry in entries.items() if isinstance(entry, dict)}


def outline(entry: dict[str, Any]) -> Outline:
    """The fields that pages show, in YAMCP's form or flat; those that are no text are left out."""
    inner = entry.get("providerParameters")
    parameters = inner if isinstance(inner, dict) else entry
    url = _text(parameters.get("url"))
    return Outline(
        namespace=_text(entry.get("namespace")),
        type=_type(entry.get("type"), url),
        command=_text(parameters.get("command")),
        url=None if url is None else mask_url(url),
    )


def _type(value: object, url: str | None) -> Literal["stdio", "sse", "http", "websocket", "remote"]:
    kind = value.lower() if isinstance(value, str) else ""
    if kind in HTTP_TYPES:
        return "http"
    if kind in WEBSOCKET_TYPES:
        return "websocket"
    if kind == "sse":
        return "sse"
    return "stdio" if kind == "stdio" or url is None else "remote"


def _text(value: object) -> str | None:
    return str(sendable(value)) if isinstance(value, str) else None
