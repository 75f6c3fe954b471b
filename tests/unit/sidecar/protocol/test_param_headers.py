"""Headers that repeat arguments."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.shared.inbound import mcp_param_headers, x_mcp_header_map

from sidecar.protocol.param_headers import param_headers

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry-Run"},
        "where": {"type": "object", "properties": {"zone": {"type": "string", "x-mcp-header": "Zone"}}},
        "plain": {"type": "string"},
        "odd": True,
    },
}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"region": "eu", "count": 3, "dry": True, "plain": "x", "odd": 1},
        {"region": "größe", "dry": False},
        {"region": " padded ", "count": 0},
        {"region": None, "where": {"zone": "a"}},
        {"region": ["no", "scalar"], "where": "no object"},
    ],
)
def test_headers_are_those_of_the_sdk(arguments: dict[str, Any]) -> None:
    """The SDK's client would send the same headers."""
    wanted = mcp_param_headers(x_mcp_header_map(SCHEMA), arguments)
    assert param_headers(SCHEMA, arguments) == {name.lower(): value for name, value in wanted.items()}


@pytest.mark.parametrize("schema", [None, {}, [], {"properties": 1}, {"properties": {"region": 1}}])
def test_odd_schemas_want_none(schema: Any) -> None:
    """A schema that declares nothing, or is none, leads to no header."""
    assert param_headers(schema, {"region": "eu"}) == {}


def test_odd_arguments_want_none() -> None:
    """Arguments that are no object lead to no header."""
    assert param_headers(SCHEMA, ["region"]) == {}


@pytest.mark.parametrize("token", ["größe", "", "a b", "x\r\ny: z"])
def test_tokens_that_are_no_header(token: str) -> None:
    """What cannot be a header's name is left out: to write it would fail, and take the connection along."""
    schema = {"type": "object", "properties": {"p": {"type": "string", "x-mcp-header": token}}}
    assert param_headers(schema, {"p": "v"}) == {}
