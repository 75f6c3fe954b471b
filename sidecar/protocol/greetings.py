"""What a server answers to the handshake of its era, as a `Greeting`. Pure.

MCP 2025-11-25, Lifecycle, Initialization; MCP 2026-07-28, Discovery.
"""

from __future__ import annotations

from sidecar.errors import HandshakeFailed
from sidecar.protocol import eras
from sidecar.protocol.catalog import Greeting
from sidecar.protocol.channel import Frame
from sidecar.protocol.jsonrpc import as_dict, as_list, told


def initialized(frame: Frame) -> Greeting:
    """The answer to `initialize`. Raises HandshakeFailed where it is none."""
    answer = frame.get("result")
    if not isinstance(answer, dict) or not isinstance(answer.get("protocolVersion"), str):
        raise HandshakeFailed(f"`initialize` was answered with {told(frame)}.")
    return Greeting(
        era="legacy",
        version=answer["protocolVersion"],
        capabilities=as_dict(answer.get("capabilities")),
        server_info=as_dict(answer.get("serverInfo")),
        instructions=str(answer.get("instructions") or ""),
    )


def discovered(frame: Frame) -> Greeting:
    """The answer to `server/discover`. Raises HandshakeFailed where it is none, or lacks the hub's revision."""
    answer = frame.get("result")
    if not isinstance(answer, dict) or eras.MODERN_VERSION not in as_list(answer.get("supportedVersions")):
        raise HandshakeFailed(f"`server/discover` was answered with {told(frame)}.")
    return Greeting(
        era="modern",
        version=eras.MODERN_VERSION,
        capabilities=as_dict(answer.get("capabilities")),
        server_info=as_dict(as_dict(answer.get("_meta")).get(eras.SERVER_INFO_KEY)),
        instructions=str(answer.get("instructions") or ""),
    )
