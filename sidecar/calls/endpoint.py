"""A workspace as its clients reach it: every request is answered here, by the relay or by FastMCP."""

from __future__ import annotations

import asyncio
import logging

from sidecar.calls.answered import Answered
from sidecar.calls.fastmcp_server import FastMCPServer
from sidecar.calls.relay import Relay
from sidecar.calls.request import HUB_FAILED, Notify
from sidecar.errors import SidecarError
from sidecar.protocol import eras, jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.sessions.session import Session
from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)


class Endpoint:
    """Owned by the hub, which makes one for each workspace; the transports are given it."""

    def __init__(self, workspace: Workspace, page_size: int = 0) -> None:
        """`page_size`: how many items a page of a list has; 0: all."""
        self.workspace = workspace
        self.relay = Relay(workspace, page_size)
        self.fastmcp = FastMCPServer(workspace)
        workspace.observers.append(self.fastmcp)

    async def run(self, until: asyncio.Event) -> None:
        """Own the workspace, and its FastMCP server around it, until `until` is set."""
        async with self.fastmcp.running():
            await self.workspace.run(until)

    async def answer(self, session: Session, frame: Frame, notify: Notify, *, relayed: bool) -> Frame:
        """The response to a request; `notify` sends what belongs to it. Raises nothing but what cancels it."""
        request_id, params = frame["id"], frame.get("params")
        try:
            if relayed:
                return jsonrpc.result(request_id, await self.relay.answer(session, frame["method"], params, notify))
            return jsonrpc.result(request_id, await self.fastmcp.answer(session, frame, notify))
        except Answered as answered:
            return jsonrpc.error(request_id, answered.error)
        except SidecarError as error:
            return jsonrpc.error(request_id, eras.error_to_client(eras.of_params(params), error.rpc()))
        except Exception:
            known = {"workspace": self.workspace.name, "session": session.id[:8]}
            log.exception("a request failed in the hub", extra=known)
            return jsonrpc.error(request_id, dict(HUB_FAILED))
