"""The headers of a request to a server over Streamable HTTP, which repeat what its body says (MCP, Transports)."""

from __future__ import annotations

from typing import Any

from sidecar.protocol import eras
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.param_headers import param_headers

NAMES = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    **dict.fromkeys(("tasks/get", "tasks/update", "tasks/cancel"), "taskId"),  # SEP-2663, Routing Headers
}
"""The param that `Mcp-Name` repeats, for each method that has one."""


def of_request(catalog: Catalog, method: str, params: dict[str, Any]) -> dict[str, str]:
    """The headers for a request, or, with an empty method, for a response, as the server's era has them."""
    headers = {"mcp-protocol-version": catalog.greeting.version}
    if catalog.greeting.era == "modern":
        headers["mcp-method"] = method
        if (key := NAMES.get(method)) and isinstance(params.get(key), str):
            headers["mcp-name"] = eras.header_value(params[key])
        if method == "tools/call":
            headers |= param_headers(_schema(catalog, params.get("name")), params.get("arguments"))
    return headers


def _schema(catalog: Catalog, name: Any) -> Any:
    return next((tool.get("inputSchema") for tool in catalog.tools if tool.get("name") == name), None)
