"""Parse a server's answer to the handshake into a `Greeting`. Pure.

Implements MCP 2025-11-25, Lifecycle, Initialization, and MCP 2026-07-28, Discovery.
"""

from __future__ import annotations

from sidecar.errors import HandshakeFailed
from sidecar.protocol import eras
from sidecar.protocol.catalog import Greeting
from sidecar.protocol.channel import Frame
from sidecar.protocol.jsonrpc import as_dict, as_list, describe_error


def initialized(frame: Frame) -> Greeting:
    """Parse the answer to `initialize`.

    Raises:
        HandshakeFailed: the answer is an error or not an `InitializeResult`.
    """
    answer = frame.get("result")
    if not isinstance(answer, dict) or not isinstance(answer.get("protocolVersion"), str):
        raise HandshakeFailed(f"`initialize` was answered with {describe_error(frame)}.")
    return Greeting(
        era="legacy",
        version=answer["protocolVersion"],
        capabilities=as_dict(answer.get("capabilities")),
        server_info=as_dict(answer.get("serverInfo")),
        instructions=str(answer.get("instructions") or ""),
    )


def discovered(frame: Frame) -> Greeting:
    """Parse the answer to `server/discover`.

    Raises:
        HandshakeFailed: the answer is an error or not a `DiscoverResult`, or the server does not support the hub's
            protocol version.
    """
    answer = frame.get("result")
    if not isinstance(answer, dict) or eras.MODERN_VERSION not in as_list(answer.get("supportedVersions")):
        raise HandshakeFailed(f"`server/discover` was answered with {describe_error(frame)}.")
    return Greeting(
        era="modern",
        version=eras.MODERN_VERSION,
        capabilities=as_dict(answer.get("capabilities")),
        server_info=as_dict(as_dict(answer.get("_meta")).get(eras.SERVER_INFO_KEY)),
        instructions=str(answer.get("instructions") or ""),
    )
