"""Tool arguments repeated in HTTP headers (MCP 2026-07-28, Transports, Custom Headers). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sidecar.protocol.eras import header_value

KEYWORD = "x-mcp-header"
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A valid header name (RFC 9110, 5.6.2). Annotations with any other are ignored: the request could not be sent."""
PREFIX = "mcp-param-"


def param_headers(schema: Any, arguments: Any) -> dict[str, str]:
    """The headers for a call of a tool with `schema`; arguments that are missing or not scalar get none."""
    return {f"{PREFIX}{token.lower()}": header_value(value) for token, value in _declared(schema, arguments)}


def _declared(schema: Any, arguments: Any) -> Iterator[tuple[str, str]]:
    """Header token and value of each annotated property, nested ones included."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not isinstance(arguments, dict):
        return
    for name, inner in properties.items():
        value = arguments.get(name)
        if value is None or not isinstance(inner, dict):
            continue
        token = inner.get(KEYWORD)
        if isinstance(token, str) and TOKEN.fullmatch(token) and isinstance(value, str | int | float):
            yield token, str(value).lower() if isinstance(value, bool) else str(value)
        yield from _declared(inner, value)
