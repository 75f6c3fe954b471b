"""HTTP headers that repeat members of a request's body (MCP 2026-07-28, Transports)."""

from __future__ import annotations

from typing import Any

from sidecar.protocol import eras
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.param_headers import param_headers

NAME_PARAMS = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    **dict.fromkeys(("tasks/get", "tasks/update", "tasks/cancel"), "taskId"),  # SEP-2663, Routing Headers
}
"""Method to the param that the header `Mcp-Name` repeats."""


def of_request(catalog: Catalog, method: str, params: dict[str, Any]) -> dict[str, str]:
    """The headers for a request to a server, in the server's era. For a response, `method` is empty."""
    headers = {"mcp-protocol-version": catalog.greeting.version}
    if catalog.greeting.era == "modern":
        headers["mcp-method"] = method
        if (key := NAME_PARAMS.get(method)) and isinstance(params.get(key), str):
            headers["mcp-name"] = eras.header_value(params[key])
        if method == "tools/call":
            headers |= param_headers(_schema(catalog, params.get("name")), params.get("arguments"))
    return headers


def _schema(catalog: Catalog, name: Any) -> Any:
    return next((tool.get("inputSchema") for tool in catalog.tools if tool.get("name") == name), None)
