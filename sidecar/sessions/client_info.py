"""What a client says of itself, cut to what lists of sessions show. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from sidecar.protocol.jsonrpc import as_dict

MAX_TEXT_CHARACTERS = 100
"""Characters that are kept of each text: a client may send megabytes, and is kept for as long as its session."""
MOST_CAPABILITIES = 20


class ClientInfo(NamedTuple):
    """A client, as it says in its handshake, or in the first request on a stream of the modern era."""

    name: str = ""
    version: str = ""
    protocol_version: str = ""
    capabilities: tuple[str, ...] = ()
    """Their names, sorted; extensions by their identifiers."""


def client_info(implementation: Any, protocol_version: Any, capabilities: Any) -> ClientInfo:
    """Read `clientInfo` (MCP, Implementation), a protocol version, and client capabilities, of any type."""
    said, declared = as_dict(implementation), as_dict(capabilities)
    names = {*declared, *as_dict(declared.get("extensions"))} - {"extensions"}
    return ClientInfo(
        _cut(said.get("name")),
        _cut(said.get("version")),
        _cut(protocol_version),
        tuple(_cut(name) for name in sorted(names)[:MOST_CAPABILITIES]),
    )


def _cut(value: Any) -> str:
    return value[:MAX_TEXT_CHARACTERS] if isinstance(value, str) else ""
